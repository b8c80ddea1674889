"""How long a recording is kept: what is due for erasure on a day, what is kept, and why.

Three things speak: the account's period for the purpose, a mandatory period that the law sets, a
legal hold. A hold wins over everything, a mandatory period over a wish to erase. Nothing is erased
here; the server's sweep carries a plan out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from askfirst.errors import InvalidInput
from askfirst.model import Purpose

MAX_DAYS = 36_500


class Mandatory(StrEnum):
    """A regime under which calls must be recorded and kept."""

    MIFID2 = "mifid2"
    FCA = "fca"
    CFTC = "cftc"


MANDATORY_YEARS = {
    Mandatory.MIFID2: 5,  # Directive 2014/65/EU art. 16(7)
    Mandatory.FCA: 5,  # SYSC 10A
    Mandatory.CFTC: 1,  # 17 CFR 1.35 with 1.31: oral communications
}
"""Least time of keeping, in calendar years from the recording. A regulator may ask for more: that
is a legal hold."""


class Action(StrEnum):
    """What becomes of a recording."""

    ERASE = "erase"
    KEEP = "keep"
    QUARANTINE = "quarantine"


class Past(StrEnum):
    """What a person who withdraws wants done with what was recorded before."""

    ERASE = "erase"
    KEEP = "keep"


class Why(StrEnum):
    """The reason of a step."""

    PERIOD_OVER = "period-over"
    PERIOD_RUNS = "period-runs"
    ERASURE_ASKED = "erasure-asked"
    MANDATORY_PERIOD = "mandatory-period"
    LEGAL_HOLD = "legal-hold"
    NO_PERIOD = "no-period"


@dataclass(frozen=True, slots=True)
class Held:
    """A recording that is still there. `recorded_at` is aware and is the end of the recording.

    `erasure_asked` is set when a withdrawal or a person's request wants it gone early.
    """

    recording: str
    recorded_at: datetime
    purpose: Purpose
    mandatory: Mandatory | None = None
    legal_hold: bool = False
    erasure_asked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done with one recording. `until` is the first instant at which it may be
    erased, None when nobody can say.
    """

    recording: str
    action: Action
    why: Why
    until: datetime | None


def due(recordings: Iterable[Held], on: datetime, days: Mapping[Purpose, int]) -> tuple[Step, ...]:
    """A step for every recording, in the order given.

    `on` is aware; `days` is the account's period for each purpose, 1 to 36 500. A purpose without
    a period keeps its recordings and says so: nothing is erased by an omission. Raises
    InvalidInput for a naive time or a period out of range.
    """
    _check_aware(on)
    for purpose, period in days.items():
        if not 1 <= period <= MAX_DAYS:
            raise InvalidInput(
                f"retention of {purpose}: {period} days; expected 1 to {MAX_DAYS}, set it anew"
            )
    return tuple(_step(held, on, days.get(held.purpose)) for held in recordings)


def mandatory_until(recorded_at: datetime, mandatory: Mandatory) -> datetime:
    """The first instant (UTC) at which the law no longer demands the recording."""
    _check_aware(recorded_at)
    start = recorded_at.astimezone(UTC)
    year = start.year + MANDATORY_YEARS[mandatory]
    if (start.month, start.day) == (2, 29):
        # The period has not run before the day after the one that this year lacks.
        return start.replace(year=year, month=3, day=1)
    return start.replace(year=year)


def after_withdrawal(past: Past, mandatory: Mandatory | None, legal_hold: bool) -> Action:
    """What becomes of the part recorded before a person withdrew.

    `mandatory` is the regime whose period is still running, None otherwise. Whoever wants it
    gone and cannot have that gets it out of everybody's reach: quarantine.
    """
    match past:
        case Past.KEEP:
            return Action.KEEP
        case Past.ERASE:
            held = legal_hold or mandatory is not None
            return Action.QUARANTINE if held else Action.ERASE
        case _:
            assert_never(past)


def _step(held: Held, on: datetime, period_days: int | None) -> Step:
    _check_aware(held.recorded_at)
    if held.legal_hold:
        return Step(held.recording, Action.KEEP, Why.LEGAL_HOLD, None)
    lawful = None if held.mandatory is None else mandatory_until(held.recorded_at, held.mandatory)
    if held.erasure_asked:
        ending, running, over = held.recorded_at, Why.ERASURE_ASKED, Why.ERASURE_ASKED
    elif period_days is None:
        return Step(held.recording, Action.KEEP, Why.NO_PERIOD, None)
    else:
        ending = held.recorded_at.astimezone(UTC) + timedelta(days=period_days)
        running, over = Why.PERIOD_RUNS, Why.PERIOD_OVER
    if lawful is not None and lawful > ending:
        ending, running = lawful, Why.MANDATORY_PERIOD
    if on >= ending:
        return Step(held.recording, Action.ERASE, over, ending)
    return Step(held.recording, Action.KEEP, running, ending)


def _check_aware(at: datetime) -> None:
    if at.utcoffset() is None:
        raise InvalidInput("a time without a zone; expected an aware one, give it tzinfo=UTC")
