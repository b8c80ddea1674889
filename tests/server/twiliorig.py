"""An installation with an account at Twilio, and somebody who writes down what is handed on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from askfirst.server import account, twilioaccount
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twilioevents import StreamSocket
from askfirst.telephony.twiliosignature import SigningSecrets

SID = "AC" + "a1" * 16
TOKEN = "an auth token of nobody".replace(" ", "-")
SIGNING = "a key that signs webhooks".replace(" ", "-")
GIVEN = {
    "account_sid": SID,
    "auth_token": TOKEN,
    "signing_key": "SKhooks",
    "signing_secret": SIGNING,
}
SECRETS = SigningSecrets(TOKEN, {"SKhooks": SIGNING})
PUBLIC = "https://phone.example"


def call_sid(number: int) -> str:
    """The id of a call."""
    return f"CA{number:032x}"


def set_up(store: Store, **more: str) -> TwilioAccount:
    """Put credentials in force."""
    made = twilioaccount.read({**GIVEN, **more})
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, made, "usr_nobody", utc_now())
        account.change(connection, {twilioaccount.SETTING: made.id}, None, utc_now())
    return made


@dataclass
class Recorded:
    """Who carries calls over Twilio: writes down what it is told, in order."""

    events: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    broken: frozenset[str] = frozenset()
    carries: bool = True
    _came: threading.Condition = field(default_factory=threading.Condition)

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Write an event down; a call that is `broken` fails."""
        if call_sid in self.broken:
            raise ValueError("this call cannot be followed")
        with self._came:
            self.events.append((call_sid, dict(fields)))
            self._came.notify_all()

    async def incoming(self, fields: Mapping[str, str], worker: str | None = None) -> str:
        """Write a call down, and give TwiML that says how many there were."""
        self.calls.append(dict(fields))
        return f"<Response><Pause length='{len(self.calls)}'/></Response>"

    async def stream(self, socket: StreamSocket) -> None:
        """Write down every message, and answer each."""
        while (message := await socket.receive()) is not None:
            self.streams.append(message)
            await socket.send(f"heard {len(self.streams)}")
        await socket.close()

    def states(self, call: str) -> list[str]:
        """What was heard of a call, in the order in which it came."""
        return [fields.get("CallStatus", "") for sid, fields in self.events if sid == call]

    def wait_for(self, count: int) -> None:
        """Return when so many events have come, from another thread than the loop's."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.events) >= count, 20), self.events
