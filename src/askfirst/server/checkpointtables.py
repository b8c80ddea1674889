"""Tables of the daily checkpoints: which checkpoint is a day's, and where it went.

No queries live here. A delivery is a time stamp or a publication, and stands here before it is
first tried; its problem is a code.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata

daily_checkpoints = sa.Table(
    "daily_checkpoints",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("size", sa.Integer, sa.ForeignKey("checkpoints.size"), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

checkpoint_deliveries = sa.Table(
    "checkpoint_deliveries",
    metadata,
    sa.Column("day", sa.Date, sa.ForeignKey("daily_checkpoints.day"), primary_key=True),
    sa.Column("channel", sa.String(8), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tried_at", UtcDateTime),
    sa.Column("due_at", UtcDateTime),  # when it is tried next; none once it is done
    sa.Column("done_at", UtcDateTime),
    sa.Column("problem", sa.String(16)),
    sa.Column("stamped_at", UtcDateTime),  # as the authority's clock says
    sa.Column("answer", sa.LargeBinary),  # the authority's whole answer (RFC 3161, section 2.4.2)
)
