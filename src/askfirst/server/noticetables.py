"""The table of notice checks: what each run found in a recording. Codes and times, never words."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

notice_checks = sa.Table(
    "notice_checks",
    metadata,
    sa.Column("recording", sa.String(48), primary_key=True),  # no key: as recording_checks
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("detector", sa.Integer, nullable=False),  # the version of hearing's words
    sa.Column("rules", sa.String(80), nullable=False),  # the fingerprint of hearing's words
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("said_by", sa.String(16)),  # agent or announcement; None where nothing was found
    sa.Column("at_ms", sa.Integer),
    sa.Column("until_ms", sa.Integer),
    sa.Column("delay_ms", sa.Integer),
    sa.Column("heard", sa.JSON, nullable=False),
    sa.Column("missing", sa.JSON, nullable=False),
    sa.Column("replies", sa.JSON, nullable=False),
    sa.Column("places", sa.JSON, nullable=False),
)
