"""Ten minutes of a call whose telephone and browser have clocks of their own, over an uneven way:
where their frames are placed, and how many of them have no place.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.unit.test_sipcall import Stage

from askfirst.clock import run_virtual
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.telephony.framegrid import STEP_MS
from askfirst.telephony.progress import AGENT, CONTACT
from askfirst.telephony.siptrunk import READ_MS
from askfirst.telephony.socketleg import Message, SocketLeg, pack

pytestmark = pytest.mark.slow

CALL_MS = 600_000
SETTLED_MS = 1_000
DRIFT = 100e-6
JITTER_MS = 30
WAY_MS = 40
"""The fastest way of a packet, the stack's own buffers included."""

POLL_MS = 20
AHEAD = 5
"""At one in so many polls it was looked half a poll before, too."""

SEED = 3550
SPREAD_MS = STEP_MS + 4
"""Sound moves by half frames, when it has been seen often enough that it has to."""

MISSING_PERMILLE = 1


@dataclass(frozen=True)
class Side:
    """Half frames of one side: when each was captured, and where those are that have a place."""

    captured: list[float]
    placed: dict[int, int]

    @property
    def early(self) -> list[float]:
        """By how much frames are placed before their capture, from the first second on."""
        return [
            self.captured[number] - start_ms
            for number, start_ms in self.placed.items()
            if start_ms >= SETTLED_MS
        ]

    @property
    def missing(self) -> int:
        """Half frames that are nowhere, after the first that is somewhere."""
        return len(self.captured) - min(self.placed) - len(self.placed)


def numbered(number: int) -> bytes:
    """A frame whose halves say which they are; no half is nothing, as inserted ones are."""
    halves = (2 * number, 2 * number + 1)
    return b"".join(half.to_bytes(4, "big").ljust(FRAME_BYTES // 2, b"\1") for half in halves)


def captured(pace: float, each_ms: int) -> list[float]:
    """When each part of a call began, in its time, by a clock of such a pace."""
    return [number * each_ms / pace for number in range(int(CALL_MS * pace) // each_ms)]


def arrivals(times: list[float], chance: random.Random) -> Iterator[int]:
    """When each frame is there, none before the one that was said earlier."""
    last_ms = 0.0
    for began_ms in times:
        late_ms = FRAME_MS + WAY_MS + chance.uniform(0, JITTER_MS)
        last_ms = max(last_ms, began_ms + late_ms)
        yield int(last_ms) + 1


async def talked(pace: float) -> dict[str, Side]:
    """A call in which a telephone and a browser speak all the time, each by such a clock."""
    stage = Stage()

    async def send(data: bytes) -> None:
        """What the browser is to hear is nothing to look at."""

    browser = SocketLeg(stage.clock, send)
    stage.leg = browser  # type: ignore[assignment]  # any leg of an agent
    await stage.answered()
    zero_ms = stage.call.zero_ms
    assert zero_ms is not None
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    times = captured(pace, FRAME_MS)
    heard: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, at_ms in enumerate(arrivals(times, chance)):
        heard[-(-at_ms // POLL_MS) * POLL_MS].append((number, at_ms))
    spoken: defaultdict[int, list[int]] = defaultdict(list)
    for number, at_ms in enumerate(arrivals(times, chance)):
        spoken[at_ms].append(number)
    for at_ms in sorted({*heard, *spoken}):
        await stage.clock.sleep_until(zero_ms + at_ms)
        waiting = heard.get(at_ms, [])
        ahead_ms = at_ms - POLL_MS // 2 if at_ms // POLL_MS % AHEAD == 0 else at_ms
        seen_ms = ahead_ms if all(came_ms <= ahead_ms for _, came_ms in waiting) else at_ms
        for position, (number, _) in enumerate(waiting):
            # As the process that speaks SIP dates them: the newest ended a packet's time ago.
            began_ms = zero_ms + seen_ms - READ_MS - (len(waiting) - position) * FRAME_MS
            stage.call.contact.on_sound(began_ms, numbered(number))
        for number in spoken.get(at_ms, []):
            browser.receive(pack(Message(number, number * FRAME_MS, numbered(number))))
    await stage.wait(1_000)
    await stage.call.hangup()
    frames = [frame async for frame in stage.call.frames()]
    await browser.close()
    halves = captured(pace, STEP_MS)
    return {leg: Side(halves, placed(frames, leg)) for leg in (AGENT, CONTACT)}


def placed(frames: list[Frame], leg: str) -> dict[int, int]:
    return {
        int.from_bytes(half[:4], "big"): start_ms
        for frame in frames
        if frame.leg == leg
        for start_ms, half in (
            (frame.start_ms, frame.pcm[: FRAME_BYTES // 2]),
            (frame.start_ms + STEP_MS, frame.pcm[FRAME_BYTES // 2 :]),
        )
        if any(half)
    }


@pytest.fixture(scope="module", params=[1 - DRIFT, 1 + DRIFT], ids=["slow", "fast"])
def sides(request: pytest.FixtureRequest) -> dict[str, Side]:
    return run_virtual(talked(request.param))


both = pytest.mark.parametrize("leg", [AGENT, CONTACT])


@both
def test_no_frame_is_placed_later_than_it_was_captured(sides: dict[str, Side], leg: str) -> None:
    side = sides[leg]
    assert all(side.captured[number] >= start for number, start in side.placed.items())


@both
def test_what_is_said_at_one_moment_stays_at_one_moment(sides: dict[str, Side], leg: str) -> None:
    early = sides[leg].early
    assert max(early) - min(early) <= SPREAD_MS


@both
def test_hardly_a_frame_has_no_place(sides: dict[str, Side], leg: str) -> None:
    side = sides[leg]
    assert side.missing <= MISSING_PERMILLE * len(side.captured) / 1000
