"""The browser leg over a WebSocket: its messages, its limits, and when sound was captured."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.ports import AgentLeg
from askfirst.telephony.agentsound import SILENT_MS, LeastTransit
from askfirst.telephony.socketleg import MESSAGE_BYTES, Message, SocketLeg, pack, unpack

WORD = st.integers(0, 2**32 - 1)
PCM = st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES)

unhurried = settings(deadline=None)  # a busy machine is no fault

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    return run_virtual(work)


def message(sequence: int, at_ms: int | None = None, value: int = 0) -> bytes:
    at_ms = sequence * FRAME_MS if at_ms is None else at_ms
    return pack(Message(sequence, at_ms, bytes([value]) * FRAME_BYTES))


class Socket:
    """The far end of `send`: keeps what was sent, may be full or gone."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None
        self.leg = SocketLeg(LoopClock(), self.send)

    async def send(self, data: bytes) -> None:
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        self.sent.append(unpack(data))


async def settled() -> None:
    """Let everything that is ready run; one virtual millisecond passes."""
    clock = LoopClock()
    await clock.sleep_until(clock.now_ms() + 1)


async def waiting(leg: SocketLeg) -> list[int]:
    """The first byte of every sound that waits; ends the leg."""
    heard: list[int] = []

    async def read() -> None:
        async for sound in leg.sounds():
            heard.append(sound.pcm[0])

    reader = asyncio.create_task(read())
    await settled()
    await leg.close()
    await reader
    return heard


@unhurried
@given(WORD, WORD, PCM)
def test_a_message_is_read_as_it_was_written(sequence: int, at_ms: int, pcm: bytes) -> None:
    written = Message(sequence, at_ms, pcm)
    assert unpack(pack(written)) == written
    assert len(pack(written)) == MESSAGE_BYTES == 652


@unhurried
@given(st.binary(max_size=2 * MESSAGE_BYTES).filter(lambda data: len(data) != MESSAGE_BYTES))
def test_a_message_of_another_size_is_invalid_input(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="expected 652"):
        unpack(data)


@unhurried
@given(st.integers(0, MESSAGE_BYTES - 1), st.integers(1, 5))
def test_a_message_split_or_joined_with_another_is_invalid_input(at: int, more: int) -> None:
    whole = message(1)
    for part in (whole[:at], whole[at:] if at else whole + whole, whole + whole[:more]):
        with pytest.raises(InvalidInput):
            unpack(part)


@unhurried
@given(st.integers(0, 255).filter(lambda version: version != 1))
def test_another_version_is_invalid_input(version: int) -> None:
    with pytest.raises(InvalidInput, match="version"):
        unpack(bytes([version]) + message(1)[1:])


@unhurried
@given(st.binary(min_size=3, max_size=3).filter(any))
def test_reserved_bytes_that_are_not_zero_are_invalid_input(reserved: bytes) -> None:
    with pytest.raises(InvalidInput, match="reserved"):
        unpack(message(1)[:1] + reserved + message(1)[4:])


@unhurried
@given(st.one_of(st.binary(max_size=700), st.binary(min_size=652, max_size=652)))
def test_garbage_is_a_message_or_invalid_input_and_nothing_else(data: bytes) -> None:
    try:
        read = unpack(data)
    except InvalidInput:
        return
    assert pack(read) == data


@pytest.mark.parametrize(
    ("sequence", "at_ms", "size"),
    [(-1, 0, 640), (2**32, 0, 640), (0, -1, 640), (0, 2**32, 640), (0, 0, 639), (0, 0, 0)],
)
def test_what_does_not_fit_into_a_message_is_invalid_input(
    sequence: int, at_ms: int, size: int
) -> None:
    with pytest.raises(InvalidInput):
        pack(Message(sequence, at_ms, bytes(size)))


@unhurried
@given(st.lists(st.integers(0, 40), max_size=40))
def test_gaps_are_counted_and_what_comes_late_is_dropped(sequences: list[int]) -> None:
    async def check() -> tuple[int, int, list[int]]:
        leg, taken = Socket().leg, []

        async def read() -> None:
            async for sound in leg.sounds():
                taken.append(sound.pcm[0])

        reader = asyncio.create_task(read())
        for sequence in sequences:
            leg.receive(message(sequence, value=sequence))
            await settled()
        await leg.close()
        await reader
        return leg.lost, leg.late, taken

    lost, late, taken = run(check())

    rising = [n for at, n in enumerate(sequences) if n > max(sequences[:at], default=-1)]
    assert taken == rising
    assert late == len(sequences) - len(rising)
    assert lost == (rising[-1] - rising[0] + 1 - len(rising) if rising else 0)


def test_a_bad_message_changes_nothing() -> None:
    async def check() -> tuple[int, int, list[int]]:
        leg = Socket().leg
        leg.receive(message(1, value=1))
        for bad in (b"", message(9)[:-1], b"\x02" + message(9)[1:], message(9, at_ms=0)):
            with pytest.raises(InvalidInput):
                leg.receive(bad)
        leg.receive(message(2, value=2))
        return leg.lost, leg.late, await waiting(leg)

    assert run(check()) == (0, 0, [1, 2])


def test_sixty_ms_wait_to_be_read_and_the_oldest_go() -> None:
    async def check() -> list[int]:
        leg = Socket().leg
        for sequence in range(10):
            leg.receive(message(sequence, value=sequence))
        return await waiting(leg)

    assert run(check()) == [7, 8, 9]


