"""What was asked for and cannot be yet: orders that stay in the outbox until a hold, a duty or a
call has ended.

They are handed to no job. An erasure (`ERASE`) refers to a recording, a number to be forgotten
(`FORGET`) to a call; nothing of them names anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.server.database import outbox

ERASE, FORGET = "waits-erase", "waits-forget"
KINDS = (ERASE, FORGET)


def wait(connection: sa.Connection, kind: str, ref: str, detail: str | int, at: datetime) -> None:
    """Keep an order until it can be carried out; one that is kept already stays as it is.

    `detail` is the reason of an erasure, or the number in its call of who is to be forgotten.
    """
    order = order_id(kind, ref, detail)
    known = connection.execute(
        sa.select(outbox.c.sent_at).where(outbox.c.id == order)
    ).one_or_none()
    if known is None:
        connection.execute(outbox.insert().values(id=order, kind=kind, ref=ref, created_at=at))
    elif known.sent_at is not None:
        connection.execute(outbox.update().where(outbox.c.id == order).values(sent_at=None))


def order_id(kind: str, ref: str, detail: str | int) -> str:
    """The id under which an order is kept."""
    return f"{kind}:{ref}:{detail}"


def orders(connection: sa.Connection, kind: str) -> Sequence[Any]:
    """The orders of a kind that wait."""
    query = sa.select(outbox).where(outbox.c.kind == kind, outbox.c.sent_at.is_(None))
    return connection.execute(query.order_by(outbox.c.id)).all()


def detail_of(order: Any) -> str:
    """What `wait` was given as the detail of an order."""
    return str(order.id).rpartition(":")[2]


def end(connection: sa.Connection, order: Any, at: datetime) -> None:
    """Let an order wait no more: it is carried out, or there is nothing left to do."""
    connection.execute(outbox.update().where(outbox.c.id == order.id).values(sent_at=at))
