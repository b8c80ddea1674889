"""The table of announcements that the account has recorded in its own voice.

No queries live here; the table stands in the same database as the account's.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata

prompts = sa.Table(
    "prompts",
    metadata,
    sa.Column("language", sa.String(8), primary_key=True),
    # SHA-256 of the exact text, as evidence names it: another text is another prompt.
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("sound", sa.LargeBinary, nullable=False),
    sa.Column("length_ms", sa.Integer, nullable=False),
    sa.Column("by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)
