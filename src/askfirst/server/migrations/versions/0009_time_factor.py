"""How much longer than usual a person is given to react"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    # In place: people are referred to, so their table cannot be made anew.
    op.add_column(
        "users", sa.Column("time_factor", sa.SmallInteger(), server_default="1", nullable=False)
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column("users", "time_factor")
