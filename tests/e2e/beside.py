"""Telephones on a loop of their own, beside the browser's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from queue import SimpleQueue

from tests.sip.exchange import switchboard
from tests.sip.oversip import talking
from tests.sip.peer import Telephone, telephone

CONTACT_HZ = 1_000.0
"""What every telephone says."""


class Beside:
    """Telephones on a loop in a thread of its own, beside the browser's.

    `telephone` is the first; `port` takes calls to it, and to all others where there are any.
    """

    def __init__(self, folder: Path, numbers: Sequence[str]) -> None:
        self._folder = folder
        self._numbers = numbers
        self._ready: SimpleQueue[tuple[asyncio.AbstractEventLoop, Telephone, int]] = SimpleQueue()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self._thread.start()
        self._loop, self.telephone, self.port = self._ready.get(timeout=30)

    def tell(self, command: str, params: str = "") -> None:
        asyncio.run_coroutine_threadsafe(self.telephone.tell(command, params), self._loop).result(
            10
        )

    def until(self, kind: str) -> None:
        """Wait for an event of its own."""
        asyncio.run_coroutine_threadsafe(self.telephone.until(kind), self._loop).result(20)

    def end(self) -> None:
        """End it; safe to call more than once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(timeout=30)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            found = {
                number: await stack.enter_async_context(
                    telephone(self._folder / number, talking(60_000, CONTACT_HZ), number=number)
                )
                for number in self._numbers
            }
            first = found[self._numbers[0]]
            port = first.port
            if len(found) > 1:
                ports = {number: each.port for number, each in found.items()}
                port = await stack.enter_async_context(
                    switchboard(self._folder / "exchange", ports)
                )
            self._ready.put((asyncio.get_running_loop(), first, port))
            await self._end.wait()
