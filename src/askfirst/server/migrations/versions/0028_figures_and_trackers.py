"""Figures of calls, trackers and their hits"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "call_figures",
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("recorded_ms", sa.Integer(), nullable=False),
        sa.Column("overlap_ms", sa.Integer(), nullable=False),
        sa.Column("silence_ms", sa.Integer(), nullable=False),
        sa.Column("agent_talk_ms", sa.Integer(), nullable=False),
        sa.Column("contact_talk_ms", sa.Integer(), nullable=False),
        sa.Column("agent_turns", sa.Integer(), nullable=False),
        sa.Column("contact_turns", sa.Integer(), nullable=False),
        sa.Column("agent_words", sa.Integer(), nullable=False),
        sa.Column("contact_words", sa.Integer(), nullable=False),
        sa.Column("agent_longest_ms", sa.Integer(), nullable=True),
        sa.Column("contact_longest_ms", sa.Integer(), nullable=True),
        sa.Column("agent_response_ms", sa.Integer(), nullable=True),
        sa.Column("contact_response_ms", sa.Integer(), nullable=True),
        sa.Column("agent_questions", sa.Integer(), nullable=True),
        sa.Column("contact_questions", sa.Integer(), nullable=True),
        sa.Column("learnt_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_call_figures_recording")
        ),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_call_figures_call")),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_call_figures")),
    )
    op.create_index(op.f("ix_call_figures_call"), "call_figures", ["call"])
    op.create_table(
        "trackers",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("team", sa.String(80), nullable=True),
        sa.Column("phrases", sa.JSON(), nullable=False),
        sa.Column("said_by", sa.String(8), nullable=False),
        sa.Column("between", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(48), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trackers")),
    )
    op.create_table(
        "tracker_hits",
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("tracker", sa.String(48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("speaker", sa.String(8), nullable=False),
        sa.Column("start_ms", sa.Integer(), nullable=False),
        sa.Column("end_ms", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_tracker_hits_recording")
        ),
        sa.ForeignKeyConstraint(["tracker"], ["trackers.id"], name=op.f("fk_tracker_hits_tracker")),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_tracker_hits_call")),
        sa.PrimaryKeyConstraint("recording", "tracker", "position", name=op.f("pk_tracker_hits")),
    )
    op.create_index(op.f("ix_tracker_hits_call"), "tracker_hits", ["call"])
    op.create_index(op.f("ix_tracker_hits_tracker"), "tracker_hits", ["tracker", "call"])


def downgrade() -> None:
    """Take back."""
    for name in ("tracker_hits", "trackers", "call_figures"):
        op.drop_table(name)
