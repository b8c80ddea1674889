"""What is kept of a person's recordings: which stay for now, why, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.model import RecordingState
from askfirst.server.account import Account, account
from askfirst.server.contactcard import Contact
from askfirst.server.contacts import get_all, holder
from askfirst.server.contactsearch import LONGEST_SEARCH, Search, find
from askfirst.server.database import calls, recordings
from askfirst.server.keepers import keeper_of
from askfirst.server.legalholds import newest_reason
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who, calls_of

MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call of a person and its recording, if it has one. Times are in UTC.

    `stays` is why an erasure leaves the recording: held, mandatory, restricted or running; empty
    where nothing does. `until` is when that ends, None where nobody has said; `why` are the words
    of a hold, `rule` is the duty or the rule that keeps it.
    """

    call: str
    at: datetime
    agent: str | None
    recording: str | None
    state: str | None
    stays: str = ""
    until: datetime | None = None
    why: str = ""
    rule: str = ""
    is_restricted: bool = False
    goes_at: datetime | None = None


def kept_calls(
    store: Store, connection: sa.Connection, person: Who, at: datetime
) -> Sequence[KeptCall]:
    """The calls of a person, the newest first, with what keeps their recordings at a moment."""
    query = (
        sa.select(
            calls.c.id,
            calls.c.created_at,
            calls.c.ended_at,
            calls.c.agent,
            recordings.c.id.label("recording"),
            recordings.c.state,
            recordings.c.legal_hold,
            recordings.c.hold_until,
            recordings.c.mandatory,
            recordings.c.kept_until,
            recordings.c.kept_by,
            recordings.c.expires_at,
            recordings.c.id.in_(RESTRICTED).label("is_restricted"),
        )
        .select_from(calls.outerjoin(recordings))
        .where(calls.c.id.in_(calls_of(connection, person)))
        .order_by(calls.c.created_at.desc(), calls.c.id, recordings.c.id)
    )
    wants = account(connection)
    return [_kept(store, row, wants, at) for row in connection.execute(query)]


def contacts_like(
    connection: sa.Connection, text: str, default_region: str | None = None
) -> list[Contact]:
    """The contacts, archived ones too, whose number, mail or name is this text.

    At most 20. Raises InvalidRequest for a text that cannot be looked for.
    """
    words = text.strip()[: LONGEST_SEARCH + 1]
    found: list[Contact] = []
    known = holder(connection, words, default_region)
    if known is not None:
        return get_all(connection, [known])
    for archived in (False, True):
        search = Search(words, archived=archived, default_region=default_region)
        found += find(connection, search, limit=MOST_FOUND).contacts
    return found[:MOST_FOUND]


def _kept(store: Store, row: Any, wants: Account, at: datetime) -> KeptCall:
    stays, until, why, rule = "", None, "", ""
    if row.recording is not None and row.state != RecordingState.ERASED.value:
        if row.ended_at is None:
            stays = "running"
        elif row.legal_hold:
            reason = newest_reason(store, row.recording)
            stays, until = "held", row.hold_until
            why = reason.reason if reason is not None and reason.is_held else ""
        elif row.is_restricted:
            stays = "restricted"
        elif (keeper := keeper_of(row, wants, at)) is not None:
            stays, until, rule = "mandatory", keeper.until, keeper.rule
    return KeptCall(
        call=row.id,
        at=row.created_at,
        agent=row.agent,
        recording=row.recording,
        state=row.state,
        stays=stays,
        until=until,
        why=why,
        rule=rule,
        is_restricted=bool(row.is_restricted),
        goes_at=row.expires_at,
    )
