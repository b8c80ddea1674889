"""What a recorded call adds to the way from mouth to ear, beside two telephones without us.

A way is one-way and on one clock: from what the speaking side takes to what the hearing side is
played, each in packets of 20 ms. Needs Debian's baresip as telephones and kamailio.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tests.server.deskrig import SETTINGS, agent, has, until
from tests.server.rig import AT
from tests.sip.exchange import switchboard
from tests.sip.oversip import add_second, trunk_to
from tests.sip.peer import RATE, Telephone, telephone

from askfirst.audio.mixing import in_frames, to_pcm, to_samples
from askfirst.audio.resample import resample
from askfirst.clock import LoopClock, run
from askfirst.errors import Unavailable
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.speech.scripted import Scripted
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider
from bench.calls import ADDED, CONTACT
from bench.measure import Line

CALLS, MARKS = 4, 5
SETTLED_S, APART_S, MARK_S, LATEST_S = 0.5, 0.3, 0.25, 0.9
LOOK_S = 0.003
"""Pause between looks at both sides; 20 ms is no multiple of it, so every phase is met."""

ALIKE = 0.3
"""Correlation from which on a mark has arrived; other noise stays below 0.1."""

DIRECT, THROUGH, SPOKEN, HEARD = range(4)
"""Ways: between two telephones, without us and through us; from an agent, and to one."""

_ECHO = ";audio_source=aubridge,echo;audio_player=aubridge,echo"
_HEADER_BYTES = 44


def lines() -> Iterator[Line]:
    """Milliseconds that we add to one way, beside those of a direct one.

    Raises Unavailable where a telephone or the exchange is missing.
    """
    for program, package in (("baresip", "baresip-core"), ("kamailio", "kamailio")):
        if shutil.which(program) is None:
            raise Unavailable(
                f"{program} is missing; apt-get install --no-install-recommends {package}"
            )
    ways = _measured()
    direct, added = statistics.median(ways[DIRECT]), statistics.median(ways[THROUGH])
    spoken, heard = statistics.median(ways[SPOKEN]), statistics.median(ways[HEARD])
    for name, figure, way in (
        ("added delay, telephone to telephone", added - direct, THROUGH),
        ("added delay, agent to telephone", spoken - direct, SPOKEN),
        # Its ear is no telephone's, so that nothing can be taken away from it.
        ("delay, telephone to agent", heard, HEARD),
    ):
        counts = f"one way through us {_told(ways[way])}, directly {_told(ways[DIRECT])}"
        yield Line(name, figure, "ms", direct, counts)


def _told(way: Collection[float]) -> str:
    return (
        f"{statistics.median(way):.0f} ms ({min(way):.0f} to {max(way):.0f}, "
        f"{len(way)} marks in {CALLS} calls)"
    )


class Side(Protocol):
    """A mouth or an ear."""

    def passed_s(self) -> float:
        """Seconds of sound until now."""
        ...

    def sound(self) -> NDArray[np.int16]:
        """All of it at 8 kHz."""
        ...


class Dumped:
    """The file of what a telephone sends, which of one that echoes is what it was played."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def passed_s(self) -> float:
        """Seconds of sound until now."""
        return (self._file.stat().st_size - _HEADER_BYTES) / 2 / RATE

    def sound(self) -> NDArray[np.int16]:
        """All of it at 8 kHz."""
        return to_samples(self._file.read_bytes()[_HEADER_BYTES:])


class Framed:
    """Frames that an agent's leg has taken or was played."""

    def __init__(self, frames: Collection[bytes]) -> None:
        self._frames = frames

    def passed_s(self) -> float:
        """Seconds of sound until now."""
        return len(self._frames) * FRAME_MS / 1000

    def sound(self) -> NDArray[np.int16]:
        """All of it at 8 kHz."""
        return resample(to_samples(b"".join(self._frames)), SAMPLE_RATE_HZ, RATE)


class Leg(MemoryLeg):
    """An agent's sound; `said` is all that was taken of them."""

    def __init__(self) -> None:
        super().__init__(keeps_all=True)
        self.said: list[bytes] = []

    def feed(self, pcm: bytes, captured_ms: int) -> None:
        """Let the agent have said 20 ms."""
        self.said.append(pcm)
        super().feed(pcm, captured_ms)


def _measured() -> dict[int, list[float]]:
    """Milliseconds of every mark's way, by the kind of way."""
    with tempfile.TemporaryDirectory() as folder:
        node = Node.open(Path(folder) / "data", Scripted())
        try:
            with transaction(node.store.engine) as connection:
                change(connection, SETTINGS, None, AT)
            ways = run(_called(node, Path(folder)))
            node.jobs.wait()
            return ways
        finally:
            node.close()


