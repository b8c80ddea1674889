"""From the permit to the first stored frame of the contact, and how long evidence takes to seal."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askfirst.clock import LoopClock, run_scaled, run_virtual
from askfirst.gate import State
from askfirst.model import FRAME_MS
from askfirst.server.call import Call
from askfirst.server.database import reading, recordings, timeline
from askfirst.server.node import Node
from askfirst.server.plugins import SPEECH, load
from askfirst.server.simulation import simulate
from askfirst.telephony.persona import packaged_persona
from bench.measure import Line

PERSONAS = ("agrees", "presses-one", "told", "moves", "notice-inside")
SPEED = 20.0


@dataclass(frozen=True, slots=True)
class Opening:
    """Of one call, in milliseconds of media time: sealing, and permit to first contact frame."""

    sealing_ms: int
    wait_ms: int


def lines() -> Iterator[Line]:
    """Milliseconds: of media time to the first frame, of the wall while SEALING."""
    calls = f"{len(PERSONAS)} simulated calls"
    calm = _openings(run_virtual)
    longest = max(each.wait_ms for each in calm)
    counts = f"longest of {calls}, virtual clock"
    yield Line("consent-to-first-frame", longest, "ms", FRAME_MS, counts)
    hurried = _openings(lambda call: run_scaled(call, SPEED))
    faster = f"clock at {SPEED:.0f} times the wall's speed"
    longest = max(each.wait_ms for each in hurried)
    counts = f"longest of {calls}, {faster}"
    yield Line("consent-to-first-frame, scaled", longest, "ms", FRAME_MS, counts)
    sealing = statistics.median(each.sealing_ms for each in hurried) / SPEED
    counts = f"median of {calls}, {faster}, time of the wall"
    yield Line("sealing of the evidence", sealing, "ms", FRAME_MS, counts)


def _openings(run: Callable[[Coroutine[Any, Any, Call]], Call]) -> list[Opening]:
    """Call every persona; what is said does not matter, so nothing is really recognised."""
    openings = []
    with tempfile.TemporaryDirectory() as folder:
        node = Node.open(Path(folder), load(SPEECH, "scripted")())
        try:
            for name in PERSONAS:
                call = run(simulate(node, LoopClock(), packaged_persona(name)))
                node.jobs.wait()
                openings.append(_opening(node, call.id))
        finally:
            node.close()
    return openings


def _opening(node: Node, call: str) -> Opening:
    with reading(node.store.engine) as connection:
        changes = connection.execute(
            sa.select(timeline.c.state, timeline.c.at_ms)
            .where(timeline.c.call == call)
            .order_by(timeline.c.position.desc())
        ).all()
        first_ms = connection.execute(
            sa.select(recordings.c.first_contact_ms).where(recordings.c.call == call)
        ).scalar_one()
    # Later changes come first, so what stays under a name is its first time.
    at_ms = {change.state: change.at_ms for change in changes}
    opened_ms = at_ms[State.OPEN.value]
    return Opening(opened_ms - at_ms[State.SEALING.value], first_ms - opened_ms)
