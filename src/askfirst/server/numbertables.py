"""The tables of the account's own numbers, and of the people at whom their calls ring.

No queries live here; the tables stand in the same database as the account's.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import metadata

own_numbers = sa.Table(
    "own_numbers",
    metadata,
    sa.Column("number", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("team", sa.String(80)),
    sa.Column("takes_messages", sa.Boolean, nullable=False, server_default="0"),
)

number_people = sa.Table(
    "number_people",
    metadata,
    sa.Column(
        "number",
        sa.String(64),
        sa.ForeignKey(own_numbers.c.number, ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), primary_key=True),
)
