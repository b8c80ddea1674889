"""Entries of the ledger as somebody looks through them: by kind, period and call, the newest first.

Whoever may read the ledger may read all of it: nobody is named there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.server import audit
from askfirst.server.accounttables import audit as audit_lines
from askfirst.server.database import ledger_entries

MOST = 200
"""Entries of one page, at most."""

CHECKED = "ledger.checked"
"""The action in the audit log by which a check of the whole ledger is known."""

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries to list; what is None does not narrow. Days are in UTC, both included."""

    kind: Kind | None = None
    call: str | None = None
    since: date | None = None
    until: date | None = None

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """What rows have to fit."""
        text = ledger_entries.c.entry
        if self.kind is not None:
            yield text.contains(f'"kind":"{self.kind.value}"', autoescape=True)
        if self.call is not None:
            yield ledger_entries.c.call == self.call
        # Entries are canonical JSON (RFC 8785), whose first key is the time.
        if self.since is not None:
            yield text >= _begins(self.since)
        if self.until is not None:
            yield text < _begins(self.until + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """An entry with its position and its leaf hash (hexadecimal)."""

    position: int
    leaf: str
    entry: Mapping[str, Any]

    @property
    def at(self) -> datetime:
        """When it was entered."""
        return datetime.fromisoformat(str(self.entry["at"]))


@dataclass(frozen=True, slots=True)
class Checked:
    """A check of the whole ledger: `fault` says what did not hold, "" that everything did."""

    at: datetime
    by: str | None
    size: int
    fault: str


def ledger_lines(
    connection: sa.Connection, wanted: Wanted, *, before: int | None = None, most: int = 50
) -> list[LedgerLine]:
    """One page of entries, the newest first; `before` is the position of the last one shown."""
    query = (
        sa.select(ledger_entries)
        .where(*wanted.conditions())
        .order_by(ledger_entries.c.position.desc())
        .limit(max(1, min(most, MOST)))
    )
    if before is not None:
        query = query.where(ledger_entries.c.position < before)
    return [_line(row) for row in connection.execute(query)]


def json_lines(connection: sa.Connection, wanted: Wanted) -> Iterator[bytes]:
    """Every entry that fits, the oldest first, as JSON lines: position, leaf, exact text."""
    after = -1
    while True:
        rows = connection.execute(
            sa.select(ledger_entries)
            .where(*wanted.conditions(), ledger_entries.c.position > after)
            .order_by(ledger_entries.c.position)
            .limit(_BATCH)
        ).all()
        for row in rows:
            line = {"index": row.position, "leaf": bytes(row.leaf).hex(), "entry": row.entry}
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if len(rows) < _BATCH:
            return
        after = rows[-1].position


def note_check(
    connection: sa.Connection, at: datetime, by: str, size: int, fault: str = ""
) -> None:
    """Write down that somebody had the whole ledger checked, and what came of it."""
    audit.note(connection, at, by, CHECKED, detail={"size": size, "fault": fault})


def last_check(connection: sa.Connection) -> Checked | None:
    """The newest check of the whole ledger; None where there was none."""
    row = connection.execute(
        sa.select(audit_lines)
        .where(audit_lines.c.action == CHECKED)
        .order_by(audit_lines.c.position.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Checked(row.at, row.actor, int(row.detail["size"]), str(row.detail["fault"]))


def _line(row: Any) -> LedgerLine:
    return LedgerLine(row.position, bytes(row.leaf).hex(), json.loads(row.entry))


def _begins(day: date) -> str:
    return f'{{"at":"{day.isoformat()}'
