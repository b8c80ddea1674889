"""Finds what was said in calls that somebody may hear.

The index says where words may have been said; whether a person may know it is asked of the database
alone, for every recording, when they search. Agents that the person cannot reach are left out in
the index already, which only spares work. Nothing is opened here: what is shown of the words is
read by `snippets`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import sqlalchemy as sa

from askfirst.server.access import Permission, Person, Reach
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.database import calls, reading, recordings
from askfirst.server.privatecall import readable
from askfirst.server.searchfilter import SearchFilter
from askfirst.server.searchindex import NEWEST, Hit, first_of
from askfirst.server.searchquery import Query
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED

PURPOSE = "search"
"""Stands with the access to each call of which a search shows that words were said there."""

MOST_CALLS = 50
MOST_LOOKED_AT = 20_000
"""Utterances that one search looks at; then it gives what it has, and goes on when it is asked."""

_FIRST_BATCH, _LARGEST_BATCH = 100, 4_000
_MOST_AGENTS = 200
_LISTEN = Permission.RECORDINGS_LISTEN


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, and where. `before` is the `next` of the page that this one goes on behind.

    `zone` is the one whose days the filter names.
    """

    query: Query
    filter: SearchFilter = field(default_factory=SearchFilter)
    before: int | None = None
    most: int = 20
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call with what was found in its recording, by time."""

    call: str
    recording: str
    agent: str | None
    language: str
    created_at: datetime
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found, the newest call first; `next` None: there is no more.

    `is_cut`: the search has stopped before the page was full, after `MOST_LOOKED_AT`.
    """

    calls: tuple[FoundCall, ...]
    next: int | None = None
    is_cut: bool = False


def search_transcripts(store: Store, person: Person, wanted: Wanted) -> Found:
    """Calls in which somebody said what is wanted, among those that a person may hear.

    Only the newest recording of a call is looked through, which is the one that its page opens.
    Raises Refused without the permission to hear any, Unavailable where the index is not there.
    """
    person.ensure(_LISTEN)
    with reading(store.engine) as connection:
        return _Search(store, connection, person, wanted).page()


class _Search:
    """One search, as it goes from the newest utterances to older ones."""

    def __init__(
        self, store: Store, connection: sa.Connection, person: Person, wanted: Wanted
    ) -> None:
        self._store = store
        self._connection = connection
        self._wanted = wanted
        self._conditions = [
            ALLOWED,
            within(person, _LISTEN),
            readable(person),
            *wanted.filter.conditions(wanted.zone),
        ]
        self._agents = _agents(connection, person, wanted.filter.agent)
        self._known: dict[str, bool] = {}

    def page(self) -> Found:
        """Look until a page is full, everything was looked at, or it was enough for once."""
        wanted, index = self._wanted, self._store.search
        expression = index.expression(wanted.query, wanted.filter.speaker, self._agents)
        begin, end = wanted.filter.calls.period(wanted.zone)
        above = 0 if begin is None else first_of(begin)
        below = NEWEST if end is None else first_of(end)
        below = below if wanted.before is None else min(below, wanted.before)
        most = max(1, min(wanted.most, MOST_CALLS))
        found: dict[str, list[Hit]] = {}
        looked, size = 0, _FIRST_BATCH
        while True:
            batch = index.hits(expression, above, below, size)
            self._learn({hit.recording for hit in batch})
            for hit in batch:
                if not self._known[hit.recording]:
                    continue
                if hit.recording not in found and len(found) == most:
                    return Found(self._calls(found), hit.id + 1)
                found.setdefault(hit.recording, []).append(hit)
            if len(batch) < size:
                return Found(self._calls(found))
            looked, below = looked + len(batch), batch[-1].id
            if looked >= MOST_LOOKED_AT:
                return Found(self._calls(found), below, is_cut=True)
            size = min(size * 3, _LARGEST_BATCH)

    def _learn(self, wanted: Collection[str]) -> None:
        """Ask which of these recordings the person may know about, once each."""
        new = sorted(each for each in wanted if each not in self._known)
        if not new:
            return
        newer = recordings.alias("newer")
        query = (
            sa.select(recordings.c.id)
            .select_from(recordings.join(calls).outerjoin(users, users.c.id == calls.c.agent))
            .where(
                recordings.c.id.in_(new),
                ~sa.exists().where(newer.c.call == calls.c.id, newer.c.id > recordings.c.id),
                *self._conditions,
            )
        )
        self._known.update(dict.fromkeys(new, False))
        self._known.update(dict.fromkeys(self._connection.execute(query).scalars(), True))

    def _calls(self, found: dict[str, list[Hit]]) -> tuple[FoundCall, ...]:
        query = (
            sa.select(
                recordings.c.id,
                recordings.c.call,
                calls.c.agent,
                calls.c.language,
                calls.c.created_at,
            )
            .join(calls)
            .where(recordings.c.id.in_(list(found)))
        )
        about = {row.id: row for row in self._connection.execute(query)}
        return tuple(
            FoundCall(
                row.call, row.id, row.agent, row.language, row.created_at, tuple(reversed(hits))
            )
            for row, hits in ((about[each], hits) for each, hits in found.items())
        )


def _agents(connection: sa.Connection, person: Person, agent: str) -> set[str | None] | None:
    """Whose calls may be found at all; None where that is too many to name.

    More than a person reaches may be in it, never less: calls that nobody took always are.
    """
    if agent:
        return {agent}
    match person.reach(_LISTEN):
        case Reach.ALL:
            return None
        case Reach.TEAM if person.team is not None:
            query = sa.select(users.c.id).where(users.c.team == person.team)
            team = set(connection.execute(query.limit(_MOST_AGENTS + 1)).scalars())
            return None if len(team) > _MOST_AGENTS else {*team, person.id, None}
        case _:
            return {person.id, None}
