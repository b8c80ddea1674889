"""Tables of what people write about calls: notes, and views of the list.

No queries live here; the tables stand in the same database as calls, contacts and account.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import UtcDateTime, calls, ledger_entries, metadata

call_notes = sa.Table(
    "call_notes",
    metadata,
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    # How the conversation went. Not "outcome": that word is what became of the recording.
    sa.Column("disposition", sa.String(16)),
    sa.Column("notes", sa.Text, nullable=False),
    # The notes as search compares them; derived.
    sa.Column("searched", sa.Text, nullable=False),
    sa.Column("anyone_else", sa.String(8)),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    # Set where the person was forgotten: an open page must not bring the words back.
    sa.Column("forgotten_at", UtcDateTime),
)

saved_views = sa.Table(
    "saved_views",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False, server_default="calls"),  # which page's
    sa.Column("filters", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("user", "name"),
)

follow_ups_by_call = sa.Index("ix_follow_ups_call", follow_ups.c.call)
follow_ups_by_owner = sa.Index(
    "ix_follow_ups_owner", follow_ups.c.owner, follow_ups.c.done_at, follow_ups.c.due
)
calls_of_agent = sa.Index("ix_calls_agent_id", calls.c.agent, calls.c.id)

# Accesses are few among many entries, and people look for theirs again and again.
IS_ACCESS = """entry LIKE '%"kind":"access.%'"""
accesses = sa.Index(
    "ix_ledger_entries_access",
    ledger_entries.c.position,
    sqlite_where=sa.text(IS_ACCESS),
    postgresql_where=sa.text(IS_ACCESS),
)

# What is known of keys and backups is asked for on a page, and stands among very many entries.
IS_KEEPING = """(entry LIKE '%"kind":"keys.%' OR entry LIKE '%"kind":"backup.%')"""
keepings = sa.Index(
    "ix_ledger_entries_keeping",
    ledger_entries.c.position,
    sqlite_where=sa.text(IS_KEEPING),
    postgresql_where=sa.text(IS_KEEPING),
)
