"""The mode of a call beside its decision, so that lists can ask for it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply, and take the modes out of the decisions that are there."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mode", sa.String(length=8), nullable=True))
        batch_op.create_index(batch_op.f("ix_calls_mode"), ["mode"], unique=False)
    calls = sa.table("calls", sa.column("id"), sa.column("mode"), sa.column("decision", sa.JSON))
    connection = op.get_bind()
    decided = sa.select(calls.c.id, calls.c.decision).where(calls.c.decision.is_not(None))
    for row in connection.execute(decided).all():
        mode = (row.decision or {}).get("mode")
        connection.execute(calls.update().where(calls.c.id == row.id).values(mode=mode))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_calls_mode"))
        batch_op.drop_column("mode")
