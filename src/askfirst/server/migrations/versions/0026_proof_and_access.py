"""Deliveries of checkpoints are intended; backups and failing addresses are remembered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0026"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    with op.batch_alter_table("checkpoint_deliveries") as batch:
        batch.add_column(sa.Column("due_at", moment(), nullable=True))
        batch.alter_column("tried_at", existing_type=moment(), nullable=True)
    op.execute("UPDATE checkpoint_deliveries SET due_at = tried_at WHERE done_at IS NULL")
    op.create_table(
        "backups",
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("keys_until", moment(), nullable=False),
        sa.Column("reached_at", moment(), nullable=True),
        sa.Column("problem", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("folder", name=op.f("pk_backups")),
    )
    op.create_table(
        "address_failures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("began_at", moment(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_address_failures")),
    )
    op.create_index(op.f("ix_address_failures_began_at"), "address_failures", ["began_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("address_failures")
    op.drop_table("backups")
    op.execute("DELETE FROM checkpoint_deliveries WHERE tried_at IS NULL")
    moment = askfirst.server.database.UtcDateTime
    with op.batch_alter_table("checkpoint_deliveries") as batch:
        batch.alter_column("tried_at", existing_type=moment(), nullable=False)
        batch.drop_column("due_at")
