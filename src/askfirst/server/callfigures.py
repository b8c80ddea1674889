"""The figures of a recording: learnt with its words, forgotten with it, shown where they may be.

They say how a call was spread over its two sides, and so something of one person: whoever reads a
call sees them where figures about its agent may be shown (`personfigures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa

from askfirst.analysis import PACE_FROM_MS, Analysis, SideAnalysis, analyse
from askfirst.model import Role
from askfirst.rules import Rulebook
from askfirst.server import accounts
from askfirst.server.account import account
from askfirst.server.analysistables import call_figures
from askfirst.server.database import calls, recordings, transaction
from askfirst.server.personfigures import NOWHERE, shown_to
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED, Studied, is_allowed, lock


@dataclass(frozen=True, slots=True)
class SideFigures:
    """One side of a recording, as `analysis.SideAnalysis` defines it. Without a basis: None."""

    talk_ms: int
    turns: int
    words: int
    longest_ms: int | None
    response_ms: int | None
    questions: int | None

    @property
    def words_per_minute(self) -> float | None:
        """Words for each minute of own speech; None below `analysis.PACE_FROM_MS`."""
        return None if self.talk_ms < PACE_FROM_MS else self.words * 60_000 / self.talk_ms


@dataclass(frozen=True, slots=True)
class CallFigures:
    """Both sides of a recording, as `analysis.Analysis` defines it; `learnt_at` in UTC."""

    recording: str
    recorded_ms: int
    overlap_ms: int
    silence_ms: int
    agent: SideFigures
    contact: SideFigures
    learnt_at: datetime

    def talk_share(self, side: Role) -> float:
        """A side's part of all talk, 0 to 1; 0 when nobody spoke."""
        both_ms = self.agent.talk_ms + self.contact.talk_ms
        own = self.agent if side is Role.AGENT else self.contact
        return own.talk_ms / both_ms if both_ms else 0.0

    @property
    def silence_share(self) -> float:
        """The part of the recorded time in which nobody spoke, 0 to 1; 0 of nothing."""
        return self.silence_ms / self.recorded_ms if self.recorded_ms else 0.0

    @property
    def turns_per_minute(self) -> float | None:
        """Turns of both sides for each recorded minute; None where nothing was recorded."""
        turns = self.agent.turns + self.contact.turns
        return turns * 60_000 / self.recorded_ms if self.recorded_ms else None


class Hidden(StrEnum):
    """Why somebody sees no figures of a call."""

    NO_GROUND = "no-ground"
    NOT_ANALYSED = "not-analysed"


@dataclass(frozen=True, slots=True)
class Sight:
    """The figures of a call as somebody sees them: either `figures` or why they are `hidden`.

    `place` is the code of the agent's place where no ground is on file there, "" where the agent
    has none.
    """

    figures: CallFigures | None
    hidden: Hidden | None = None
    place: str = NOWHERE


class FigureLearner:
    """Keeps the figures of a recording."""

    def learn(self, store: Store, studied: Studied, at: datetime) -> None:
        """Keep them, in place of those that were kept before; none where sides are not known."""
        if any(each.speaker not in set(Role) for each in studied.said):
            self.forget(store, studied.recording)
            return
        row = _row(analyse(studied.said, studied.open_, studied.language))
        with transaction(store.engine) as connection:
            lock(connection, studied.recording)
            _drop(connection, studied.recording)
            if is_allowed(connection, studied.recording):
                connection.execute(
                    call_figures.insert().values(
                        recording=studied.recording, call=studied.call, learnt_at=at, **row
                    )
                )

    def forget(self, store: Store, recording: str) -> None:
        """Keep none of them any more."""
        with transaction(store.engine) as connection:
            lock(connection, recording)
            _drop(connection, recording)


def may_see(
    connection: sa.Connection, rules: Rulebook, viewer: str | None, agent: str | None, on: date
) -> bool:
    """Whether somebody may see figures of an agent's calls on a day (UTC).

    A call without an agent of ours has no figures about one of us.
    """
    if agent is None or agent == viewer:
        return True
    return agent in shown_to(connection, rules, viewer, on).persons


def sight(
    connection: sa.Connection, rules: Rulebook, viewer: str | None, call: str, on: date
) -> Sight:
    """The figures of a call's newest recording as somebody who reads the call sees them.

    What may not be analysed, or no longer, and a private call of somebody else have none.
    """
    row = connection.execute(
        sa.select(call_figures, calls.c.agent, calls.c.private_at)
        .select_from(
            call_figures.join(recordings, recordings.c.id == call_figures.c.recording).join(
                calls, calls.c.id == call_figures.c.call
            )
        )
        .where(call_figures.c.call == call, ALLOWED)
        .order_by(recordings.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None or (row.private_at is not None and row.agent != viewer):
        return Sight(None, Hidden.NOT_ANALYSED)
    if not may_see(connection, rules, viewer, row.agent, on):
        home = account(connection).home_place
        place = accounts.user(connection, row.agent).place or home or NOWHERE
        return Sight(None, Hidden.NO_GROUND, place)
    return Sight(_figures(row))


def _figures(row: sa.Row[tuple[object, ...]]) -> CallFigures:
    found = row._mapping
    agent, contact = (
        SideFigures(**{name: found[f"{side.value}_{name}"] for name in SideFigures.__slots__})
        for side in (Role.AGENT, Role.CONTACT)
    )
    whole = ("recording", "recorded_ms", "overlap_ms", "silence_ms", "learnt_at")
    return CallFigures(**{name: found[name] for name in whole}, agent=agent, contact=contact)


def _row(found: Analysis) -> dict[str, int | None]:
    return {
        "recorded_ms": found.recorded_ms,
        "overlap_ms": found.overlap_ms,
        "silence_ms": found.silence_ms,
        **_side(found.agent),
        **_side(found.contact),
    }


def _side(side: SideAnalysis) -> dict[str, int | None]:
    figures = {
        "talk_ms": side.talk_ms,
        "turns": side.turns,
        "words": side.words,
        "longest_ms": None if side.longest is None else side.longest.talk_ms,
        "response_ms": side.response_ms,
        "questions": None if side.questions is None else len(side.questions),
    }
    return {f"{side.side.value}_{name}": value for name, value in figures.items()}


def _drop(connection: sa.Connection, recording: str) -> None:
    connection.execute(call_figures.delete().where(call_figures.c.recording == recording))
