"""Who has opened the recordings of somebody's calls: read from the ledger, the newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import calls, ledger_entries
from askfirst.server.notetables import IS_ACCESS

MOST = 50


@dataclass(frozen=True, slots=True)
class Opening:
    """One access: `position` in the ledger, `kind` its word, `person` a user's id or a program's.

    `at` is in UTC.
    """

    position: int
    at: datetime
    kind: str
    call: str
    person: str | None
    purpose: str | None


def openings_of(connection: sa.Connection, agent: str, most: int = MOST) -> list[Opening]:
    """Accesses to the calls of an agent by anybody, the newest first."""
    query = (
        sa.select(ledger_entries.c.position, ledger_entries.c.call, ledger_entries.c.entry)
        .join(calls, calls.c.id == ledger_entries.c.call)
        # Wrapped, so that the few accesses are walked from the end and not all calls of an agent.
        .where(sa.text(IS_ACCESS), sa.func.coalesce(calls.c.agent, "") == agent)
        .order_by(ledger_entries.c.position.desc())
        .limit(max(1, min(most, MOST)))
    )
    return [_opening(row) for row in connection.execute(query)]


def notice_read_at(connection: sa.Connection, user: str) -> datetime | None:
    """When somebody has last acknowledged the employee notice; None: never."""
    found = connection.execute(sa.select(users.c.notice_read_at).where(users.c.id == user))
    return found.scalar()


def _opening(row: Any) -> Opening:
    entry = json.loads(row.entry)
    found = entry.get("data")
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    at = datetime.fromisoformat(str(entry["at"])).astimezone(UTC)
    return Opening(
        row.position, at, str(entry["kind"]), row.call, data.get("person"), data.get("purpose")
    )
