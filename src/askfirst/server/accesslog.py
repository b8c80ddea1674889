"""Who has opened the recordings of somebody's calls: read from the ledger, the newest first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from askfirst.server import keptwords
from askfirst.server.accounttables import users
from askfirst.server.database import calls, ledger_entries
from askfirst.server.notetables import IS_ACCESS
from askfirst.server.store import Store

MOST = 50


@dataclass(frozen=True, slots=True)
class Opening:
    """One access: `position` in the ledger, `kind` its word, `person` a user's id or a program's.

    `at` is in UTC. What was heard is `from_ms` to `to_ms` in call time; `why` is why somebody was
    refused, `reason` why they opened it, in their words.
    """

    position: int
    at: datetime
    kind: str
    call: str
    person: str | None
    purpose: str | None
    from_ms: int | None = None
    to_ms: int | None = None
    why: str | None = None
    share: str | None = None
    reason: str = ""


def openings_of(
    store: Store, connection: sa.Connection, agent: str, most: int = MOST
) -> list[Opening]:
    """Accesses to the calls of an agent by anybody, the newest first."""
    query = (
        sa.select(ledger_entries.c.position, ledger_entries.c.call, ledger_entries.c.entry)
        .join(calls, calls.c.id == ledger_entries.c.call)
        # Wrapped, so that the few accesses are walked from the end and not all calls of an agent.
        .where(sa.text(IS_ACCESS), sa.func.coalesce(calls.c.agent, "") == agent)
        .order_by(ledger_entries.c.position.desc())
        .limit(max(1, min(most, MOST)))
    )
    return [opening_of(store, row) for row in connection.execute(query)]


def notice_read_at(connection: sa.Connection, user: str) -> datetime | None:
    """When somebody has last acknowledged the employee notice; None: never."""
    found = connection.execute(sa.select(users.c.notice_read_at).where(users.c.id == user))
    return found.scalar()


def newest_of(connection: sa.Connection, agent: str) -> int:
    """The position of the newest access to the calls of an agent; -1 where there is none."""
    query = (
        sa.select(ledger_entries.c.position)
        .join(calls, calls.c.id == ledger_entries.c.call)
        .where(sa.text(IS_ACCESS), sa.func.coalesce(calls.c.agent, "") == agent)
        .order_by(ledger_entries.c.position.desc())
        .limit(1)
    )
    found = connection.execute(query).scalar()
    return -1 if found is None else int(found)


def reason_of(store: Store, entry: Mapping[str, Any]) -> str:
    """Why somebody opened a recording, in their words; empty where they gave none."""
    recording, link = entry.get("recording"), entry.get("data", {}).get("link")
    if recording is None or link is None:
        return ""
    return keptwords.kept(store, recording, link).get("reason", "")


def opening_of(store: Store, row: Any) -> Opening:
    """The access of a row of the ledger with its position, call and entry."""
    entry = json.loads(row.entry)
    data = entry["data"]
    at = datetime.fromisoformat(str(entry["at"])).astimezone(UTC)
    return Opening(
        row.position,
        at,
        str(entry["kind"]),
        row.call,
        data.get("person"),
        data.get("purpose"),
        data.get("from_ms"),
        data.get("to_ms"),
        data.get("why"),
        data.get("share"),
        reason_of(store, entry),
    )