async def _called(node: Node, folder: Path) -> dict[int, list[float]]:
    ways: dict[int, list[float]] = {way: [] for way in (DIRECT, THROUGH, SPOKEN, HEARD)}
    async with AsyncExitStack() as stack:
        speaking = await stack.enter_async_context(
            telephone(folder / "speaking", _noise(), number=CONTACT)
        )
        # It is never the one that is held: aubridge does not come back from that.
        echoing = await stack.enter_async_context(
            telephone(
                folder / "echoing", _noise(), number=ADDED, account=_ECHO,
                config="module aubridge.so\n",
            )
        )  # fmt: skip
        ports = {CONTACT: speaking.port, ADDED: echoing.port}
        port = await stack.enter_async_context(switchboard(folder / "exchange", ports))
        desk = Desk(node, LoopClock(), outside=SipProvider(LoopClock(), trunk_to(port)))
        stack.push_async_callback(desk.close)
        kari = agent(node, "kari")
        frames = in_frames(to_pcm(resample(_noise(), RATE, SAMPLE_RATE_HZ)))
        for _ in range(CALLS):
            ways[DIRECT] += await _directly(speaking, echoing)
            ways[THROUGH] += await _through(desk, kari, speaking, echoing)
            spoken, heard = await _with_agent(desk, kari, frames, echoing)
            ways[SPOKEN] += spoken
            ways[HEARD] += heard
    return ways


async def _directly(speaking: Telephone, echoing: Telephone) -> list[float]:
    await _forget(speaking, echoing)
    await speaking.tell("dial", echoing.address)
    (ways,) = await _ways((await _dumped(speaking), await _dumped(echoing)))
    await speaking.tell("hangup")
    return ways


async def _through(desk: Desk, user: User, speaking: Telephone, echoing: Telephone) -> list[float]:
    await _forget(speaking, echoing)
    live = await desk.place(user, CONTACT, MemoryLeg())
    await until(live, has(light="recording"))
    await add_second(live, ADDED)
    await until(live, has(light="recording"))
    (ways,) = await _ways((await _dumped(speaking), await _dumped(echoing)))
    await live.hangup()
    await until(live, has(settled=True))
    return ways


async def _with_agent(
    desk: Desk, user: User, frames: list[bytes], echoing: Telephone
) -> list[list[float]]:
    """The way to the telephone, then the way back."""
    await _forget(echoing)
    leg = Leg()
    live = await desk.place(user, ADDED, leg)
    await until(live, has(light="recording"))
    speaking = asyncio.create_task(leg.speak(LoopClock(), frames))
    there = await _dumped(echoing)
    ways = await _ways((Framed(leg.said), there), (there, Framed(leg.heard)))
    speaking.cancel()
    await live.hangup()
    await until(live, has(settled=True))
    return ways


async def _forget(*telephones: Telephone) -> None:
    """Leave the last call behind, whose end they may not have heard of yet."""
    await asyncio.sleep(0.2)
    for each in telephones:
        for file in each.folder.glob("dump-*.wav"):
            file.unlink()


async def _dumped(by: Telephone) -> Dumped:
    """What a telephone sends in its call, once that has begun."""
    async with asyncio.timeout(10):
        while True:
            for file in by.folder.glob("dump-*-enc.wav"):
                return Dumped(file)
            await asyncio.sleep(0.02)


async def _ways(*pairs: tuple[Side, Side]) -> list[list[float]]:
    """Milliseconds that every mark of a mouth takes to its ear, for each pair of them."""
    await asyncio.sleep(SETTLED_S)
    begins = [mouth.passed_s() for mouth, _ in pairs]
    leads: list[list[float]] = [[] for _ in pairs]
    loop = asyncio.get_running_loop()
    end = loop.time() + MARKS * APART_S + LATEST_S
    while loop.time() < end:
        for lead, (mouth, ear) in zip(leads, pairs, strict=True):
            lead.append(ear.passed_s() - mouth.passed_s())
        await asyncio.sleep(LOOK_S)
    return [
        _arrivals(mouth.sound(), ear.sound(), begin, statistics.fmean(lead))
        for (mouth, ear), begin, lead in zip(pairs, begins, leads, strict=True)
    ]


def _arrivals(
    said: NDArray[np.int16], heard: NDArray[np.int16], begin_s: float, lead_s: float
) -> list[float]:
    """Milliseconds after which each mark is in what was heard, which is so much ahead."""
    found = []
    for number in range(MARKS):
        at_s = begin_s + number * APART_S
        mark = said[round(at_s * RATE) :][: round(MARK_S * RATE)].astype(float)
        room = heard[round((at_s + lead_s) * RATE) :][: round((MARK_S + LATEST_S) * RATE)]
        alike = np.correlate(room.astype(float), mark, "valid")
        power = np.convolve(np.square(room.astype(float)), np.ones(len(mark)), "valid")
        late = int(alike.argmax())
        likeness = alike[late] / np.sqrt(max(power[late] * np.square(mark).sum(), 1.0))
        if likeness >= ALIKE:
            found.append(late * 1000 / RATE)
    if not found:
        raise Unavailable(f"no sound of a call came to its ear within {LATEST_S} s")
    return found


def _noise() -> NDArray[np.int16]:
    """Half a minute that is like no shifted copy of itself."""
    noise: NDArray[np.int16] = np.random.default_rng(1).normal(0, 2_000, 30 * RATE).astype(np.int16)
    return noise
