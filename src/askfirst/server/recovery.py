"""After a crash: calls that were cut off are ended, what was recorded is kept and marked.

No gate is open after a restart: facts live in the process that had the call, and end with it.
"""

from __future__ import annotations

import logging

import sqlalchemy as sa

from askfirst import outcome as outcomes
from askfirst.errors import KeyUnreadable, Unavailable, Unverified
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.outcome import Fault
from askfirst.server import erasure
from askfirst.server.callbook import CallBook
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.recorder import remove_folder
from askfirst.server.sealing import read_spool
from askfirst.server.store import Store

log = logging.getLogger(__name__)


def recover(store: Store, worker: str | None = None) -> int:
    """End every call that no process carries any more; says how many there were.

    Also carries out the erasures that are still owed. With `worker` these are the calls of a media
    worker that has ended, while others go on. Without it they are all calls, and what nobody knows
    is cleared out of the spool: only the one process that runs an installation may do this, before
    any call is carried.
    """
    query = sa.select(calls.c.id, calls.c.language).where(calls.c.ended_at.is_(None))
    if worker is not None:
        query = query.where(calls.c.worker == worker)
    with reading(store.engine) as connection:
        cut_off = connection.execute(query).all()
    for call in cut_off:
        _end(store, call.id, call.language)
    erasure.carry_out(store, utc_now())
    if worker is None:
        _clear_orphans(store)
    return len(cut_off)


def _end(store: Store, call: str, language: str) -> None:
    with reading(store.engine) as connection:
        spooled = list(
            connection.execute(
                sa.select(recordings.c.id).where(
                    recordings.c.call == call,
                    recordings.c.state == RecordingState.SPOOL.value,
                )
            ).scalars()
        )
        erased = [item for item in spooled if erasure.is_intended(connection, item)]
        is_withheld = CallBook(store, call).is_withheld(connection)
    was_kept = False
    fault: Fault | None = None
    for recording in spooled:
        _drop_notices(store, recording)
        if recording in erased:
            continue
        try:
            parts = read_spool(store, recording)
        except (Unverified, Unavailable) as error:
            # One file that cannot be read must not keep the others from being recovered.
            fault = Fault.KEY if isinstance(error, KeyUnreadable) else Fault.SPOOL
            _lock_away(store, call, recording, str(error), fault)
            continue
        if any(part.kind == "open" and part.frames for part in parts):
            was_kept = True
        else:
            store.keys.destroy_recording(recording)
            remove_folder(store.spool / recording)
            with transaction(store.engine) as connection:
                CallBook(store, call).recording_dropped(recording, connection)
    if fault is not None:
        outcome = outcomes.failed(fault, language)
    elif erased and not was_kept:
        outcome = outcomes.erased(language)
    else:
        outcome = outcomes.cut_off(was_kept, language)
    book = CallBook(store, call)
    with transaction(store.engine) as connection:
        book.cut_off(utc_now(), connection)
        book.settled(connection, outcome, utc_now(), finish=was_kept or is_withheld)


def _drop_notices(store: Store, recording: str) -> None:
    """A notice whose purpose was not reached goes, like in a call that ended by itself."""
    for path in (store.spool / recording).glob("*.tell"):
        store.keys.destroy(f"{recording}/spool/{path.name.split('-')[1]}")
        path.unlink()


def _lock_away(store: Store, call: str, recording: str, why: str, fault: Fault) -> None:
    """Keep everything of a recording as it lies, for nobody to read until somebody mends it."""
    log.error("recovery.unreadable recording=%s fault=%s", recording, fault.value)
    with transaction(store.engine) as connection:
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(state=RecordingState.QUARANTINED.value, failure=why, is_truncated=True)
        )
        store.ledger.append(
            connection,
            Kind.RECORDING_QUARANTINED,
            utc_now(),
            call=call,
            recording=recording,
            data={"reason": f"unreadable-{fault.value}"},
        )


def _clear_orphans(store: Store) -> None:
    """What no row speaks of was dropped while its disk or key store did not answer."""
    with reading(store.engine) as connection:
        known = set(
            connection.execute(
                sa.select(recordings.c.id).where(recordings.c.state != RecordingState.ERASED.value)
            ).scalars()
        )
    for folder in sorted(store.spool.iterdir()):
        if folder.is_dir() and folder.name.startswith("rec_") and folder.name not in known:
            store.keys.destroy_recording(folder.name)
            remove_folder(folder)
