"""Calls over Twilio for as long as credentials for it are in force: the provider of the desk.

Credentials that are exchanged count as soon as no call goes on; nothing has to be started anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from askfirst.clock import LoopClock
from askfirst.errors import AskfirstError, Unavailable
from askfirst.server import twilioaccount, twiliocalls, twiliocheck
from askfirst.server.database import reading
from askfirst.server.desk import Desk
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twilioevents import StreamSocket
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twilioline import TwilioLine
from askfirst.web.twiliopaths import PROGRESS, STREAM, VOICE

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How often it is looked whether other credentials are in force."""


class OverTwilio:
    """Gives a desk its provider, and that what Twilio tells (`twilioevents.TwilioCalls`).

    `begin` it on the desk's loop and `close` it there, after the desk. `origin` is our public
    address, at which Twilio reaches us; `base_url` is that of an emulator; `on_call` is told of
    calls from outside.
    """

    def __init__(
        self,
        store: Store,
        desk: Desk,
        origin: str,
        on_call: Callable[[Any], bool],
        base_url: str | None = None,
    ) -> None:
        self._provider: Any = None
        self._store, self._desk = store, desk
        self._origin = origin
        self._on_call, self._base_url = on_call, base_url
        self._named: str | None = None
        self._client: TwilioClient | None = None
        self._looking: asyncio.Task[None] | None = None
        self._noted: set[str] = set()
        self._noting: set[asyncio.Task[None]] = set()

    @property
    def carries(self) -> bool:
        """Whether calls are carried."""
        return self._provider is not None

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Take one event of a call; whose it is, is written down with the first."""
        if self._provider is not None:
            self._provider.status(call_sid, fields)
        if call_sid not in self._noted:
            for live in self._desk.all():
                if call_sid in getattr(live.provider_call, "sids", ()):
                    self._note(call_sid, live.id)

    def incoming(self, fields: Mapping[str, str]) -> str:
        """The TwiML for a call that comes in. Raises Unavailable where nothing carries calls."""
        if self._provider is None:
            raise Unavailable("no calls are carried over Twilio here at the moment")
        return str(self._provider.incoming(fields))

    async def stream(self, socket: StreamSocket) -> None:
        """Carry a media stream to its end; where nothing carries calls it is closed unread."""
        if self._provider is None:
            await socket.close()
        else:
            await self._provider.stream(socket)

    async def begin(self) -> None:
        """Carry calls if credentials are in force, and look for others from now on."""
        await self.look()
        self._looking = asyncio.create_task(self._look_on())

    async def look(self) -> None:
        """Take the credentials in force, unless calls go on with those from before."""
        try:
            named = await asyncio.to_thread(self._identity)
        except AskfirstError as error:  # what carries calls now goes on
            log.warning("twilio.not-looked error=%s", type(error).__name__)
            return
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
        await asyncio.gather(*self._noting, return_exceptions=True)

    def _note(self, sid: str, call: str) -> None:
        self._noted.add(sid)
        noting = asyncio.create_task(asyncio.to_thread(twiliocalls.note, self._store, sid, call))
        self._noting.add(noting)
        noting.add_done_callback(self._is_noted)

    def _is_noted(self, noting: asyncio.Task[None]) -> None:
        self._noting.discard(noting)
        if not noting.cancelled() and (error := noting.exception()) is not None:
            log.error("twilio.call-not-noted error=%s", type(error).__name__)

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
        line = TwilioLine(
            sender=sender,
            stream_url=f"ws{self._origin.removeprefix('http')}{STREAM}",
            status_url=f"{self._origin}{PROGRESS}",
            voice_url=f"{self._origin}{VOICE}",
        )
        self._client = twiliocheck.client(known, self._base_url)
        self._provider = load(TELEPHONY, "twilio")(LoopClock(), self._client, line)
        self._provider.on_call = self._on_call
        self._desk.outside = self._provider

    async def _leave(self) -> None:
        provider, self._provider = self._provider, None
        client, self._client = self._client, None
        if provider is not None:
            self._desk.outside = None
            await provider.close()
        if client is not None:
            await client.aclose()
