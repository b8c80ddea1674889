"""One search over what somebody may read: contacts, and calls by their people and notes.

The words stand in no log and in no answer.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from askfirst.ledger import timestamp
from askfirst.server.access import Permission
from askfirst.server.callsearch import search_calls, search_contacts
from askfirst.server.database import reading
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["search"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]


@router.get("/search")
def search(
    visit: Reader, q: str = "", limit: Annotated[int, Query(ge=1, le=200)] = 20
) -> dict[str, object]:
    """Contacts and calls in which every word is found; transcripts are not searched."""
    region, person = visit.account.region, visit.who.person
    with reading(visit.site.store.engine) as connection:
        people = search_contacts(connection, q, region, limit)
        found = search_calls(connection, person, q, people, region, limit)
    shown = people if visit.may(Permission.CONTACTS_READ) else ()
    return {
        "contacts": [{"id": each.id, "name": each.name, "company": each.company} for each in shown],
        "calls": [
            {
                "id": each.call,
                "created_at": timestamp(each.created_at),
                "found_in": each.found_in,
                "text": each.text,
                "url": f"/calls/{each.call}?found=1",
            }
            for each in found
        ],
    }
