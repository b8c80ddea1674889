"""Each day's checkpoint: signed once, stamped and published until that has worked.

Every delivery stands by itself: what fails is noted with a code, tried again later, and never
keeps another one back.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, Misconfigured, Refused, Unavailable, Unverified
from askfirst.ledger import parse_note
from askfirst.server import publishing, stamping
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.checkpointtables import checkpoint_deliveries, daily_checkpoints
from askfirst.server.database import checkpoints, reading, transaction
from askfirst.server.stamps import CHANNEL
from askfirst.server.store import Store

log = logging.getLogger(__name__)

TRIED_FOR = timedelta(days=30)
"""How long a delivery is tried; what has not worked by then stays as it failed."""


class Problem(StrEnum):
    """Why a delivery has not worked yet."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNVERIFIED = "unverified"
    MISCONFIGURED = "misconfigured"


_PROBLEMS: Mapping[type[AskfirstError], Problem] = {
    Unavailable: Problem.UNREACHABLE,
    Refused: Problem.REFUSED,
    Unverified: Problem.UNVERIFIED,
    Misconfigured: Problem.MISCONFIGURED,
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A time stamp or a publication. `done_at` None: not yet; `problem` is then a code.

    `stamped_at` is the authority's time, of a stamp only. Times are in UTC.
    """

    channel: str
    attempts: int
    tried_at: datetime
    done_at: datetime | None
    problem: str | None
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class Daily:
    """A day's checkpoint and where it went."""

    day: date
    size: int
    at: datetime
    note: str
    deliveries: Sequence[Delivery]


def run(store: Store, wanted: CheckpointSettings, at: datetime) -> None:
    """Sign the day's checkpoint if it has none yet, then try every delivery that is open."""
    sign(store, at)
    for day, channel in _open(store, wanted, at):
        _try(store, wanted, day, channel, at)


def sign(store: Store, at: datetime) -> date | None:
    """The day (UTC) whose checkpoint there is now; None while the ledger has no entry."""
    day = at.date()
    with reading(store.engine) as connection:
        known = connection.execute(
            sa.select(daily_checkpoints.c.day).where(daily_checkpoints.c.day == day)
        ).scalar()
    if known is not None:
        return day
    size = parse_note(store.ledger.checkpoint(at))[0].size
    if size == 0:
        return None
    with transaction(store.engine) as connection:
        connection.execute(daily_checkpoints.insert().values(day=day, size=size, at=at))
    return day


def dailies(
    connection: sa.Connection, *, before: date | None = None, most: int = 30
) -> list[Daily]:
    """The newest days first, with their deliveries; those before a day where one is given."""
    query = (
        sa.select(daily_checkpoints, checkpoints.c.note)
        .join(checkpoints, checkpoints.c.size == daily_checkpoints.c.size)
        .order_by(daily_checkpoints.c.day.desc())
        .limit(most)
    )
    if before is not None:
        query = query.where(daily_checkpoints.c.day < before)
    rows = connection.execute(query).all()
    went: dict[date, list[Delivery]] = {row.day: [] for row in rows}
    found = connection.execute(
        sa.select(checkpoint_deliveries)
        .where(checkpoint_deliveries.c.day.in_(went))
        .order_by(checkpoint_deliveries.c.channel)
    )
    names = Delivery.__slots__
    for row in found:
        went[row.day].append(Delivery(**{name: getattr(row, name) for name in names}))
    return [Daily(row.day, row.size, row.at, row.note, went[row.day]) for row in rows]


def missed(connection: sa.Connection, today: date) -> list[tuple[date, date]]:
    """Days without a checkpoint since the first one: the first and last of each gap, in order."""
    query = sa.select(daily_checkpoints.c.day).order_by(daily_checkpoints.c.day)
    days = [*connection.execute(query).scalars(), today]
    one = timedelta(days=1)
    return [
        (earlier + one, later - one)
        for earlier, later in itertools.pairwise(days)
        if later - earlier > one
    ]


def _open(store: Store, wanted: CheckpointSettings, at: datetime) -> list[tuple[date, str]]:
    """Days and channels that are wanted and have not worked yet, the oldest first.

    Days before a channel was first used are not made up for.
    """
    since = (at - TRIED_FOR).date()
    with reading(store.engine) as connection:
        days = connection.execute(
            sa.select(daily_checkpoints.c.day)
            .where(daily_checkpoints.c.day >= since)
            .order_by(daily_checkpoints.c.day)
        ).scalars()
        every = list(days)
        known = {
            (row.day, row.channel): row.done_at is not None
            for row in connection.execute(sa.select(checkpoint_deliveries))
        }
    return [
        (day, channel)
        for day in every
        for channel in wanted.channels
        if not known.get((day, channel), day != at.date())
    ]


def _try(store: Store, wanted: CheckpointSettings, day: date, channel: str, at: datetime) -> None:
    with reading(store.engine) as connection:
        note = connection.execute(
            sa.select(checkpoints.c.note)
            .join(daily_checkpoints, daily_checkpoints.c.size == checkpoints.c.size)
            .where(daily_checkpoints.c.day == day)
        ).scalar_one()
    values: dict[str, Any] = {"tried_at": at, "done_at": None, "problem": None}
    try:
        values |= _CHANNELS[channel](note, day, wanted, at)
        values["done_at"] = at
    except (Unavailable, Refused, Unverified, Misconfigured) as error:
        values["problem"] = next(
            problem for kind, problem in _PROBLEMS.items() if isinstance(error, kind)
        ).value
        log.warning("checkpoint.waits day=%s channel=%s why=%s", day, channel, values["problem"])
    _note(store, day, channel, values)


def _note(store: Store, day: date, channel: str, values: Mapping[str, Any]) -> None:
    table = checkpoint_deliveries
    key = (table.c.day == day) & (table.c.channel == channel)
    with transaction(store.engine) as connection:
        done = connection.execute(
            table.update().where(key).values(attempts=table.c.attempts + 1, **values)
        )
        if done.rowcount == 0:
            connection.execute(
                table.insert().values(day=day, channel=channel, attempts=1, **values)
            )


def _stamp(note: str, _day: date, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    if wanted.stamp_url is None or wanted.stamp_certificates is None:
        raise Misconfigured("no time-stamping authority is set")
    made = stamping.stamp(note, wanted.stamp_url, wanted.stamp_certificates)
    return {"stamped_at": made.at, "answer": made.answer}


def _file(note: str, _day: date, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    if wanted.file is None:
        raise Misconfigured("no file for checkpoints is set")
    publishing.to_file(note, wanted.file)
    return {}


def _mail(note: str, day: date, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    publishing.to_mail(note, day.isoformat(), wanted)
    return {}


def _webhook(note: str, day: date, wanted: CheckpointSettings, at: datetime) -> dict[str, Any]:
    publishing.to_webhook(note, f"checkpoint-{day.isoformat()}", wanted, at)
    return {}


_Channel = Callable[[str, date, CheckpointSettings, datetime], dict[str, Any]]
_CHANNELS: Mapping[str, _Channel] = {
    CHANNEL: _stamp, "file": _file, "mail": _mail, "webhook": _webhook,
}  # fmt: skip
