"""Recordings that are restricted because a person asked for it (GDPR art. 18).

They are kept and nothing else: not erased, not transcribed, and opened for legal claims and for
the person's own rights alone, until the restriction is lifted. A call that goes on is restricted
at once, and one to come from its beginning. Two people on one call restrict it each for themselves.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.ledger import Kind, commit
from askfirst.model import RecordingState, Role
from askfirst.server import contacts
from askfirst.server.account import account
from askfirst.server.contactcard import standard
from askfirst.server.database import erasures, outbox, parties, recordings
from askfirst.server.requesttables import restrictions, subject_requests
from askfirst.server.store import Store

STAY_OPEN = frozenset({"dispute", "subject-request"})
"""For what a restricted recording is opened all the same (GDPR art. 18(2))."""

RESTRICTED = sa.select(restrictions.c.recording).where(restrictions.c.lifted_at.is_(None))
"""The ids of what is restricted, for other queries."""

OPEN: sa.ColumnElement[bool] = sa.and_(
    recordings.c.state == RecordingState.READY.value,
    recordings.c.failure.is_(None),
    recordings.c.id.not_in(RESTRICTED),
    recordings.c.id.not_in(sa.select(erasures.c.recording)),
)
"""Which rows of `recordings` are worked with: ready, readable, and neither restricted nor to go."""


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
    """Restrict recordings that are not erased, and calls to come; says how many were new."""
    connection.execute(
        subject_requests.update()
        .where(subject_requests.c.id == request, subject_requests.c.restricts_since.is_(None))
        .values(restricts_since=at)
    )
    rows = connection.execute(
        sa.select(recordings.c.id, recordings.c.call)
        .where(recordings.c.id.in_(wanted), recordings.c.state != RecordingState.ERASED.value)
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


def in_force(store: Store, connection: sa.Connection, number: str) -> list[Any]:
    """The requests that restrict the calls of whoever has a number, those to come too."""
    rows = connection.execute(
        sa.select(subject_requests).where(subject_requests.c.restricts_since.is_not(None))
    ).all()
    if not rows:
        return []
    region = account(connection).region
    written = standard(number, region)
    holder = contacts.holder(connection, number, region)
    return [
        row
        for row in rows
        if (row.contact is not None and row.contact == holder)
        or (row.person is not None and written is not None and _is_bound(store, row, written))
    ]


def take_in(store: Store, connection: sa.Connection, call: str, at: datetime) -> None:
    """Restrict what a call records from now on where a request of somebody on it wants that."""
    numbers = connection.execute(
        sa.select(parties.c.number).where(
            parties.c.call == call,
            parties.c.role == Role.CONTACT.value,
            parties.c.number.is_not(None),
        )
    )
    found = {row.id: row for each in numbers.scalars() for row in in_force(store, connection, each)}
    if not found:
        return
    theirs = sa.select(recordings.c.id).where(recordings.c.call == call)
    kept = list(connection.execute(theirs).scalars())
    for row in found.values():
        place(store, connection, row.id, kept, row.handled_by or row.received_by, at)


def _is_bound(store: Store, row: Any, number: str) -> bool:
    return hmac.compare_digest(row.person, commit(store.keys.salt(row.id), number))


def lift(store: Store, connection: sa.Connection, request: str, by: str, at: datetime) -> int:
    """End what a request restricts, for calls to come too; says of how many recordings.

    The person is told before (GDPR art. 18(3)). An erasure that waited is carried out by the
    caller, or by the next sweep.
    """
    rows = connection.execute(
        sa.select(recordings.c.id, recordings.c.call)
        .where(recordings.c.id.in_(RESTRICTED.where(restrictions.c.request == request)))
        .order_by(recordings.c.id)
    ).all()
    connection.execute(
        subject_requests.update()
        .where(subject_requests.c.id == request)
        .values(restricts_since=None)
    )
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
    # What was only stored is finished now: checked, and transcribed where it may be.
    for call in sorted({row.call for row in rows}):
        order = f"finish:{call}:{secrets.token_hex(6)}"
        connection.execute(outbox.insert().values(id=order, kind="finish", ref=call, created_at=at))
    return len(rows)


def ensure_open(connection: sa.Connection, recording: str, purpose: str) -> None:
    """Raise Refused where a recording is restricted and the purpose is none that stays open."""
    if purpose not in STAY_OPEN and is_restricted(connection, recording):
        raise Refused(
            f"recording {recording} is restricted because a person asked for it; it is opened for "
            "legal claims and that person's own request only"
        )
