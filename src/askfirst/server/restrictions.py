"""Recordings that are restricted because a person asked for it (GDPR art. 18).

They are kept and nothing else: not erased, not transcribed, and opened for legal claims and for
the person's own rights alone, until the restriction is lifted. Two people on one call restrict it
each for themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.server.database import calls, recordings
from askfirst.server.requesttables import restrictions
from askfirst.server.store import Store

STAY_OPEN = frozenset({"dispute", "subject-request"})
"""For what a restricted recording is opened all the same (GDPR art. 18(2))."""

RESTRICTED = sa.select(restrictions.c.recording).where(restrictions.c.lifted_at.is_(None))
"""The ids of what is restricted, for other queries."""


def is_restricted(connection: sa.Connection, recording: str) -> bool:
    """Whether a recording is restricted for anybody."""
    found = connection.execute(RESTRICTED.where(restrictions.c.recording == recording).limit(1))
    return found.first() is not None


def restricted_by(connection: sa.Connection, request: str) -> list[str]:
    """The recordings that a request restricts now."""
    found = connection.execute(RESTRICTED.where(restrictions.c.request == request))
    return list(found.scalars())


def place(
    store: Store,
    connection: sa.Connection,
    request: str,
    wanted: Collection[str],
    by: str,
    at: datetime,
) -> int:
    """Restrict recordings of calls that are over and not erased; says how many were new."""
    rows = connection.execute(
        sa.select(recordings.c.id, recordings.c.call)
        .join(calls)
        .where(
            recordings.c.id.in_(wanted),
            recordings.c.state != RecordingState.ERASED.value,
            calls.c.ended_at.is_not(None),
        )
        .order_by(recordings.c.id)
    ).all()
    known = {
        row.recording: row.lifted_at
        for row in connection.execute(
            sa.select(restrictions).where(restrictions.c.request == request)
        )
    }
    new = [row for row in rows if row.id not in known or known[row.id] is not None]
    for row in new:
        mine = (restrictions.c.request == request) & (restrictions.c.recording == row.id)
        connection.execute(restrictions.delete().where(mine))
        connection.execute(
            restrictions.insert().values(request=request, recording=row.id, placed_at=at)
        )
        store.ledger.append(
            connection,
            Kind.RESTRICTION_PLACED,
            at,
            call=row.call,
            recording=row.id,
            data={"request": request, "person": by},
        )
    return len(new)


def lift(store: Store, connection: sa.Connection, request: str, by: str, at: datetime) -> int:
    """End what a request restricts; says of how many recordings.

    The person is told before (GDPR art. 18(3)). An erasure that waited is carried out by the
    caller, or by the next sweep.
    """
    rows = connection.execute(
        sa.select(recordings.c.id, recordings.c.call)
        .where(recordings.c.id.in_(RESTRICTED.where(restrictions.c.request == request)))
        .order_by(recordings.c.id)
    ).all()
    connection.execute(
        restrictions.update()
        .where(restrictions.c.request == request, restrictions.c.lifted_at.is_(None))
        .values(lifted_at=at)
    )
    for row in rows:
        store.ledger.append(
            connection,
            Kind.RESTRICTION_LIFTED,
            at,
            call=row.call,
            recording=row.id,
            data={"request": request, "person": by},
        )
    return len(rows)


def ensure_open(connection: sa.Connection, recording: str, purpose: str) -> None:
    """Raise Refused where a recording is restricted and the purpose is none that stays open."""
    if purpose not in STAY_OPEN and is_restricted(connection, recording):
        raise Refused(
            f"recording {recording} is restricted because a person asked for it; it is opened for "
            "legal claims and that person's own request only"
        )
