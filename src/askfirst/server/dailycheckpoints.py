"""Each day's checkpoint: signed once, stamped and published until that has worked.

That a checkpoint is to be delivered is written with it, in one transaction; so no crash and no
absence of a target loses one. A channel gets them in order, the oldest first, and what fails waits
longer each time; no channel keeps another one back.

A delivery is noted after it was made. A crash between the two makes it again: with the same
identity by webhook and mail, and not at all in a file that holds it already.
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
from askfirst.server.publishing import Published
from askfirst.server.stamps import CHANNEL
from askfirst.server.store import Store

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(minutes=10)
"""After a first attempt; each further one doubles it."""

LONGEST_PAUSE = timedelta(hours=6)
"""Between two attempts, however many there were; they never end while the channel is used."""


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

    Before the first attempt there is no `problem` and no `tried_at`; `due_at` is when it is tried
    next. `stamped_at` is the authority's time, of a stamp only. Times are in UTC.
    """

    channel: str
    attempts: int
    tried_at: datetime | None
    due_at: datetime | None
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
    """Sign the day's checkpoint if it has none yet, then make the deliveries that are due."""
    sign(store, wanted, at)
    for channel in wanted.channels:
        _deliver(store, wanted, channel, at)


def sign(store: Store, wanted: CheckpointSettings, at: datetime) -> date | None:
    """The day (UTC) whose checkpoint there is now; None while the ledger has no entry.

    Its deliveries are intended in the same transaction. A channel that is first used later gets the
    checkpoint of that day, and none of the days before.
    """
    day = at.date()
    with transaction(store.engine) as connection:
        known = connection.execute(
            sa.select(daily_checkpoints.c.day).where(daily_checkpoints.c.day == day)
        ).scalar()
        if known is None:
            size = parse_note(store.ledger.sign_head(connection, at))[0].size
            if size == 0:
                return None
            connection.execute(daily_checkpoints.insert().values(day=day, size=size, at=at))
        _intend(connection, wanted, day, at)
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


def _intend(connection: sa.Connection, wanted: CheckpointSettings, day: date, at: datetime) -> None:
    table = checkpoint_deliveries
    query = sa.select(table.c.channel).where(table.c.day == day)
    known = set(connection.execute(query).scalars())
    for channel in wanted.channels:
        if channel not in known:
            connection.execute(
                table.insert().values(day=day, channel=channel, attempts=0, due_at=at)
            )


def _deliver(store: Store, wanted: CheckpointSettings, channel: str, at: datetime) -> None:
    """Make what is open of a channel, in order, up to the first that fails or is not yet due."""
    table = checkpoint_deliveries
    query = (
        sa.select(table.c.day)
        .where(table.c.channel == channel, table.c.done_at.is_(None))
        .order_by(table.c.day)
    )
    with reading(store.engine) as connection:
        days = connection.execute(query).scalars().all()
    for day in days:
        if not (_claim(store, day, channel, at) and _try(store, wanted, day, channel, at)):
            return


def _claim(store: Store, day: date, channel: str, at: datetime) -> bool:
    """Put the next attempt off before this one begins; False where none is due.

    So two processes do not make the same delivery, and one that is killed in it waits its turn.
    """
    table = checkpoint_deliveries
    key = (table.c.day == day) & (table.c.channel == channel)
    with transaction(store.engine) as connection:
        attempts = connection.execute(
            sa.select(table.c.attempts).where(key, table.c.due_at <= at).with_for_update()
        ).scalar()
        if attempts is None:
            return False
        connection.execute(
            table.update()
            .where(key)
            .values(attempts=attempts + 1, tried_at=at, due_at=at + pause(attempts + 1))
        )
    return True


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts, from 1."""
    doublings = min(attempts - 1, 16)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def _try(store: Store, wanted: CheckpointSettings, day: date, channel: str, at: datetime) -> bool:
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(checkpoints.c.note, daily_checkpoints.c.at)
            .join(daily_checkpoints, daily_checkpoints.c.size == checkpoints.c.size)
            .where(daily_checkpoints.c.day == day)
        ).one()
    values: dict[str, Any]
    try:
        made = _CHANNELS[channel](Published(row.note, day, row.at), wanted, at)
        values = {**made, "done_at": at, "due_at": None, "problem": None}
    except (Unavailable, Refused, Unverified, Misconfigured) as error:
        problem = next(problem for kind, problem in _PROBLEMS.items() if isinstance(error, kind))
        values = {"problem": problem.value}
        log.warning("checkpoint.waits day=%s channel=%s why=%s", day, channel, problem.value)
    table = checkpoint_deliveries
    key = (table.c.day == day) & (table.c.channel == channel)
    with transaction(store.engine) as connection:
        connection.execute(table.update().where(key).values(**values))
    return "done_at" in values


def _stamp(made: Published, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    if wanted.stamp_url is None or wanted.stamp_certificates is None:
        raise Misconfigured("no time-stamping authority is set")
    stamp = stamping.stamp(made.note, wanted.stamp_url, wanted.stamp_certificates)
    return {"stamped_at": stamp.at, "answer": stamp.answer}


def _file(made: Published, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    if wanted.file is None:
        raise Misconfigured("no file for checkpoints is set")
    publishing.to_file(made, wanted.file)
    return {}


def _mail(made: Published, wanted: CheckpointSettings, _at: datetime) -> dict[str, Any]:
    publishing.to_mail(made, wanted)
    return {}


def _webhook(made: Published, wanted: CheckpointSettings, at: datetime) -> dict[str, Any]:
    publishing.to_webhook(made, wanted, at)
    return {}


_Channel = Callable[[Published, CheckpointSettings, datetime], dict[str, Any]]
_CHANNELS: Mapping[str, _Channel] = {
    CHANNEL: _stamp, "file": _file, "mail": _mail, "webhook": _webhook,
}  # fmt: skip
