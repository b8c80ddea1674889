"""Erasing a recording: key first, then bytes, then rows; the proof of it stays.

An erasure is intended in the same transaction as its reason, so that a crash cannot lose it,
and carried out by a job that may run any number of times. What has to stay for now waits.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.outcome import erased
from askfirst.server import coaching, copies, forgetting, noticechecks, study, waiting
from askfirst.server.blobs import disk_trouble
from askfirst.server.database import (
    assets,
    calls,
    erasures,
    outbox,
    reading,
    recordings,
    segments,
    transaction,
)
from askfirst.server.erasurelist import Listed
from askfirst.server.linktables import links
from askfirst.server.recorder import remove_folder
from askfirst.server.redactiontables import redactions
from askfirst.server.requesttables import restrictions
from askfirst.server.restrictions import is_restricted
from askfirst.server.store import Store

log = logging.getLogger(__name__)

WITHDRAWN, UNDONE, MADE_PRIVATE = "withdrawn", "undone", "private"
"""The reasons that a running call gives itself; it has ended the recording before."""


def intend(
    store: Store, connection: sa.Connection, recording: str, reason: str, at: datetime
) -> None:
    """Write down, in the caller's transaction, that a recording is to be erased, and why.

    A recording that is restricted, or under legal hold or a mandatory period, is quarantined, and
    erased once that is over; one whose call goes on is erased at its end, unless the call itself
    gave it up.
    """
    row = connection.execute(
        sa.select(recordings, calls.c.ended_at).join(calls).where(recordings.c.id == recording)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if is_intended(connection, recording):
        return
    if row.ended_at is None and reason not in (WITHDRAWN, UNDONE, MADE_PRIVATE):
        waiting.wait(connection, waiting.ERASE, recording, reason, at)
        return
    restricted = is_restricted(connection, recording)
    if restricted or _must_stay(row, at):
        waiting.wait(connection, waiting.ERASE, recording, reason, at)
        if row.state == RecordingState.QUARANTINED.value:
            return
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
            data={"reason": _why_kept(row, restricted=restricted)},
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


def take_up(store: Store, at: datetime) -> None:
    """Intend every erasure that waited and waits for nothing more."""
    with reading(store.engine) as connection:
        if not waiting.orders(connection, waiting.ERASE):
            return
    with transaction(store.engine) as connection:
        take_up_in(store, connection, at)


def take_up_in(store: Store, connection: sa.Connection, at: datetime) -> None:
    """Do as `take_up`, in the caller's transaction."""
    for order in waiting.orders(connection, waiting.ERASE):
        row = connection.execute(
            sa.select(recordings.c.state, calls.c.ended_at)
            .join(calls)
            .where(recordings.c.id == order.ref)
        ).one_or_none()
        if row is None or row.state == RecordingState.ERASED.value:
            waiting.end(connection, order, at)
        elif row.ended_at is not None:
            intend(store, connection, order.ref, waiting.detail_of(order), at)
            if is_intended(connection, order.ref):
                waiting.end(connection, order, at)


