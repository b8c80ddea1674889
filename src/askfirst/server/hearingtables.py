"""The table of how far the transcribing of a call has come. It holds no words and no numbers."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

transcribing = sa.Table(
    "transcribing",
    metadata,
    sa.Column("call", sa.String(48), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),  # ordered, begun, or failed
    sa.Column("fault", sa.String(16)),  # `askfirst.outcome.Fault`; none: it goes on
)
