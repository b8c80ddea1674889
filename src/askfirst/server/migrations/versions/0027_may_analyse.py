"""A recording says whether everybody on it allows that it is analysed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; of recordings from before nobody knows it, so they are not analysed."""
    op.add_column(
        "recordings",
        sa.Column("may_analyse", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("recordings", "may_analyse")
