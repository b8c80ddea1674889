"""What is on record about sites"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "site_records",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("jurisdiction", sa.String(length=8), nullable=False),
        sa.Column("gate", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("recorded_by", sa.String(length=48), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.Column("ended_by", sa.String(length=48), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recorded_by"], ["users.id"], name=op.f("fk_site_records_recorded_by")
        ),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_site_records_ended_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_records")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("site_records")
