"""Whether everybody is on one channel of a recording that was brought over"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("imports") as batch:
        batch.add_column(sa.Column("is_mixed", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("imports") as batch:
        batch.drop_column("is_mixed")
