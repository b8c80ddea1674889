"""Tables of what a carrier keeps that nobody here asked for, and of the checks that look for it.

No queries live here. Ids and times alone: no number, no address of any sound.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

recordings_elsewhere = sa.Table(
    "recordings_elsewhere",
    metadata,
    sa.Column("sid", sa.String(34), primary_key=True),
    sa.Column("call_sid", sa.String(34)),
    # Ours, where there is one; no key: it is found again after a restore.
    sa.Column("call", sa.String(48)),
    sa.Column("source", sa.String(40), nullable=False),  # what started it, in the carrier's word
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("found_at", UtcDateTime, nullable=False),
    sa.Column("gone_at", UtcDateTime),  # since when the carrier tells of it no more
)

elsewhere_checks = sa.Table(
    "elsewhere_checks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tried_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),  # the last that was made whole
    sa.Column("problem", sa.String(16)),  # of the last that was tried
)
