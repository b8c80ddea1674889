"""Calls over Twilio for as long as credentials for it are in force: the provider of the desk.

Credentials that are exchanged count as soon as no call goes on; nothing has to be started anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from askfirst.clock import LoopClock
from askfirst.errors import AskfirstError
from askfirst.server import twilioaccount, twiliocheck
from askfirst.server.database import reading
from askfirst.server.desk import Desk
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twilioline import TwilioLine

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked whether other credentials are in force."""


class OverTwilio:
    """Gives a desk its provider. `begin` it on the desk's loop and `close` it there, before the
    desk.

    `origin` is our public address, at which `stream` and `status` are paths; `base_url` is that of
    an emulator; `on_call` is told of calls from outside. `provider` carries calls, None while
    nothing does.
    """

    def __init__(
        self,
        store: Store,
        desk: Desk,
        origin: str,
        stream: str,
        status: str,
        on_call: Callable[[Any], bool],
        base_url: str | None = None,
    ) -> None:
        self.provider: Any = None
        self._store, self._desk = store, desk
        self._stream = f"ws{origin.removeprefix('http')}{stream}"
        self._status = f"{origin}{status}"
        self._on_call, self._base_url = on_call, base_url
        self._named: str | None = None
        self._client: TwilioClient | None = None
        self._looking: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Carry calls if credentials are in force, and look for others from now on."""
        await self.look()
        self._looking = asyncio.create_task(self._look_on())

    async def look(self) -> None:
        """Take the credentials in force, unless calls go on with those from before."""
        named = await asyncio.to_thread(self._identity)
        if named == self._named or self._desk.busy:
            return
        await self._leave()
        self._named = named
        try:
            known = await asyncio.to_thread(self._read)
            if known is not None and known.sender is not None:
                self._take(known, known.sender)
        except AskfirstError as error:
            # Nothing is carried then, and whatever is the matter stands on the page of providers.
            log.error("twilio.not-carried account=%s error=%s", named, type(error).__name__)

    async def close(self) -> None:
        """Carry no more calls; those that go on are hung up. Safe to call more than once."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._leave()

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    def _identity(self) -> str | None:
        with reading(self._store.engine) as connection:
            return twilioaccount.identity(connection)

    def _read(self) -> TwilioAccount | None:
        with reading(self._store.engine) as connection:
            return twilioaccount.in_force(connection, self._store.keys)

    def _take(self, known: TwilioAccount, sender: str) -> None:
        line = TwilioLine(sender=sender, stream_url=self._stream, status_url=self._status)
        self._client = twiliocheck.client(known, self._base_url)
        self.provider = load(TELEPHONY, "twilio")(LoopClock(), self._client, line)
        self.provider.on_call = self._on_call
        self._desk.outside = self.provider

    async def _leave(self) -> None:
        provider, self.provider = self.provider, None
        client, self._client = self._client, None
        if provider is not None:
            self._desk.outside = None
            await provider.close()
        if client is not None:
            await client.aclose()
