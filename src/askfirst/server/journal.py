"""What a call writes, in order: each report becomes one transaction, off the media loop.

The order of appends is the order of reports. A failed append closes the gate and is tried again
until it succeeds, or until the call is over and gives it up; nothing behind it is written before
it. What was given up is known afterwards (`has_lost`), and the call says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from askfirst.errors import AskfirstError
from askfirst.ports import Clock
from askfirst.server.database import transaction
from askfirst.server.store import Store

log = logging.getLogger(__name__)

RETRY_MS = 1000
LAST_TRIES = 3

Write = Callable[[sa.Connection], None]
Chore = Callable[[], object]


class Journal:
    """Ordered durable writes of one call. `run()` must be running; `finish()` ends it.

    `on_durable(serial)` is called on the loop when a write that carries a serial is on disk,
    `on_failure()` when one could not be made. A chore is a slow act without a transaction, such
    as making a key; it keeps its place in the order too, and is not repeated when it fails.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        on_durable: Callable[[int], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.has_lost = False
        self._store = store
        self._clock = clock
        self._on_durable = on_durable
        self._on_failure = on_failure
        self._queue: asyncio.Queue[tuple[Write | None, Chore | None, int | None] | None] = (
            asyncio.Queue()
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._gives_up = False
        self._has_given_up = False

    def write(self, write: Write, serial: int | None = None) -> None:
        """Queue a transaction; the gate hears of its serial when it is durable."""
        self._queue.put_nowait((write, None, serial))

    def chore(self, chore: Chore) -> None:
        """Queue a slow act."""
        self._queue.put_nowait((None, chore, None))

    async def run(self) -> None:
        """Carry out what is queued until `finish` is called."""
        try:
            while (item := await self._queue.get()) is not None:
                write, chore, serial = item
                if chore is not None:
                    await self._try_chore(chore)
                elif write is not None and not self._has_given_up:
                    await self._insist(write, serial)
                self._queue.task_done()
            self._queue.task_done()
        finally:
            self._thread.shutdown(wait=True)

    def give_up(self) -> None:
        """The call is over: failed writes are tried a few times more, then they are lost."""
        self._gives_up = True

    async def drained(self) -> None:
        """Return when everything queued so far has been carried out or given up."""
        await self._queue.join()

    async def last(self, write: Write) -> None:
        """Make the last write, also behind lost ones: it is the one that says that they are."""
        await self._insist(write, None)

    def finish(self) -> None:
        """End `run` behind everything queued."""
        self.give_up()
        self._queue.put_nowait(None)

    async def _insist(self, write: Write, serial: int | None) -> None:
        loop = asyncio.get_running_loop()
        last_tries = LAST_TRIES
        while True:
            try:
                await loop.run_in_executor(self._thread, self._commit, write)
            except Exception as error:
                log.error("journal.write-failed serial=%s error=%s", serial, type(error).__name__)
                self._on_failure()
                last_tries -= self._gives_up
                # What fails for a fault of the program fails again; its serial stays unsealed,
                # and so the gate stays shut.
                if last_tries == 0 or not isinstance(error, AskfirstError):
                    self.has_lost = True
                    self._has_given_up = last_tries == 0
                    return
                await self._clock.sleep_until(self._clock.now_ms() + RETRY_MS)
            else:
                if serial is not None:
                    self._on_durable(serial)
                return

    def _commit(self, write: Write) -> None:
        with transaction(self._store.engine) as connection:
            write(connection)

    async def _try_chore(self, chore: Chore) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, chore)
        except Exception as error:
            log.error("journal.chore-failed error=%s", type(error).__name__)
            self._on_failure()
