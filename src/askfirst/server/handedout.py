"""Copies of recordings that were taken out, which no erasure here reaches.

Whoever has one is told of an erasure (GDPR art. 19). The ledger says who took them out, and when;
what they are to this day, and where, is known to those people only.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.server.database import ledger_entries, recordings
from askfirst.server.notetables import IS_ACCESS

_OUT = (Kind.ACCESS_EXPORTED, Kind.ACCESS_SHARED)
_TO_THEMSELVES = "subject-request"
"""The purpose of what the person got as their own copy."""


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A recording that was exported, or shared (`share`) with somebody outside.

    `at` is in UTC, `person` the user or program that did it.
    """

    at: datetime
    recording: str
    person: str | None
    purpose: str | None
    share: str | None


def handed_out(connection: sa.Connection, of: Collection[str]) -> list[HandedOut]:
    """What was taken out of recordings (ids), the first first; the person's own copies are not."""
    theirs = sa.select(recordings.c.call).where(recordings.c.id.in_(of))
    query = (
        sa.select(ledger_entries.c.entry)
        .where(ledger_entries.c.call.in_(theirs), sa.text(IS_ACCESS))
        .order_by(ledger_entries.c.position)
    )
    found = []
    for text in connection.execute(query).scalars():
        entry = json.loads(text)
        data = entry["data"]
        is_out = entry["kind"] in _OUT and data.get("purpose") != _TO_THEMSELVES
        if is_out and entry.get("recording") in of:
            at = datetime.fromisoformat(entry["at"]).astimezone(UTC)
            person, purpose, share = (data.get(key) for key in ("person", "purpose", "share"))
            found.append(HandedOut(at, entry["recording"], person, purpose, share))
    return found
