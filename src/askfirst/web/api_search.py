"""One search over what somebody may read: contacts, calls by their people and notes, and what was
said in the calls that they may hear.

The words stand in no log and in no answer but in the words around a hit.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from askfirst.errors import InvalidRequest, Unavailable
from askfirst.ledger import timestamp
from askfirst.server import searchquery
from askfirst.server.access import Permission
from askfirst.server.callsearch import search_calls, search_contacts
from askfirst.server.database import reading
from askfirst.server.searchfilter import SearchFilter
from askfirst.server.snippets import Snippet
from askfirst.server.transcriptsearch import MOST_CALLS, FoundCall, Wanted, search_transcripts
from askfirst.web.foundwords import Shown, shown
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["search"])

Reader = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]


def _filter(
    since: str = "",
    until: str = "",
    agent: str = "",
    contact: str = "",
    proof: str = "",
    speaker: str = "",
    place: str = "",
    tracker: str = "",
    talk: str = "",
) -> SearchFilter:
    return SearchFilter(since, until, agent, contact, proof, speaker, place, tracker, talk)


Filter = Annotated[SearchFilter, Depends(_filter)]


@router.get("/search")
def search(
    visit: Reader,
    narrowed: Filter,
    q: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    before: Annotated[int | None, Query(ge=0)] = None,
) -> dict[str, object]:
    """Contacts and calls in which every word is found, written or said.

    `before` is the `next` of the page that this one goes on behind. Behind the first page, and with
    a filter, only what was said is searched. Each call with hits of what was said is an access,
    and is written down before it is given.
    """
    people: list[dict[str, object]] = []
    found: list[dict[str, object]] = []
    if before is None and not narrowed.parameters():
        people, found = _written(visit, q, limit)
    said, following, index = _said(visit, narrowed, q, min(limit, MOST_CALLS), before)
    return {"contacts": people, "calls": [*found, *said], "next": following, "index": index}


def _written(
    visit: Visit, q: str, limit: int
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    region, person = visit.account.region, visit.who.person
    with reading(visit.site.store.engine) as connection:
        people = search_contacts(connection, q, region, limit)
        found = search_calls(connection, person, q, people, region, limit)
    known = people if visit.may(Permission.CONTACTS_READ) else ()
    return (
        [{"id": each.id, "name": each.name, "company": each.company} for each in known],
        [
            {
                "id": each.call,
                "created_at": timestamp(each.created_at),
                "found_in": each.found_in,
                "text": each.text,
                "url": f"/calls/{each.call}?found=1",
            }
            for each in found
        ],
    )


def _said(
    visit: Visit, narrowed: SearchFilter, q: str, limit: int, before: int | None
) -> tuple[list[dict[str, object]], int | None, str]:
    """Hits in transcripts, the next page, and what the index is: ready, building, unavailable."""
    if not visit.may(Permission.RECORDINGS_LISTEN):
        return [], None, "ready"
    try:
        query = searchquery.query_of(q)
    except InvalidRequest:
        if before is not None or narrowed.parameters():
            raise
        return [], None, "ready"  # a text without a word may still be somebody's number
    store, wanted = visit.site.store, Wanted(query, narrowed, before, limit, visit.zone)
    try:
        found = search_transcripts(store, visit.who.person, wanted)
        index = "building" if store.search.is_awaiting() else "ready"
    except Unavailable:
        return [], None, "unavailable"
    known = {each.call: each for each in found.calls}
    said = [_hit(known[each.call], each) for each in shown(visit, found, query)]
    return said, found.next, index


def _hit(call: FoundCall, shown: Shown) -> dict[str, object]:
    """A call with its first hits; the fields of the very first stand beside the call's, too."""
    first, *_ = hits = [_snippet(call.call, each) for each in shown.hits]
    return {
        "id": call.call,
        "created_at": timestamp(call.created_at),
        "found_in": "transcript",
        "text": first["snippet"],
        **first,
        "hits": hits,
        "more": shown.more,
        "hidden_because": "reason-wanted" if shown.is_hidden else None,
    }


def _snippet(call: str, each: Snippet) -> dict[str, object]:
    return {
        "speaker": each.speaker,
        "at_ms": each.at_ms,
        "snippet": each.text or None,
        "marks": each.marks,
        "url": f"/calls/{call}?found=1&at_ms={each.at_ms}",
    }
