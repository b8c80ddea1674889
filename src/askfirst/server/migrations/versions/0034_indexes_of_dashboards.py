"""Indexes of dashboards"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TELLING = sa.text("state = 'telling'")
OF_CALLS = (
    "created_at",
    "agent",
    "direction",
    "answered_at",
    "ended_at",
    "private_at",
    "own_number",
    "mode",
    "outcome",
    "proof",
    "verdict",
    "id",
)


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_calls_boards", "calls", list(OF_CALLS))
    op.create_index(
        "ix_timeline_telling",
        "timeline",
        ["call", "at_ms"],
        sqlite_where=TELLING,
        postgresql_where=TELLING,
    )
    op.create_index("ix_assets_kind", "assets", ["kind", "created_at", "bytes"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_assets_kind", "assets")
    op.drop_index("ix_timeline_telling", "timeline")
    op.drop_index("ix_calls_boards", "calls")
