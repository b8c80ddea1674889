"""Every check of a recording's notice"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "notice_checks",
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime, nullable=False),
        sa.Column("detector", sa.Integer(), nullable=False),
        sa.Column("rules", sa.String(80), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("said_by", sa.String(16), nullable=True),
        sa.Column("at_ms", sa.Integer(), nullable=True),
        sa.Column("until_ms", sa.Integer(), nullable=True),
        sa.Column("delay_ms", sa.Integer(), nullable=True),
        sa.Column("heard", sa.JSON(), nullable=False),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("replies", sa.JSON(), nullable=False),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("recording", "position", name=op.f("pk_notice_checks")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("notice_checks")
