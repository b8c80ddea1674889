"""Tables of what opens recordings for a while: links of sessions, and shares for outsiders.

No queries live here; the tables stand in the same database as recordings and account. What says
who an outsider is stands in neither: it is kept encrypted with the recording.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata, recordings

links = sa.Table(
    "links",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), nullable=False),
    sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    # Of the session, or of the token's id where a program asks.
    sa.Column("session", sa.String(64), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    # Opens the sound as it was, with nothing silent in it.
    sa.Column("is_original", sa.Boolean, nullable=False, server_default=sa.false()),
    # Call times that were given by it already: what is asked for again is not written again.
    sa.Column("given", sa.JSON, nullable=False),
    sa.Index("ix_links_recording", "recording"),
    sa.Index("ix_links_expires_at", "expires_at"),
)

shares = sa.Table(
    "shares",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), nullable=False),
    sa.Column("made_by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("purpose", sa.String(20), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    # The code is void once it was used, or guessed at too often.
    sa.Column("code", sa.String(200)),
    sa.Column("failures", sa.Integer, nullable=False),
    # Of the browser that has brought the code; nobody else's opens anything.
    sa.Column("browser", sa.String(64)),
    sa.Column("given", sa.JSON, nullable=False),
    sa.Index("ix_shares_recording", "recording"),
)
