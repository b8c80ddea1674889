"""An item of the queue may be about what belongs to no call of ours"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _let(is_nullable=True)


def downgrade() -> None:
    """Take back."""
    op.execute(
        "DELETE FROM queue_texts WHERE item IN (SELECT id FROM queue_items WHERE call IS NULL)"
    )
    op.execute("DELETE FROM queue_items WHERE call IS NULL")
    _let(is_nullable=False)


def _let(*, is_nullable: bool) -> None:
    # SQLite builds the table anew and drops the old one, which rows that point to it forbid:
    # they are set aside meanwhile. Keys cannot be switched off in the transaction of a migration.
    is_sqlite = op.get_context().dialect.name == "sqlite"
    if is_sqlite:
        op.execute("CREATE TEMPORARY TABLE texts_aside AS SELECT * FROM queue_texts")
        op.execute("DELETE FROM queue_texts")
    with op.batch_alter_table("queue_items") as batch:
        batch.alter_column("call", existing_type=sa.String(48), nullable=is_nullable)
    if is_sqlite:
        op.execute("INSERT INTO queue_texts SELECT * FROM texts_aside")
        op.execute("DROP TABLE texts_aside")
