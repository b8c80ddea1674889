"""Daily checkpoints, their time stamps and publications"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "daily_checkpoints",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["checkpoints.size"], name=op.f("fk_daily_checkpoints_size")
        ),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_daily_checkpoints")),
    )
    op.create_table(
        "checkpoint_deliveries",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.DateTime(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.Column("problem", sa.String(length=16), nullable=True),
        sa.Column("stamped_at", sa.DateTime(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["day"], ["daily_checkpoints.day"], name=op.f("fk_checkpoint_deliveries_day")
        ),
        sa.PrimaryKeyConstraint("day", "channel", name=op.f("pk_checkpoint_deliveries")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("checkpoint_deliveries")
    op.drop_table("daily_checkpoints")
