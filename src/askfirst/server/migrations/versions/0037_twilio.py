"""Accounts at Twilio, our calls there, and what was heard of them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "twilio_accounts",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("account_sid", sa.String(34), nullable=False),
        sa.Column("api_key", sa.String(34), nullable=True),
        sa.Column("signing_key", sa.String(80), nullable=True),
        sa.Column("region", sa.String(8), nullable=True),
        sa.Column("sender", sa.String(20), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("checks", sa.JSON(), nullable=True),
        sa.Column("checked_at", askfirst.server.database.UtcDateTime, nullable=True),
        sa.Column("made_by", sa.String(48), nullable=True),
        sa.Column("made_at", askfirst.server.database.UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_twilio_accounts")),
    )
    op.create_table(
        "twilio_events",
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("mark", sa.String(64), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(24), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=True),
        sa.Column("at", askfirst.server.database.UtcDateTime, nullable=False),
        sa.Column("fate", sa.String(8), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_twilio_events")),
        sa.UniqueConstraint("mark", name=op.f("uq_twilio_events_mark")),
    )
    op.create_index("ix_twilio_events_call_sid", "twilio_events", ["call_sid", "sequence"])
    op.create_index("ix_twilio_events_at", "twilio_events", ["at"])
    op.create_table(
        "twilio_calls",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_twilio_calls_call_calls")),
        sa.PrimaryKeyConstraint("sid", name=op.f("pk_twilio_calls")),
    )
    op.create_index("ix_twilio_calls_call", "twilio_calls", ["call"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("twilio_calls")
    op.drop_table("twilio_events")
    op.drop_table("twilio_accounts")
