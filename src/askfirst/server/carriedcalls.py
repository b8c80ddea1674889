"""The calls that somebody ever carried, with the time in which each of them was theirs.

A call that is handed to a colleague is the colleague's from then on (`offer`). The audit log says
who handed it to whom, the ledger when each of them came in, in call time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.model import Role
from askfirst.server.accounttables import audit
from askfirst.server.database import calls, parties
from askfirst.server.store import Store

HANDED = "call.handed"

Stretch = tuple[int, int | None]
"""From and to in call time, in ms; None: to the end of the call."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A call of somebody: its row, and the stretches in which they had it, in order.

    `is_shared` is whether somebody else had it before or after them.
    """

    row: Any
    stretches: Sequence[Stretch]
    is_shared: bool

    @property
    def seconds(self) -> int | None:
        """For how long they spoke on it; None where nobody answered or it goes on."""
        answered, ended = self.row.answered_at, self.row.ended_at
        if answered is None or ended is None:
            return None
        end_ms = _since(answered, ended)
        times = [min(end_ms, end_ms if to is None else to) - start for start, to in self.stretches]
        return round(sum(max(0, each) for each in times) / 1000)

    def covers(self, from_ms: int | None, to_ms: int | None) -> bool:
        """Whether something of a range of call time was in their time; None reaches to the edge."""
        return any(
            (to_ms is None or to_ms > start) and (end is None or from_ms is None or from_ms < end)
            for start, end in self.stretches
        )


@dataclass(frozen=True, slots=True)
class CarriedCalls:
    """The calls of a user by their ids, the oldest first; `ids` are the same for other queries."""

    user: str
    calls: Mapping[str, Carried]
    ids: sa.Select[tuple[str]]


def carried_by(
    store: Store,
    connection: sa.Connection,
    user: str,
    among: sa.Select[tuple[str]] | None = None,
) -> CarriedCalls:
    """Every call that somebody ever carried, or those of them that are `among` some (ids)."""
    handed = _handed(connection)
    theirs = [call for call, lines in handed.items() if any(user in pair[:2] for pair in lines)]
    is_theirs = sa.or_(calls.c.agent == user, calls.c.id.in_(theirs))
    if among is not None:
        is_theirs = sa.and_(is_theirs, calls.c.id.in_(among))
    query = sa.select(calls).where(is_theirs)
    found = dict[str, Carried]()
    for row in connection.execute(query.order_by(calls.c.id)):
        lines = handed.get(row.id, [])
        if not lines:
            found[row.id] = Carried(row, ((0, None),), is_shared=False)
            continue
        began = _began(store, connection, row, lines)
        holders = [lines[0][0], *(to for _, to, _ in lines)]
        ends: list[int | None] = [*began[1:], None]
        own = [
            (start, end)
            for holder, start, end in zip(holders, began, ends, strict=True)
            if holder == user
        ]
        found[row.id] = Carried(row, tuple(own), is_shared=True)
    return CarriedCalls(user, found, sa.select(calls.c.id).where(is_theirs))


def _handed(connection: sa.Connection) -> dict[str, list[tuple[str, str, datetime]]]:
    """Who handed each call to whom and when, in order; calls that were never handed are not in."""
    query = sa.select(audit).where(audit.c.action == HANDED).order_by(audit.c.position)
    found = defaultdict[str, list[tuple[str, str, datetime]]](list)
    for line in connection.execute(query):
        found[line.object].append((line.actor, line.detail["to"], line.at))
    return dict(found)


def _began(
    store: Store, connection: sa.Connection, row: Any, lines: Sequence[tuple[str, str, datetime]]
) -> list[int]:
    """When the time of each holder began: the first at 0, the next when they came into the call."""
    agents = sa.select(parties.c.number_in_call).where(
        parties.c.call == row.id, parties.c.role == Role.AGENT.value
    )
    known = sorted(connection.execute(agents).scalars())
    joined = dict[int, int]()
    for _, entry in store.ledger.entries(row.id):
        party, data = entry.get("party"), entry.get("data")
        is_joining = entry["kind"] == Kind.PARTY_JOINED.value and party in known[1:]
        if is_joining and isinstance(party, int) and isinstance(data, dict):
            joined.setdefault(party, int(data["at_ms"]))
    times = [joined[party] for party in known[1:] if party in joined]
    if len(times) != len(lines):
        # Not all of it is in the ledger of this call: the clock on the wall says it less finely.
        times = [_since(row.answered_at or row.created_at, at) for _, _, at in lines]
    return [0, *times]


def _since(begun: datetime, at: datetime) -> int:
    return max(0, int((at - begun).total_seconds() * 1000))
