"""What every test call needs, over whatever line: what its events said, and when, and its waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from askfirst.ports import CallEventKind, Clock, EndCause
from askfirst.server.livecall import Line

ANSWERED = "answered"
NO_LINE = "no-line"
CUT_SHORT = "cut-short"


class Seen:
    """What the events of a call said so far, with the moments at which they did.

    Milliseconds since it was dialled, by default now; None for what did not come. `cause` is why it
    ended, as `EndCause` has it; where we gave up and the line has not said why, nobody took it.
    """

    def __init__(self, clock: Clock, line: Line, dialled_ms: int | None = None) -> None:
        self.dialled_ms = clock.now_ms() if dialled_ms is None else dialled_ms
        self.ringing_ms: int | None = None
        self.answer_ms: int | None = None
        self.cause: str = EndCause.NO_ANSWER.value
        self.answered, self.ended = asyncio.Event(), asyncio.Event()
        self._clock = clock
        self._line = line

    async def follow(self) -> None:
        """Take every event until the end."""
        async for event in self._line.events():
            since_ms = self._clock.now_ms() - self.dialled_ms
            match event.kind:
                case CallEventKind.RINGING if self.ringing_ms is None:
                    self.ringing_ms = since_ms
                case CallEventKind.ANSWERED if self.answer_ms is None:
                    self.answer_ms = since_ms
                    self.answered.set()
                case CallEventKind.ENDED:
                    if event.cause not in (None, EndCause.LOCAL_HANGUP):
                        self.cause = str(event.cause)
                case _:
                    pass
        self.ended.set()


async def drop_frames(line: Line) -> None:
    """Take the frames of a call, so that none of them waits for anybody; nothing is kept."""
    async for _ in line.frames():
        pass


async def first(clock: Clock, most_ms: int, *waits: Awaitable[object]) -> None:
    """Wait for the first of these, so long at most; those that still wait are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    tasks.append(asyncio.ensure_future(clock.sleep_until(clock.now_ms() + most_ms)))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            if not task.done():
                task.cancel()
