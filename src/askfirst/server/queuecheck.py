"""The check that fills the queue: what was recorded is held against what was allowed.

`examine` looks at one call after it was finished; `check_all` looks at what was never examined, at
recordings that should be there and are not, at holds that end soon, at files that may not open,
and lets what nobody verified in time go where the account wants that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, KeyUnreadable, NotFound, Unverified
from askfirst.ledger import Kind
from askfirst.model import RecordingState, Verdict
from askfirst.rules import Rulebook
from askfirst.server import approvals, erasure, noticechecks, rechecking
from askfirst.server.account import account
from askfirst.server.approvalkinds import KINDS
from askfirst.server.database import (
    calls,
    consents,
    parties,
    reading,
    recordings,
    timeline,
    transaction,
)
from askfirst.server.playback import Playback
from askfirst.server.queue import (
    LOCKS,
    Finding,
    ItemState,
    Reason,
    note_decided,
    notice_window,
    raise_item,
)
from askfirst.server.queuetables import queue_checks, queue_items, recording_checks
from askfirst.server.recordingreader import stretches_of
from askfirst.server.sealing import Stretch
from askfirst.server.statedplaces import stricter_places
from askfirst.server.store import Store

SETTLES = timedelta(hours=1)
"""How long after its end a call is left to its own jobs."""

HOLD_WARNING = timedelta(days=14)
AGAIN_AFTER = timedelta(days=30)
"""Every ready recording is opened once in so many days."""

SAMPLE = 10
"""Recordings that are opened at each check although they were opened lately."""

AT_ONCE = 200
_WINDOW_MS = 60_000
_STOPS_MS = 300
"""What a no may take to stop a recording, with a frame to spare (promised are 200 ms)."""

_AGEING = (
    Reason.NOT_HEARD,
    Reason.REFUSED_BUT_AUDIO,
    Reason.OBJECTION_HEARD,
    Reason.UNEXPECTED,
    Reason.IMPORTED,
)
_UNHEARD = tuple(f"notice-{each}" for each in (Verdict.NOT_HEARD, Verdict.CANNOT_TELL))
_CHECKED_STATES = (RecordingState.READY.value, RecordingState.QUARANTINED.value)


@dataclass(frozen=True, slots=True)
class _Known:
    """What is on record about a call."""

    call: Any
    parties: Sequence[Any]
    consents: Sequence[Any]
    entries: Sequence[dict[str, Any]]


def examine(store: Store, rules: Rulebook, call: str, at: datetime) -> int:
    """Raise what does not fit together in a call that is over; says how many items are new."""
    with reading(store.engine) as connection:
        known = _known(store, connection, call)
        rows = connection.execute(
            sa.select(recordings).where(recordings.c.call == call, recordings.c.failure.is_(None))
        ).all()
        findings = list(_absent(connection, call))
        for row in rows:
            if row.state in _CHECKED_STATES and not _is_going(connection, row.id):
                findings += _of_recording(known, row, stretches_of(connection, row.id))
    for row in rows:
        if row.state == RecordingState.READY.value:
            findings += stricter_places(store, rules, row.id)
            findings += noticechecks.examine(store, rules, row.id, at)
    raised = 0
    with transaction(store.engine) as connection:
        for finding in findings:
            raised += raise_item(store, connection, finding, at) is not None
        for row in rows:
            if row.state in _CHECKED_STATES:
                _note_check(connection, row.id, examined_at=at)
    return raised


def check_all(store: Store, rules: Rulebook, at: datetime) -> int:
    """Check the whole installation once; says how many items are new."""
    raised = sum(examine(store, rules, call, at) for call in _unexamined(store, at))
    raised += rechecking.recheck(store, rules, at)
    raised += _check_absent(store, at)
    raised += _check_holds(store, at)
    raised += _check_files(store, at)
    _close_erased(store, at)
    age(store, at)
    approvals.expire(store, KINDS, at)
    with transaction(store.engine) as connection:
        if connection.execute(queue_checks.update().values(at=at)).rowcount == 0:
            connection.execute(queue_checks.insert().values(id=1, at=at))
    return raised


def age(store: Store, at: datetime) -> int:
    """Erase what nobody has verified in the days that the account gives; says how many.

    What a hold or a duty keeps stays, and so does its item.
    """
    with transaction(store.engine) as connection:
        days = account(connection).unverified_days
        if days is None:
            return 0
        rows = connection.execute(
            sa.select(queue_items.c.id, queue_items.c.recording)
            .join(recordings, recordings.c.id == queue_items.c.recording)
            .where(
                queue_items.c.state.in_([ItemState.OPEN.value, ItemState.ASKED.value]),
                queue_items.c.reason.in_([each.value for each in _AGEING]),
                queue_items.c.raised_at <= at - timedelta(days=days),
                recordings.c.state == RecordingState.QUARANTINED.value,
                recordings.c.legal_hold.is_(False),
                recordings.c.mandatory.is_(None),
            )
        ).all()
        for row in rows:
            erasure.intend(store, connection, row.recording, "unverified", at)
            note_decided(store, connection, row.id, "aged", at, person=None)
    return len(rows)


def _known(store: Store, connection: sa.Connection, call: str) -> _Known:
    row = connection.execute(sa.select(calls).where(calls.c.id == call)).one_or_none()
    if row is None:
        raise NotFound(f"no call {call}")
    return _Known(
        row,
        connection.execute(sa.select(parties).where(parties.c.call == call)).all(),
        connection.execute(
            sa.select(consents).where(consents.c.call == call).order_by(consents.c.ledger)
        ).all(),
        [entry for _, entry in store.ledger.entries(call)],
    )


def _of_recording(known: _Known, row: Any, stretches: Sequence[Stretch]) -> Iterator[Finding]:
    kept = [each for each in stretches if each.kind == "open"]
    unheard = any(
        entry["kind"] == Kind.RECORDING_QUARANTINED.value
        and entry.get("recording") == row.id
        and entry["data"].get("reason") in _UNHEARD
        for entry in known.entries
    )
    if row.state == RecordingState.QUARANTINED.value and unheard:
        from_ms, to_ms = notice_window(stretches)
        yield Finding(Reason.NOT_HEARD, known.call.id, row.id, from_ms=from_ms, to_ms=to_ms)
    permits = {
        entry["data"].get("permit_serial")
        for entry in known.entries
        if entry["kind"] == Kind.RECORDING_OPENED.value and entry.get("recording") == row.id
    }
    for each in kept:
        if each.permit not in permits:
            yield _at(Reason.UNEXPECTED, known, row, each.from_ms, each.to_ms)
            break
    for party, said_ms in _refusals(known):
        late = [each for each in kept if each.to_ms > said_ms + _STOPS_MS]
        if late:
            from_ms = max(said_ms, late[0].from_ms)
            yield _at(Reason.REFUSED_BUT_AUDIO, known, row, from_ms, late[0].to_ms, party)
            break
    for party, joined_ms, left_ms in _unanswered(known):
        heard = [each for each in kept if each.to_ms > joined_ms and each.from_ms < left_ms]
        if heard:
            from_ms = max(joined_ms, heard[0].from_ms)
            yield _at(Reason.JOINED_UNANSWERED, known, row, from_ms, heard[0].to_ms, party)
            break


def _at(
    reason: Reason, known: _Known, row: Any, from_ms: int, to_ms: int, party: int | None = None
) -> Finding:
    end_ms = min(to_ms, from_ms + _WINDOW_MS)
    return Finding(reason, known.call.id, row.id, party, from_ms=from_ms, to_ms=end_ms)


def _refusals(known: _Known) -> Iterator[tuple[int, int]]:
    """Who said no, and when (call time), and never agreed afterwards."""
    for each in known.consents:
        if each.kind in ("refused", "withdrawn"):
            later = any(
                other.party == each.party and other.kind == "agreed" and other.ledger > each.ledger
                for other in known.consents
            )
            if not later:
                yield each.party, each.at_ms


def _unanswered(known: _Known) -> Iterator[tuple[int, int, int]]:
    """Contacts who joined, were owed something and never answered: party, from and to when."""
    owed = {item["party"] for item in (known.call.decision or {}).get("requirements", [])}
    answered = {each.party for each in known.consents}
    for party in (each.number_in_call for each in known.parties if each.role != "agent"):
        # The first party is the contact that was called: what is owed there has its own checks.
        if party < 2 or party not in owed or party in answered:
            continue
        joined = _times(known, Kind.PARTY_JOINED, party)
        left = _times(known, Kind.PARTY_LEFT, party)
        if joined:
            yield party, joined[0], left[-1] if left else joined[0] + 86_400_000


def _times(known: _Known, kind: Kind, party: int) -> list[int]:
    return [
        int(entry["data"]["at_ms"])
        for entry in known.entries
        if entry["kind"] == kind.value and entry.get("party") == party
    ]


def _absent(connection: sa.Connection, call: str | None) -> Iterator[Finding]:
    """Calls, or one call, whose gate opened and of which there is no recording at all."""
    opened = sa.select(timeline.c.call).where(timeline.c.state == "open")
    kept = sa.select(recordings.c.call)
    query = sa.select(calls.c.id).where(
        calls.c.ended_at.is_not(None), calls.c.id.in_(opened), calls.c.id.not_in(kept)
    )
    if call is not None:
        query = query.where(calls.c.id == call)
    for found in connection.execute(query).scalars():
        yield Finding(Reason.EXPECTED_ABSENT, found)


def _is_going(connection: sa.Connection, recording: str) -> bool:
    return erasure.is_intended(connection, recording) or erasure.is_waiting(connection, recording)


def _unexamined(store: Store, at: datetime) -> list[str]:
    done = sa.select(recording_checks.c.recording).where(
        recording_checks.c.examined_at.is_not(None)
    )
    query = (
        sa.select(recordings.c.call)
        .join(calls)
        .where(
            calls.c.ended_at <= at - SETTLES,
            recordings.c.state.in_(_CHECKED_STATES),
            recordings.c.failure.is_(None),
            recordings.c.id.not_in(done),
        )
        .distinct()
        .limit(AT_ONCE)
    )
    with reading(store.engine) as connection:
        return list(connection.execute(query).scalars())


def _check_absent(store: Store, at: datetime) -> int:
    known = sa.select(queue_items.c.call).where(
        queue_items.c.reason == Reason.EXPECTED_ABSENT.value
    )
    with transaction(store.engine) as connection:
        settled = set(
            connection.execute(
                sa.select(calls.c.id).where(
                    calls.c.ended_at <= at - SETTLES, calls.c.id.not_in(known)
                )
            ).scalars()
        )
        new = [each for each in _absent(connection, None) if each.call in settled]
        return sum(raise_item(store, connection, each, at) is not None for each in new)


def _check_holds(store: Store, at: datetime) -> int:
    with transaction(store.engine) as connection:
        rows = connection.execute(
            sa.select(recordings.c.id, recordings.c.call).where(
                recordings.c.legal_hold.is_(True),
                recordings.c.hold_until <= at + HOLD_WARNING,
            )
        ).all()
        return sum(
            raise_item(store, connection, Finding(Reason.HOLD_EXPIRING, row.call, row.id), at)
            is not None
            for row in rows
        )


def _check_files(store: Store, at: datetime) -> int:
    """Open what was not opened for a month, and a sample of the rest."""
    query = (
        sa.select(recordings.c.id, recordings.c.call, recording_checks.c.opened_at)
        .outerjoin(recording_checks, recording_checks.c.recording == recordings.c.id)
        .where(recordings.c.state == RecordingState.READY.value)
    )
    with reading(store.engine) as connection:
        rows = connection.execute(query).all()
    due = [row for row in rows if row.opened_at is None or row.opened_at <= at - AGAIN_AFTER]
    rest = [row for row in rows if row not in due]
    # Which ones is no secret: that nobody can foresee them is enough.
    sample = random.sample(rest, min(SAMPLE, len(rest)))
    return sum(_check_file(store, row.call, row.id, at) for row in [*due[:AT_ONCE], *sample])


def _check_file(store: Store, call: str, recording: str, at: datetime) -> bool:
    try:
        Playback(store).ensure_opens(recording)
        opens = True
    except (KeyUnreadable, Unverified, NotFound, InvalidInput):
        opens = False
    with transaction(store.engine) as connection:
        state = connection.execute(
            sa.select(recordings.c.state).where(recordings.c.id == recording)
        ).scalar()
        if state != RecordingState.READY.value:  # it was erased or locked meanwhile
            return False
        _note_check(connection, recording, opened_at=at)
        finding = Finding(Reason.UNPLAYABLE, call, recording)
        return not opens and raise_item(store, connection, finding, at) is not None


def _close_erased(store: Store, at: datetime) -> None:
    """Close what is about a recording that is erased: there is nothing left to decide."""
    about = [*LOCKS, Reason.HOLD_EXPIRING, Reason.UNPLAYABLE]
    with transaction(store.engine) as connection:
        gone = connection.execute(
            sa.select(queue_items.c.id)
            .join(recordings, recordings.c.id == queue_items.c.recording)
            .where(
                queue_items.c.state != ItemState.DECIDED.value,
                queue_items.c.reason.in_([each.value for each in about]),
                recordings.c.state == RecordingState.ERASED.value,
            )
        ).scalars()
        for item in list(gone):
            note_decided(
                store, connection, item, "erased", at, person=None, states=tuple(ItemState)[:3]
            )


def _note_check(connection: sa.Connection, recording: str, **values: datetime) -> None:
    key = recording_checks.c.recording == recording
    if connection.execute(recording_checks.update().where(key).values(**values)).rowcount == 0:
        connection.execute(recording_checks.insert().values(recording=recording, **values))
