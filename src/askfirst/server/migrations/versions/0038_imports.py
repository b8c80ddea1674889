"""Recordings brought over, and recordings that a carrier keeps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "imports",
        sa.Column("source", sa.String(12), nullable=False),
        sa.Column("ref", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("original_sha256", sa.String(64), nullable=False),
        sa.Column("kept_sha256", sa.String(64), nullable=True),
        sa.Column("begun_at", moment(), nullable=False),
        sa.Column("kept_at", moment(), nullable=True),
        sa.Column("verified_at", moment(), nullable=True),
        sa.Column("deleted_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("source", "ref", name=op.f("pk_imports")),
    )
    op.create_table(
        "recordings_elsewhere",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=True),
        sa.Column("call", sa.String(48), nullable=True),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("found_at", moment(), nullable=False),
        sa.Column("gone_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_recordings_elsewhere")),
    )
    op.create_table(
        "elsewhere_checks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tried_at", moment(), nullable=False),
        sa.Column("done_at", moment(), nullable=True),
        sa.Column("problem", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_elsewhere_checks")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("elsewhere_checks")
    op.drop_table("recordings_elsewhere")
    op.drop_table("imports")
