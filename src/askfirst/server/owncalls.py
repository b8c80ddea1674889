"""What is kept about an employee in calls: those that they carried, who opened them, what was
decided about them, and what they did themselves, as the ledger has it.

Only their own time in a call counts. Nothing of another person is in it but the name of who opened
their recordings, which their own page shows as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from askfirst.gate import State
from askfirst.model import Role
from askfirst.server import accounts
from askfirst.server.accesslog import opening_of
from askfirst.server.carriedcalls import CarriedCalls
from askfirst.server.database import ledger_entries, parties, timeline
from askfirst.server.notetables import IS_ACCESS
from askfirst.server.queuetables import queue_items
from askfirst.server.queuetexts import TextKind, texts_of
from askfirst.server.store import Store

Row = dict[str, Any]

YOU, SOMEBODY, PROGRAM, OUTSIDE = "you", "somebody-else", "program", "outside"
"""Who did something, where no name is given."""

_LIGHTS: Mapping[str, str] = {
    State.OPEN.value: "recording",
    State.TELLING.value: "waiting",
    State.ASKING.value: "waiting",
    State.SEALING.value: "waiting",
}
_SHOWN_DIGITS = 2


def calls_carried(connection: sa.Connection, own: CarriedCalls) -> list[Row]:
    """Each call: when, how long they had it, direction, outcome, the light, the number masked."""
    numbers = _first_numbers(connection, own)
    lights = _lights(connection, own)
    return [
        {
            "call": each.row.id,
            "at": each.row.answered_at or each.row.created_at,
            "seconds": each.seconds,
            "direction": each.row.direction,
            "outcome": each.row.outcome,
            "recorded": any(line["light"] == "recording" for line in lights[each.row.id]),
            "light": lights[each.row.id],
            "number": masked(numbers.get(each.row.id)),
            "is_shared": each.is_shared,
            "own_time": [{"from_ms": start, "to_ms": end} for start, end in each.stretches],
        }
        for each in own.calls.values()
    ]


def openings(store: Store, connection: sa.Connection, own: CarriedCalls) -> list[Row]:
    """Who has opened, shared or exported recordings of their calls, as far as their time goes."""
    known = own.calls
    names = accounts.names(connection)
    query = (
        sa.select(ledger_entries.c.position, ledger_entries.c.call, ledger_entries.c.entry)
        .where(sa.text(IS_ACCESS), ledger_entries.c.call.in_(own.ids))
        .order_by(ledger_entries.c.position)
    )
    found = []
    for row in connection.execute(query):
        each = opening_of(store, row)
        if not known[each.call].covers(each.from_ms, each.to_ms):
            continue
        by = YOU if each.person == own.user else names.get(each.person or "", PROGRAM)
        found.append(
            {
                "at": each.at,
                "kind": each.kind,
                "call": each.call,
                "by": OUTSIDE if each.share and not each.person else by,
                "purpose": each.purpose,
                "from_ms": each.from_ms,
                "to_ms": each.to_ms,
                # In a call of several agents the words may be about the others.
                "reason": "" if known[each.call].is_shared else each.reason,
            }
        )
    return found


def reviews(store: Store, connection: sa.Connection, own: CarriedCalls) -> list[Row]:
    """What the compliance queue has about their calls: why, what was decided, what was written.

    Complaints are left out: they are about whoever complained. So are, in a call of several
    agents, the words of everybody else.
    """
    user = own.user
    query = (
        sa.select(queue_items)
        .where(queue_items.c.call.in_(own.ids))
        .order_by(queue_items.c.raised_at, queue_items.c.id)
    )
    found = []
    for row in connection.execute(query):
        call = own.calls[row.call]
        if not call.covers(row.from_ms, row.to_ms):
            continue
        texts = [
            {
                "at": each.at,
                "kind": each.kind.value,
                "by": YOU if each.person == user else SOMEBODY,
                "text": each.text,
            }
            for each in texts_of(store, row.id)
            if each.person == user or not (call.is_shared or each.kind is TextKind.COMPLAINT)
        ]
        found.append(
            {
                "at": row.raised_at,
                "call": row.call,
                "reason": row.reason,
                "state": row.state,
                "decision": row.decision,
                "decided_at": row.decided_at,
                "texts": texts,
            }
        )
    return found


def acts(connection: sa.Connection, user: str) -> list[Row]:
    """Every entry of the ledger that names them as who did it."""
    named = json.dumps({"person": user}, separators=(",", ":"))[1:-1]
    query = (
        sa.select(ledger_entries.c.entry)
        .where(ledger_entries.c.entry.contains(named, autoescape=True))
        .order_by(ledger_entries.c.position)
    )
    found = []
    for text in connection.execute(query).scalars():
        entry = json.loads(text)
        if entry["data"].get("person") == user:
            found.append(
                {
                    "at": entry["at"],
                    "kind": entry["kind"],
                    "call": entry.get("call"),
                    "recording": entry.get("recording"),
                    "purpose": entry["data"].get("purpose"),
                }
            )
    return found


def masked(number: str | None) -> str | None:
    """A number of which only the last two digits are left; None where none is kept."""
    if not number:
        return None
    digits = [each for each in number if each.isdigit()]
    return "••••" + "".join(digits[-_SHOWN_DIGITS:] if len(digits) > 2 * _SHOWN_DIGITS else [])


def _first_numbers(connection: sa.Connection, own: CarriedCalls) -> dict[str, str]:
    query = (
        sa.select(parties.c.call, parties.c.number)
        .where(parties.c.call.in_(own.ids), parties.c.role == Role.CONTACT.value)
        .order_by(parties.c.number_in_call.desc())
    )
    return {row.call: row.number for row in connection.execute(query) if row.number}


def _lights(connection: sa.Connection, own: CarriedCalls) -> dict[str, list[Row]]:
    """What the recording light showed in their time of each call, from which call time on."""
    found: dict[str, list[Row]] = {call: [] for call in own.calls}
    query = (
        sa.select(timeline.c.call, timeline.c.at_ms, timeline.c.state)
        .where(timeline.c.call.in_(own.ids))
        .order_by(timeline.c.call, timeline.c.position)
    )
    lines: dict[str, list[tuple[int, str]]] = {call: [] for call in own.calls}
    for row in connection.execute(query):
        lines[row.call].append((row.at_ms, _LIGHTS.get(row.state, "off")))
    for call, changes in lines.items():
        for number, (at_ms, light) in enumerate(changes):
            until = changes[number + 1][0] if number + 1 < len(changes) else None
            is_new = not found[call] or found[call][-1]["light"] != light
            if is_new and (until is None or until > at_ms) and own.calls[call].covers(at_ms, until):
                found[call].append({"from_ms": at_ms, "light": light})
    return found
