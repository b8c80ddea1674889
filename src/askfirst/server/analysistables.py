"""Tables of what is learnt from calls: figures, tracked terms and where they were said.

No words of anybody stand here but the phrases of trackers, which the team wrote. No queries live
here; the tables stand in the same database as calls.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, calls, metadata, recordings

call_figures = sa.Table(
    "call_figures",
    metadata,
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), primary_key=True),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), nullable=False, index=True),
    sa.Column("recorded_ms", sa.Integer, nullable=False),
    sa.Column("overlap_ms", sa.Integer, nullable=False),
    sa.Column("silence_ms", sa.Integer, nullable=False),
    sa.Column("agent_talk_ms", sa.Integer, nullable=False),
    sa.Column("contact_talk_ms", sa.Integer, nullable=False),
    sa.Column("agent_turns", sa.Integer, nullable=False),
    sa.Column("contact_turns", sa.Integer, nullable=False),
    sa.Column("agent_words", sa.Integer, nullable=False),
    sa.Column("contact_words", sa.Integer, nullable=False),
    sa.Column("agent_longest_ms", sa.Integer),  # None where a side had no turn
    sa.Column("contact_longest_ms", sa.Integer),
    sa.Column("agent_response_ms", sa.Integer),  # None where a side answered nothing
    sa.Column("contact_response_ms", sa.Integer),
    sa.Column("agent_questions", sa.Integer),  # None without word lists of the language
    sa.Column("contact_questions", sa.Integer),
    sa.Column("learnt_at", UtcDateTime, nullable=False),
)

trackers = sa.Table(
    "trackers",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("team", sa.String(80)),  # whose calls it looks at; None: everybody's
    sa.Column("phrases", sa.JSON, nullable=False),  # by language
    sa.Column("said_by", sa.String(8), nullable=False),
    sa.Column("between", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("made_by", sa.String(48), nullable=False),  # no key: people go, trackers stay
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("changed_by", sa.String(48)),
    sa.Column("changed_at", UtcDateTime),
    sa.Column("applies_from", UtcDateTime),  # what was learnt before does not know it as it is
)

tracker_hits = sa.Table(
    "tracker_hits",
    metadata,
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), primary_key=True),
    sa.Column("tracker", sa.String(48), sa.ForeignKey(trackers.c.id), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("call", sa.String(48), sa.ForeignKey(calls.c.id), nullable=False, index=True),
    sa.Column("speaker", sa.String(8), nullable=False),
    sa.Column("start_ms", sa.Integer, nullable=False),
    sa.Column("end_ms", sa.Integer, nullable=False),
    sa.Index("ix_tracker_hits_tracker", "tracker", "call"),
)
