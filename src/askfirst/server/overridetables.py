"""Tables of overrides that were brought to the application, and of reminders that were sent.

No queries live here; the tables stand in the same database as the account's.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata

signed_overrides = sa.Table(
    "signed_overrides",
    metadata,
    # ``sha256:`` and the hash of what was signed; the file may be written in many ways.
    sa.Column("digest", sa.String(71), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("brought_by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("brought_at", UtcDateTime, nullable=False),
    sa.Column("proposal", sa.String(48)),
    # Where the ledger says that it was admitted, by whom, and who approved it.
    sa.Column("entry", sa.Integer),
    sa.Column("ended_by", sa.String(48), sa.ForeignKey(users.c.id)),
    sa.Column("ended_at", UtcDateTime),
)

reminders_sent = sa.Table(
    "reminders_sent",
    metadata,
    sa.Column("kind", sa.String(24), primary_key=True),
    sa.Column("ref", sa.String(96), primary_key=True),
    sa.Column("ends_on", sa.Date, primary_key=True),
    # Days before the end: 30, 7, or 0 for the day itself.
    sa.Column("stage", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("channel", sa.String(8), primary_key=True),
    sa.Column("sent_at", UtcDateTime, nullable=False),
)
