"""What a search shows of the calls that it found: the words around, after the access is written.

That a word was said in a call is a part of what was said there. So every call that is shown has an
entry in the ledger, once for each page of hits, before its words are read. Where the account wants
to know why somebody opens a recording, a search has no reason to give: it shows where, not what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askfirst.ledger import Kind
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.searchquery import Query
from askfirst.server.snippets import Snippet, snippets_of
from askfirst.server.transcriptsearch import PURPOSE, Found, FoundCall
from askfirst.web.visit import Visit

MOST_SHOWN = 3
"""Hits of one call that are shown; the others are counted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A call as it is shown: its hits by time, without words where a reason would be owed."""

    call: str
    hits: Sequence[Snippet]
    more: int
    is_hidden: bool


def shown(visit: Visit, found: Found, query: Query) -> list[Shown]:
    """The calls of a page; what the transcript of one does not bear out is left away."""
    _note(visit, found.calls)
    made = []
    for each in found.calls:
        is_hidden = _owes_reason(visit, each)
        if is_hidden:
            hits = [Snippet(hit.speaker, hit.start_ms, ()) for hit in each.hits]
        else:
            hits = snippets_of(visit.site.store, each, query)
        if hits:
            some = hits[:MOST_SHOWN]
            made.append(Shown(each.call, some, len(hits) - len(some), is_hidden))
    return made


def _owes_reason(visit: Visit, found: FoundCall) -> bool:
    """As `Listening.wants_reason`, of what is known already."""
    return visit.account.asks_reason and found.agent != visit.who.id


def _note(visit: Visit, found: Sequence[FoundCall]) -> None:
    store, now = visit.site.store, utc_now()
    if not found:
        return
    with transaction(store.engine) as connection:
        for each in found:
            store.ledger.append(
                connection,
                Kind.ACCESS_READ,
                now,
                call=each.call,
                recording=each.recording,
                data={"person": visit.who.id, "purpose": PURPOSE},
            )
