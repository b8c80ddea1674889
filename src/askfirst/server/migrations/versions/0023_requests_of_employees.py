"""Requests of employees"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("subject_requests", sa.Column("user", sa.String(48)))


def downgrade() -> None:
    """Undo."""
    op.drop_column("subject_requests", "user")
