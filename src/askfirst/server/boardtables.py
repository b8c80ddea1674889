"""Indexes that dashboards read in place of the rows, which are large: they hold whole decisions.

No queries live here; the tables stand in the same database as calls.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import assets, calls, timeline

calls_of_boards = sa.Index(
    "ix_calls_boards",
    calls.c.created_at,
    calls.c.agent,
    calls.c.direction,
    calls.c.answered_at,
    calls.c.ended_at,
    calls.c.private_at,
    calls.c.own_number,
    calls.c.mode,
    calls.c.outcome,
    calls.c.proof,
    calls.c.verdict,
    calls.c.id,
)

IS_TELLING = "state = 'telling'"
tellings = sa.Index(
    "ix_timeline_telling",
    timeline.c.call,
    timeline.c.at_ms,
    sqlite_where=sa.text(IS_TELLING),
    postgresql_where=sa.text(IS_TELLING),
)

assets_by_kind = sa.Index("ix_assets_kind", assets.c.kind, assets.c.created_at, assets.c.bytes)
