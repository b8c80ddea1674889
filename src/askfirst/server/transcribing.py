"""How far the transcribing of a call has come, and trying it again after a fault.

A row stands while recordings of a call are checked and heard, and after it has failed. Jobs write
it; whoever looks at the call reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.gate import Because
from askfirst.ledger import Kind
from askfirst.model import OutcomeCode, RecordingState
from askfirst.outcome import CallSummary, Fault, failed, settle
from askfirst.server import audit
from askfirst.server.callreader import call_of
from askfirst.server.database import assets, calls, outbox, reading, recordings, transaction
from askfirst.server.hearingtables import transcribing
from askfirst.server.restrictions import is_restricted
from askfirst.server.store import Store
from askfirst.server.transcripts import MACHINE

_UNCHECKED = (RecordingState.SEALED.value, RecordingState.CHECKING.value)


class Progress(StrEnum):
    """How far it is. `none`: nothing is to be heard, or nobody ordered it."""

    DONE = "done"
    GOES_ON = "goes-on"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Transcribing:
    """How far it is, since when (UTC), what failed, and whether it can be ordered again."""

    progress: Progress
    at: datetime | None = None
    fault: Fault | None = None
    may_order: bool = False


def begin(store: Store, call: str, at: datetime) -> None:
    """Say that recordings of a call are being heard; of a call without any nothing is said."""
    with transaction(store.engine) as connection:
        query = sa.select(recordings.c.id).where(recordings.c.call == call)
        if connection.execute(query).first() is not None:
            _say(connection, call, at, None)


def end(store: Store, call: str, at: datetime) -> None:
    """Say that everything of a call is heard; where it had failed before, the outcome is set right.

    What a recogniser's fault made of the outcome is taken back, and nothing else.
    """
    with transaction(store.engine) as connection:
        connection.execute(transcribing.delete().where(transcribing.c.call == call))
        row = connection.execute(
            sa.select(calls.c.outcome, calls.c.outcome_reason, calls.c.language).where(
                calls.c.id == call
            )
        ).one()
        fault = failed(Fault.RECOGNISER, row.language)
        if (row.outcome, row.outcome_reason) != (fault.code.value, fault.reason):
            return
        kept = settle(
            CallSummary(
                was_answered=True,
                has_audio=True,
                mode=None,
                was_wanted=True,
                last_because=Because.NOT_WANTED,
            ),
            row.language,
        )
        connection.execute(
            calls.update()
            .where(calls.c.id == call)
            .values(outcome=kept.code.value, outcome_reason=kept.reason)
        )
        data = {"outcome": OutcomeCode.RECORDED.value}
        store.ledger.append(connection, Kind.OUTCOME_SETTLED, at, call=call, data=data)


def give_up(store: Store, call: str, at: datetime) -> None:
    """Say that what is ready of a call has no words: its language is not known to the recogniser.

    Whoever has fetched another model may order it again.
    """
    with transaction(store.engine) as connection:
        ready = sa.select(recordings.c.id).where(
            recordings.c.call == call,
            recordings.c.state == RecordingState.READY.value,
            recordings.c.may_transcribe,
        )
        if connection.execute(ready).first() is not None:
            _say(connection, call, at, Fault.LANGUAGE)


def fail(connection: sa.Connection, call: str, fault: Fault, at: datetime) -> None:
    """Say, in the caller's transaction, that it failed, if it had begun."""
    connection.execute(
        transcribing.update().where(transcribing.c.call == call).values(at=at, fault=fault.value)
    )


def progress_of(connection: sa.Connection, recording: str) -> Transcribing:
    """How far the transcribing of a recording is."""
    row = connection.execute(
        sa.select(recordings.c.call, recordings.c.state, recordings.c.may_transcribe).where(
            recordings.c.id == recording
        )
    ).one()
    heard = sa.select(assets.c.id).where(assets.c.recording == recording, assets.c.kind == MACHINE)
    is_ready = row.state == RecordingState.READY.value
    if is_ready and connection.execute(heard).first() is not None:
        return Transcribing(Progress.DONE)
    if not (row.state in _UNCHECKED or (is_ready and row.may_transcribe)):
        return Transcribing(Progress.NONE)
    may_order = not is_restricted(connection, recording)
    stands = connection.execute(
        sa.select(transcribing).where(transcribing.c.call == row.call)
    ).one_or_none()
    if stands is None:
        return Transcribing(Progress.NONE, may_order=may_order and is_ready)
    if stands.fault is None:
        return Transcribing(Progress.GOES_ON, stands.at)
    return Transcribing(Progress.FAILED, stands.at, Fault(stands.fault), may_order)


def order(store: Store, recording: str, person: str, at: datetime) -> None:
    """Order that a recording be heard again, as a person wishes; entered in the audit log.

    Raises NotFound, and Refused where it goes on, is done, or may not be.
    """
    with transaction(store.engine) as connection:
        call = call_of(connection, recording)
        found = progress_of(connection, recording)
        if not found.may_order:
            raise Refused(
                f"recording {recording} cannot be transcribed again now; look at its page for "
                "whether that goes on or is done"
            )
        state = sa.select(recordings.c.state).where(recordings.c.id == recording)
        is_ready = connection.execute(state).scalar_one() == RecordingState.READY.value
        kind = "hear" if is_ready else "finish"
        _say(connection, call, at, None)
        connection.execute(
            outbox.insert().values(
                id=f"{kind}:{call}:{uuid4().hex[:12]}", kind=kind, ref=call, created_at=at
            )
        )
        audit.note(connection, at, person, "transcript.ordered", recording)


def of_recording(store: Store, recording: str) -> Transcribing:
    """How far the transcribing of a recording is, read by itself."""
    with reading(store.engine) as connection:
        return progress_of(connection, recording)


def have_heard(connection: sa.Connection, call: str, at: datetime, *, is_spoken: bool) -> None:
    """Order, in the caller's transaction, that what is ready of a call be heard as after a call.

    `is_spoken` is whether words are to come of it; then whoever looks sees that it goes on.
    """
    if is_spoken:
        _say(connection, call, at, None)
    order = f"hear:{call}:{uuid4().hex[:12]}"
    connection.execute(outbox.insert().values(id=order, kind="hear", ref=call, created_at=at))


def _say(connection: sa.Connection, call: str, at: datetime, fault: str | None) -> None:
    connection.execute(transcribing.delete().where(transcribing.c.call == call))
    connection.execute(transcribing.insert().values(call=call, at=at, fault=fault))
