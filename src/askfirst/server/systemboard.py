"""The dashboard of the system: storage, work that waits, lag, and the age of what must be fresh.

Counts, sizes and ages only; nothing of anybody's calls.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from askfirst.model import RecordingState
from askfirst.server import queue, recordingselsewhere, waiting
from askfirst.server.activityboard import HIGH, MEDIAN
from askfirst.server.backuptables import backups
from askfirst.server.boards import (
    SYSTEM,
    Board,
    Cell,
    Column,
    Period,
    Table,
    Unit,
    percentile,
    whole,
)
from askfirst.server.checkpointtables import checkpoint_deliveries
from askfirst.server.copies import CopyState
from askfirst.server.database import (
    assets,
    calls,
    checkpoints,
    outbox,
    recordings,
    sweeps,
)
from askfirst.server.queuetables import queue_items
from askfirst.server.requesttables import copies
from askfirst.server.transcripts import MACHINE

AUDIO, SPOOL = "audio", "spool"
UNFINISHED = (RecordingState.SEALED.value, RecordingState.CHECKING.value)


@dataclass(frozen=True, slots=True)
class Lines:
    """What carries calls, as the server's loop saw it.

    `live` None: this process carries none and nobody told. `trunk` is a trunk's state in one word,
    None without one; `used` of its `most` lines are in use.
    """

    live: int | None = None
    trunk: str | None = None
    used: int = 0
    most: int = 0


def system(
    connection: sa.Connection, folder: Path, lines: Lines, period: Period, now: datetime
) -> Board:
    """The dashboard now; the lag of transcripts is of those that were made in the period."""
    return Board(
        SYSTEM,
        [
            _storage(connection, folder),
            _work(connection, now),
            _queue(connection, now),
            _lag(connection, period),
            _lines(lines),
            _elsewhere(connection, now),
            _ages(connection, now),
        ],
    )


def _storage(connection: sa.Connection, folder: Path) -> Table:
    query = sa.select(assets.c.kind, sa.func.count(), sa.func.sum(assets.c.bytes))
    sizes = {
        row[0]: (int(row[1]), int(row[2] or 0))
        for row in connection.execute(query.group_by(assets.c.kind))
    }
    sounds = sizes.pop(AUDIO, (0, 0))
    others = (sum(count for count, _ in sizes.values()), sum(size for _, size in sizes.values()))
    return Table(
        "storage",
        [Column("what", Unit.CODE), Column("files"), Column("bytes", Unit.BYTES)],
        [
            ["audio", *sounds],
            ["other", *others],
            ["free", None, shutil.disk_usage(folder).free],
        ],
    )


def _work(connection: sa.Connection, now: datetime) -> Table:
    """Orders that no worker has taken, recordings in the works, and what failed for good."""
    unsent = outbox.c.sent_at.is_(None) & outbox.c.kind.not_in(waiting.KINDS)
    delayed = outbox.c.sent_at.is_(None) & outbox.c.kind.in_(waiting.KINDS)
    unfinished = recordings.c.state.in_(UNFINISHED) & recordings.c.failure.is_(None)
    undelivered = checkpoint_deliveries.c.done_at.is_(
        None
    ) & checkpoint_deliveries.c.problem.is_not(None)
    rows = [
        _counted(connection, "orders", outbox.c.created_at, unsent, now),
        _counted(connection, "held-erasures", outbox.c.created_at, delayed, now),
        _counted(connection, "unfinished", recordings.c.created_at, unfinished, now),
        _counted(
            connection,
            "failed-recordings",
            recordings.c.created_at,
            recordings.c.failure.is_not(None),
            now,
        ),
        _counted(
            connection,
            "failed-copies",
            copies.c.created_at,
            copies.c.state == CopyState.FAILED.value,
            now,
        ),
        _counted(
            connection,
            "failed-checkpoints",
            checkpoint_deliveries.c.tried_at,
            undelivered,
            now,
        ),
    ]
    return Table("work", [Column("what", Unit.CODE), Column("count"), _AGE], rows)


_AGE = Column("oldest", Unit.MS)


def _counted(
    connection: sa.Connection,
    name: str,
    since: sa.Column[datetime],
    which: sa.ColumnElement[bool],
    now: datetime,
) -> Sequence[Cell]:
    query = sa.select(sa.func.count(), sa.func.min(since)).where(which)
    count, oldest = connection.execute(query).one()
    return [name, int(count), _age(oldest, now)]


def _queue(connection: sa.Connection, now: datetime) -> Table:
    counts = queue.counts(connection)
    query = (
        sa.select(queue_items.c.reason, sa.func.min(queue_items.c.raised_at))
        .where(queue_items.c.state != queue.ItemState.DECIDED.value)
        .group_by(queue_items.c.reason)
    )
    oldest = {row[0]: row[1] for row in connection.execute(query)}
    return Table(
        "queue",
        [Column("what", Unit.CODE), Column("count"), _AGE],
        [
            [reason.value, count, _age(oldest.get(reason.value), now)]
            for reason, count in counts.items()
        ],
    )


def _lag(connection: sa.Connection, period: Period) -> Table:
    """From the end of a call until its words stood there."""
    query = (
        sa.select(calls.c.ended_at, assets.c.created_at)
        .select_from(
            assets.join(recordings, recordings.c.id == assets.c.recording).join(
                calls, calls.c.id == recordings.c.call
            )
        )
        .where(
            assets.c.kind == MACHINE,
            assets.c.created_at >= period.begins_at,
            assets.c.created_at < period.ends_at,
            calls.c.ended_at.is_not(None),
        )
    )
    lags = np.array(
        [(made - ended).total_seconds() * 1_000 for ended, made in connection.execute(query)],
        dtype=np.float64,
    )
    figures = (whole(percentile(lags, share)) for share in (MEDIAN, HIGH, 1.0))
    return Table(
        "lag",
        [
            Column("what", Unit.CODE),
            Column("count"),
            Column("median", Unit.MS),
            Column("high", Unit.MS),
            Column("longest", Unit.MS),
        ],
        [["transcripts", len(lags), *figures]],
    )


def _lines(lines: Lines) -> Table:
    return Table(
        "lines",
        [
            Column("what", Unit.CODE),
            Column("state", Unit.CODE),
            Column("used"),
            Column("most"),
        ],
        [
            ["live", "unknown" if lines.live is None else "running", lines.live, None],
            [
                "trunk",
                lines.trunk or "none",
                lines.used if lines.trunk else None,
                lines.most or None,
            ],
        ],
    )


def _elsewhere(connection: sa.Connection, now: datetime) -> Table:
    """What a carrier keeps; without a whole and fresh check no number stands there."""
    found = recordingselsewhere.state(connection)
    return Table(
        "elsewhere",
        [
            Column("what", Unit.CODE),
            Column("state", Unit.CODE),
            Column("count"),
            Column("tried", Unit.MOMENT),
            Column("done", Unit.MOMENT),
        ],
        [["twilio", found.standing(now).value, found.count(now), found.tried_at, found.done_at]],
    )


def _ages(connection: sa.Connection, now: datetime) -> Table:
    newest = {
        "backup": sa.select(sa.func.max(backups.c.made_at)),
        "checkpoint": sa.select(sa.func.max(checkpoints.c.at)),
        "sweep": sa.select(sa.func.max(sweeps.c.ended_at)),
        "transcript": sa.select(sa.func.max(assets.c.created_at)).where(assets.c.kind == MACHINE),
    }
    rows: list[Sequence[Cell]] = []
    for name, query in newest.items():
        at: datetime | None = connection.execute(query).scalar()
        rows.append([name, at, _age(at, now)])
    return Table(
        "ages",
        [Column("what", Unit.CODE), Column("at", Unit.MOMENT), Column("age", Unit.MS)],
        rows,
    )


def _age(at: datetime | None, now: datetime) -> int | None:
    return None if at is None else max(round((now - at).total_seconds() * 1_000), 0)
