"""Deliveries of checkpoints are intended, and backups remembered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0026"
down_revision = "0020"
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


def downgrade() -> None:
    """Undo."""
    op.drop_table("backups")
    op.execute("DELETE FROM checkpoint_deliveries WHERE tried_at IS NULL")
    moment = askfirst.server.database.UtcDateTime
    with op.batch_alter_table("checkpoint_deliveries") as batch:
        batch.alter_column("tried_at", existing_type=moment(), nullable=False)
        batch.drop_column("due_at")
