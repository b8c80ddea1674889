"""The journal of what Twilio told us: each event once, on the disk, until it is handed on.

All work on the tables; who calls knows the loop and the thread. An event is known by its key and by
the mark of its signature.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.twilioorder import OVER, CallOrder
from askfirst.server.twiliotables import twilio_events

KEPT_FOR = timedelta(days=30)
"""How long it is known that an event came; that a call came in is known for good."""

VOICE = "voice/"
"""How the keys of calls that come in begin."""

_SWEPT_EVERY = 1_000
_AT_ONCE = 200  # keys in one question; no database takes a statement of any length


@dataclass(slots=True)
class Event:
    """One event on its way. `written` is done once it is on the disk, True where it was new."""

    key: str
    mark: str
    call_sid: str
    number: int | None
    status: str
    fields: Mapping[str, str]
    at: datetime
    written: asyncio.Future[bool] | None = None


class Journal:
    """The journal of one installation; for one thread at a time."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._since_swept = 0

    def store(
        self, events: Sequence[Event], done: Sequence[tuple[str, str]], strange: set[str]
    ) -> tuple[set[str], dict[str, CallOrder[Event]]]:
        """Write events that are new and what became of others; gives the keys of the new ones.

        And how far the events of calls have come of which this process knows nothing.
        """
        table = twilio_events
        with transaction(self._engine) as connection:
            known = _known_of(connection, events)
            rows, new = [], set()
            for event in events:
                if known.isdisjoint((event.key, event.mark)):
                    known |= {event.key, event.mark}
                    new.add(event.key)
                    rows.append(_row(event))
            if rows:
                connection.execute(table.insert(), rows)
            if done:
                connection.execute(
                    table.update()
                    .where(table.c.key == sa.bindparam("done"))
                    .values(fate=sa.bindparam("became"), fields=None),
                    [{"done": key, "became": fate} for key, fate in done],
                )
            orders = _orders(connection, strange)
            self._since_swept += len(rows)
            if self._since_swept >= _SWEPT_EVERY:
                self._since_swept = 0
                _sweep(connection)
        return new, orders

    def knows(self, event: Event) -> bool:
        """Whether an event was written; does not wait for writers."""
        with reading(self._engine) as connection:
            return bool(_known_of(connection, [event]))

    def left(self) -> tuple[list[Event], dict[str, CallOrder[Event]]]:
        """What was written and not handed on, in the order in which it came.

        And how far the events of its calls had come.
        """
        table = twilio_events
        query = sa.select(table).where(table.c.fate.is_(None), table.c.fields.is_not(None))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(table.c.at, table.c.key)).all()
            orders = _orders(connection, {row.call_sid for row in rows})
        left = [
            Event(row.key, row.mark, row.call_sid, row.sequence, row.status, row.fields, row.at)
            for row in rows
        ]
        return left, orders


def _known_of(connection: sa.Connection, events: Sequence[Event]) -> set[str]:
    """Which keys and marks of events are known."""
    table = twilio_events
    found: set[str] = set()
    for some in (events[at : at + _AT_ONCE] for at in range(0, len(events), _AT_ONCE)):
        query = sa.select(table.c.key, table.c.mark).where(
            table.c.key.in_([each.key for each in some])
            | table.c.mark.in_([each.mark for each in some])
        )
        for row in connection.execute(query):
            found |= {row.key, row.mark}
    return found


def _row(event: Event) -> dict[str, object]:
    return {
        "key": event.key,
        "mark": event.mark,
        "call_sid": event.call_sid,
        "sequence": event.number,
        "status": event.status,
        "fields": dict(event.fields) or None,
        "at": event.at,
    }


def _orders(connection: sa.Connection, calls: set[str]) -> dict[str, CallOrder[Event]]:
    """How far the events of calls were handed on before this process knew of them."""
    table = twilio_events
    found: dict[str, CallOrder[Event]] = {}
    if calls:
        rows = connection.execute(
            sa.select(table.c.call_sid, table.c.sequence, table.c.status)
            .where(table.c.call_sid.in_(calls), table.c.fate == "handed")
            .where(table.c.sequence.is_not(None))
            .order_by(table.c.sequence)
        )
        for row in rows:
            found[row.call_sid] = CallOrder(row.sequence, row.status in OVER)
    return found


def _sweep(connection: sa.Connection) -> None:
    """Forget what came long ago, except calls that came in: those could ring anew."""
    table = twilio_events
    connection.execute(
        table.delete().where(table.c.at < utc_now() - KEPT_FOR, table.c.key.not_like(f"{VOICE}%"))
    )
