"""Calls of the contract suite over Twilio, to callees of the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from tests.twilio.lines import Callees, Lines, in_memory, on_loopback

from askfirst.clock import LoopClock
from askfirst.model import FRAME_BYTES
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import load_persona
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twilioprovider import TwilioCall, TwilioProvider

CAPABILITIES = TwilioProvider(
    LoopClock(),
    None,  # type: ignore[arg-type]  # nothing is asked of it
    TwilioLine(sender="+17135550100", stream_url="wss://x.test/s", status_url="https://x.test/c"),
).capabilities


class OverTwilio:
    """`ports.Telephony` to the persona of a folder, with an emulator that ends with `close`.

    The agent has a silent microphone that is always open.
    """

    capabilities = CAPABILITIES

    def __init__(self, folder: Path, *, is_real: bool) -> None:
        self._persona = load_persona(folder)
        self._join: Callable[..., AbstractAsyncContextManager[Lines]] = (
            on_loopback if is_real else in_memory
        )
        self._stack = AsyncExitStack()
        self._lines: Lines | None = None

    async def dial(self, number: str) -> TwilioCall:
        """Start the emulator with the first call."""
        if self._lines is None:
            callees: Callees = lambda _: self._persona  # noqa: E731 - one line says it
            self._lines = await self._stack.enter_async_context(self._join(callees, ring=2))
        leg = MemoryLeg()
        call = await self._lines.provider.dial(number, leg)
        speaking = asyncio.create_task(leg.speak(LoopClock(), [bytes(FRAME_BYTES)] * 15_000))
        self._stack.callback(speaking.cancel)
        return call

    async def close(self) -> None:
        """End the emulator; nothing it was asked for may have captured anything."""
        assert self._lines is not None
        await self._stack.aclose()
        emulator = self._lines.emulator
        assert emulator.asked.captures() == []
        assert emulator.asked.streams() == {self._lines.stream}
        assert [fault for each in emulator.exchange.calls.values() for fault in each.faults] == []
