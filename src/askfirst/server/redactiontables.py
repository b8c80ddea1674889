"""The table of what was looked for in recordings and how it ended. No queries and no words here."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata, recordings

redactions = sa.Table(
    "redactions",
    metadata,
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), primary_key=True),
    sa.Column("result", sa.String(16), nullable=False),
    # Of the finder, and what it was to look for.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("kinds", sa.JSON, nullable=False),
    # The sound that was looked at, and a digest of the ids of its transcripts.
    sa.Column("audio", sa.String(120), nullable=False),
    sa.Column("words", sa.String(64), nullable=False),
    # How often each kind was found, and how much is silent in the copy.
    sa.Column("found", sa.JSON, nullable=False),
    sa.Column("muted_ms", sa.Integer, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)
