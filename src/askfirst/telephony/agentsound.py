"""What every leg to an agent's browser needs: what waits to be read, and when it was said.

Nothing here knows how the sound travels.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.ports import AgentSound

WAITING_FRAMES = 60 // FRAME_MS
"""Frames that may wait in each direction; more would be heard as delay."""

SILENT_MS = 3_000
"""A browser from which nothing has come for so long does not answer; muted ones send silence."""

WAY_MS = 100
"""Default bound of a browser's own capture path and the fastest way through the network."""

_DRIFT = 250e-6  # two sound cards' crystals, each within about 100 parts in a million


def check_frame(pcm: bytes) -> None:
    """InvalidInput unless `pcm` is one frame of 20 ms."""
    if len(pcm) != FRAME_BYTES:
        raise InvalidInput(
            f"{len(pcm)} bytes of sound, expected {FRAME_BYTES} ({FRAME_MS} ms mono s16le at "
            "16 kHz). Cut it with askfirst.audio.mixing.in_frames."
        )


class LeastTransit:
    """Maps the sender's times to the receiver's clock by the fastest transit seen so far.

    Whatever delays a frame under way, a full buffer or a stalled connection, does not change
    when it was captured; so only a faster frame moves the mapping. It follows slow clocks by
    250 parts in a million and no more: a lasting congestion must not make old sound young.
    """

    def __init__(self) -> None:
        self._transit_ms: float | None = None
        self._last_ms = 0

    def meet(self, sent_ms: float, now_ms: int) -> None:
        """Take note that what was sent at `sent_ms` (sender's clock) has arrived now."""
        transit_ms = now_ms - sent_ms
        if self._transit_ms is not None:
            followed_ms = self._transit_ms + _DRIFT * max(0, now_ms - self._last_ms)
            transit_ms = min(transit_ms, followed_ms)
        self._transit_ms = transit_ms
        self._last_ms = now_ms

    def arrival_ms(self, sent_ms: float) -> int:
        """When something sent at `sent_ms` arrives if nothing delays it; after `meet` only."""
        return round(sent_ms + (self._transit_ms or 0.0))


class HeardSounds:
    """Sounds in order of arrival for one reader; beyond `most` what has waited longest goes."""

    def __init__(self, most: int = WAITING_FRAMES) -> None:
        self._waiting: deque[AgentSound] = deque(maxlen=most)
        self._more = asyncio.Event()
        self._closed = False

    def add(self, sound: AgentSound) -> None:
        """Let one more wait; nothing is taken after `close`."""
        if not self._closed:
            self._waiting.append(sound)
            self._more.set()

    def flush(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def close(self) -> None:
        """Forget what waits and end the reader; safe to call more than once."""
        self._closed = True
        self._waiting.clear()
        self._more.set()

    async def read(self) -> AsyncIterator[AgentSound]:
        """Each sound once, until `close`."""
        while not self._closed:
            while self._waiting:
                yield self._waiting.popleft()
            if not self._closed:
                self._more.clear()
                await self._more.wait()
