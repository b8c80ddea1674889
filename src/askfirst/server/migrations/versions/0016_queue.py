"""The compliance queue, its checks, and what waits for a second person"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from askfirst.server.database import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _queue()
    op.create_table(
        "recording_checks",
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.Column("examined_at", UtcDateTime(), nullable=True),
        sa.Column("opened_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_recording_checks")),
    )
    op.create_table(
        "cut_pieces",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cut_pieces")),
    )
    _proposals()
    # In place: recordings are referred to, so their table cannot be made anew.
    op.add_column("recordings", sa.Column("hold_until", UtcDateTime(), nullable=True))


def _queue() -> None:
    op.create_table(
        "queue_items",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("recording", sa.String(length=48), nullable=True),
        sa.Column("subject", sa.String(length=48), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("party", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=12), nullable=True),
        sa.Column("from_ms", sa.Integer(), nullable=True),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("raised_at", UtcDateTime(), nullable=False),
        sa.Column("raised_by", sa.String(length=48), nullable=True),
        sa.Column("decision", sa.String(length=16), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=48), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_queue_items_call")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_items")),
        sa.UniqueConstraint("subject", "reason", name=op.f("uq_queue_items_subject_reason")),
    )
    op.create_index(op.f("ix_queue_items_call"), "queue_items", ["call"])
    op.create_index(op.f("ix_queue_items_state_raised_at"), "queue_items", ["state", "raised_at"])
    op.create_table(
        "queue_texts",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("item", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("person", sa.String(length=48), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["queue_items.id"], name=op.f("fk_queue_texts_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_texts")),
    )
    op.create_index(op.f("ix_queue_texts_item"), "queue_texts", ["item"])
    op.create_table(
        "queue_checks",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_checks")),
    )


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=48), nullable=True),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("proposed_by", sa.String(length=48), nullable=False),
        sa.Column("proposed_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("decided_by", sa.String(length=48), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["proposed_by"], ["users.id"], name=op.f("fk_proposals_proposed_by")
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_proposals_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index(op.f("ix_proposals_state_proposed_at"), "proposals", ["state", "proposed_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_column("recordings", "hold_until")
    for table in (
        "proposals",
        "cut_pieces",
        "recording_checks",
        "queue_checks",
        "queue_texts",
        "queue_items",
    ):
        op.drop_table(table)
