"""Numbers at which callers leave a message where nobody answers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "own_numbers",
        sa.Column("takes_messages", sa.Boolean(), server_default="0", nullable=False),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_column("own_numbers", "takes_messages")
