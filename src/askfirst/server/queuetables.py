"""Tables of the compliance queue: items, what is written about them, checks, and proposals.

No queries live here. Words stand in none of them: they are objects, encrypted under keys that go
with the recording or the call.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, calls, metadata

queue_items = sa.Table(
    "queue_items",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    # None where it is about something that belongs to no call of ours.
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), index=True),
    # No key: a recording of which nothing was kept goes, and its item stays.
    sa.Column("recording", sa.String(48)),
    # The recording, the call where there is none, or what a carrier keeps: one item for each of
    # these and reason.
    sa.Column("subject", sa.String(48), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("party", sa.Integer),
    sa.Column("code", sa.String(12)),
    sa.Column("from_ms", sa.Integer),
    sa.Column("to_ms", sa.Integer),
    sa.Column("raised_at", UtcDateTime, nullable=False),
    sa.Column("raised_by", sa.String(48)),
    sa.Column("decision", sa.String(16)),
    sa.Column("decided_at", UtcDateTime),
    sa.Column("decided_by", sa.String(48)),
    sa.UniqueConstraint("subject", "reason"),
    sa.Index(None, "state", "raised_at"),
)

queue_texts = sa.Table(
    "queue_texts",
    metadata,
    # The id of the object and of its key, which begins with the item's subject.
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("item", sa.String(48), sa.ForeignKey(queue_items.c.id), nullable=False, index=True),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("person", sa.String(48), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

queue_checks = sa.Table(
    "queue_checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

recording_checks = sa.Table(
    "recording_checks",
    metadata,
    sa.Column("recording", sa.String(48), primary_key=True),
    sa.Column("examined_at", UtcDateTime),
    sa.Column("opened_at", UtcDateTime),
)

cut_pieces = sa.Table(
    "cut_pieces",
    metadata,
    # Of an object whose key and bytes are still to be destroyed.
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("recording", sa.String(48), nullable=False),
)

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("ref", sa.String(48)),
    sa.Column("before", sa.JSON, nullable=False),
    sa.Column("after", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("proposed_by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("decided_by", sa.String(48), sa.ForeignKey(users.c.id)),
    sa.Column("decided_at", UtcDateTime),
    sa.Index(None, "state", "proposed_at"),
)
