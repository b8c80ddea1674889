"""Why a recording is kept as long as it is, who placed its hold and when, and the sweeps"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from askfirst.server.database import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ADDED = (
    ("period_days", sa.Integer()),
    ("period_because", sa.String(length=16)),
    ("period_by", sa.String(length=48)),
    ("kept_until", UtcDateTime()),
    ("kept_by", sa.String(length=48)),
    ("held_at", UtcDateTime()),
    ("held_by", sa.String(length=48)),
)


def upgrade() -> None:
    """Apply."""
    # In place: recordings are referred to, so their table cannot be made anew.
    for name, kind in _ADDED:
        op.add_column("recordings", sa.Column(name, kind, nullable=True))
    op.create_index(op.f("ix_recordings_expires_at"), "recordings", ["expires_at"], unique=False)
    op.create_index(
        "ix_recordings_held",
        "recordings",
        ["id"],
        unique=False,
        sqlite_where=sa.text("legal_hold"),
        postgresql_where=sa.text("legal_hold"),
    )
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("person", sa.String(length=48), nullable=True),
        sa.Column("intended", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
    )
    op.create_index(op.f("ix_sweeps_begun_at"), "sweeps", ["begun_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_sweeps_begun_at"), table_name="sweeps")
    op.drop_table("sweeps")
    op.drop_index("ix_recordings_held", table_name="recordings")
    op.drop_index(op.f("ix_recordings_expires_at"), table_name="recordings")
    for name, _kind in reversed(_ADDED):
        op.drop_column("recordings", name)
