"""Deliveries of checkpoints are intended before they are tried"""

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


def downgrade() -> None:
    """Undo."""
    op.execute("DELETE FROM checkpoint_deliveries WHERE tried_at IS NULL")
    moment = askfirst.server.database.UtcDateTime
    with op.batch_alter_table("checkpoint_deliveries") as batch:
        batch.alter_column("tried_at", existing_type=moment(), nullable=False)
        batch.drop_column("due_at")
