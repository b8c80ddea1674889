"""How often a tracker that is not kept yet would have been said in the last calls.

Counts only, over calls that somebody may listen to: no call is named and no word quoted, because
nothing of it is an access that stands in the ledger. That somebody tried is in the audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import Unavailable, Unverified
from askfirst.server import audit, study
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.privatecall import readable
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED
from askfirst.server.trackerchanges import Draft, checked
from askfirst.server.trackerhits import found
from askfirst.server.trackerlist import KeptTracker, concerned, languages

LAST = 20
"""Calls that are looked through, the newest."""


@dataclass(frozen=True, slots=True)
class Preview:
    """How often it was said, in how many calls, of how many that were looked through."""

    hits: int
    calls: int
    looked_at: int


def preview(store: Store, person: Person, draft: Draft, at: datetime) -> Preview:
    """What a draft would find in the last calls of its team. Raises InvalidRequest as `checked`."""
    tracker = checked(draft)
    wanted = KeptTracker("draft", draft.team, 0, tracker, person.id, at, at)
    with reading(store.engine) as connection:
        newest = connection.execute(
            sa.select(recordings.c.call)
            .select_from(
                recordings.join(calls, calls.c.id == recordings.c.call).outerjoin(
                    users, users.c.id == calls.c.agent
                )
            )
            .where(
                ALLOWED,
                within(person, Permission.RECORDINGS_LISTEN),
                readable(person),
                concerned(draft.team or None, languages(tracker)),
            )
            .distinct()
            .order_by(recordings.c.call.desc())
            .limit(LAST)
        ).scalars()
        counts = [_count(store, connection, call, wanted) for call in newest]
    looked_at = [count for count in counts if count is not None]
    with transaction(store.engine) as connection:
        audit.note(connection, at, person.id, "tracker.tried", None, {"calls": len(looked_at)})
    return Preview(sum(looked_at), sum(map(bool, looked_at)), len(looked_at))


def _count(store: Store, connection: sa.Connection, call: str, wanted: KeptTracker) -> int | None:
    """Its hits in a call; None where there are no words, or none that can be read."""
    try:
        words = study.words_of(store, connection, call)
    except (Unavailable, Unverified):
        return None
    if not words:
        return None
    return sum(len(found(each.said, each.open_, [wanted], each.language)) for each in words)
