"""What people did in the account: every change of settings, people and rights, with who and when.

Ids and codes only, as in logs; what was said on calls is the ledger's concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.server.accounttables import audit

Detail = Mapping[str, str | int | bool | list[str] | None]


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One thing that was done. `actor` None: the program itself, or the first run."""

    position: int
    at: datetime
    actor: str | None
    action: str
    object: str | None
    detail: Detail


def note(
    connection: sa.Connection,
    at: datetime,
    actor: str | None,
    action: str,
    what: str | None = None,
    detail: Detail | None = None,
) -> None:
    """Write down that somebody did something, inside the transaction that does it."""
    connection.execute(
        audit.insert().values(
            at=at, actor=actor, action=action, object=what, detail=dict(detail or {})
        )
    )


def lines(
    connection: sa.Connection, *, before: int | None = None, most: int = 50
) -> list[AuditLine]:
    """The newest lines first, those before a position where one is given."""
    query = sa.select(audit).order_by(audit.c.position.desc()).limit(most)
    if before is not None:
        query = query.where(audit.c.position < before)
    return [
        AuditLine(row.position, row.at, row.actor, row.action, row.object, row.detail)
        for row in connection.execute(query)
    ]
