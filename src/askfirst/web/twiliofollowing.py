"""Which credentials at Twilio are in force: looked at again and again, for who carries calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from askfirst.errors import AskfirstError
from askfirst.server import twilioaccount
from askfirst.server.database import reading
from askfirst.server.store import Store
from askfirst.server.twilioaccount import Shown, TwilioAccount

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked whether other credentials are in force."""


@dataclass(eq=False, slots=True)
class Following:
    """Tells `take` of the credentials in force, None for none that calls can be made with.

    It is not told while they may not be exchanged (`may_exchange`). `on_look` hears each time what
    may be shown of those in force. `begin` it on the loop of the calls and `close` it there.
    """

    store: Store
    take: Callable[[TwilioAccount | None], Awaitable[None]]
    may_exchange: Callable[[], bool] = lambda: True
    on_look: Callable[[Shown | None], object] = lambda _: None
    _named: str | None = None
    _looking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Look, and go on looking from now on."""
        await self.look()
        self._looking = asyncio.create_task(self._look_on())

    async def look(self) -> None:
        """Look once."""
        try:
            shown = await asyncio.to_thread(self._shown)
        except AskfirstError as error:  # what carries calls now goes on
            log.warning("twilio.not-looked error=%s", type(error).__name__)
            return
        named = None if shown is None else shown.id
        if named != self._named and self.may_exchange():
            self._named = named
            await self._exchange(named)
        if named == self._named:
            self.on_look(shown)

    async def close(self) -> None:
        """Look no more; safe to call more than once."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def _exchange(self, named: str | None) -> None:
        await self.take(None)
        try:
            known = await asyncio.to_thread(self._read)
            if known is not None and known.sender is not None:
                await self.take(known)
        except AskfirstError as error:
            # Nothing is carried then, and whatever is the matter stands on the page of providers.
            log.error("twilio.not-carried account=%s error=%s", named, type(error).__name__)

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def _shown(self) -> Shown | None:
        with reading(self.store.engine) as connection:
            return twilioaccount.shown(connection)

    def _read(self) -> TwilioAccount | None:
        with reading(self.store.engine) as connection:
            return twilioaccount.in_force(connection, self.store.keys)
