"""The table of standing consents: what somebody has agreed to in writing, for calls to come.

No queries live here. Numbers are keyed hashes; what was signed is an encrypted object.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.contacttables import contacts
from askfirst.server.database import UtcDateTime, metadata

standing_consents = sa.Table(
    "standing_consents",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("contact", sa.String(48), sa.ForeignKey(contacts.c.id), nullable=False, index=True),
    # Keyed hashes of the numbers for which it speaks (`ErasureList.number_mark`).
    sa.Column("numbers", sa.JSON, nullable=False),
    sa.Column("purposes", sa.JSON, nullable=False),
    sa.Column("uses", sa.JSON, nullable=False),
    sa.Column("elements", sa.JSON, nullable=False),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("given_on", sa.Date, nullable=False),
    sa.Column("ends_on", sa.Date, nullable=False),
    # The object that holds the document, or the words that say where it is; NULL while it is made.
    sa.Column("document", sa.String(80)),
    sa.Column("form", sa.String(16), nullable=False),
    # No key to users: they may go, what they did stays.
    sa.Column("filed_by", sa.String(48), nullable=False),
    sa.Column("filed_at", UtcDateTime, nullable=False),
    sa.Column("withdrawn_at", UtcDateTime),
    # Whoever noted it; NULL where the contact did it in a call that nobody had.
    sa.Column("withdrawn_by", sa.String(48)),
    # A code: how the consent came to its end.
    sa.Column("withdrawn_why", sa.String(24)),
    sa.Index("ix_standing_consents_ends_on", "ends_on", "id"),
)
