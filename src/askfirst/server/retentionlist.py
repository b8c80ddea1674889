"""What goes by its time and when, and what stays longer than that and why.

Everything is asked of the database in pages, so that an account may have any number of recordings.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.model import RecordingState, Role
from askfirst.retention import MANDATORY_YEARS, Mandatory
from askfirst.server import waiting
from askfirst.server.account import Account
from askfirst.server.database import calls, erasures, outbox, parties, recordings, sweeps

MOST = 200
"""Lines of one page, at most."""

SOON, LATER = timedelta(days=7), timedelta(days=30)
SWEPT_AT = (3, 17)
"""Hour and minute of the daily sweep, in UTC, where there is no summer time."""


class Stays(StrEnum):
    """Why a recording is still there although its time is over, or was never set."""

    HOLD = "hold"
    MANDATORY = "mandatory"
    RULE = "rule"
    CALL_RUNS = "call-runs"
    ERASURE_WAITS = "erasure-waits"
    NO_PERIOD = "no-period"
    NEXT_SWEEP = "next-sweep"


@dataclass(frozen=True, slots=True)
class Line:
    """A recording in a list. Times are in UTC; `stays` None: nothing keeps it.

    `because` and `by` are what made its period (`askfirst.retention.Because`); `keeper` the regime
    or the rule that keeps it longer.
    """

    id: str
    call: str
    created_at: datetime
    purpose: str
    places: tuple[str, ...]
    expires_at: datetime | None
    days: int | None
    because: str | None
    by: str | None
    stays: Stays | None = None
    keeper: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One run of the sweep: `ended_at` None while it runs or where it was cut off."""

    begun_at: datetime
    ended_at: datetime | None
    person: str | None
    intended: int
    failed: int


def going(
    connection: sa.Connection,
    wants: Account,
    now: datetime,
    until: datetime,
    *,
    after: str | None = None,
    most: int = 50,
) -> list[Line]:
    """What goes by its time until a day, the first first; `after` is the last one shown."""
    query = _lines(wants, now).where(_goes(wants, now, until))
    return _page(connection, query, after, most)


def counts(
    connection: sa.Connection, wants: Account, now: datetime, until: datetime
) -> dict[tuple[str, str], int]:
    """How many recordings go by their time until a day, by purpose and the contact's place."""
    place = sa.cast(_places(), sa.String).label("place")
    query = (
        sa.select(recordings.c.purpose, place, sa.func.count())
        .select_from(recordings.join(calls))
        .where(_goes(wants, now, until))
        .group_by(recordings.c.purpose, place)
    )
    found: Counter[tuple[str, str]] = Counter()
    for purpose, places, count in connection.execute(query):
        codes = json.loads(places) if places else []
        found[purpose, codes[0] if codes else ""] += count
    return dict(sorted(found.items()))


def staying(
    connection: sa.Connection,
    wants: Account,
    now: datetime,
    *,
    why: Stays | None = None,
    after: str | None = None,
    most: int = 50,
) -> list[Line]:
    """What is still there although its time is over, with the reason, the longest over first."""
    query = _lines(wants, now).where(_is_over(now))
    if why is not None:
        query = query.where(_stays(wants, now) == why.value)
    return _page(connection, query, after, most)


def stay_counts(connection: sa.Connection, wants: Account, now: datetime) -> dict[Stays, int]:
    """How many recordings stay for which reason."""
    why = _stays(wants, now).label("why")
    query = sa.select(why, sa.func.count()).select_from(_all()).where(_is_over(now)).group_by(why)
    found = {Stays(each): count for each, count in connection.execute(query)}
    return {each: found.get(each, 0) for each in Stays}


def last_sweep(connection: sa.Connection) -> Sweep | None:
    """The sweep that began last; None: there was none yet."""
    row = connection.execute(sa.select(sweeps).order_by(sweeps.c.begun_at.desc())).first()
    if row is None:
        return None
    return Sweep(row.begun_at, row.ended_at, row.person, row.intended, row.failed)


def next_sweep(now: datetime) -> datetime:
    """When the schedule sweeps next (UTC)."""
    hour, minute = SWEPT_AT
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)


def years_of(wants: Account, regime: Mandatory) -> int:
    """For how many years a duty keeps a recording: the law's, or more where an authority asked."""
    asked = wants.mandatory_years.get(regime.value, {})
    return max(MANDATORY_YEARS[regime], int(asked.get("years", 0)))


def _all() -> sa.Join:
    return recordings.join(calls, calls.c.id == recordings.c.call).outerjoin(
        erasures, erasures.c.recording == recordings.c.id
    )


