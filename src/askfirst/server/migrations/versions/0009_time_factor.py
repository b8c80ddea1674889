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
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("time_factor", sa.SmallInteger(), server_default="1", nullable=False)
        )


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("time_factor")
