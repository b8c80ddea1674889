"""Overrides with a second person, and reminders that were sent"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "signed_overrides",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("brought_by", sa.String(length=48), nullable=False),
        sa.Column("brought_at", moment(), nullable=False),
        sa.Column("proposal", sa.String(length=48), nullable=True),
        sa.Column("entry", sa.Integer(), nullable=True),
        sa.Column("ended_by", sa.String(length=48), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [column], ["users.id"], name=op.f(f"fk_signed_overrides_{column}")
            )
            for column in ("brought_by", "ended_by")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_signed_overrides")),
    )
    op.create_table(
        "reminders_sent",
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("ref", sa.String(length=96), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("stage", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("sent_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint(
            "kind", "ref", "ends_on", "stage", "channel", name=op.f("pk_reminders_sent")
        ),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("reminders_sent")
    op.drop_table("signed_overrides")
