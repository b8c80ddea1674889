"""Calls over Twilio for as long as credentials for it are in force: a provider of the desk.

Credentials that are exchanged count as soon as no call goes on; nothing has to be started anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from askfirst.clock import LoopClock
from askfirst.errors import Unavailable
from askfirst.server import twiliocalls, twiliocheck
from askfirst.server.desk import Desk
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.store import Store
from askfirst.server.twilioaccount import Shown, TwilioAccount
from askfirst.server.twilioevents import StreamSocket
from askfirst.server.twilioorder import OVER
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twilioline import TwilioLine
from askfirst.web.twiliofollowing import Following
from askfirst.web.twiliopaths import PROGRESS, STREAM, VOICE

log = logging.getLogger(__name__)

NAME = "twilio"


class OverTwilio:
    """Gives a desk its provider, and that what Twilio tells (`twilioevents.TwilioCalls`).

    `begin` it on the desk's loop and `close` it there, after the desk. `origin` is our public
    address, at which Twilio reaches us, and `worker` this process where several carry calls;
    `base_url` is that of an emulator.
    """

    def __init__(
        self,
        store: Store,
        desk: Desk,
        origin: str,
        worker: str | None = None,
        base_url: str | None = None,
    ) -> None:
        self._provider: Any = None
        self._store, self._desk = store, desk
        self._origin, self._at = origin, "" if worker is None else f"/{worker}"
        self._base_url = base_url
        self._client: TwilioClient | None = None
        self._following = Following(store, self._exchange, self._is_idle, self._learn)
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
        if fields.get("CallStatus") in OVER:
            self._noted.discard(call_sid)

    async def incoming(self, fields: Mapping[str, str], worker: str | None = None) -> str:
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
        await self._following.begin()

    async def look(self) -> None:
        """Take the credentials in force, unless calls go on with those from before."""
        await self._following.look()

    async def close(self) -> None:
        """Carry no more calls; those that go on are hung up. Safe to call more than once."""
        await self._following.close()
        await self._exchange(None)
        await asyncio.gather(*self._noting, return_exceptions=True)

    def _is_idle(self) -> bool:
        """Whether no telephone is called or heard, by a test call neither."""
        carries = self._provider is not None and self._provider.link.calls
        return not (self._desk.busy or carries)

    async def _exchange(self, known: TwilioAccount | None) -> None:
        """Carry calls with other credentials, or none."""
        provider, self._provider = self._provider, None
        client, self._client = self._client, None
        if provider is not None:
            self._desk.providers.disconnect(NAME)
            await provider.close()
        if client is not None:
            await client.aclose()
        if known is not None:
            self._carry(known)

    def _carry(self, known: TwilioAccount) -> None:
        assert known.sender is not None  # noqa: S101 - `Following` tells of no other
        line = TwilioLine(
            sender=known.sender,
            stream_url=f"ws{self._origin.removeprefix('http')}{STREAM}{self._at}",
            status_url=f"{self._origin}{PROGRESS}",
            voice_url=f"{self._origin}{VOICE}{self._at}",
        )
        self._client = twiliocheck.client(known, self._base_url)
        self._provider = load(TELEPHONY, NAME)(LoopClock(), self._client, line)
        self._desk.providers.connect(self._provider)

    def _learn(self, shown: Shown | None) -> None:
        """The numbers that the account has, as the newest check found them."""
        if self._provider is not None and shown is not None:
            found = shown.checks.get("numbers") or ()
            self._provider.numbers = frozenset(str(each["number"]) for each in found)

    def _note(self, sid: str, call: str) -> None:
        self._noted.add(sid)
        noting = asyncio.create_task(asyncio.to_thread(twiliocalls.note, self._store, sid, call))
        self._noting.add(noting)
        noting.add_done_callback(self._is_noted)

    def _is_noted(self, noting: asyncio.Task[None]) -> None:
        self._noting.discard(noting)
        if not noting.cancelled() and (error := noting.exception()) is not None:
            log.error("twilio.call-not-noted error=%s", type(error).__name__)
