"""The media worker that carries a call"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("calls", sa.Column("worker", sa.String(48)))


def downgrade() -> None:
    """Undo."""
    op.drop_column("calls", "worker")
