"""After a crash: calls that were cut off are ended, what was recorded is kept and marked.

No gate is open after a restart: facts live in the process that had the call, and end with it.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst import outcome as outcomes
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.server.callbook import CallBook
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.erasure import is_intended
from askfirst.server.recorder import remove_folder
from askfirst.server.sealing import read_spool
from askfirst.server.store import Store


def recover(store: Store) -> int:
    """End every call that no process carries any more; says how many there were.

    Only the one process that carries calls may do this, before it carries any.
    """
    with reading(store.engine) as connection:
        cut_off = list(
            connection.execute(sa.select(calls.c.id).where(calls.c.ended_at.is_(None))).scalars()
        )
    for call in cut_off:
        _end(store, call)
    return len(cut_off)


def _end(store: Store, call: str) -> None:
    with reading(store.engine) as connection:
        spooled = list(
            connection.execute(
                sa.select(recordings.c.id).where(
                    recordings.c.call == call,
                    recordings.c.state == RecordingState.SPOOL.value,
                )
            ).scalars()
        )
        erased = [item for item in spooled if is_intended(connection, item)]
    was_kept = False
    for recording in spooled:
        # A notice whose purpose was not reached goes, like in a call that ended by itself.
        for path in (store.spool / recording).glob("*.tell"):
            store.keys.destroy(f"{recording}/spool/{path.name.split('-')[1]}")
            path.unlink()
        if recording in erased:
            continue
        if any(part.kind == "open" and part.frames for part in read_spool(store, recording)):
            was_kept = True
        else:
            store.keys.destroy_recording(recording)
            remove_folder(store.spool / recording)
            with transaction(store.engine) as connection:
                CallBook(store, call).recording_dropped(recording, connection)
    outcome = outcomes.erased() if erased and not was_kept else outcomes.cut_off(was_kept)
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection, Kind.GATE_FAILED, utc_now(), call=call, data={"why": "restart"}
        )
        CallBook(store, call).settled(connection, outcome, utc_now(), finish=was_kept)
