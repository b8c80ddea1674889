"""The line of somebody else's dialer: when frames were captured, and what is no frame."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, Refused
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import CallEventKind, EndCause
from askfirst.telephony.externalline import AHEAD_MS, SILENT_MS, ExternalLine

LAG_MS = 100
SOUND = b"\x01\x00" * 320


def message(party: int, start_ms: int) -> bytes:
    return struct.pack(">BI", party, start_ms) + SOUND


async def answered(lag_ms: int = LAG_MS) -> ExternalLine:
    """A line whose call was answered now, as the call hears of it."""
    clock = LoopClock()
    line = ExternalLine(clock, "+4748750103", lag_ms)
    began = clock.now_ms()
    line.is_connected = True
    line.call_ms = lambda: clock.now_ms() - began
    line.answer()
    return line


async def taken(line: ExternalLine) -> list[Frame]:
    """What came, once the call is over."""
    await line.hangup()
    return [frame async for frame in line.frames()]


def test_a_frame_that_comes_late_stays_as_old_as_it_is() -> None:
    async def run() -> list[Frame]:
        line = await answered()
        for start_ms in range(0, 1_000, FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1000)
            line.receive(message(1, start_ms))
        await asyncio.sleep(3)  # what was captured at 1000 hangs in the network
        line.receive(message(1, 1_000))
        return await taken(line)

    frames = run_virtual(run())

    # Its own time, less the bound of the dialer's way.
    assert [frame.start_ms for frame in frames[:2]] == [-LAG_MS, FRAME_MS - LAG_MS]
    assert frames[-1].start_ms == 1_000 - LAG_MS


@pytest.mark.parametrize("ahead_ms", [0, LAG_MS])
def test_a_backlog_that_comes_first_stays_as_old_as_it_is(ahead_ms: int) -> None:
    async def run() -> list[Frame]:
        line = await answered()
        await asyncio.sleep(4)  # the dialer kept everything since the answer, and sends it now
        for start_ms in range(0, 4_000, FRAME_MS):
            line.receive(message(1, start_ms + ahead_ms))
        return await taken(line)

    frames = run_virtual(run())

    assert len(frames) == 4_000 // FRAME_MS
    for number, frame in enumerate(frames):
        assert frame.start_ms <= number * FRAME_MS


def test_a_stall_after_the_answer_makes_nothing_younger_by_a_later_fast_frame() -> None:
    async def run() -> list[Frame]:
        line = await answered()
        await asyncio.sleep(3)
        line.receive(message(1, 0))
        await asyncio.sleep(1)
        line.receive(message(1, 3_980))
        line.receive(message(1, 3_981))
        return await taken(line)

    assert [frame.start_ms for frame in run_virtual(run())] == [
        start_ms - LAG_MS for start_ms in (0, 3_980, 3_981)
    ]


def test_a_dialer_that_heard_the_answer_before_us_makes_nothing_younger() -> None:
    ahead_ms = 400

    async def run() -> list[Frame]:
        line = await answered()
        for start_ms in range(0, 1_000, FRAME_MS):
            await asyncio.sleep(FRAME_MS / 1000)
            line.receive(message(1, start_ms + ahead_ms))
        return await taken(line)

    for number, frame in enumerate(run_virtual(run())):
        assert frame.start_ms <= number * FRAME_MS


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2_000)), min_size=1, max_size=30),
    st.integers(0, 2_000),
)
def test_no_frame_passes_for_captured_after_it_came_or_after_the_dialer_says(
    steps: list[tuple[int, int]], lag_ms: int
) -> None:
    async def run() -> list[tuple[int, int, int]]:
        line = await answered(lag_ms)
        came, start_ms = list[tuple[int, int]](), 0
        for wait_ms, further_ms in steps:
            await asyncio.sleep(wait_ms / 1000)
            start_ms += further_ms + 1
            try:
                line.receive(message(1, start_ms))
            except InvalidInput:
                break
            came.append((line.call_ms(), start_ms))
        frames = await taken(line)
        return [(*each, frame.start_ms) for each, frame in zip(came, frames, strict=True)]

    for came_ms, claimed_ms, captured_ms in run_virtual(run()):
        assert captured_ms <= min(came_ms - FRAME_MS, claimed_ms - lag_ms)


def test_what_comes_before_the_answer_on_hold_or_after_the_end_goes_nowhere() -> None:
    async def run() -> list[Frame]:
        line = ExternalLine(LoopClock(), "+4748750103")
        line.receive(message(1, 0))
        line.answer()
        await line.hold()
        line.receive(message(1, 20))
        await line.resume()
        line.mute(True)
        line.receive(message(0, 20))
        line.end(EndCause.REMOTE_HANGUP)
        line.receive(message(1, 40))
        return [frame async for frame in line.frames()]

    assert run_virtual(run()) == []


@pytest.mark.parametrize(
    "bad",
    [b"", message(1, 0)[:-1], message(1, 0) + b"x", message(2, 0), message(1, AHEAD_MS + 1)],
    ids=["empty", "short", "long", "nobody", "ahead"],
)
def test_what_is_no_frame_is_refused_and_changes_nothing(bad: bytes) -> None:
    async def run() -> list[Frame]:
        line = await answered()
        with pytest.raises(InvalidInput):
            line.receive(bad)
        return await taken(line)

    assert run_virtual(run()) == []


def test_times_of_a_leg_go_up_and_legs_are_apart() -> None:
    async def run() -> list[str]:
        line = await answered()
        await asyncio.sleep(1)
        for party in (0, 1):
            line.receive(message(party, 40))
            for start_ms in (40, 20):
                with pytest.raises(InvalidInput):
                    line.receive(message(party, start_ms))
        return [frame.leg for frame in await taken(line)]

    assert run_virtual(run()) == ["agent", "contact"]


def test_a_dialer_is_silent_when_nothing_has_come_for_long() -> None:
    async def run() -> list[bool]:
        line = await answered()
        seen = [line.is_silent]
        await asyncio.sleep(SILENT_MS / 1000)
        seen.append(line.is_silent)
        line.receive(message(1, 0))
        seen.append(line.is_silent)
        return seen

    assert run_virtual(run()) == [False, True, False]


def test_what_is_reported_comes_out_in_order_and_once() -> None:
    async def run() -> list[CallEventKind]:
        line = await answered()
        with pytest.raises(Refused):
            line.answer()
        line.press(1, "1")
        line.end(EndCause.BUSY)
        line.end(EndCause.BUSY)
        late: list[Callable[[], None]] = [lambda: line.press(1, "1"), line.machine, line.answer]
        for act in late:
            with pytest.raises(Refused):
                act()
        return [event.kind async for event in line.events()]

    kinds = CallEventKind
    assert run_virtual(run()) == [kinds.RINGING, kinds.ANSWERED, kinds.DTMF, kinds.ENDED]


@pytest.mark.parametrize("digit", ["", "12", "x", "١"])
def test_what_is_no_key_is_refused(digit: str) -> None:
    async def run() -> None:
        line = await answered()
        with pytest.raises(InvalidInput):
            line.press(1, digit)
        with pytest.raises(InvalidInput):
            line.press(7, "1")

    run_virtual(run())


@pytest.mark.parametrize("lag_ms", [-1, 2_001])
def test_a_lag_that_cannot_be_is_refused(lag_ms: int) -> None:
    async def run() -> None:
        with pytest.raises(InvalidInput):
            ExternalLine(LoopClock(), "+4748750103", lag_ms)

    run_virtual(run())
