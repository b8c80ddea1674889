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
SEED = 3550
SPREAD_MS = FRAME_MS + 1
"""Frames lie on a grid of 20 ms, which moves by whole ones, and times are whole milliseconds."""

MISSING_PERMILLE = 1


@dataclass(frozen=True)
class Side:
    """Frames of one side: when each was captured, and where those are that have a place."""

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
        """Frames that are nowhere, after the first that is somewhere."""
        return len(self.captured) - min(self.placed) - len(self.placed)


def numbered(number: int) -> bytes:
    return number.to_bytes(4, "big").ljust(FRAME_BYTES, b"\1")


def captured(pace: float) -> list[float]:
    """When each frame of a call began, in its time, by a clock of such a pace."""
    return [number * FRAME_MS / pace for number in range(int(CALL_MS * pace) // FRAME_MS)]


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
    times = captured(pace)
    heard: defaultdict[int, list[int]] = defaultdict(list)
    for number, at_ms in enumerate(arrivals(times, chance)):
        heard[-(-at_ms // POLL_MS) * POLL_MS].append(number)
    spoken: defaultdict[int, list[int]] = defaultdict(list)
    for number, at_ms in enumerate(arrivals(times, chance)):
        spoken[at_ms].append(number)
    for at_ms in sorted({*heard, *spoken}):
        await stage.clock.sleep_until(zero_ms + at_ms)
        waiting = heard.get(at_ms, [])
        for position, number in enumerate(waiting):
            # As the process that speaks SIP dates them: the newest ended a packet's time ago.
            began_ms = zero_ms + at_ms - READ_MS - (len(waiting) - position) * FRAME_MS
            stage.call.contact.on_sound(began_ms, numbered(number))
        for number in spoken.get(at_ms, []):
            browser.receive(pack(Message(number, number * FRAME_MS, numbered(number))))
    await stage.wait(1_000)
    await stage.call.hangup()
    frames = [frame async for frame in stage.call.frames()]
    await browser.close()
    return {leg: Side(times, placed(frames, leg)) for leg in (AGENT, CONTACT)}


def placed(frames: list[Frame], leg: str) -> dict[int, int]:
    return {
        int.from_bytes(each.pcm[:4], "big"): each.start_ms for each in frames if each.leg == leg
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
