"""How long a recording is kept: what is due for erasure on a day, what is kept, and why.

Four things speak: the account's periods for purposes and places, the longest and shortest periods
of the rulebook, a mandatory period that comes with a duty to record, a legal hold. A hold wins over
everything, a mandatory period over a wish to erase. Nothing is erased here; the server's sweep
carries a plan out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import assert_never

from askfirst.errors import InvalidInput
from askfirst.model import Purpose
from askfirst.rules import Rulebook

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
"""Least time of keeping, in calendar years from the recording; an authority may ask for more."""

STATUTES = {
    Mandatory.MIFID2: "MiFID II, Directive 2014/65/EU art. 16(7)",
    Mandatory.FCA: "FCA Handbook, SYSC 10A.1",
    Mandatory.CFTC: "CFTC, 17 CFR 1.35 and 1.31",
}
"""Where each duty stands, as it is named to people."""

LONGEST_YEARS = 7  # Directive 2014/65/EU art. 16(7): up to seven where the authority asks


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


class Because(StrEnum):
    """What made a period as long as it is."""

    DEFAULT = "default"
    PURPOSE = "purpose"
    PLACE = "place"
    LONGEST = "longest"
    SHORTEST = "shortest"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound that a rule sets, in days; `is_longest` false: keep at least so long."""

    rule: str
    days: int
    is_longest: bool


@dataclass(frozen=True, slots=True)
class Periods:
    """What an account wants, in days: by purpose, by place (code), and `default` for the rest."""

    default: int
    purposes: Mapping[Purpose, int] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """How long a recording is kept, in days, and why.

    `by` is the purpose, the place or the rule that decided; empty for the default. `least_days` is
    how long a rule wants it kept whatever anybody asks, 0 where none does; `least_by` is that rule.
    """

    days: int
    because: Because
    by: str = ""
    least_days: int = 0
    least_by: str = ""


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
    for purpose, wanted in days.items():
        _check_days(purpose, wanted)
    return tuple(_step(held, on, days.get(held.purpose)) for held in recordings)


def limits(
    rules: Rulebook,
    codes: Iterable[str],
    purpose: Purpose | None,
    sectors: frozenset[str],
    on: date,
) -> tuple[Limit, ...]:
    """What the rules of places bound for a purpose and an account's sectors, each rule once.

    A purpose that nobody named may be any, so every rule counts that speaks of some purpose.
    """
    found: dict[tuple[str, bool], Limit] = {}
    for duty in (each for code in codes for each in rules.duties(code, on)):
        is_other = purpose is not None and purpose.value not in duty.when.purposes
        if duty.id is None or (duty.when.purposes and is_other):
            continue
        if duty.when.sectors and not duty.when.sectors & sectors:
            continue
        for days, is_longest in ((duty.longest_days, True), (duty.shortest_days, False)):
            if days is not None:
                found[duty.id, is_longest] = Limit(duty.id, days, is_longest)
    return tuple(found[key] for key in sorted(found))


def period(
    wanted: Periods, purpose: Purpose, codes: Iterable[str], bounds: Iterable[Limit]
) -> Period:
    """How long a recording of a purpose is kept, whose parties are in places, and why.

    The shortest of the account's periods and the rules' longest wins; the default counts where no
    other period of the account does. A rule's shortest wins over all of them. A period for a
    country or a state counts for what is within it. Raises InvalidInput for a period out of range.
    """
    bounds = tuple(bounds)
    within = {part for code in codes for part in (code, code.partition("-")[0])}
    wishes = [(days, Because.PLACE, code) for code, days in wanted.places.items() if code in within]
    if purpose in wanted.purposes:
        wishes.append((wanted.purposes[purpose], Because.PURPOSE, purpose.value))
    candidates = wishes or [(wanted.default, Because.DEFAULT, "")]
    candidates += [(each.days, Because.LONGEST, each.rule) for each in bounds if each.is_longest]
    for each in candidates:
        _check_days(f"{each[1]} {each[2]}".strip(), each[0])
    days, because, by = min(candidates)
    least = max(((each.days, each.rule) for each in bounds if not each.is_longest), default=(0, ""))
    if least[0] > days:
        days, because, by = least[0], Because.SHORTEST, least[1]
    return Period(days, because, by, *least)


def mandatory_until(
    recorded_at: datetime, mandatory: Mandatory, years: int | None = None
) -> datetime:
    """The first instant (UTC) at which the law no longer demands the recording.

    `years` is what the authority has asked for; less than the law's own time counts for nothing.
    """
    _check_aware(recorded_at)
    start = recorded_at.astimezone(UTC)
    year = start.year + max(MANDATORY_YEARS[mandatory], years or 0)
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


def _check_days(name: str, days: int) -> None:
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(
            f"retention of {name}: {days} days; expected 1 to {MAX_DAYS}, set it anew"
        )


def _check_aware(at: datetime) -> None:
    if at.utcoffset() is None:
        raise InvalidInput("a time without a zone; expected an aware one, give it tzinfo=UTC")
