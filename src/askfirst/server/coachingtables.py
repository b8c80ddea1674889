"""Tables of coaching: comments, mentions, clips, playlists, and checklists of calls.

No queries live here. What people write about a recording stands in none of them: each text is an
object, encrypted under a key that goes with the recording. Names of playlists and questions of
checklists are about no call.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, calls, metadata, recordings

comments = sa.Table(
    "comments",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), nullable=False),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), nullable=False),
    # What it answers; None: it begins a thread.
    sa.Column("parent", sa.String(48)),
    sa.Column("person", sa.String(48), nullable=False),
    sa.Column("text", sa.String(120)),  # None: deleted, and answers are left
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("from_ms", sa.Integer, nullable=False),
    sa.Column("to_ms", sa.Integer),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("edited_at", UtcDateTime),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("resolved_by", sa.String(48)),
    sa.Index("ix_comments_recording", "recording", "from_ms"),
    sa.Index("ix_comments_call", "call"),
)

mentions = sa.Table(
    "mentions",
    metadata,
    sa.Column("comment", sa.String(48), sa.ForeignKey(comments.c.id), primary_key=True),
    sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), primary_key=True),
    sa.Column("seen_at", UtcDateTime),
    sa.Index("ix_mentions_user", "user", "seen_at"),
)

clips = sa.Table(
    "clips",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), nullable=False),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), nullable=False),
    sa.Column("person", sa.String(48), nullable=False),
    sa.Column("text", sa.String(120)),
    sa.Column("from_ms", sa.Integer, nullable=False),
    sa.Column("to_ms", sa.Integer, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index("ix_clips_recording", "recording", "from_ms"),
    sa.Index("ix_clips_call", "call"),
)

playlists = sa.Table(
    "playlists",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("description", sa.String(300), nullable=False),
    sa.Column("owner", sa.String(48), sa.ForeignKey(users.c.id), nullable=False, index=True),
    sa.Column("audience", sa.String(8), nullable=False),
    sa.Column("team", sa.String(80)),  # whose list it is where the audience is a team
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
)

playlist_clips = sa.Table(
    "playlist_clips",
    metadata,
    sa.Column("playlist", sa.String(48), sa.ForeignKey(playlists.c.id), primary_key=True),
    # No key: a clip goes with its recording, and that it went is all that stays.
    sa.Column("clip", sa.String(48), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
    sa.Index("ix_playlist_clips_clip", "clip"),
)

checklist_templates = sa.Table(
    "checklist_templates",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("team", sa.String(80)),  # whose calls it is for; None: everybody's
    sa.Column("questions", sa.JSON, nullable=False),
    sa.Column("made_by", sa.String(48), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
)

checklists = sa.Table(
    "checklists",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), nullable=False),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), nullable=False),
    sa.Column("template", sa.String(48), sa.ForeignKey(checklist_templates.c.id), nullable=False),
    sa.Column("person", sa.String(48), nullable=False),
    # Questions, answers and words, as they were when it was filled in.
    sa.Column("text", sa.String(120), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("answer", sa.String(120)),  # what the employee wrote to it
    sa.Column("answered_at", UtcDateTime),
    sa.Index("ix_checklists_recording", "recording"),
    sa.Index("ix_checklists_call", "call"),
)
