"""What becomes of people's requests, and recordings that are restricted"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COLUMNS = ("state", "reason", "handled_by", "answered_at", "outcome")


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    for column in (
        sa.Column("state", sa.String(length=12), nullable=False, server_default="open"),
        sa.Column("reason", sa.String(length=24), nullable=True),
        sa.Column("handled_by", sa.String(length=48), nullable=True),
        sa.Column("answered_at", moment(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
    ):
        op.add_column("subject_requests", column)
    op.create_table(
        "restrictions",
        sa.Column("request", sa.String(length=48), nullable=False),
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.Column("placed_at", moment(), nullable=False),
        sa.Column("lifted_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request"], ["subject_requests.id"], name=op.f("fk_restrictions_request")
        ),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_restrictions_recording")
        ),
        sa.PrimaryKeyConstraint("request", "recording", name=op.f("pk_restrictions")),
    )
    op.create_index("ix_restrictions_recording", "restrictions", ["recording"])
    op.create_table(
        "copies",
        sa.Column("request", sa.String(length=48), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("recordings", sa.JSON(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["subject_requests.id"], name=op.f("fk_copies_request")
        ),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_copies")),
    )
    op.create_index("ix_copies_expires_at", "copies", ["expires_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_copies_expires_at", table_name="copies")
    op.drop_table("copies")
    op.drop_index("ix_restrictions_recording", table_name="restrictions")
    op.drop_table("restrictions")
    for name in _COLUMNS:
        op.drop_column("subject_requests", name)
