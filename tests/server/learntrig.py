"""Parts for tests of what is learnt from calls: recordings with words that the test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import AT

from askfirst.model import Utterance
from askfirst.server import accounts, trackerchanges
from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import users
from askfirst.server.analysistables import tracker_hits
from askfirst.server.callfigures import FigureLearner
from askfirst.server.database import calls, transaction
from askfirst.server.ids import new_id
from askfirst.server.store import Store
from askfirst.server.studied import Studied
from askfirst.server.trackerchanges import Draft
from askfirst.server.trackerhits import HitLearner
from askfirst.server.trackerlist import KeptTracker
from askfirst.spoken import Span

NORTH, SOUTH = "north", "south"
OFFICER = Person("usr_officer", frozenset({UserRole.COMPLIANCE}), None)
"""Manages the trackers of all teams."""


@dataclass(frozen=True)
class Said:
    """A recording that is ready, and what was said in it."""

    recording: str
    call: str
    studied: Studied


def add(store: Store, role: UserRole, team: str | None, name: str) -> accounts.User:
    """Somebody of a role in a team."""
    with transaction(store.engine) as connection:
        return accounts.add_user(
            connection, f"{name}@example.org", name.title(), [role], AT, team=team
        )


def lines(*said: tuple[str, str]) -> list[Utterance]:
    """Utterances of two seconds each, one after the other: speaker and text."""
    return [
        Utterance(speaker, 2_000 * at, 2_000 * at + 1_500, text, ())
        for at, (speaker, text) in enumerate(said)
    ]


def said(
    store: Store, agent: str | None, utterances: Sequence[Utterance], language: str = "en"
) -> Said:
    """A call of an agent with a recording that is ready; nothing is learnt of it yet."""
    call, recording = new_id("call"), new_id("rec")
    rig.recorder(store, recording, call)
    rig.change(store, recording, state="ready")
    with transaction(store.engine) as connection:
        values = {"agent": agent, "language": language}
        connection.execute(calls.update().where(calls.c.id == call).values(**values))
    whole = [Span(0, 600_000)]
    return Said(
        recording,
        call,
        Studied(recording, call, agent, AT, language, utterances, whole),
    )


def learn(store: Store, found: Said, at: datetime = AT) -> None:
    """Learn hits and figures of a recording."""
    for learner in (HitLearner(), FigureLearner()):
        learner.learn(store, found.studied, at)


def tracked(
    store: Store, *phrases: str, by: Person = OFFICER, at: datetime = AT, **more: Any
) -> KeptTracker:
    """A tracker with English phrases, of everybody unless it says otherwise."""
    draft = Draft(**{"name": "Price", "phrases": {"en": phrases}, **more})
    with transaction(store.engine) as connection:
        if by.id not in accounts.names(connection):
            shown = {"id": by.id, "email": by.id, "name": by.id, "roles": [], "language": "en"}
            rest = {"theme": "system", "created_at": AT, "failures": 0}
            connection.execute(users.insert().values(**shown, **rest))
        return trackerchanges.make(connection, by, draft, at)


def hits(store: Store, tracker: KeptTracker) -> list[Any]:
    """The rows of a tracker's hits, by call and time."""
    hit = tracker_hits.c
    query = sa.select(tracker_hits).where(hit.tracker == tracker.id)
    return rig.rows(store, query.order_by(hit.call, hit.start_ms))
