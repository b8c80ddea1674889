"""Calls over Twilio for one process: opened from the credentials in force, closed with its client.

Without credentials, a number to show and a public address there are none, and the program goes on
without: what is missing stands on the page of the settings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from askfirst.errors import AskfirstError, InvalidInput
from askfirst.ports import AgentLeg, Clock, TelephonyCapabilities
from askfirst.server import twilioaccount
from askfirst.server.database import reading
from askfirst.server.livecall import Line
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.store import Store
from askfirst.server.twiliocheck import client
from askfirst.server.twilioevents import StreamSocket
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twilioline import TwilioLine

log = logging.getLogger(__name__)

PROVIDER = "twilio"


@dataclass(slots=True)
class TwilioCarrier:
    """The provider (`Outside` and `TwilioCalls`) with the client that it asks; `close` ends both.

    Belongs to the loop that carries the calls.
    """

    provider: Any
    requests: TwilioClient
    capabilities: TelephonyCapabilities
    name: str = PROVIDER

    @property
    def on_call(self) -> Callable[[Any], bool]:
        """Told of each call from outside."""
        found: Callable[[Any], bool] = self.provider.on_call
        return found

    @on_call.setter
    def on_call(self, told: Callable[[Any], bool]) -> None:
        self.provider.on_call = told

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Line:
        """Start a call, as `Outside`."""
        line: Line = await self.provider.dial(number, leg, caller_id)
        return line

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Take one event of a call, as `TwilioCalls`."""
        self.provider.status(call_sid, fields)

    def incoming(self, fields: Mapping[str, str]) -> str:
        """The TwiML for a call that comes in, as `TwilioCalls`."""
        said: str = self.provider.incoming(fields)
        return said

    async def stream(self, socket: StreamSocket) -> None:
        """Carry a media stream, as `TwilioCalls`."""
        await self.provider.stream(socket)

    async def close(self) -> None:
        """End every call, and give the connections back."""
        await self.provider.close()
        await self.requests.aclose()


def open_carrier(
    store: Store, clock: Clock, progress: str, stream: str, base_url: str | None = None
) -> TwilioCarrier | None:
    """Who carries calls over Twilio, None where it is not set up or cannot be used.

    `progress` (https) and `stream` (wss) are our public addresses; `base_url` is that of an
    emulator.
    """
    try:
        with reading(store.engine) as connection:
            known = twilioaccount.in_force(connection, store.keys)
        if known is None:
            return None
        if known.sender is None:
            raise InvalidInput("no number to show is set; choose one on the page of Twilio")
        line = TwilioLine(sender=known.sender, stream_url=stream, status_url=progress)
        provider = load(TELEPHONY, PROVIDER)
        requests = client(known, base_url)
    except AskfirstError as error:
        # The rest of the program needs none of it.
        log.warning("twilio.not-carried error=%s", type(error).__name__)
        return None
    made = provider(clock, requests, line)
    return TwilioCarrier(made, requests, made.capabilities)
