"""What the gate and the recorder cost for each frame."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from askfirst import Decision, Party, decide
from askfirst.events import (
    AcknowledgementChanged,
    Decided,
    Event,
    Evidence,
    Met,
    PartyJoined,
    Sealed,
    SwitchChanged,
    Wanted,
)
from askfirst.gate import Facts, State, after
from askfirst.model import FRAME_BYTES, FRAME_MS, Form, Frame, Proof, Role, Use
from askfirst.server.recorder import Recorder
from askfirst.server.store import Store
from bench.measure import REPEATS, Line, compared

FRAMES = 3_000
CONTACT = "contact"


class _Nothing:
    def allows(self, leg: str, use: Use, at_ms: int | None = None) -> bool:
        return True


def open_facts(decision: Decision) -> Facts:
    """The facts of a call whose contact pressed the key for yes."""
    facts = Facts()
    owed = decision.requirements[0]
    events: list[Event] = [
        SwitchChanged(0, True),
        AcknowledgementChanged(0, 0, True),
        PartyJoined(0, 0, Role.AGENT, "agent", frozenset({"NO"})),
        PartyJoined(0, 1, Role.CONTACT, CONTACT, frozenset({"US-CA"})),
        Decided(0, decision),
        Wanted(0),
        Met(0, Evidence(1, Form.AGREED, Proof.KEY, owed.uses, owed.elements)),
    ]
    for event in events:
        facts = after(facts, event)
    for serial in sorted(facts.unsealed):
        facts = after(facts, Sealed(0, serial))
    if facts.state is not State.OPEN:
        raise AssertionError(f"the gate is {facts.state}; the benchmark needs it open")
    return facts


def _asked(allows: Callable[[str, Use, int | None], bool]) -> Callable[[], None]:
    times = [n * FRAME_MS for n in range(FRAMES)]

    def ask() -> None:
        for at_ms in times:
            allows(CONTACT, Use.RECORD, at_ms)

    return ask


def lines() -> Iterator[Line]:
    """Microseconds for one frame: asked about, refused, kept."""
    facts = open_facts(decide([Party.agent("NO"), Party.contact("US-CA")], date(2026, 11, 23)))
    empty, opened, closed = (
        each * 1e6
        for each in compared(
            [_asked(_Nothing().allows), _asked(facts.allows), _asked(Facts().allows)], FRAMES
        )
    )
    counts = f"median of {REPEATS} runs over {FRAMES} frames"
    yield Line("gate allows", opened, "us", empty, counts)
    yield Line("gate refuses", closed, "us", empty, counts)
    with tempfile.TemporaryDirectory() as name:
        yield from _pushed(Path(name), facts, counts)


def _pushed(folder: Path, facts: Facts, counts: str) -> Iterator[Line]:
    store = Store.open(folder)
    recorder, refusing = Recorder(store, "call_0", "rec_0"), Recorder(store, "call_0", "rec_1")
    recorder.follow(facts)
    frames = [Frame(CONTACT, n * FRAME_MS, os.urandom(FRAME_BYTES)) for n in range(FRAMES)]
    descriptor = os.open(folder / "reference", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        for frame in frames:
            os.write(descriptor, frame.pcm)

    def keep() -> None:
        for frame in frames:
            recorder.push(frame)

    def refuse() -> None:
        for frame in frames:
            refusing.push(frame)

    written, kept, refused = (each * 1e6 for each in compared([write, keep, refuse], FRAMES))
    os.close(descriptor)
    recorder.discard()
    refusing.discard()
    store.close()
    yield Line("recorder push refused", refused, "us", written, counts)
    yield Line("recorder push kept", kept, "us", written, counts)
