"""Erasing what is kept of people, over HTTP.

Numbers come in bodies; they stand in no address, no answer and no log.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.keepers import statute
from askfirst.server.subjectrights import erase_person, who
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["rights of people"])

Officer = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]


class WantedErasure(Body):
    """Whom or what to erase: exactly one of the three. `dry_run` only says what would go."""

    number: str | None = None
    contact: str | None = None
    recording: str | None = None
    dry_run: bool = False


@router.post("/erasures")
def erase(visit: Officer, wanted: WantedErasure) -> dict[str, object]:
    """Erase recordings, and forget a person's number, contact and notes; or say what would go."""
    with reading(visit.site.store.engine) as connection:
        person = who(
            connection,
            number=wanted.number,
            contact=wanted.contact,
            recording=wanted.recording,
            default_region=visit.account.region,
        )
    now, rules = utc_now(), visit.site.rules
    done = erase_person(visit.site.store, person, visit.who.id, now, dry_run=wanted.dry_run)
    items = [
        {**each, "statute": statute(rules, each["rule"], now.date(), "en")}
        if "rule" in each
        else {**each}
        for each in done["items"]
    ]
    return {**done, "items": items}