def test_sixty_ms_wait_to_be_sent_and_the_oldest_go() -> None:
    async def check() -> list[Message]:
        socket = Socket()
        socket.open.clear()
        socket.leg.play(bytes(FRAME_BYTES))
        await settled()  # the first one is under way in a socket that is full
        for value in range(1, 10):
            socket.leg.play(bytes([value]) * FRAME_BYTES)
        socket.open.set()
        await settled()
        await socket.leg.close()
        return socket.sent

    sent = run(check())
    assert [each.pcm[0] for each in sent] == [0, 7, 8, 9]
    assert [each.sequence for each in sent] == [0, 1, 2, 3]


def test_a_flush_forgets_what_waits_in_both_directions() -> None:
    async def check() -> tuple[list[int], list[int]]:
        socket = Socket()
        for value in (1, 2):
            socket.leg.play(bytes([value]) * FRAME_BYTES)
            socket.leg.receive(message(value, value=value))
        socket.leg.flush()
        socket.leg.play(bytes([3]) * FRAME_BYTES)
        socket.leg.receive(message(3, value=3))
        heard = await waiting(socket.leg)
        return heard, [each.pcm[0] for each in socket.sent]

    assert run(check()) == ([3], [3])


def test_what_is_stalled_under_way_keeps_the_time_of_its_capture() -> None:
    async def check() -> tuple[list[int], int]:
        leg, clock, captured = Socket().leg, LoopClock(), []
        start_ms = clock.now_ms()
        # Sound n is captured at 20 n and takes 30 ms; from the fifth on the connection stalls.
        for sequence in range(20):
            due_ms = 20 * sequence + (30 if sequence < 5 else 2_000)
            await clock.sleep_until(start_ms + due_ms)
            leg.receive(message(sequence, at_ms=7_000 + 20 * sequence))
            captured.append((await anext(leg.sounds())).captured_ms - start_ms)
        await leg.close()
        return captured, leg.capture_lag_ms

    captured, lag_ms = run(check())
    assert captured == pytest.approx([20 * n + 30 - lag_ms for n in range(20)], abs=1)


def test_a_browser_whose_clock_is_slow_is_followed() -> None:
    transit = LeastTransit()
    for second in range(3_600):
        transit.meet(second * 999.9, second * 1_000)  # 100 parts in a million
    assert transit.arrival_ms(3_599 * 999.9) == pytest.approx(3_599_000, abs=1)


@unhurried
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2_000)), min_size=1, max_size=50))
def test_nothing_is_said_to_arrive_later_than_it_did(meetings: list[tuple[int, int]]) -> None:
    transit, now_ms = LeastTransit(), 0
    for sent_ms, passed_ms in meetings:
        now_ms += passed_ms
        transit.meet(sent_ms, now_ms)
        assert transit.arrival_ms(sent_ms) <= now_ms


def test_a_silent_browser_is_not_connected_until_it_speaks_again() -> None:
    async def check() -> list[bool]:
        leg, clock = Socket().leg, LoopClock()
        seen = [leg.is_connected]
        start_ms = clock.now_ms()
        await clock.sleep_until(start_ms + 1_000)
        leg.receive(message(0))
        for after_ms in (SILENT_MS + 900, SILENT_MS + 1_100):
            await clock.sleep_until(start_ms + after_ms)
            seen.append(leg.is_connected)
        leg.receive(message(1))
        seen.append(leg.is_connected)
        await clock.sleep_until(clock.now_ms() + SILENT_MS + 1)
        seen.append(leg.is_connected)
        await leg.close()
        return seen

    assert run(check()) == [True, True, False, True, False]


def test_a_browser_that_is_gone_is_not_connected_and_the_leg_goes_on() -> None:
    async def check() -> bool:
        socket = Socket()
        socket.fault = ConnectionResetError("gone")
        socket.leg.play(bytes(FRAME_BYTES))
        await settled()
        socket.leg.play(bytes(FRAME_BYTES))
        socket.leg.receive(message(1))
        connected = socket.leg.is_connected
        await socket.leg.close()
        return connected

    assert run(check()) is False


def test_a_fault_of_the_sender_that_is_not_the_networks_comes_out_of_close_once() -> None:
    async def check() -> bool:
        socket = Socket()
        socket.fault = RuntimeError("a mistake")
        socket.leg.play(bytes(FRAME_BYTES))
        await settled()
        connected = socket.leg.is_connected
        with pytest.raises(RuntimeError, match="a mistake"):
            await socket.leg.close()
        await socket.leg.close()
        return connected

    assert run(check()) is False


def test_closing_twice_is_safe_and_ends_everything() -> None:
    async def check() -> list[Message]:
        socket = Socket()
        leg: AgentLeg = socket.leg
        socket.leg.receive(message(1))
        await asyncio.gather(leg.close(), leg.close())
        await leg.close()
        leg.play(bytes(FRAME_BYTES))
        socket.leg.receive(message(2))
        assert [sound async for sound in leg.sounds()] == []
        assert not leg.is_connected
        await settled()
        return socket.sent

    assert run(check()) == []


@unhurried
@given(st.binary(max_size=1_300).filter(lambda pcm: len(pcm) != FRAME_BYTES))
def test_playing_anything_but_a_frame_is_invalid_input(pcm: bytes) -> None:
    async def check() -> None:
        leg = Socket().leg
        with pytest.raises(InvalidInput):
            leg.play(pcm)
        await leg.close()

    run(check())
