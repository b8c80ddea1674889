"""Saved views of the search beside those of the list of calls"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "saved_views",
        sa.Column("kind", sa.String(8), nullable=False, server_default="calls"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("saved_views", "kind")
