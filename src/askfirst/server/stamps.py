"""The time stamps that travel with evidence."""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.checkpointtables import checkpoint_deliveries, daily_checkpoints

CHANNEL = "stamp"
"""The channel of deliveries that are time stamps."""


def stamps(connection: sa.Connection) -> dict[str, bytes]:
    """The authorities' answers (RFC 3161) for checkpoints, by the name of their file."""
    days, went = daily_checkpoints, checkpoint_deliveries
    query = (
        sa.select(days.c.size, days.c.day, went.c.answer)
        .join(days, days.c.day == went.c.day)
        .where(went.c.channel == CHANNEL, went.c.answer.is_not(None))
    )
    return {
        f"stamps/{row.size:016d}-{row.day}.tsr": bytes(row.answer)
        for row in connection.execute(query)
    }
