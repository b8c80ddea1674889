"""How far the transcribing of a call has come"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "transcribing",
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("fault", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_transcribing")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("transcribing")
