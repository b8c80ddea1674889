"""The table of agreements to be recorded: who agreed to which words, and took that back.

No queries live here; the table stands in the same database as the account's.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata

agreements = sa.Table(
    "agreements",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("agreed_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_agreements_user", "user"),
)