def _lines(wants: Account, now: datetime) -> sa.Select[Any]:
    return sa.select(
        recordings, _places().label("places"), _stays(wants, now).label("stays")
    ).select_from(_all())


def _places() -> sa.ScalarSelect[Any]:
    return (
        sa.select(parties.c.places)
        .where(parties.c.call == recordings.c.call, parties.c.role == Role.CONTACT.value)
        .order_by(parties.c.number_in_call)
        .limit(1)
        .scalar_subquery()
    )


def _page(
    connection: sa.Connection, query: sa.Select[Any], after: str | None, most: int
) -> list[Line]:
    order = (sa.func.coalesce(recordings.c.expires_at, recordings.c.created_at), recordings.c.id)
    if after is not None:
        mark = connection.execute(sa.select(*order).where(recordings.c.id == after)).first()
        if mark is not None:
            query = query.where(sa.tuple_(*order) > sa.tuple_(*(sa.literal(x) for x in mark)))
    rows = connection.execute(query.order_by(*order).limit(max(1, min(most, MOST))))
    return [_line(row) for row in rows]


def _line(row: Any) -> Line:
    stays = Stays(row.stays)
    keeper = {Stays.MANDATORY: row.mandatory, Stays.RULE: row.kept_by}.get(stays)
    return Line(
        row.id,
        row.call,
        row.created_at,
        row.purpose,
        tuple(row.places or ()),
        row.expires_at,
        row.period_days,
        row.period_because,
        row.period_by,
        None if stays is Stays.NEXT_SWEEP else stays,
        keeper,
    )


def _kept() -> sa.ColumnElement[bool]:
    return recordings.c.state != RecordingState.ERASED.value


def _goes(wants: Account, now: datetime, until: datetime) -> sa.ColumnElement[bool]:
    """Over by `until`, and nothing that is known now keeps it then."""
    return sa.and_(
        _kept(),
        recordings.c.expires_at > now,
        recordings.c.expires_at <= until,
        recordings.c.legal_hold.is_(False),
        sa.not_(_is_mandatory(wants, until)),
        sa.or_(recordings.c.kept_until.is_(None), recordings.c.kept_until <= until),
    )


def _is_over(now: datetime) -> sa.ColumnElement[bool]:
    """Its time is over, it has none, or its erasure was asked for or ordered and is not done."""
    asked = sa.select(outbox.c.ref).where(
        outbox.c.kind == waiting.ERASE, outbox.c.sent_at.is_(None)
    )
    ordered = sa.select(erasures.c.recording).where(erasures.c.done_at.is_(None))
    return sa.and_(
        _kept(),
        sa.or_(
            recordings.c.expires_at <= now,
            recordings.c.expires_at.is_(None),
            recordings.c.id.in_(asked),
            recordings.c.id.in_(ordered),
        ),
    )


def _stays(wants: Account, now: datetime) -> sa.Case[str]:
    return sa.case(
        (recordings.c.legal_hold, Stays.HOLD.value),
        (_is_mandatory(wants, now), Stays.MANDATORY.value),
        (recordings.c.kept_until > now, Stays.RULE.value),
        (erasures.c.recording.is_not(None), Stays.ERASURE_WAITS.value),
        (calls.c.ended_at.is_(None), Stays.CALL_RUNS.value),
        (recordings.c.expires_at.is_(None), Stays.NO_PERIOD.value),
        else_=Stays.NEXT_SWEEP.value,
    )


def _is_mandatory(wants: Account, on: datetime) -> sa.ColumnElement[bool]:
    """Whether the period of a duty runs on a day; of a word that is no known duty it always does.

    The sweep counts the last day exactly; here 29 February counts as 1 March.
    """
    over = [
        sa.and_(
            recordings.c.mandatory == regime.value,
            calls.c.ended_at <= _years_before(on, years_of(wants, regime)),
        )
        for regime in Mandatory
    ]
    return sa.and_(
        recordings.c.mandatory.is_not(None),
        sa.not_(sa.func.coalesce(sa.or_(*over), sa.false())),
    )


def _years_before(on: datetime, years: int) -> datetime:
    if (on.month, on.day) == (2, 29):
        on = on.replace(day=28)
    return on.replace(year=on.year - years)


def by_purpose(found: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Counts of `counts` by purpose alone."""
    summed: Counter[str] = Counter()
    for (purpose, _place), count in found.items():
        summed[purpose] += count
    return dict(summed)


def by_place(found: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Counts of `counts` by place alone; the place that nobody knows is ''."""
    summed: Counter[str] = Counter()
    for (_purpose, place), count in found.items():
        summed[place] += count
    return dict(summed)
