"""Calls of the contract suite over SIP, each to a telephone of its own that acts out a callee."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.server.deskrig import until
from tests.sip.peer import LOOPBACK, NUMBER, RATE, Telephone, answering, telephone

from askfirst.audio.tone import tone
from askfirst.clock import LoopClock
from askfirst.model import FRAME_BYTES
from askfirst.ports import AgentLeg
from askfirst.server.livecall import LiveCall
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipCall, SipProvider
from askfirst.telephony.siptrunk import Trunk

FINAL = {"is busy": "486 Busy Here", "declines": "603 Decline"}
"""Answers of those callees of the suite who do not take the call."""


def talking(ms: int, pitch: float = 500.0) -> NDArray[np.int16]:
    """A voice that speaks for so long and is silent then."""
    return np.concatenate((tone((pitch,), ms, rate=RATE), np.zeros(RATE * 60, dtype=np.int16)))


def trunk_to(port: int, **more: object) -> Trunk:
    """A trunk to a port of this machine."""
    return Trunk(server=LOOPBACK, port=port, address=LOOPBACK, **more)  # type: ignore[arg-type]


class OverSip:
    """`ports.Telephony` to a telephone that is started with each call and ends with it."""

    capabilities = SipProvider.capabilities

    def __init__(self, folder: Path, callee: str) -> None:
        self._folder = folder
        self._callee = callee
        self._calls = 0
        self._acting: list[asyncio.Task[None]] = []

    async def dial(self, number: str) -> SipCall:
        """Start the telephone, then the call."""
        self._calls += 1
        placed: asyncio.Future[SipCall] = asyncio.get_running_loop().create_future()
        self._acting.append(asyncio.create_task(self._act(number, placed)))
        await asyncio.wait((placed, self._acting[-1]), return_when=asyncio.FIRST_COMPLETED)
        if not placed.done():
            self._acting[-1].result()
        return placed.result()

    async def close(self) -> None:
        """Return when every telephone is gone, however its calls ended."""
        done = await asyncio.gather(*self._acting, return_exceptions=True)
        faults = [each for each in done if isinstance(each, BaseException)]
        assert not faults, faults

    async def _act(self, number: str, placed: asyncio.Future[SipCall]) -> None:
        folder = self._folder / f"telephone-{self._calls}"
        async with contextlib.AsyncExitStack() as stack:
            if self._callee in FINAL:
                port = await stack.enter_async_context(answering(folder, FINAL[self._callee]))
                bob = None
            else:
                voice = talking(2_000)
                bob = await stack.enter_async_context(telephone(folder, voice, "manual"))
                port = bob.port
            provider = SipProvider(LoopClock(), trunk_to(port, ring=2))
            stack.push_async_callback(provider.close)
            leg = MemoryLeg()
            call = await provider.dial(number or NUMBER, leg)
            speaking = asyncio.create_task(leg.speak(LoopClock(), [bytes(FRAME_BYTES)] * 15_000))
            stack.callback(speaking.cancel)
            placed.set_result(call)
            if bob is not None and self._callee.startswith("answers"):
                acting = asyncio.create_task(_talk(bob))
                stack.callback(acting.cancel)
            async for _ in call.events():
                pass


async def _talk(bob: Telephone) -> None:
    """Let it ring for a while, answer, press a key and hang up."""
    await bob.until("CALL_INCOMING")
    await asyncio.sleep(0.5)
    await bob.tell("accept")
    await bob.until("CALL_ESTABLISHED")
    for after_s, command, what in ((3, "sndcode", "1"), (1, "hangup", "")):
        await asyncio.sleep(after_s)
        await bob.tell(command, what)


async def add_second(live: LiveCall, number: str) -> None:
    """Bring a second telephone into a call of one."""
    assert live.consulting is not None
    await live.consulting.begin(number)
    await until(live, lambda now: now["consultation"]["stage"] == "talking")
    await live.consulting.bring_in()


def spied(provider: SipProvider) -> list[SipCall]:
    """The calls that are dialled from now on."""
    found: list[SipCall] = []
    dial = SipProvider.dial

    async def kept(number: str, leg: AgentLeg, caller_id: str | None = None) -> SipCall:
        found.append(await dial(provider, number, leg, caller_id))
        return found[-1]

    provider.dial = kept  # type: ignore[method-assign]
    return found
