"""Frames of a call on their way to whoever records it, and what an agent says as such frames.

Everything here belongs to one running loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from askfirst.model import FRAME_MS, Frame
from askfirst.ports import AgentSound, Clock
from askfirst.telephony.progress import AGENT, SILENCE


class Frames:
    """Frames in order of arrival, for one reader: a frame is not kept once it has been read.

    Beyond `most` the oldest go; None keeps them all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._waiting: deque[Frame] = deque(maxlen=most)
        self._changed = asyncio.Event()
        self._is_closed = False

    def add(self, frames: Iterable[Frame]) -> None:
        """Let these be read, too."""
        self._waiting.extend(frames)
        self._changed.set()

    def close(self) -> None:
        """Let the reader end after the last one; safe to call more than once."""
        self._is_closed = True
        self._changed.set()

    async def read(self) -> AsyncIterator[Frame]:
        """Every frame until the last one has been read after `close`."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._is_closed:
                return
            self._changed.clear()
            await self._changed.wait()


class AgentVoice:
    """What an agent says as frames on the call clock, judged by when it was captured.

    A frame is never newer than it can be, takes its moment once, and is silence where the agent
    was muted.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_muted = False
        self._clock = clock
        self._unmuted_ms = 0
        self._free_ms = 0

    def mute(self, on: bool) -> None:
        """Silence, or no longer."""
        if self.is_muted and not on:
            self._unmuted_ms = self._clock.now_ms()
        self.is_muted = on

    def give_way(self, until_ms: int) -> None:
        """Take no frame that begins before a moment of the call: something else is there."""
        self._free_ms = until_ms

    def frame(self, sound: AgentSound, answer_ms: int) -> Frame | None:
        """The frame of 20 ms, None where its moment is taken; call time begins at `answer_ms`."""
        # What claims to be captured later than it can have been must not pass for newer.
        latest_ms = self._clock.now_ms() - FRAME_MS
        start_ms = min(sound.captured_ms, latest_ms) - answer_ms
        if start_ms < self._free_ms:
            return None
        self._free_ms = start_ms + 1
        is_silent = self.is_muted or sound.captured_ms < self._unmuted_ms
        return Frame(AGENT, start_ms, SILENCE if is_silent else sound.pcm)
