"""Event loops whose time is not the wall's, and the clock that reads them.

`VirtualLoop` skips waiting (tests, the demonstration), `ScaledLoop` waits less. Programs that
run in ordinary time use `LoopClock` on an ordinary loop. Nothing here knows what is timed.
"""

from __future__ import annotations

import asyncio
import gc
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from askfirst.errors import InvalidInput, Unavailable

_WORTH_WAITING_S = 0.002

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the loop to move its time instead of waiting, unless a thread is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.outstanding = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.outstanding:
            return super().select(None)
        if timeout is None:
            raise Unavailable(
                "virtual time stands still: no timer is set, no thread is at work and nothing is "
                "ready. Some task waits for an event that nobody will send; find and end it."
            )
        self.now += timeout
        return ready


class _HurriedSelector(selectors.DefaultSelector):
    """Waits `speed` times less than it is asked to, and moves the loop's time by the wait.

    The system waits no less than a millisecond; shorter waits are therefore owed, and made up
    for together once they are worth one.
    """

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed
        self.now = 0.0
        self.outstanding = 0
        self._owed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        # A disk does not hurry: while a thread works, time runs as on the wall.
        speed = min(1.0, self.speed) if self.outstanding else self.speed
        owed = self._owed + (0.0 if timeout is None else timeout / speed)
        if timeout is not None and owed < _WORTH_WAITING_S:
            ready = super().select(0)
            if not ready:
                self.now += timeout
                self._owed = owed
            return ready
        began = time.monotonic()
        ready = super().select(None if timeout is None else owed)
        waited = time.monotonic() - began
        if timeout is None or ready:
            beyond = max(0.0, waited - max(0.0, self._owed)) * speed
            self.now += beyond if timeout is None else min(beyond, timeout)
            self._owed = max(0.0, self._owed - waited)
        else:
            # A wait that ran its full length counts as asked, so that timers do not drift.
            self.now += timeout
            self._owed = max(-_WORTH_WAITING_S, owed - waited)
        return ready


class _CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that tells its selector how many jobs threads are doing for it."""

    def __init__(self, selector: _JumpingSelector | _HurriedSelector) -> None:
        self._counting = selector
        super().__init__(selector)

    def time(self) -> float:
        """Seconds of the loop's own time since it was made."""
        return self._counting.now

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """As the base class, counted until the job is done."""
        future = super().run_in_executor(executor, func, *args)
        self._counting.outstanding += 1
        # The future is done in the loop, after its result is there: no gap for time to jump in.
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: asyncio.Future[Any]) -> None:
        self._counting.outstanding -= 1

    async def shutdown_default_executor(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's name from 3.12 on
    ) -> None:
        """As the base class, waiting without limit; it joins threads outside `run_in_executor`."""
        self._counting.outstanding += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._counting.outstanding -= 1


class VirtualLoop(_CountingLoop):
    """An event loop whose time starts at 0 and jumps to the next timer instead of waiting.

    While a job given to `run_in_executor` or `asyncio.to_thread` is unfinished the loop really
    waits, so thread work takes no virtual time and order stays the same in every run. When
    nothing could ever happen again it raises Unavailable instead of hanging. Sockets and
    subprocesses are polled, but nobody waits for them: keep them out of virtual time.
    """

    def __init__(self) -> None:
        super().__init__(_JumpingSelector())


class ScaledLoop(_CountingLoop):
    """An event loop whose time runs `speed` times as fast as the wall while it waits.

    `speed` is from 0.01 to 1000, InvalidInput otherwise. While the loop itself works its time
    stands still, and while threads work for it, it runs no faster than the wall: on a busy
    machine everything gets slower together, and nothing that is timed falls behind.
    """

    def __init__(self, speed: float) -> None:
        super().__init__(_HurriedSelector(speed))
        if not 0.01 <= speed <= 1000:
            self.close()  # only a whole loop can be thrown away without complaint
            raise InvalidInput(f"speed {speed}, expected 0.01 to 1000 times real time.")


class LoopClock:
    """`ports.Clock` on the time of the running event loop, whichever loop that is."""

    def now_ms(self) -> int:
        """Milliseconds of the running loop's time; RuntimeError outside a loop."""
        # The small term mends sums of floats that end a hair below a whole millisecond.
        return math.floor(asyncio.get_running_loop().time() * 1000 + 1e-4)

    async def sleep_until(self, ms: int) -> None:
        """Return when `now_ms()` has reached `ms`; others run once even when it already has."""
        await asyncio.sleep(max(0.0, ms / 1000 - asyncio.get_running_loop().time()))


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a process in ordinary time, on the loop with the least work for each packet there is."""
    shorten_pauses()
    try:
        from uvloop import new_event_loop
    except ImportError:  # `sip` alone needs none
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)


def shorten_pauses() -> None:
    """Have the collector never look again at what the process has loaded by now.

    A full round over all modules, rules and routes takes 0.15 s, in which no frame of a call moves.
    """
    gc.collect()
    gc.freeze()


def run_virtual(coro: Coroutine[Any, Any, Result]) -> Result:
    """Result of a coroutine run to its end in a new `VirtualLoop`, which is then closed."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coro)


def run_scaled(coro: Coroutine[Any, Any, Result], speed: float) -> Result:
    """Result of a coroutine run to its end in a new `ScaledLoop`, which is then closed.

    InvalidInput for a speed outside 0.01 to 1000; the coroutine is then closed unrun.
    """
    try:
        loop = ScaledLoop(speed)
    except InvalidInput:
        coro.close()
        raise
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(coro)
