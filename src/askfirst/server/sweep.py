"""The retention sweep: what is past its time is erased, what must stay says why."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.retention import Mandatory, mandatory_until
from askfirst.server import copies, erasure, waiting
from askfirst.server.database import calls, outbox, recordings, transaction
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.store import Store

_KEPT_STATES = (
    RecordingState.SPOOL.value,
    RecordingState.SEALED.value,
    RecordingState.CHECKING.value,
    RecordingState.READY.value,
    RecordingState.QUARANTINED.value,
)


def sweep(store: Store, at: datetime) -> int:
    """Intend the erasure of every recording whose time is over; says how many.

    A legal hold or a restriction keeps a recording whatever its time, and so does a duty to record
    until its period has run; one whose erasure was asked for goes then. One that was never sealed,
    because something failed, goes like the others once its call is over.
    """
    asked = sa.select(outbox.c.ref).where(
        outbox.c.kind == waiting.ERASE, outbox.c.sent_at.is_(None)
    )
    with transaction(store.engine) as connection:
        rows = connection.execute(
            sa.select(
                recordings.c.id,
                recordings.c.mandatory,
                calls.c.ended_at,
                (recordings.c.expires_at <= at).label("is_due"),
            )
            .join(calls)
            .where(
                calls.c.ended_at.is_not(None),
                sa.or_(recordings.c.expires_at <= at, recordings.c.id.in_(asked)),
                recordings.c.state.in_(_KEPT_STATES),
                recordings.c.legal_hold.is_(False),
                recordings.c.id.not_in(RESTRICTED),
            )
        ).all()
        swept = 0
        for row in rows:
            if row.mandatory is not None:
                if at < mandatory_until(row.ended_at, Mandatory(row.mandatory)):
                    continue
                connection.execute(
                    recordings.update().where(recordings.c.id == row.id).values(mandatory=None)
                )
            if row.is_due:
                erasure.intend(store, connection, row.id, "retention", at)
                swept += 1
        erasure.take_up_in(store, connection, at)
        store.ledger.append(connection, Kind.RETENTION_SWEPT, at, data={"erased_count": swept})
    copies.expire(store, at)
    return swept
