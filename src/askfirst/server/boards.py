"""What dashboards are made of: tables of figures, and the period that they are about.

A table holds plain numbers, days, codes and names; pages, files and the interface show the same one
in their own ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from askfirst.errors import InvalidRequest

Cell = str | int | float | date | datetime | None
"""None: there is nothing to say it from, which is not 0."""

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]

ACTIVITY, CONSENT, QUALITY, SYSTEM = NAMES = ("activity", "consent", "quality", "system")
"""The dashboards; there are no more."""

EARLIEST = date(2000, 1, 1)
LATEST = date(2199, 12, 31)
LONGEST_DAYS = 731
MOST_BARS = 92
"""Days that are shown one by one; a longer period is shown in weeks."""

WEEK = 7
DEFAULT_DAYS = 30


class Unit(StrEnum):
    """What the cells of a column are."""

    CODE = "code"  # of the column's own words
    NAME = "name"  # as somebody wrote it
    GROUP = "group"  # a person or a team; "" is everybody else
    PLACE = "place"  # a code of a place; "" is unknown
    DAY = "day"
    MOMENT = "moment"
    COUNT = "count"
    SHARE = "share"  # 0 to 1
    RATE = "rate"
    MS = "ms"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its key in all tables of its name, and what its cells are."""

    key: str
    unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows; every row has a cell for each column, the first says what it is about."""

    key: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Board:
    """The tables of a dashboard. `withheld`: people are too few for figures to be shown of them.

    `missing` are the places for which figures about single persons lack a ground, "" where
    somebody has none.
    """

    name: str
    tables: Sequence[Table]
    withheld: bool = False
    missing: Sequence[str] = ()

    def table(self, key: str) -> Table:
        """One of its tables. Raises InvalidRequest where there is none of that key."""
        for each in self.tables:
            if each.key == key:
                return each
        known = ", ".join(each.key for each in self.tables)
        raise InvalidRequest(f"found no table {key[:40]!r}; expected one of {known}", key="table")


@dataclass(frozen=True)
class Period:
    """Days of a reader's zone, the first and the last one included."""

    since: date
    until: date
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        if not EARLIEST <= self.since <= self.until <= LATEST or self.days > LONGEST_DAYS:
            raise InvalidRequest(
                f"found {self.since} to {self.until}; expected at most {LONGEST_DAYS} days between "
                f"{EARLIEST} and {LATEST}, the first before the last",
                key="since",
            )

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.until - self.since).days + 1

    @cached_property
    def begins_at(self) -> datetime:
        """Its first instant, UTC."""
        return _midnight(self.since, self.zone)

    @cached_property
    def ends_at(self) -> datetime:
        """The first instant behind it, UTC."""
        return _midnight(self.until + timedelta(days=1), self.zone)

    @cached_property
    def before_at(self) -> datetime:
        """The first instant, UTC, of as many days just before it."""
        return _midnight(self.since - timedelta(days=self.days), self.zone)

    @property
    def is_in_weeks(self) -> bool:
        """Whether it is shown in weeks, from Mondays on, and not in days."""
        return self.days > MOST_BARS

    @cached_property
    def bars(self) -> tuple[date, ...]:
        """The first day of each part that is shown by itself; the first week may be cut."""
        every = [self.since + timedelta(days=n) for n in range(self.days)]
        if not self.is_in_weeks:
            return tuple(every)
        return tuple(each for n, each in enumerate(every) if n == 0 or each.weekday() == 0)

    @cached_property
    def edges(self) -> tuple[datetime, ...]:
        """The first instant of each of `bars`, UTC."""
        return tuple(_midnight(each, self.zone) for each in self.bars)


def period_of(days: str, since: str, until: str, today: date, zone: tzinfo) -> Period:
    """The period of a form: two days, or so many days up to today; 30 where nothing is said.

    Raises InvalidRequest, whose `key` is the field, for what is no day, no number, or too long.
    """
    first, last = _day(since, "since"), _day(until, "until")
    if first is None and last is None:
        count = int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0
        if days and not 0 < count <= LONGEST_DAYS:
            raise InvalidRequest(f"expected 1 to {LONGEST_DAYS} days", key="days")
        return Period(today - timedelta(days=(count or DEFAULT_DAYS) - 1), today, zone)
    last = today if last is None else last
    if first is None:
        first = max(last, EARLIEST + timedelta(days=DEFAULT_DAYS)) - timedelta(DEFAULT_DAYS - 1)
    return Period(first, last, zone)


def percentile(values: Numbers, share: float) -> float | None:
    """The smallest of the values that at least this share of them (0 to 1) does not exceed.

    The nearest rank: always one of the values, and None where there are none.
    """
    if not len(values):
        return None
    # Rounded first: 0.9 × 10 must be the ninth, though 0.9 is a little more than nine tenths.
    rank = max(int(np.ceil(round(share * len(values), 9))), 1)
    return float(np.partition(values, rank - 1)[rank - 1])


def whole(value: float | None) -> int | None:
    """A figure as a whole number."""
    return None if value is None else round(value)


def part(some: int, whole_of: int) -> float | None:
    """The share of some in all of them; None of nothing."""
    return some / whole_of if whole_of else None


def _midnight(day: date, zone: tzinfo) -> datetime:
    # Where clocks skip midnight, or strike it twice, this is the first instant of the day.
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _day(text: str, key: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidRequest("found no day; expected one such as 2026-11-24", key=key) from None
