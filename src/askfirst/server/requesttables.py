"""Tables of people's rights: their requests, what is restricted by them, and copies made for them.

No queries live here. None of the tables holds a number, a name or a word of anybody.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata, recordings

subject_requests = sa.Table(
    "subject_requests",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    # One of the three. No key: a contact that is forgotten must not keep its request from staying.
    sa.Column("contact", sa.String(48)),
    sa.Column("person", sa.String(80)),
    sa.Column("found", sa.JSON, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("received_by", sa.String(48), sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("state", sa.String(12), nullable=False, server_default="open"),
    # A code: why it takes longer, or on which ground it was refused.
    sa.Column("reason", sa.String(24)),
    # Who did the last step. No key: users may go, what they did stays.
    sa.Column("handled_by", sa.String(48)),
    sa.Column("answered_at", UtcDateTime),
    # What an erasure did for each item, in ids and codes.
    sa.Column("outcome", sa.JSON),
    # Whose own data an employee asked for, or somebody for them after they left.
    sa.Column("user", sa.String(48)),
    # Since when this person's calls are restricted, those to come too; none: they are not.
    sa.Column("restricts_since", UtcDateTime),
    sa.Index("ix_subject_requests_due", "due_at", "id"),
)

restrictions = sa.Table(
    "restrictions",
    metadata,
    sa.Column("request", sa.String(48), sa.ForeignKey(subject_requests.c.id), primary_key=True),
    sa.Column("recording", sa.String(48), sa.ForeignKey(recordings.c.id), primary_key=True),
    sa.Column("placed_at", UtcDateTime, nullable=False),
    sa.Column("lifted_at", UtcDateTime),
    sa.Index("ix_restrictions_recording", "recording"),
)

copies = sa.Table(
    "copies",
    metadata,
    sa.Column("request", sa.String(48), sa.ForeignKey(subject_requests.c.id), primary_key=True),
    # The objects that it is cut into, so that no whole package is ever in memory.
    sa.Column("parts", sa.JSON, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    # Whose sound or words are in it: each download is an access to every one of them.
    sa.Column("recordings", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    # What is made is one making of it, with an id of its own: the newest order wins.
    sa.Column("making", sa.String(48), nullable=False, server_default=""),
    sa.Column("state", sa.String(12), nullable=False, server_default="ready"),
    # A code: why it could not be made, or why it was withdrawn.
    sa.Column("fault", sa.String(16)),
    sa.Column("is_masked", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("language", sa.String(8), nullable=False, server_default="en"),
    # Calls that are in it by now, of how many.
    sa.Column("done", sa.Integer, nullable=False, server_default="0"),
    sa.Column("total", sa.Integer, nullable=False, server_default="0"),
    # What stood against each recording when it was made, in codes: more than that closes it.
    sa.Column("concerns", sa.JSON),
    sa.Index("ix_copies_expires_at", "expires_at"),
    sa.Index("ix_copies_making", "making"),
)
