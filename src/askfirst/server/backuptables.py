"""The table of backups that were made: where each one is, and whether its keys can be reached.

No queries live here. A folder is a path on this machine; the ledger never holds one.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

backups = sa.Table(
    "backups",
    metadata,
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("keys_until", UtcDateTime, nullable=False),
    sa.Column("reached_at", UtcDateTime),  # when what was erased was last taken out of its keys
    sa.Column("problem", sa.String(16)),  # why that was not possible the last time
)
