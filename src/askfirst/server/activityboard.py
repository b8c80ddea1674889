"""The dashboard of activity: how many calls, which way, taken or missed, and how long they were.

A private call counts in the sums and nowhere by itself: neither for a person or team, nor in
lengths.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from askfirst.server.boardpeople import CALLS, Scope
from askfirst.server.boards import (
    ACTIVITY,
    Board,
    Column,
    Numbers,
    Period,
    Table,
    Unit,
    percentile,
    whole,
)
from askfirst.server.database import calls
from askfirst.server.request import INBOUND

SUMS = ("calls", "outbound", "inbound", "answered", "unanswered", "missed", "messages", "private")
"""What calls are counted as: each is outbound or inbound; the others are parts of all."""

MEDIAN, HIGH = 0.5, 0.9

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Carried:
    """Calls side by side: when they began (UTC), whose they are ("" nobody's), what each one is."""

    created_at: npt.NDArray[np.datetime64]
    agent: npt.NDArray[np.str_]
    length_ms: npt.NDArray[np.float64]
    calls: Flags
    outbound: Flags
    inbound: Flags
    answered: Flags
    unanswered: Flags
    missed: Flags
    messages: Flags
    private: Flags

    def where(self, chosen: Flags) -> Carried:
        """Those that are chosen."""
        return Carried(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def lengths(self) -> Numbers:
        """The lengths of the conversations that are over and not private."""
        return self.length_ms[self.answered & ~self.private & ~np.isnan(self.length_ms)]

    def count(self, name: str) -> int:
        """How many there are of one of `SUMS`."""
        return int(np.count_nonzero(getattr(self, name)))


def activity(connection: sa.Connection, scope: Scope, period: Period) -> Board:
    """The dashboard of a period, beside as many days before it."""
    found = _carried(connection, scope, period)
    is_now = found.created_at >= _instant(period.begins_at)
    now, before = found.where(is_now), found.where(~is_now)
    tables = [_sums(now, before), _lengths(now, before), _bars(now, period)]
    if not scope.is_own:
        tables.append(_groups(now, scope))
    return Board(ACTIVITY, tables, missing=scope.missing)


def _carried(connection: sa.Connection, scope: Scope, period: Period) -> Carried:
    """The calls of the period and of as many days before."""
    # As text: turning each into a moment by itself would take longer than everything else.
    columns = (calls.c.created_at, calls.c.answered_at, calls.c.ended_at, calls.c.private_at)
    moments = [sa.type_coerce(each, sa.String).label(each.name) for each in columns]
    query = (
        sa.select(calls.c.agent, calls.c.direction, *moments)
        .select_from(CALLS)
        .where(
            calls.c.created_at >= period.before_at,
            calls.c.created_at < period.ends_at,
            scope.condition,
        )
    )
    rows = connection.execute(query).all()
    agent, direction, created, answered, ended, private = (
        zip(*rows, strict=True) if rows else ((),) * 6
    )
    whose = np.array([each or "" for each in agent], dtype=np.str_)
    inbound: Flags = np.array([each == INBOUND for each in direction], dtype=np.bool_)
    began, ends = _moments(answered), _moments(ended)
    is_on, is_over = ~np.isnat(began), ~np.isnat(ends)
    messages = inbound & is_on & (whose == "")
    length = (ends - began).astype("timedelta64[ms]")
    return Carried(
        created_at=_moments(created),
        agent=whose,
        length_ms=np.where(is_on & is_over, length.astype(np.int64), np.nan),
        calls=np.ones(len(whose), dtype=np.bool_),
        outbound=~inbound,
        inbound=inbound,
        answered=is_on & ~messages,
        unanswered=~inbound & ~is_on & is_over,
        missed=inbound & ~is_on & is_over,
        messages=messages,
        private=np.array([each is not None for each in private], dtype=np.bool_),
    )


def _sums(now: Carried, before: Carried) -> Table:
    return Table(
        "sums",
        [Column("what", Unit.CODE), Column("now"), Column("before")],
        [[name, now.count(name), before.count(name)] for name in SUMS],
    )


def _lengths(now: Carried, before: Carried) -> Table:
    lengths, earlier = now.lengths(), before.lengths()
    return Table(
        "lengths",
        [Column("what", Unit.CODE), Column("now", Unit.MS), Column("before", Unit.MS)],
        [
            [name, whole(percentile(lengths, share)), whole(percentile(earlier, share))]
            for name, share in (("median", MEDIAN), ("high", HIGH))
        ],
    )


def _bars(now: Carried, period: Period) -> Table:
    edges = np.array([_instant(each) for each in period.edges])
    which = np.searchsorted(edges, now.created_at, side="right") - 1
    counts = {
        name: np.bincount(which[getattr(now, name)], minlength=len(edges))
        for name in ("outbound", "inbound", "answered", "missed", "messages")
    }
    return Table(
        "weeks" if period.is_in_weeks else "days",
        [Column("day", Unit.DAY), *(Column(name) for name in counts)],
        [
            [day, *(int(counts[name][n]) for name in counts)]
            for n, day in enumerate(period.bars)
        ],
    )  # fmt: skip


def _groups(now: Carried, scope: Scope) -> Table:
    told = now.where(~now.private)
    agents = np.unique(told.agent).tolist()
    rows = []
    for group in scope.shown(agents):
        own = told.where(_of(told.agent, agents, group.members))
        lengths = own.lengths()
        rows.append(
            [
                group.name,
                *(own.count(name) for name in ("calls", "outbound", "inbound", "answered")),
                whole(percentile(lengths, MEDIAN)),
                whole(percentile(lengths, HIGH)),
            ]
        )
    return Table(
        "groups",
        [
            Column("who", Unit.GROUP),
            *(Column(name) for name in ("calls", "outbound", "inbound", "answered")),
            Column("median", Unit.MS),
            Column("high", Unit.MS),
        ],
        rows,
    )


def _of(agent: npt.NDArray[np.str_], every: list[str], members: Collection[str]) -> Flags:
    return np.isin(agent, [each for each in every if each in members])


def _moments(values: tuple[str | None, ...]) -> npt.NDArray[np.datetime64]:
    return np.array(values, dtype="datetime64[us]")


def _instant(at: datetime) -> np.datetime64:
    return np.datetime64(at.replace(tzinfo=None), "us")
