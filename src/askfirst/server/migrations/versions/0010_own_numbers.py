"""Numbers of the account's own, which of them was called, and who takes no calls"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "own_numbers",
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("team", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_own_numbers")),
    )
    op.create_table(
        "number_people",
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=48), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"],
            ["own_numbers.number"],
            name=op.f("fk_number_people_number"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_number_people_user")),
        sa.PrimaryKeyConstraint("number", "user", name=op.f("pk_number_people")),
    )
    # In place: people and calls are referred to, so their tables cannot be made anew.
    op.add_column("calls", sa.Column("own_number", sa.String(length=64), nullable=True))
    op.add_column("users", sa.Column("is_away", sa.Boolean(), server_default="0", nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column("users", "is_away")
    op.drop_column("calls", "own_number")
    op.drop_table("number_people")
    op.drop_table("own_numbers")
