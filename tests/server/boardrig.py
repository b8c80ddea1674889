"""A small database of calls for the dashboards, and the facts of each call as a test knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from askfirst.model import RecordingState
from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.analysistables import call_figures, tracker_hits, trackers
from askfirst.server.database import (
    calls,
    consents,
    erasures,
    parties,
    recordings,
    timeline,
    transaction,
)
from askfirst.server.store import Store


@dataclass(frozen=True)
class Made:
    """A call as it is put into the database; `figures` None: nothing was learnt of it.

    `figures` are talk of both sides, recorded time and turns of both, and our longest turn.
    """

    at: datetime
    agent: str | None = None
    direction: str = "outbound"
    answers_s: float | None = 5.0
    lasts_s: float | None = 60.0
    is_private: bool = False
    mode: str | None = "ask"
    outcome: str | None = "recorded"
    proof: int = 4
    verdict: str | None = None
    places: Sequence[Sequence[str]] = (("NO",),)
    consents: Sequence[tuple[str, str, int]] = ()
    told_ms: int | None = None
    figures: tuple[int, int, int, int, int | None] | None = None
    may_analyse: bool = True
    state: str = RecordingState.READY.value
    is_erased: bool = False
    hits: Sequence[str] = ()


def hire(
    store: Store, name: str, team: str | None, at: datetime, role: UserRole = UserRole.AGENT
) -> User:
    """Somebody of a team."""
    with transaction(store.engine) as connection:
        return accounts.add_user(connection, f"{name}@example.org", name, [role], at, team=team)


def track(store: Store, name: str, by: str, at: datetime, team: str | None = None) -> str:
    """A tracker, under its name as its id."""
    row = {"phrases": {"en": ["price"]}, "said_by": "both", "between": 0, "version": 1}
    with transaction(store.engine) as connection:
        connection.execute(
            trackers.insert().values(id=name, name=name, team=team, made_by=by, made_at=at, **row)
        )
    return name


def put(store: Store, made: Sequence[Made], first: int = 0) -> list[str]:
    """The calls with everything of them; gives their ids."""
    ids = []
    with transaction(store.engine) as connection:
        for n, each in enumerate(made, first):
            call = f"call_{n:06d}"
            ids.append(call)
            _call(connection, call, each)
            if each.figures is not None or each.is_erased:
                _recording(connection, call, each)
    return ids


def _call(connection: sa.Connection, call: str, made: Made) -> None:
    answered = None if made.answers_s is None else made.at + timedelta(seconds=made.answers_s)
    begun = answered or made.at
    ended = None if made.lasts_s is None else begun + timedelta(seconds=made.lasts_s)
    connection.execute(
        calls.insert().values(
            id=call,
            created_at=made.at,
            answered_at=answered,
            ended_at=ended,
            provider="t",
            direction=made.direction,
            agent=made.agent,
            language="en",
            policy={},
            mode=made.mode,
            outcome=made.outcome,
            proof=made.proof,
            verdict=made.verdict,
            private_at=made.at if made.is_private else None,
        )
    )
    people = [("agent", ["NO"]), *(("contact", list(each)) for each in made.places)]
    for number, (role, places) in enumerate(people):
        values = {"call": call, "number_in_call": number, "role": role, "places": places}
        connection.execute(parties.insert().values(**values))
    for n, (kind, how, at_ms) in enumerate(made.consents):
        connection.execute(
            consents.insert().values(
                id=f"con_{call}_{n}",
                call=call,
                party=1,
                kind=kind,
                how=how,
                proof=made.proof,
                uses=[],
                elements=[],
                at=made.at,
                at_ms=at_ms,
                ledger=0,
            )
        )
    if made.told_ms is not None:
        connection.execute(
            timeline.insert().values(
                call=call,
                position=0,
                at=made.at,
                at_ms=made.told_ms,
                state="telling",
                because="telling",
            )
        )


def _recording(connection: sa.Connection, call: str, made: Made) -> None:
    recording = call.replace("call_", "rec_")
    connection.execute(
        recordings.insert().values(
            id=recording,
            call=call,
            created_at=made.at,
            state=made.state,
            purpose="quality",
            may_analyse=made.may_analyse,
        )
    )
    if made.is_erased:
        connection.execute(
            erasures.insert().values(
                recording=recording, reason="retention", intended_at=made.at, done_at=made.at
            )
        )
    if made.figures is None:
        return
    ours, theirs, recorded, turns, longest = made.figures
    connection.execute(
        call_figures.insert().values(
            recording=recording,
            call=call,
            recorded_ms=recorded,
            overlap_ms=0,
            silence_ms=0,
            agent_talk_ms=ours,
            contact_talk_ms=theirs,
            agent_turns=turns,
            contact_turns=0,
            agent_words=0,
            contact_words=0,
            agent_longest_ms=longest,
            learnt_at=made.at,
        )
    )
    for tracker in made.hits:
        connection.execute(
            tracker_hits.insert().values(
                recording=recording,
                tracker=tracker,
                position=0,
                call=call,
                speaker="agent",
                start_ms=0,
                end_ms=1,
            )
        )
