"""An agent's sound from files: for tries without a microphone, and for programs that speak."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from askfirst.errors import Refused
from askfirst.model import FRAME_MS
from askfirst.ports import Clock
from askfirst.telephony.memoryleg import MemoryLeg


class FileLeg(MemoryLeg):
    """`ports.AgentLeg` that says what it was given, one thing after the other, and then nothing.

    Belongs to one running loop; whoever makes it closes it.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._until_ms = 0
        self._speaking: set[asyncio.Task[None]] = set()

    def say(self, frames: Sequence[bytes]) -> int:
        """Say 20 ms frames when what was given before is said; gives milliseconds until the end.

        Raises Refused after `close()`.
        """
        if not self.is_connected:
            raise Refused("this agent's sound has ended, expected a call that goes on.")
        now_ms = self._clock.now_ms()
        begin_ms = max(now_ms, self._until_ms)
        self._until_ms = begin_ms + len(frames) * FRAME_MS
        task = asyncio.create_task(self._speak(begin_ms, frames))
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)
        return self._until_ms - now_ms

    async def close(self) -> None:
        """End the leg, also in mid-sentence; safe to call more than once."""
        await super().close()
        speaking = tuple(self._speaking)
        for task in speaking:
            task.cancel()
        await asyncio.gather(*speaking, return_exceptions=True)

    async def _speak(self, begin_ms: int, frames: Sequence[bytes]) -> None:
        await self._clock.sleep_until(begin_ms)
        await self.speak(self._clock, frames)
