"""What people whose calls are kept may ask for, over HTTP: erasure, and requests with a deadline.

Numbers come in bodies; they stand in no address, no answer and no log.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from askfirst.ledger import timestamp
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.subjectrights import (
    RequestKind,
    SubjectRequest,
    erase_person,
    receive,
    requests,
    who,
)
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


class WantedRequest(Body):
    """What somebody asked for: exactly one of number and contact says who."""

    kind: RequestKind
    number: str | None = None
    contact: str | None = None


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
    return {
        **erase_person(visit.site.store, person, visit.who.id, utc_now(), dry_run=wanted.dry_run)
    }


@router.post("/subject-requests", status_code=201)
def receive_request(visit: Officer, wanted: WantedRequest) -> dict[str, object]:
    """Write a request down, with what was found and the day by which it is answered."""
    region = visit.account.region
    with transaction(visit.site.store.engine) as connection:
        person = who(
            connection, number=wanted.number, contact=wanted.contact, default_region=region
        )
        return _shown(
            receive(visit.site.store, connection, wanted.kind, person, visit.who.id, utc_now())
        )


@router.get("/subject-requests")
def list_requests(visit: Officer) -> dict[str, object]:
    """Every request, what is due first."""
    with reading(visit.site.store.engine) as connection:
        return {"requests": [_shown(each) for each in requests(connection)]}


def _shown(request: SubjectRequest) -> dict[str, object]:
    return {
        "id": request.id,
        "kind": request.kind,
        "contact": request.contact,
        "found": request.found,
        "received_at": timestamp(request.received_at),
        "due_at": timestamp(request.due_at),
    }
