"""Copies for people are made in a job, and restrictions hold for calls to come"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0025"
down_revision = "0026"
branch_labels = None
depends_on = None

_COLUMNS = ("making", "state", "fault", "is_masked", "language", "done", "total", "concerns")


def upgrade() -> None:
    """Apply; a copy from before stays what it is, and one that was cut off has failed."""
    for column in (
        sa.Column("making", sa.String(length=48), nullable=False, server_default=""),
        sa.Column("state", sa.String(length=12), nullable=False, server_default="ready"),
        sa.Column("fault", sa.String(length=16), nullable=True),
        sa.Column("is_masked", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("language", sa.String(length=8), nullable=False, server_default="en"),
        sa.Column("done", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("total", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("concerns", sa.JSON(), nullable=True),
    ):
        op.add_column("copies", column)
    op.create_index("ix_copies_making", "copies", ["making"])
    moment = askfirst.server.database.UtcDateTime
    op.add_column("subject_requests", sa.Column("restricts_since", moment(), nullable=True))
    op.execute(
        "UPDATE subject_requests SET restricts_since = (SELECT MIN(placed_at) FROM restrictions "
        "WHERE request = subject_requests.id AND lifted_at IS NULL)"
    )
    # Parts from before are named after their request.
    op.execute("UPDATE copies SET making = request")
    op.execute("UPDATE copies SET state = 'failed', fault = 'program' WHERE sha256 = ''")


def downgrade() -> None:
    """Undo."""
    op.drop_column("subject_requests", "restricts_since")
    op.drop_index("ix_copies_making", table_name="copies")
    for name in _COLUMNS:
        op.drop_column("copies", name)
