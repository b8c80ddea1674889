"""Who changed a tracker last, and since when calls are learnt with it as it is"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from askfirst.server.database import UtcDateTime

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("trackers", sa.Column("changed_by", sa.String(48), nullable=True))
    op.add_column("trackers", sa.Column("changed_at", UtcDateTime(), nullable=True))
    op.add_column("trackers", sa.Column("applies_from", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for name in ("applies_from", "changed_at", "changed_by"):
        op.drop_column("trackers", name)
