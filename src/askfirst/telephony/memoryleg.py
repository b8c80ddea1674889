"""An agent's sound without a browser: for tests, and for calls by chosen sentences alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.ports import AgentSound, Clock

WAITING_FRAMES = 3
"""60 ms, the most that a leg may keep waiting."""


class MemoryLeg:
    """`ports.AgentLeg` that says what it is fed and keeps what it is played.

    `heard` holds the newest 60 ms that were played to it or, with `keeps_all`, everything since
    the last `flush`. Whoever makes it closes it.
    """

    def __init__(self, *, keeps_all: bool = False) -> None:
        self.is_connected = True
        self.heard: deque[bytes] = deque(maxlen=None if keeps_all else WAITING_FRAMES)
        self._said: deque[AgentSound] = deque()
        self._arrived = asyncio.Event()
        self._is_closed = False

    def feed(self, pcm: bytes, captured_ms: int) -> None:
        """Let the agent have said 20 ms, captured from `captured_ms` of the call's `Clock` on.

        InvalidInput for other than 640 bytes. After `close` nothing is taken.
        """
        if len(pcm) != FRAME_BYTES:
            raise InvalidInput(
                f"a sound of {len(pcm)} bytes, expected {FRAME_BYTES} (20 ms mono s16le at "
                "16 kHz). Cut it with askfirst.audio.mixing.in_frames."
            )
        if not self._is_closed:
            self._said.append(AgentSound(captured_ms, pcm))
            self._arrived.set()

    async def speak(self, clock: Clock, frames: Sequence[bytes]) -> None:
        """Say 20 ms frames from now on, each fed when its capture is over."""
        start_ms = clock.now_ms()
        for position, pcm in enumerate(frames):
            await clock.sleep_until(start_ms + (position + 1) * FRAME_MS)
            self.feed(pcm, start_ms + position * FRAME_MS)

    async def sounds(self) -> AsyncIterator[AgentSound]:
        """What was fed, in order, until the leg is closed."""
        while not self._is_closed:
            while self._said:
                yield self._said.popleft()
            self._arrived.clear()
            if not self._is_closed:
                await self._arrived.wait()

    def play(self, pcm: bytes) -> None:
        """Keep 20 ms as heard by the agent."""
        self.heard.append(pcm)

    def flush(self) -> None:
        """Forget what waits to be taken and what was heard."""
        self._said.clear()
        self.heard.clear()

    async def close(self) -> None:
        """End the leg and whoever listens to it; safe to call more than once."""
        self._is_closed = True
        self.is_connected = False
        self._arrived.set()
