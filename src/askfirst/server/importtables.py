"""Table of what was brought over from elsewhere, so that nothing comes twice. No queries here."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

BEGUN, KEPT, DELETED = "begun", "kept", "deleted"
"""How far one is: nothing stands yet, it is here, and it was deleted at its source besides."""

SEGMENT = "imported"
"""The kind of the one segment of a recording that was brought over: no gate ever opened for it."""

BROUGHT_OVER = "import"
"""The provider of calls whose recording was made elsewhere and brought over."""

imports = sa.Table(
    "imports",
    metadata,
    sa.Column("source", sa.String(12), primary_key=True),
    sa.Column("ref", sa.String(64), primary_key=True),  # its id at the source
    sa.Column("state", sa.String(10), nullable=False),
    # No keys: both stand before the call and the recording do, and stay when those go.
    sa.Column("call", sa.String(48), nullable=False),
    sa.Column("recording", sa.String(48), nullable=False),
    sa.Column("original_sha256", sa.String(64), nullable=False),  # of the file as it was fetched
    sa.Column("kept_sha256", sa.String(64)),  # of our sound, before it is encrypted
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("kept_at", UtcDateTime),
    sa.Column("verified_at", UtcDateTime),
    sa.Column("deleted_at", UtcDateTime),  # at the source
    sa.Column("is_mixed", sa.Boolean),  # everybody on one channel; unknown where it is from before
)
