"""First tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("answered_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("ended_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("persona", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("outcome_reason", sa.Text(), nullable=True),
        sa.Column("proof", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("verdict_at_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("frontier", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_head")),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("ref", sa.String(length=48), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("sent_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("proof", sa.Integer(), nullable=False),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("elements", sa.JSON(), nullable=False),
        sa.Column("notice_sha256", sa.String(length=64), nullable=True),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("ledger", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_consents_call")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consents_call"), ["call"], unique=False)

    op.create_table(
        "ledger_entries",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("call", sa.String(length=48), nullable=True),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_ledger_entries_call")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_ledger_entries")),
    )
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_entries_call"), ["call"], unique=False)

    op.create_table(
        "parties",
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("number_in_call", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_parties_call")),
        sa.PrimaryKeyConstraint("call", "number_in_call", name=op.f("pk_parties")),
    )
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("may_transcribe", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("first_contact_ms", sa.Integer(), nullable=True),
        sa.Column("lost_frames", sa.Integer(), nullable=False),
        sa.Column("is_truncated", sa.Boolean(), nullable=False),
        sa.Column("legal_hold", sa.Boolean(), nullable=False),
        sa.Column("mandatory", sa.String(length=16), nullable=True),
        sa.Column("expires_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_recordings_call")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recordings_call"), ["call"], unique=False)

    op.create_table(
        "timeline",
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("because", sa.String(length=32), nullable=False),
        sa.Column("ledger", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_timeline_call")),
        sa.PrimaryKeyConstraint("call", "position", name=op.f("pk_timeline")),
    )
    op.create_table(
        "assets",
        sa.Column("id", sa.String(length=120), nullable=False),
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("blob", sa.String(length=200), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recordings.id"], name=op.f("fk_assets_recording")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("recording", "kind", name=op.f("uq_assets_recording_kind")),
    )
    with op.batch_alter_table("assets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assets_recording"), ["recording"], unique=False)

    op.create_table(
        "erasures",
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("intended_at", askfirst.server.database.UtcDateTime(), nullable=False),
        sa.Column("done_at", askfirst.server.database.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_erasures_recording")
        ),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_erasures")),
    )
    op.create_table(
        "segments",
        sa.Column("recording", sa.String(length=48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("permit", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.Integer(), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("file_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_segments_recording")
        ),
        sa.PrimaryKeyConstraint("recording", "position", name=op.f("pk_segments")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("segments")
    op.drop_table("erasures")
    with op.batch_alter_table("assets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assets_recording"))

    op.drop_table("assets")
    op.drop_table("timeline")
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recordings_call"))

    op.drop_table("recordings")
    op.drop_table("parties")
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_ledger_entries_call"))

    op.drop_table("ledger_entries")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_consents_call"))

    op.drop_table("consents")
    op.drop_table("outbox")
    op.drop_table("ledger_head")
    op.drop_table("checkpoints")
    op.drop_table("calls")
