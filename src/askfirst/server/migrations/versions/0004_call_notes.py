"""Call notes, saved views, requests of people; indexes for lists of calls and accesses"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_Moment = askfirst.server.database.UtcDateTime
_IS_ACCESS = """entry LIKE '%"kind":"access.%'"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "call_notes",
        sa.Column("call", sa.String(length=48), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("disposition", sa.String(length=16), nullable=True),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.Column("anyone_else", sa.String(length=8), nullable=True),
        sa.Column("updated_at", _Moment(), nullable=False),
        sa.Column("forgotten_at", _Moment(), nullable=True),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_call_notes_call")),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_call_notes")),
    )
    op.create_table(
        "saved_views",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("user", sa.String(length=48), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("created_at", _Moment(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_saved_views_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("user", "name", name=op.f("uq_saved_views_user_name")),
    )
    op.create_table(
        "subject_requests",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("contact", sa.String(length=48), nullable=True),
        sa.Column("person", sa.String(length=80), nullable=True),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("received_at", _Moment(), nullable=False),
        sa.Column("due_at", _Moment(), nullable=False),
        sa.Column("received_by", sa.String(length=48), nullable=False),
        sa.ForeignKeyConstraint(
            ["received_by"], ["users.id"], name=op.f("fk_subject_requests_received_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_requests")),
    )
    op.create_index("ix_subject_requests_due", "subject_requests", ["due_at", "id"])
    op.create_index("ix_follow_ups_call", "follow_ups", ["call"])
    op.create_index("ix_follow_ups_owner", "follow_ups", ["owner", "done_at", "due"])
    op.create_index("ix_calls_agent_id", "calls", ["agent", "id"])
    op.create_index(
        "ix_ledger_entries_access",
        "ledger_entries",
        ["position"],
        sqlite_where=sa.text(_IS_ACCESS),
        postgresql_where=sa.text(_IS_ACCESS),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_ledger_entries_access", "ledger_entries")
    op.drop_index("ix_calls_agent_id", "calls")
    op.drop_index("ix_follow_ups_owner", "follow_ups")
    op.drop_index("ix_follow_ups_call", "follow_ups")
    op.drop_index("ix_subject_requests_due", "subject_requests")
    op.drop_table("subject_requests")
    op.drop_table("saved_views")
    op.drop_table("call_notes")
