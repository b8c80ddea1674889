"""The retention sweep: what is past its time is erased, what must stay says why.

It works in batches, each in a transaction of its own, so that calls are written meanwhile and a
sweep after a long stop ends; two at once share the work, because what one has ordered the other
does not find. A recording that cannot be ordered now is left for the next sweep, and alone.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.retention import Mandatory, mandatory_until
from askfirst.server import audit, copies, erasure, waiting
from askfirst.server.account import Account, account
from askfirst.server.database import (
    calls,
    erasures,
    outbox,
    reading,
    recordings,
    sweeps,
    transaction,
)
from askfirst.server.ids import new_id
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.retentionlist import years_of
from askfirst.server.store import Store

log = logging.getLogger(__name__)

BATCH = 200
_KEPT_STATES = (
    RecordingState.SPOOL.value,
    RecordingState.SEALED.value,
    RecordingState.CHECKING.value,
    RecordingState.READY.value,
    RecordingState.QUARANTINED.value,
)


def sweep(store: Store, at: datetime, person: str | None = None) -> int:
    """Intend the erasure of every recording whose time is over; says how many.

    A legal hold or a restriction keeps a recording whatever its time, and so does a duty to record
    until its period has run; one whose erasure was asked for goes then. One that was never sealed,
    because something failed, goes like the others once its call is over. `person` is who ran it,
    None: the schedule.
    """
    made = new_id("swp")
    with transaction(store.engine) as connection:
        connection.execute(
            sweeps.insert().values(id=made, begun_at=at, person=person, intended=0, failed=0)
        )
        if person is not None:
            audit.note(connection, at, person, "retention.sweep", made)
        wants = account(connection)
    swept = failed = 0
    behind = ""
    while rows := _batch(store, at, behind):
        behind = rows[-1].id
        with transaction(store.engine) as connection:
            for row in rows:
                done = _order(store, connection, wants, row, at)
                swept += done is True
                failed += done is None
            connection.execute(
                sweeps.update().where(sweeps.c.id == made).values(intended=swept, failed=failed)
            )
    with transaction(store.engine) as connection:
        erasure.take_up_in(store, connection, at)
        connection.execute(sweeps.update().where(sweeps.c.id == made).values(ended_at=at))
        store.ledger.append(connection, Kind.RETENTION_SWEPT, at, data={"erased_count": swept})
    copies.expire(store, at)
    return swept


def _batch(store: Store, at: datetime, behind: str) -> list[Any]:
    """The next recordings, by id, whose time is over or whose erasure was asked for."""
    asked = sa.select(outbox.c.ref).where(
        outbox.c.kind == waiting.ERASE, outbox.c.sent_at.is_(None)
    )
    query = (
        sa.select(recordings.c.id, (recordings.c.expires_at <= at).label("is_due"))
        .join(calls)
        .where(
            recordings.c.id > behind,
            calls.c.ended_at.is_not(None),
            sa.or_(recordings.c.expires_at <= at, recordings.c.id.in_(asked)),
            recordings.c.state.in_(_KEPT_STATES),
            recordings.c.legal_hold.is_(False),
            recordings.c.id.not_in(RESTRICTED),
            recordings.c.id.not_in(sa.select(erasures.c.recording)),
        )
        .order_by(recordings.c.id)
        .limit(BATCH)
    )
    with reading(store.engine) as connection:
        return list(connection.execute(query))


def _order(
    store: Store, connection: sa.Connection, wants: Account, found: Any, at: datetime
) -> bool | None:
    """Whether the erasure was ordered now; None where that failed, and nothing was changed."""
    try:
        with connection.begin_nested():
            return _ordered(store, connection, wants, found, at)
    except AskfirstError as error:
        log.error("sweep.failed recording=%s error=%s", found.id, type(error).__name__)
        return None


def _ordered(
    store: Store, connection: sa.Connection, wants: Account, found: Any, at: datetime
) -> bool:
    # Asked again: a hold may have been placed since the batch was read.
    row = connection.execute(
        sa.select(
            recordings.c.mandatory,
            recordings.c.legal_hold,
            recordings.c.kept_until,
            calls.c.ended_at,
        )
        .join(calls)
        .where(recordings.c.id == found.id)
    ).one()
    if row.legal_hold or (row.kept_until is not None and at < row.kept_until):
        return False
    if row.mandatory is not None:
        if row.mandatory not in set(Mandatory):
            log.error("sweep.unknown-duty recording=%s", found.id)
            return False
        regime = Mandatory(row.mandatory)
        if at < mandatory_until(row.ended_at, regime, years_of(wants, regime)):
            return False
        connection.execute(
            recordings.update().where(recordings.c.id == found.id).values(mandatory=None)
        )
    if not found.is_due or erasure.is_intended(connection, found.id):
        return False
    erasure.intend(store, connection, found.id, "retention", at)
    return True
