"""What a simulated call needs, however its persona answers: names, reports and sound to play.

Logs and players belong to one task of one event loop. Nothing here knows what is said.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Generic, TypeVar

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import DTMF_KEYS, tone
from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES
from askfirst.ports import EndCause

AGENT = "agent"
CONTACT = "contact"
JOINER = "joiner"
ANNOUNCEMENT = "announcement"

RING_MS = 1_000
UNANSWERED_MS = 20_000
WAIT_MS = 30_000
"""Longest wait for an announcement before a persona goes on without one."""

RINGBACK_HZ = (425,)
"""What early media sounds like: the ringing tone of most of Europe (ITU-T E.180)."""

TONE_DBFS = -22.0
SILENCE = bytes(FRAME_BYTES)
RING_CAUSES = {
    "busy": EndCause.BUSY,
    "declined": EndCause.DECLINED,
    "no-answer": EndCause.NO_ANSWER,
}

Item = TypeVar("Item")


@cache
def ringback() -> tuple[bytes, ...]:
    """Five seconds of ringing tone in 20 ms frames: one of sound, four of silence."""
    return (*in_frames(to_pcm(tone(RINGBACK_HZ, 1_000, TONE_DBFS))), *[SILENCE] * 200)


def ensure_digits(digits: str) -> None:
    """Raise InvalidInput for anything but one or more of 0-9 * # A-D."""
    if not digits or not set(digits) <= set("".join(DTMF_KEYS)):
        # What was pressed may be a card number: it is not repeated, errors are shown and logged.
        raise InvalidInput("found what is no key of a telephone; press some of 0-9 * # A B C D")


def joiner_leg(joins: int) -> str:
    """The leg of the person who joined as the first, second and so on.

    Every joiner is another person: an old leg's name must not lend a new one its consent.
    """
    return JOINER if joins == 1 else f"{JOINER}-{joins}"


class Log(Generic[Item]):
    """A list that only grows and can be read from its start by anybody, until it is closed."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._closed = False
        self._more = asyncio.Event()

    def add(self, item: Item) -> None:
        """Append an item and wake every reader."""
        self._items.append(item)
        self._wake()

    def close(self) -> None:
        """Let every reader end after the last item; safe to call more than once."""
        self._closed = True
        self._wake()

    async def read(self) -> AsyncIterator[Item]:
        """Every item from the first one, also when asked late, until the log is closed."""
        at = 0
        while True:
            while at < len(self._items):
                yield self._items[at]
                at += 1
            if self._closed:
                return
            await self._more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


class _Prompt:
    """Frames still to be played and the promise to tell whether all of them were."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self.frames = deque(frames)
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def finish(self, played: bool) -> None:
        if not self.done.done():
            self.done.set_result(played)


class Player:
    """One prompt at a time, frame by frame, in the hands of the task that captures frames.

    That task calls `begin`, `take` and `settle` for every 20 ms; anybody may `play` and `cut`.
    `ended` counts the prompts that have ended, played or cut.
    """

    def __init__(self) -> None:
        self.ended = 0
        self._waiting: _Prompt | None = None  # begins with the next frame
        self._current: _Prompt | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a prompt is playing or about to."""
        return self._current is not None or self._waiting is not None

    @property
    def is_sounding(self) -> bool:
        """Whether the frames that are captured now hold a prompt."""
        return self._current is not None

    async def play(self, frames: Sequence[bytes], *, is_possible: bool = True) -> bool:
        """Play 20 ms frames instead of what plays now; True only if the last one was played.

        False at once for no frames and where it is not possible now. InvalidInput for frames that
        are not 640 bytes long.
        """
        if any(len(frame) != FRAME_BYTES for frame in frames):
            raise InvalidInput(
                f"a prompt with other than {FRAME_BYTES} bytes in a frame. "
                "Cut it with askfirst.audio.mixing.in_frames."
            )
        if not frames or not is_possible:
            return False
        self.cut()
        mine = self._waiting = _Prompt(frames)
        try:
            return await mine.done
        finally:
            if mine in (self._waiting, self._current):  # whoever waited was cancelled
                self.cut()

    def begin(self) -> None:
        """Let a waiting prompt start with the frame that is captured next."""
        if self._current is None:
            self._current, self._waiting = self._waiting, None

    def take(self) -> bytes | None:
        """The next frame of the prompt that plays, None when none does."""
        if self._current is None or not self._current.frames:
            return None
        return self._current.frames.popleft()

    def settle(self) -> bool:
        """End a prompt whose last frame was taken; says whether that happened now."""
        if self._current is None or self._current.frames:
            return False
        self._current.finish(played=True)
        self._current = None
        self.ended += 1
        return True

    def cut(self) -> None:
        """End what plays or waits to; whoever waits for it is told that it was not played."""
        for prompt in (self._current, self._waiting):
            if prompt is not None:
                prompt.finish(played=False)
                self.ended += 1
        self._current = self._waiting = None
