"""Agreements of agents to be recorded, and private calls"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0022"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "agreements",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("user", sa.String(length=48), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("agreed_at", moment(), nullable=False),
        sa.Column("revoked_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_agreements_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreements")),
    )
    op.create_index(op.f("ix_agreements_user"), "agreements", ["user"])
    op.add_column("calls", sa.Column("private_at", moment(), nullable=True))
    op.add_column("calls", sa.Column("private_number", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("calls", "private_number")
    op.drop_column("calls", "private_at")
    op.drop_index(op.f("ix_agreements_user"), "agreements")
    op.drop_table("agreements")
