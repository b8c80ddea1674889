"""Recorded telephone calls that one core carries, with gate and encryption, beside rtpengine's.

Needs Debian's baresip as telephones, kamailio as their exchange, and rtpengine for the reference.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from tests.server.deskrig import SETTINGS, agent, has, until
from tests.server.rig import AT
from tests.sip.exchange import switchboard
from tests.sip.oversip import add_second, talking, trunk_to
from tests.sip.peer import telephone

from askfirst.clock import LoopClock, run
from askfirst.ports import AgentLeg
from askfirst.server.account import change
from askfirst.server.database import reading, recordings, transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.speech.scripted import Scripted
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider
from askfirst.telephony.webrtc import WebRtcLeg
from bench import relay
from bench.measure import Line
from bench.usage import cores_of

CONTACT, ADDED = "+12125550143", "+17135550166"
"""With an agent in Texas, calls with them are recorded from the answer on."""

SECONDS = 10.0
RELAYED = 60
BROWSERS, TELEPHONES = 5, 20


def lines() -> Iterator[Line]:
    """Calls per core with a browser and a telephone, and with two telephones.

    Raises Unavailable where rtpengine is missing.
    """
    relayed = 1 / relay.cores_per_call(RELAYED, SECONDS)
    for name, calls, is_browser in (
        ("browser and telephone", BROWSERS, True),
        ("two telephones", TELEPHONES, False),
    ):
        cores, lost = _measured(calls, is_browser=is_browser)
        counts = f"{calls} calls at once for {SECONDS:.0f} s, {lost} frames lost"
        yield Line(f"calls per core, {name}", calls / cores, "calls", relayed, counts)


def _measured(calls: int, *, is_browser: bool) -> tuple[float, int]:
    """Cores that so many calls take, and frames that their recordings have lost."""
    with tempfile.TemporaryDirectory() as folder:
        node = Node.open(Path(folder) / "data", Scripted())
        try:
            with transaction(node.store.engine) as connection:
                change(connection, SETTINGS, None, AT)
            cores = run(_carried(node, Path(folder), calls, is_browser=is_browser))
            node.jobs.wait()
            with reading(node.store.engine) as connection:
                lost = sum(row.lost_frames for row in connection.execute(recordings.select()))
            return cores, lost
        finally:
            node.close()


async def _carried(node: Node, folder: Path, calls: int, *, is_browser: bool) -> float:
    async with AsyncExitStack() as stack:
        numbers = {}
        for number in (CONTACT, ADDED):
            found = await stack.enter_async_context(
                telephone(folder / number, talking(120_000), number=number, calls=calls + 5)
            )
            numbers[number] = found.port
        port = await stack.enter_async_context(switchboard(folder / "exchange", numbers))
        provider = SipProvider(LoopClock(), trunk_to(port, most_calls=2 * calls + 1))
        desk = Desk(node, LoopClock(), outside=provider)
        stack.push_async_callback(desk.close)
        browsers = await _Browsers.opened(calls) if is_browser else None
        for index in range(calls):
            leg: AgentLeg = MemoryLeg() if browsers is None else await browsers.leg()
            live = await desk.place(agent(node, f"agent{index}"), CONTACT, leg)
            if browsers is None:
                await until(live, has(light="recording"))
                await add_second(live, ADDED)
            await until(live, has(light="recording"))
        assert provider.link.process_id is not None  # noqa: S101 - it carries the calls
        pids = [os.getpid(), provider.link.process_id]
        cores = await asyncio.to_thread(cores_of, pids, SECONDS)
        if browsers is not None:
            await browsers.close()
        return cores


class _Browsers:
    """The process of `bench.browsers`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def opened(cls, count: int) -> _Browsers:
        """So many browsers, which wait to be connected."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.browsers", str(count),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20,
            )
        )  # fmt: skip

    async def leg(self) -> AgentLeg:
        """The next one, connected."""
        assert self._process.stdout is not None  # noqa: S101 - we asked for pipes
        assert self._process.stdin is not None  # noqa: S101
        offer = json.loads(await self._process.stdout.readline())
        leg = WebRtcLeg(LoopClock())
        answer = await leg.answer(offer)
        self._process.stdin.write(json.dumps(answer).encode() + b"\n")
        await self._process.stdin.drain()
        return leg

    async def close(self) -> None:
        """End them all."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        await self._process.wait()
