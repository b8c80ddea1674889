"""One call when something fails: the gate shuts, the outcome says so, nothing is lost."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.rig import BYE, HELLO, KEYED, YES, Watched

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, NotFound, PeerError
from askfirst.gate import State
from askfirst.model import Frame
from askfirst.ports import CallEvent
from askfirst.server.call import Call
from askfirst.server.database import erasures
from askfirst.server.recorder import Recorder
from askfirst.server.recovery import recover
from askfirst.server.request import Prompt
from askfirst.server.simulation import DEMO_FACTS, request_for
from askfirst.server.store import Store
from askfirst.telephony.network import Network
from askfirst.telephony.simulator import SimulatedCall, Simulator

LOSSY = Network(loss=0.03, delay_ms=180, jitter_ms=140, reorder=0.1, seed=4)


# Capture time


def test_evidence_is_readable_by_others_before_the_first_frame_is_kept(
    store: Store, tmp_path: Path
) -> None:
    entries: list[str] = []

    class Looking(Recorder):
        def push(self, frame: Frame) -> bool:
            kept = super().push(frame)
            if kept and self.has_audio and not entries:
                other = sqlite3.connect(store.folder / "askfirst.db")
                found = other.execute("SELECT entry FROM ledger_entries").fetchall()
                entries.extend(row[0] for row in found)
                other.close()
            return kept

    async def look(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.TELLING)
        assert call._recorder is not None
        call._recorder.__class__ = Looking

    rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE), act=look)

    assert any('"kind":"consent.given"' in entry for entry in entries)


def test_an_append_that_fails_shuts_the_gate_and_it_opens_again_only_decided_anew(
    store: Store, tmp_path: Path
) -> None:
    during: list[State] = []

    async def fault(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        with rig.unwritable(store):
            call.learn_place(1, "NO")
            await clock.sleep_until(clock.now_ms() + 1500)
            during.extend(f.state for f in call.seen[-3:])
            during.append(call.facts.state)

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, HELLO, BYE), act=fault
    )

    assert State.OPEN not in during
    assert during[-1] is State.CLOSED
    assert len(rig.openings(store, call.id)) == 2, "decided again after the append succeeded"
    assert rig.call_row(store, call.id).outcome == "failed"
    assert "gate.failed" in rig.kinds(store, call.id)
    assert store.ledger.verify().size == len(rig.kinds(store))


def test_evidence_that_cannot_be_written_opens_nothing(store: Store, tmp_path: Path) -> None:
    with rig.unwritable(store):
        call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE))

        assert State.OPEN not in {f.state for f in call.seen}
        assert rig.spool_files(store) == []


def test_a_withdrawal_that_cannot_be_written_never_reopens_and_still_erases(
    store: Store, tmp_path: Path
) -> None:
    kept: list[str] = []

    async def objects(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1000)
        kept.extend(call.recordings)
        assert rig.spool_files(store)
        sa.event.listen(store.engine, "begin", refuse)
        call.withdraw()

    def refuse(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, YES, HELLO, BYE), act=objects
    )

    withdrawn = next(i for i, f in enumerate(call.seen) if f.withdrawn)
    assert State.OPEN not in {f.state for f in call.seen[withdrawn:]}
    assert rig.spool_files(store) == []
    assert [key for key in rig.key_ids(store) if key.startswith(kept[0])] == []


def test_a_withdrawal_lost_to_a_fault_of_the_moment_is_an_erasure_in_the_end(
    store: Store, tmp_path: Path
) -> None:
    broken: list[bool] = []

    async def objects(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1000)
        said_no = call._book.said_no

        def fails(*args: object) -> None:
            broken.append(True)
            raise ZeroDivisionError

        call._book.said_no = fails  # type: ignore[assignment, method-assign]
        call.withdraw()
        call._book.said_no = said_no  # type: ignore[method-assign]
        call.learn_place(1, "SE")  # something later is written and makes up for nothing

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, HELLO, BYE), act=objects)

    assert broken
    row = rig.call_row(store, call.id)
    assert row.outcome == "failed"
    assert row.ended_at is not None
    assert rig.spool_files(store) == []
    assert rig.key_ids(store) == []
    assert len(rig.rows(store, sa.select(erasures))) == 1


@pytest.mark.parametrize("fault", ["disk", "program"])
def test_an_undoing_that_cannot_be_written_stops_and_erases_all_the_same(
    store: Store, tmp_path: Path, fault: str
) -> None:
    kept: list[str] = []

    async def undoes(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 1000)
        kept.extend(call.recordings)
        assert rig.spool_files(store)
        if fault == "disk":
            sa.event.listen(store.engine, "begin", refuse)
        else:
            call._book.undone = fails  # type: ignore[assignment, method-assign]
        call.undo()

    def refuse(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")

    def fails(*_args: object, at: datetime) -> None:
        raise ZeroDivisionError

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE), act=undoes
    )

    opened = next(i for i, f in enumerate(call.seen) if f.state is State.OPEN)
    undone = next(i for i, f in enumerate(call.seen) if i > opened and not f.is_wanted)
    assert State.OPEN not in {f.state for f in call.seen[undone:]}
    assert rig.spool_files(store) == []
    assert [key for key in rig.key_ids(store) if key.startswith(kept[0])] == []
    if fault == "program":
        assert [row.reason for row in rig.rows(store, sa.select(erasures))] == ["undone"]


# Faults of the parts


def test_a_missing_prompt_is_a_named_outcome(store: Store, tmp_path: Path) -> None:
    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, BYE), prompts=lambda _text, _language: None
    )

    row = rig.call_row(store, call.id)
    assert row.outcome == "failed"
    assert "prompt" in row.outcome_reason
    assert rig.openings(store, call.id) == []


@pytest.mark.parametrize("error", [InvalidInput("cut audio"), NotFound("unreadable")])
def test_a_broken_prompt_is_a_named_outcome(store: Store, tmp_path: Path, error: Exception) -> None:
    def broken(_text: str, _language: str) -> Prompt:
        raise error

    call = rig.virtually(store, rig.callee(tmp_path / "callee", *KEYED, BYE), prompts=broken)

    row = rig.call_row(store, call.id)
    assert (row.outcome, "prompt" in row.outcome_reason) == ("failed", True)
    assert rig.openings(store, call.id) == []


def test_a_spool_that_cannot_be_written_shuts_the_gate_and_keeps_what_was_there(
    store: Store, tmp_path: Path
) -> None:
    async def fault(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 2000)
        recorder = call._recorder
        assert recorder is not None
        assert recorder._stretch is not None
        full = os.open("/dev/full", os.O_WRONLY)
        for descriptor in recorder._stretch.files.values():
            os.dup2(full, descriptor)
        os.close(full)

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE), act=fault
    )

    assert call.facts.state is State.ENDED
    assert State.CLOSED in {f.state for f in call.seen[-8:]}
    row = rig.call_row(store, call.id)
    assert row.outcome == "failed"
    assert "disk" in row.outcome_reason
    assert len(rig.starts(rig.spool(store, call), "contact")) > 80, "nothing is lost"


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_shuts_the_gate_and_the_call_says_so_when_there_is_room_again(
    store: Store, tmp_path: Path
) -> None:
    during: list[State] = []

    async def fault(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 2000)
        with full_disk():
            await clock.sleep_until(clock.now_ms() + 1500)
            during.append(call.facts.state)

    call = rig.virtually(
        store, rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, HELLO, BYE), act=fault
    )

    assert during == [State.CLOSED]
    row = rig.call_row(store, call.id)
    assert row.outcome == "failed"
    assert row.outcome_reason
    assert len(rig.starts(rig.spool(store, call), "contact")) > 80, "nothing is lost"
    assert store.ledger.verify().size == len(rig.kinds(store))


def test_a_disk_that_stays_full_ends_in_a_call_that_recovery_settles(
    store: Store, tmp_path: Path
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def fault(call: Watched, _leg: SimulatedCall, clock: LoopClock) -> None:
        await rig.until(call, clock, lambda f: f.state is State.OPEN)
        await clock.sleep_until(clock.now_ms() + 2000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))

    persona = rig.callee(tmp_path / "callee", *KEYED, HELLO, HELLO, BYE)
    try:
        call = rig.virtually(store, persona, act=fault)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert call.facts.has_ended
    assert rig.call_row(store, call.id).ended_at is None
    recover(store)
    assert rig.call_row(store, call.id).outcome == "degraded"
    assert len(rig.starts(rig.spool(store, call), "contact")) > 80, "nothing is lost"


@pytest.mark.parametrize("part", ["events", "frames"])
def test_no_exception_of_a_provider_escapes_a_call(store: Store, tmp_path: Path, part: str) -> None:
    class Broken(SimulatedCall):
        async def hangup(self) -> None:
            await super().hangup()
            raise PeerError("the other side is gone")

        async def _cut_short(self, source: AsyncIterator[object]) -> AsyncIterator[object]:
            passed = 0
            async for item in source:
                yield item
                passed += 1
                if passed == (3 if part == "events" else 300):
                    raise PeerError("the line broke")

        def events(self) -> AsyncIterator[CallEvent]:
            found = super().events()
            return self._cut_short(found) if part == "events" else found  # type: ignore[return-value]

        def frames(self) -> AsyncIterator[Frame]:
            found = super().frames()
            return self._cut_short(found) if part == "frames" else found  # type: ignore[return-value]

    async def one() -> Call:
        clock = LoopClock()
        persona = rig.callee(tmp_path / "callee", *KEYED, BYE)
        leg = await Simulator(clock, persona).dial(persona.number)
        leg.__class__ = Broken
        call = Call(store, clock, request_for(persona), DEMO_FACTS, rig.prompt)
        clicking = rig.clicking(call, leg)
        await call.run(leg)
        await clicking
        return call

    call = run_virtual(one())

    row = rig.call_row(store, call.id)
    assert call.facts.has_ended
    assert row.outcome == "failed"
    assert row.ended_at is not None
