"""What was looked for in recordings, and links to originals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "redactions",
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("audio", sa.String(120), nullable=False),
        sa.Column("words", sa.String(64), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("muted_ms", sa.Integer(), nullable=False),
        sa.Column("made_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_redactions_recording")
        ),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_redactions")),
    )
    op.add_column(
        "links",
        sa.Column("is_original", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("links", "is_original")
    op.drop_table("redactions")