def ensure_may_go(connection: sa.Connection, recording: str, at: datetime) -> None:
    """Raise NotFound, or Refused for a recording that a legal hold, a mandatory period, a rule or
    a restriction keeps.
    """
    row = connection.execute(
        sa.select(recordings).where(recordings.c.id == recording)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if is_restricted(connection, recording):
        raise Refused(
            f"recording {recording} is restricted because a person asked for it; nothing was "
            "erased. It can be erased once that is lifted"
        )
    if not _must_stay(row, at):
        return
    if row.legal_hold:
        raise Refused(
            f"recording {recording} is kept by a legal hold; nothing was erased. It can be erased "
            "once that is released"
        )
    if row.mandatory is None:
        raise Refused(
            f"recording {recording} is kept by the rule {row.kept_by}; nothing was erased. It can "
            "be erased once its least time has run"
        )
    raise Refused(
        f"recording {recording} is kept by a mandatory period ({row.mandatory}); nothing was "
        "erased. It can be erased once that has run"
    )


def is_intended(connection: sa.Connection, recording: str) -> bool:
    """Whether the erasure of a recording is on the books, carried out or not."""
    query = sa.select(erasures.c.recording).where(erasures.c.recording == recording)
    return connection.execute(query).one_or_none() is not None


def is_waiting(connection: sa.Connection, recording: str) -> bool:
    """Whether the erasure of a recording was asked for and waits for a hold, a duty or a call."""
    query = sa.select(outbox.c.id).where(
        outbox.c.kind == waiting.ERASE, outbox.c.ref == recording, outbox.c.sent_at.is_(None)
    )
    return connection.execute(query).first() is not None


def erase(store: Store, recording: str, at: datetime) -> None:
    """Carry out an intended erasure; safe to repeat. What was never intended is not erased.

    A call whose last recording goes is erased in its outcome too. The salts of its parties stay:
    who agreed and withdrew must remain provable until that person asks to be forgotten; whoever
    has asked is forgotten now. Raises Refused where a hold was placed meanwhile; the intention
    then waits for its release.
    """
    with transaction(store.engine) as connection:
        intent = connection.execute(
            sa.select(erasures).where(erasures.c.recording == recording)
        ).one_or_none()
        row = connection.execute(
            sa.select(recordings).where(recordings.c.id == recording)
        ).one_or_none()
        restricted = is_restricted(connection, recording)
    if intent is None or row is None:
        raise NotFound(f"nobody intended to erase {recording}; nothing was erased")
    if intent.done_at is not None:
        return
    if restricted or _must_stay(row, at):
        raise Refused(
            f"recording {recording} is restricted, or under a legal hold or a mandatory period; it "
            "is erased once that is released"
        )
    # First on the list: a backup that is restored must not bring back what went meanwhile.
    store.erasures.add(Listed.RECORDING, [recording], at)
    copies.destroy_with(store, recording)
    study.forget(store, recording)
    destroy(store, recording)
    with transaction(store.engine) as connection:
        open_ = (erasures.c.recording == recording) & erasures.c.done_at.is_(None)
        if connection.execute(erasures.update().where(open_).values(done_at=at)).rowcount != 1:
            return  # somebody else has carried it out meanwhile
        noticechecks.forget(connection, recording)
        connection.execute(assets.delete().where(assets.c.recording == recording))
        connection.execute(segments.delete().where(segments.c.recording == recording))
        coaching.forget(connection, recording, at)
        connection.execute(redactions.delete().where(redactions.c.recording == recording))
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(state=RecordingState.ERASED.value, duration_ms=None, first_contact_ms=None)
        )
        _note_outcome(connection, row.call)
        store.ledger.append(
            connection,
            Kind.RECORDING_ERASED,
            at,
            call=row.call,
            recording=recording,
            data={"reason": intent.reason},
        )
    forgetting.carry_out(store, at, row.call)


def drop(connection: sa.Connection, recording: str) -> None:
    """Remove the row of a recording that kept nothing, with whatever refers to it."""
    connection.execute(links.delete().where(links.c.recording == recording))
    connection.execute(restrictions.delete().where(restrictions.c.recording == recording))
    noticechecks.forget(connection, recording)
    connection.execute(redactions.delete().where(redactions.c.recording == recording))
    connection.execute(recordings.delete().where(recordings.c.id == recording))


def destroy(store: Store, recording: str) -> None:
    """Destroy keys and bytes of a recording, rows or no rows; for `erase` and the last resort.

    The bytes go even where the key store does not answer, and the other way round. Raises
    Unavailable when one of them is left.
    """
    try:
        store.keys.destroy_recording(recording)
    finally:
        try:
            remove_folder(store.spool / recording)
        except OSError as error:
            raise disk_trouble(f"erase the spool of {recording}", error) from error
    for name in store.blobs.names():
        if name.startswith(f"{recording}/"):
            store.blobs.delete(name)


def carry_out(store: Store, at: datetime, call: str | None = None) -> int:
    """Carry out every erasure, of all calls or one, that is intended or may be by now; counts them.

    One that cannot be done now is logged and stays intended.
    """
    take_up(store, at)
    query = sa.select(erasures.c.recording).join(recordings).where(erasures.c.done_at.is_(None))
    if call is not None:
        query = query.where(recordings.c.call == call)
    with reading(store.engine) as connection:
        open_ = list(connection.execute(query).scalars())
    done = 0
    for recording in open_:
        try:
            erase(store, recording, at)
            done += 1
        except AskfirstError as error:
            log.error("erasure.waits recording=%s error=%s", recording, type(error).__name__)
    forgetting.carry_out(store, at, call)
    return done


def _why_kept(row: Any, *, restricted: bool) -> str:
    if row.legal_hold:
        return "legal-hold"
    return str(row.mandatory or ("restricted" if restricted else "rule"))


def _must_stay(row: Any, at: datetime) -> bool:
    is_ruled = row.kept_until is not None and at < row.kept_until
    return bool(row.legal_hold) or row.mandatory is not None or is_ruled


def _note_outcome(connection: sa.Connection, call: str) -> None:
    left = sa.select(recordings.c.id).where(
        recordings.c.call == call, recordings.c.state != RecordingState.ERASED.value
    )
    if connection.execute(left).first() is not None:
        return
    row = connection.execute(
        sa.select(calls.c.language, calls.c.ended_at).where(calls.c.id == call)
    ).one()
    if row.ended_at is None:  # the call goes on and settles its outcome itself
        return
    outcome = erased(row.language)
    connection.execute(
        calls.update()
        .where(calls.c.id == call)
        .values(outcome=outcome.code.value, outcome_reason=outcome.reason)
    )
