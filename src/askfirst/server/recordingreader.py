"""Recordings as somebody may read about them, and who has opened which: lists, no sound.

Every query is narrowed by the reader's permission before it runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.model import RecordingState
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.database import (
    calls,
    erasures,
    ledger_entries,
    ledger_head,
    recordings,
    segments,
)
from askfirst.server.importtables import imports
from askfirst.server.sealing import Stretch

MOST = 200
"""Lines of one page, at most."""


@dataclass(frozen=True, slots=True)
class RecordingLine:
    """A recording in a list. Times are in UTC; `mandatory` names a duty that keeps it."""

    id: str
    call: str
    created_at: datetime
    state: str
    duration_ms: int | None
    first_contact_ms: int | None
    expires_at: datetime | None
    legal_hold: bool
    mandatory: str | None


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """Somebody opened a recording. `position` is that of its entry in the ledger."""

    position: int
    at: str
    kind: str
    call: str
    recording: str | None
    person: str | None
    purpose: str | None


def recording_lines(
    connection: sa.Connection,
    person: Person,
    *,
    state: RecordingState | None = None,
    is_held: bool | None = None,
    before: str | None = None,
    most: int = 50,
) -> list[RecordingLine]:
    """The newest recordings of calls that a person may read; `before` is the last one shown."""
    query = (
        sa.select(recordings)
        .select_from(
            recordings.join(calls, calls.c.id == recordings.c.call).outerjoin(
                users, users.c.id == calls.c.agent
            )
        )
        .where(within(person, Permission.CALLS_READ))
        .order_by(recordings.c.id.desc())
    )
    if state is not None:
        query = query.where(recordings.c.state == state.value)
    if is_held is not None:
        query = query.where(recordings.c.legal_hold.is_(is_held))
    if before is not None:
        query = query.where(recordings.c.id < before)
    names = RecordingLine.__slots__
    return [
        RecordingLine(**{name: getattr(row, name) for name in names})
        for row in connection.execute(query.limit(max(1, min(most, MOST))))
    ]


def access_events(
    connection: sa.Connection, person: Person, *, before: int | None = None, most: int = 50
) -> list[AccessEvent]:
    """The newest accesses first: all of them to who reads the audit log, else those to calls that
    the person may read. `before` is the position of the last one shown.
    """
    reached = (
        sa.true() if person.may(Permission.AUDIT_READ) else within(person, Permission.CALLS_READ)
    )
    query = (
        sa.select(ledger_entries.c.position, ledger_entries.c.entry)
        .select_from(
            ledger_entries.join(calls, calls.c.id == ledger_entries.c.call).outerjoin(
                users, users.c.id == calls.c.agent
            )
        )
        # Entries are canonical JSON (RFC 8785): no space, and no quotes in a value unescaped.
        .where(reached, ledger_entries.c.entry.contains('"kind":"access.', autoescape=True))
        .order_by(ledger_entries.c.position.desc())
    )
    if before is not None:
        query = query.where(ledger_entries.c.position < before)
    rows = connection.execute(query.limit(max(1, min(most, MOST))))
    return [_event(row.position, row.entry) for row in rows]


def _event(position: int, written: str) -> AccessEvent:
    entry = json.loads(written)
    data = entry["data"]
    return AccessEvent(
        position,
        entry["at"],
        entry["kind"],
        entry["call"],
        entry.get("recording"),
        data.get("person"),
        data.get("purpose"),
    )


def stretches_of(connection: sa.Connection, recording: str) -> list[Stretch]:
    """The parts of a recording in file order: which call time each of them is."""
    rows = connection.execute(
        sa.select(segments)
        .where(segments.c.recording == recording)
        .order_by(segments.c.file_ms, segments.c.position)
    )
    return [
        Stretch(row.position, row.kind, row.permit, row.from_ms, row.to_ms, row.file_ms)
        for row in rows
    ]


def file_time(stretches: Sequence[Stretch], call_ms: int) -> int | None:
    """The file time of a call time; None where no sound of it was kept."""
    for each in stretches:
        if each.from_ms <= call_ms < each.to_ms:
            return each.file_ms + call_ms - each.from_ms
    return None


def call_span(stretches: Sequence[Stretch], from_ms: int, to_ms: int) -> tuple[int, int]:
    """The call time, from and to, of a part in file time; (0, 0) where none of it was kept."""
    parts = [
        (
            each.from_ms + max(0, from_ms - each.file_ms),
            min(each.to_ms, each.from_ms + to_ms - each.file_ms),
        )
        for each in stretches
        if each.file_ms < to_ms and from_ms < each.file_ms + each.to_ms - each.from_ms
    ]
    return (parts[0][0], parts[-1][1]) if parts else (0, 0)


@dataclass(frozen=True, slots=True)
class Erased:
    """When a recording was erased, and why; `at` None while that is ordered and not done."""

    reason: str
    at: datetime | None


def erased(connection: sa.Connection, recording: str) -> Erased | None:
    """The erasure of a recording; None where none was ordered."""
    query = sa.select(erasures.c.reason, erasures.c.done_at).where(
        erasures.c.recording == recording
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Erased(row.reason, row.done_at)


def direction(connection: sa.Connection, call: str) -> str:
    """Who called: outbound where our side did, and so is on channel 1; else inbound."""
    return str(
        connection.execute(sa.select(calls.c.direction).where(calls.c.id == call)).scalar_one()
    )


def mandatory(connection: sa.Connection, recording: str) -> str | None:
    """The duty that keeps a recording, None where none does."""
    found: str | None = connection.execute(
        sa.select(recordings.c.mandatory).where(recordings.c.id == recording)
    ).scalar()
    return found


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule that keeps a recording until a moment (UTC)."""

    rule: str
    until: datetime


def kept_by_rule(connection: sa.Connection, recording: str, at: datetime) -> Ruled | None:
    """The rule that keeps a recording for a least time, None where none does any more."""
    row = connection.execute(
        sa.select(recordings.c.kept_by, recordings.c.kept_until).where(
            recordings.c.id == recording, recordings.c.kept_until > at
        )
    ).one_or_none()
    return None if row is None else Ruled(row.kept_by, row.kept_until)


def state_of(connection: sa.Connection, recording: str) -> str | None:
    """The state of a recording; None where there is none."""
    found: str | None = connection.execute(
        sa.select(recordings.c.state).where(recordings.c.id == recording)
    ).scalar()
    return found


def is_mixed(connection: sa.Connection, recording: str) -> bool:
    """Whether everybody is on each channel: only where a recording was brought over so."""
    query = sa.select(imports.c.is_mixed).where(imports.c.recording == recording)
    found = connection.execute(query).one_or_none()
    return found is not None and found.is_mixed is not False


def ledger_size(connection: sa.Connection) -> int:
    """How many entries the ledger has."""
    return int(connection.execute(sa.select(ledger_head.c.size)).scalar() or 0)
