"""Counts for whoever watches the installation: numbers of things by state, and nothing of anybody.

Each is asked anew; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from askfirst.server import waiting
from askfirst.server.database import calls, outbox, recordings


@dataclass(frozen=True, slots=True)
class Counts:
    """How many calls by outcome, recordings by state, and orders that wait for a worker."""

    calls: Mapping[str, int]
    recordings: Mapping[str, int]
    orders: int


GOING_ON = "going-on"


def count(connection: sa.Connection) -> Counts:
    """The counts as they are now."""
    orders = (
        sa.select(sa.func.count())
        .select_from(outbox)
        .where(outbox.c.sent_at.is_(None), outbox.c.kind.not_in(waiting.KINDS))
    )
    return Counts(
        {code or GOING_ON: number for code, number in _by(connection, calls.c.outcome)},
        {str(state): number for state, number in _by(connection, recordings.c.state)},
        int(connection.execute(orders).scalar_one()),
    )


def _by(connection: sa.Connection, column: sa.Column[str]) -> list[tuple[str | None, int]]:
    query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
    return [(row[0], row[1]) for row in connection.execute(query)]
