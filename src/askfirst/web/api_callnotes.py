"""What an agent writes about a call over HTTP, from the first ring on."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends

from askfirst.ledger import timestamp
from askfirst.server import callnotes
from askfirst.server.access import Permission
from askfirst.server.callnotes import AnyoneElse, CallNote, Disposition, Written
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["calls"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]


class WantedNote(Body):
    """What is to be written; what the body does not name stays. `version` is the one read."""

    version: int
    disposition: Disposition | None = None
    notes: str = ""
    anyone_else: AnyoneElse | None = None
    follow_up_on: date | None = None


@router.get("/calls/{call}/notes")
def read_notes(visit: Reader, call: str) -> dict[str, object]:
    """What is written about a call that you reach; version 0: nothing yet."""
    with reading(visit.site.store.engine) as connection:
        return _shown(callnotes.read(connection, visit.who.person, call))


@router.put("/calls/{call}/notes")
def write_notes(visit: Caller, call: str, wanted: WantedNote) -> dict[str, object]:
    """Write about your own call, also while it goes on; 409 where it has changed since."""
    with transaction(visit.site.store.engine) as connection:
        kept = callnotes.read(connection, visit.who.person, call).written
        given = {
            name: getattr(wanted, name)
            for name in Written.__slots__
            if name in wanted.model_fields_set
        }
        unnamed = {name: getattr(kept, name) for name in Written.__slots__ if name not in given}
        written = Written(**given, **unnamed)
        return _shown(
            callnotes.save(
                connection,
                visit.who.person,
                call,
                wanted.version,
                written,
                utc_now(),
                default_region=visit.account.region,
            )
        )


def _shown(note: CallNote) -> dict[str, object]:
    written = note.written
    return {
        "call": note.call,
        "version": note.version,
        "disposition": written.disposition,
        "notes": written.notes,
        "anyone_else": written.anyone_else,
        "follow_up_on": written.follow_up_on,
        "forgotten": note.is_forgotten,
        "updated_at": None if note.updated_at is None else timestamp(note.updated_at),
    }
