"""Backups and changes of keys are found among all entries; the erasure list is a file of its own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_IS_KEEPING = """(entry LIKE '%"kind":"keys.%' OR entry LIKE '%"kind":"backup.%')"""


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_ledger_entries_keeping",
        "ledger_entries",
        ["position"],
        unique=False,
        sqlite_where=sa.text(_IS_KEEPING),
        postgresql_where=sa.text(_IS_KEEPING),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_ledger_entries_keeping", table_name="ledger_entries")
