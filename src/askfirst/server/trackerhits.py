"""Where trackers were said: learnt with the words of a recording, without the words themselves.

Kept are speaker and times. A tracker's name beside a call says something of its words, so it is
shown to those who may listen to the call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from askfirst.model import Utterance
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.analysistables import tracker_hits, trackers
from askfirst.server.callreader import within
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.privatecall import readable
from askfirst.server.stemming import stemmer
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED, Studied, is_allowed, lock
from askfirst.server.trackerlist import APPLIES, KeptTracker, in_force
from askfirst.spoken import Span
from askfirst.trackers import Hit, track


@dataclass(frozen=True, slots=True)
class Place:
    """A place where a tracker was said: by whom, and from when to when in call time."""

    tracker: str
    name: str
    speaker: str
    start_ms: int
    end_ms: int


class HitLearner:
    """Keeps the hits of all trackers in force for the team of a call's agent."""

    def learn(self, store: Store, studied: Studied, at: datetime) -> None:
        """Keep them, in place of those that were kept before."""
        with reading(store.engine) as connection:
            looked_for = _for_agent(connection, studied.agent)
        while True:
            hits = found(studied.said, studied.open_, looked_for, studied.language)
            with transaction(store.engine) as connection:
                lock(connection, studied.recording)
                now = _for_agent(connection, studied.agent)
                if now == looked_for:
                    _drop(connection, studied.recording)
                    if hits and is_allowed(connection, studied.recording):
                        connection.execute(tracker_hits.insert(), _rows(studied, hits))
                    return
            looked_for = now  # somebody has changed one meanwhile

    def forget(self, store: Store, recording: str) -> None:
        """Keep none of them any more."""
        with transaction(store.engine) as connection:
            lock(connection, recording)
            _drop(connection, recording)


def found(
    said: Iterable[Utterance],
    stretches: Sequence[Span],
    looked_for: Iterable[KeptTracker],
    language: str,
) -> tuple[Hit, ...]:
    """The hits of trackers, by time; each names its tracker by id."""
    by_id = [replace(each.tracker, name=each.id) for each in looked_for]
    return track(said, stretches, by_id, language, stemmer(language))


def for_call(connection: sa.Connection, call: str) -> list[KeptTracker]:
    """The trackers that are looked for in a call: everybody's, and those of its agent's team."""
    query = sa.select(calls.c.agent).where(calls.c.id == call)
    return _for_agent(connection, connection.execute(query).scalar_one_or_none())


def calls_with(person: Person, tracker: str) -> sa.ColumnElement[bool]:
    """That a tracker was said in a call, of those that somebody may listen to."""
    query = sa.select(tracker_hits.c.call).select_from(_shown())
    return calls.c.id.in_(query.where(_readable(person), tracker_hits.c.tracker == tracker))


def first_names(
    connection: sa.Connection, person: Person, wanted: Collection[str]
) -> dict[str, str]:
    """The tracker that was said first, by call, of calls that somebody may listen to."""
    rows = connection.execute(
        sa.select(tracker_hits.c.call, trackers.c.name)
        .select_from(_shown())
        .where(_readable(person), tracker_hits.c.call.in_(wanted))
        .order_by(tracker_hits.c.start_ms.desc(), trackers.c.name.desc())
    )
    return {row.call: row.name for row in rows}


def places(connection: sa.Connection, person: Person, call: str) -> list[Place]:
    """Where trackers were said in a call, by time; nothing to who may not listen to it."""
    hit = tracker_hits.c
    rows = connection.execute(
        sa.select(hit.tracker, trackers.c.name, hit.speaker, hit.start_ms, hit.end_ms)
        .select_from(_shown())
        .where(_readable(person), hit.call == call)
        .order_by(hit.start_ms, hit.end_ms, trackers.c.name, hit.speaker)
    )
    return [Place(*row) for row in rows]


def _for_agent(connection: sa.Connection, agent: str | None) -> list[KeptTracker]:
    query = sa.select(users.c.team).where(users.c.id == agent)
    return in_force(connection, connection.execute(query).scalar_one_or_none())


def _shown() -> sa.FromClause:
    return (
        tracker_hits.join(trackers, trackers.c.id == tracker_hits.c.tracker)
        .join(recordings, recordings.c.id == tracker_hits.c.recording)
        .join(calls, calls.c.id == tracker_hits.c.call)
        .outerjoin(users, users.c.id == calls.c.agent)
    )


def _readable(person: Person) -> sa.ColumnElement[bool]:
    return sa.and_(ALLOWED, APPLIES, within(person, Permission.RECORDINGS_LISTEN), readable(person))


def _rows(studied: Studied, hits: Iterable[Hit]) -> list[dict[str, object]]:
    return [
        {
            "recording": studied.recording,
            "tracker": hit.tracker,
            "position": position,
            "call": studied.call,
            "speaker": hit.quotation.speaker,
            "start_ms": hit.quotation.start_ms,
            "end_ms": hit.quotation.end_ms,
        }
        for position, hit in enumerate(hits)
    ]


def _drop(connection: sa.Connection, recording: str) -> None:
    connection.execute(tracker_hits.delete().where(tracker_hits.c.recording == recording))
