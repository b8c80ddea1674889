"""Comments, mentions, clips, playlists and checklists"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import askfirst.server.database

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    moment = askfirst.server.database.UtcDateTime
    op.create_table(
        "comments",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("parent", sa.String(48), nullable=True),
        sa.Column("person", sa.String(48), nullable=False),
        sa.Column("text", sa.String(120), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("from_ms", sa.Integer(), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=True),
        sa.Column("at", moment(), nullable=False),
        sa.Column("edited_at", moment(), nullable=True),
        sa.Column("resolved_at", moment(), nullable=True),
        sa.Column("resolved_by", sa.String(48), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_comments_recording")
        ),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_comments_call")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(op.f("ix_comments_call"), "comments", ["call"])
    op.create_index(op.f("ix_comments_recording"), "comments", ["recording", "from_ms"])
    op.create_table(
        "mentions",
        sa.Column("comment", sa.String(48), nullable=False),
        sa.Column("user", sa.String(48), nullable=False),
        sa.Column("seen_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(["comment"], ["comments.id"], name=op.f("fk_mentions_comment")),
        sa.ForeignKeyConstraint(["user"], ["users.id"], name=op.f("fk_mentions_user")),
        sa.PrimaryKeyConstraint("comment", "user", name=op.f("pk_mentions")),
    )
    op.create_index(op.f("ix_mentions_user"), "mentions", ["user", "seen_at"])
    op.create_table(
        "clips",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("person", sa.String(48), nullable=False),
        sa.Column("text", sa.String(120), nullable=True),
        sa.Column("from_ms", sa.Integer(), nullable=False),
        sa.Column("to_ms", sa.Integer(), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["recording"], ["recordings.id"], name=op.f("fk_clips_recording")),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_clips_call")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clips")),
    )
    op.create_index(op.f("ix_clips_call"), "clips", ["call"])
    op.create_index(op.f("ix_clips_recording"), "clips", ["recording", "from_ms"])
    op.create_table(
        "playlists",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("description", sa.String(300), nullable=False),
        sa.Column("owner", sa.String(48), nullable=False),
        sa.Column("audience", sa.String(8), nullable=False),
        sa.Column("team", sa.String(80), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["users.id"], name=op.f("fk_playlists_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playlists")),
    )
    op.create_index(op.f("ix_playlists_owner"), "playlists", ["owner"])
    op.create_table(
        "playlist_clips",
        sa.Column("playlist", sa.String(48), nullable=False),
        sa.Column("clip", sa.String(48), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("added_at", moment(), nullable=False),
        sa.Column("removed_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["playlist"], ["playlists.id"], name=op.f("fk_playlist_clips_playlist")
        ),
        sa.PrimaryKeyConstraint("playlist", "clip", name=op.f("pk_playlist_clips")),
    )
    op.create_index(op.f("ix_playlist_clips_clip"), "playlist_clips", ["clip"])
    op.create_table(
        "checklist_templates",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("team", sa.String(80), nullable=True),
        sa.Column("questions", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(48), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checklist_templates")),
    )
    op.create_table(
        "checklists",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("recording", sa.String(48), nullable=False),
        sa.Column("call", sa.String(48), nullable=False),
        sa.Column("template", sa.String(48), nullable=False),
        sa.Column("person", sa.String(48), nullable=False),
        sa.Column("text", sa.String(120), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.Column("answer", sa.String(120), nullable=True),
        sa.Column("answered_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["recording"], ["recordings.id"], name=op.f("fk_checklists_recording")
        ),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name=op.f("fk_checklists_call")),
        sa.ForeignKeyConstraint(
            ["template"], ["checklist_templates.id"], name=op.f("fk_checklists_template")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checklists")),
    )
    op.create_index(op.f("ix_checklists_call"), "checklists", ["call"])
    op.create_index(op.f("ix_checklists_recording"), "checklists", ["recording"])


def downgrade() -> None:
    """Take back."""
    for name in (
        "checklists",
        "checklist_templates",
        "playlist_clips",
        "playlists",
        "clips",
        "mentions",
        "comments",
    ):
        op.drop_table(name)
