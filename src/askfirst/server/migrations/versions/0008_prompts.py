"""Announcements in the account's own voice"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "prompts",
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sound", sa.LargeBinary(), nullable=False),
        sa.Column("length_ms", sa.Integer(), nullable=False),
        sa.Column("by", sa.String(length=48), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name=op.f("fk_prompts_by")),
        sa.PrimaryKeyConstraint("language", "digest", name=op.f("pk_prompts")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("prompts")
