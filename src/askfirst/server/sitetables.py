"""The table of what is on record about the sites where employees work.

No queries live here; the table stands in the same database as the account's.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata

site_records = sa.Table(
    "site_records",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("jurisdiction", sa.String(8), nullable=False),
    sa.Column("gate", sa.String(20), nullable=False),
    sa.Column("note", sa.String(300), nullable=False),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("recorded_by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("recorded_at", UtcDateTime, nullable=False),
    sa.Column("ended_by", sa.String(48), sa.ForeignKey(users.c.id)),
    sa.Column("ended_at", UtcDateTime),
)
