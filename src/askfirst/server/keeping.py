"""How the keys are kept: where, since when, when they were last rotated, backed up and tried.

The ledger knows when; the account says for how long backups of the keys are kept, and so when the
last copy goes from which something that was erased could still be read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.server.account import Account, account
from askfirst.server.database import ledger_entries
from askfirst.server.notetables import IS_KEEPING
from askfirst.server.store import Store


@dataclass(frozen=True, slots=True)
class Keeping:
    """How the keys are kept; times are None where it never happened.

    `tried_well` is whether the backup that was tried last could be restored. `void_at` is by when
    what is erased now can be read from no backup; `listed` counts what is on the erasure list.
    """

    wrapped_by: str
    count: int
    since: datetime | None
    rotated_at: datetime | None
    backed_up_at: datetime | None
    tried_at: datetime | None
    tried_well: bool
    restored_at: datetime | None
    backup_days: int
    void_at: datetime
    listed: int


def keeping(store: Store, connection: sa.Connection, now: datetime) -> Keeping:
    """How the keys of an installation are kept. Raises Unavailable."""
    wants = account(connection)
    newest = _newest(connection)
    tried = newest.get(Kind.BACKUP_CHECKED)
    changes = (newest.get(Kind.KEYS_ROTATED), newest.get(Kind.KEYS_MOVED))
    return Keeping(
        wrapped_by=store.keys.wrapped_by(),
        count=store.keys.count(),
        since=store.keys.oldest(),
        rotated_at=max((_at(each) for each in changes if each is not None), default=None),
        backed_up_at=_maybe(newest.get(Kind.BACKUP_MADE)),
        tried_at=_maybe(tried),
        tried_well=tried is not None and tried["data"].get("holds") is True,
        restored_at=_maybe(newest.get(Kind.BACKUP_RESTORED)),
        backup_days=wants.backup_days,
        void_at=void_at(wants, now),
        listed=len(store.erasures),
    )


def void_at(wants: Account, erased_at: datetime) -> datetime:
    """When the last backup goes from which something erased at a time could still be read."""
    return erased_at + timedelta(days=wants.backup_days)


def _newest(connection: sa.Connection) -> dict[Kind, dict[str, Any]]:
    """The newest entry of each kind that is about keys and backups."""
    query = sa.select(ledger_entries.c.entry).where(sa.text(IS_KEEPING))
    entries = connection.execute(query.order_by(ledger_entries.c.position)).scalars()
    found = (json.loads(entry) for entry in entries)
    return {Kind(entry["kind"]): entry for entry in found}


def _at(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["at"])


def _maybe(entry: dict[str, Any] | None) -> datetime | None:
    return None if entry is None else _at(entry)
