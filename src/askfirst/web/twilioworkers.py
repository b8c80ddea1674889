"""Calls over Twilio that media workers carry: what Twilio tells is handed to the right one.

A stream names its worker in its address, and so does a call that comes back. Progress is told to
all of them: whoever does not know a call forgets it. A new call goes to the one that takes calls
from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from askfirst.errors import Unavailable
from askfirst.ports import AgentLeg, TelephonyCapabilities
from askfirst.server.desk import Desk
from askfirst.server.frontdesk import Ask
from askfirst.server.livecall import Line
from askfirst.server.mediaworkers import MediaWorkers
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twilioevents import StreamSocket
from askfirst.web.overtwilio import NAME
from askfirst.web.twiliofollowing import Following


class Elsewhere:
    """`Outside` of a process whose media workers call telephones."""

    capabilities = TelephonyCapabilities(
        separate_legs=True, records_elsewhere=False, capture_lag_ms=0, dtmf=True, early_media=False
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.on_call: Callable[[Any], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Line:
        """Raises Unavailable: no call begins here."""
        raise Unavailable("this process carries no calls; ask one that does")

    def shows(self, number: str) -> bool:
        """Nothing is shown from here."""
        return False

    async def close(self) -> None:
        """Nothing to end."""


class TwilioWorkers:
    """`twilioevents.TwilioCalls` of a process with media workers; begin and close it on its loop.

    The desk of that process knows by it whether telephones can be called.
    """

    def __init__(self, store: Store, desk: Desk, workers: MediaWorkers, ask: Ask) -> None:
        self.carries = False
        self._desk, self._workers, self._ask = desk, workers, ask
        self._following = Following(store, self._exchange)

    async def begin(self) -> None:
        """Follow from now on whether calls can be carried."""
        await self._following.begin()

    async def close(self) -> None:
        """Follow no more; safe to call more than once."""
        await self._following.close()

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Tell every worker of an event."""
        for worker in self._workers.all():
            worker.link.tell(twilio=call_sid, fields=dict(fields))

    async def incoming(self, fields: Mapping[str, str], worker: str | None = None) -> str:
        """The TwiML of the worker that a call comes back to, or of the one that takes new ones.

        Raises NotFound where that worker has ended, Unavailable where it carries no calls.
        """
        asked = self._workers.receiver() if worker is None else self._workers.get(worker)
        told = await self._ask(asked, "twilio/voice", {"fields": dict(fields)})
        return str(told["twiml"])

    async def stream(self, socket: StreamSocket) -> None:
        """A stream that names no worker is nobody's."""
        await socket.close()

    async def _exchange(self, known: TwilioAccount | None) -> None:
        self.carries = known is not None
        if known is None:
            self._desk.providers.disconnect(NAME)
        else:
            self._desk.providers.connect(Elsewhere(NAME))
