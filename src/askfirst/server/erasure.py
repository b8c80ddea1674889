"""Erasing a recording: key first, then bytes, then rows; the proof of it stays.

An erasure is intended in the same transaction as its reason, so that a crash cannot lose it,
and carried out by a job that may run any number of times.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import NotFound
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.server.database import assets, erasures, outbox, recordings, segments, transaction
from askfirst.server.recorder import remove_folder
from askfirst.server.store import Store


def intend(
    store: Store, connection: sa.Connection, recording: str, reason: str, at: datetime
) -> None:
    """Write down, in the caller's transaction, that a recording is to be erased, and why.

    A recording under legal hold or a mandatory period is quarantined instead.
    """
    row = connection.execute(
        sa.select(recordings).where(recordings.c.id == recording)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if is_intended(connection, recording):
        return
    if row.legal_hold or row.mandatory is not None:
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(state=RecordingState.QUARANTINED.value)
        )
        store.ledger.append(
            connection,
            Kind.RECORDING_QUARANTINED,
            at,
            call=row.call,
            recording=recording,
            data={"reason": "legal-hold" if row.legal_hold else row.mandatory},
        )
        return
    connection.execute(erasures.insert().values(recording=recording, reason=reason, intended_at=at))
    connection.execute(
        outbox.insert().values(id=f"erase:{recording}", kind="erase", ref=recording, created_at=at)
    )
    store.ledger.append(
        connection,
        Kind.ERASURE_INTENDED,
        at,
        call=row.call,
        recording=recording,
        data={"reason": reason},
    )


def is_intended(connection: sa.Connection, recording: str) -> bool:
    """Whether the erasure of a recording is on the books, carried out or not."""
    query = sa.select(erasures.c.recording).where(erasures.c.recording == recording)
    return connection.execute(query).one_or_none() is not None


def erase(store: Store, recording: str, at: datetime) -> None:
    """Carry out an intended erasure; safe to repeat. What was never intended is not erased."""
    with transaction(store.engine) as connection:
        intent = connection.execute(
            sa.select(erasures).where(erasures.c.recording == recording)
        ).one_or_none()
        row = connection.execute(
            sa.select(recordings).where(recordings.c.id == recording)
        ).one_or_none()
    if intent is None or row is None:
        raise NotFound(f"nobody intended to erase {recording}; nothing was erased")
    if intent.done_at is not None:
        return
    store.keys.destroy_recording(recording)
    remove_folder(store.spool / recording)
    for name in store.blobs.names():
        if name.startswith(f"{recording}/"):
            store.blobs.delete(name)
    with transaction(store.engine) as connection:
        connection.execute(assets.delete().where(assets.c.recording == recording))
        connection.execute(segments.delete().where(segments.c.recording == recording))
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(state=RecordingState.ERASED.value, duration_ms=None, first_contact_ms=None)
        )
        connection.execute(
            erasures.update().where(erasures.c.recording == recording).values(done_at=at)
        )
        store.ledger.append(
            connection,
            Kind.RECORDING_ERASED,
            at,
            call=row.call,
            recording=recording,
            data={"reason": intent.reason},
        )
