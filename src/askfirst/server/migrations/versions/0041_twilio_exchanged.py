"""When credentials at Twilio went out of force"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    ended_at = sa.Column("ended_at", askfirst.server.database.UtcDateTime, nullable=True)
    op.add_column("twilio_accounts", ended_at)


def downgrade() -> None:
    """Take back."""
    op.drop_column("twilio_accounts", "ended_at")
