"""An emulated Twilio in a process of its own, and an installation's account there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import httpx

from askfirst.server import account, twilioaccount
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.store import Store
from askfirst.web.twiliopaths import PROGRESS, VOICE

OSLO, OURS = "+4722222222", "+4721000000"


@dataclass(frozen=True)
class Emulator:
    """An emulated Twilio in a process of its own."""

    address: str
    sid: str
    token: str

    def told(self) -> dict[str, Any]:
        """What it was asked for."""
        with urlopen(f"{self.address}/emulator") as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.load(answer)
        return found

    def state(self, call: str) -> str:
        """How a call stands there."""
        address = f"{self.address}/2010-04-01/Accounts/{self.sid}/Calls/{call}.json"
        return str(httpx.get(address, auth=(self.sid, self.token)).json()["status"])

    def configure(self, origin: str) -> None:
        """Have the number's calls answered at an installation, as the page of settings does."""
        number = f"/2010-04-01/Accounts/{self.sid}/IncomingPhoneNumbers/PN{'0' * 32}.json"
        form = {
            "VoiceUrl": f"{origin}{VOICE}", "VoiceMethod": "POST",
            "StatusCallback": f"{origin}{PROGRESS}", "StatusCallbackMethod": "POST",
        }  # fmt: skip
        told = httpx.post(f"{self.address}{number}", data=form, auth=(self.sid, self.token))
        assert told.status_code == 200, told.text

    def call_in(self) -> None:
        """Somebody calls the number."""
        form = urlencode({"From": OSLO, "To": OURS, "Persona": "agrees"}).encode()
        with urlopen(Request(f"{self.address}/emulator/calls", form)) as answer:  # noqa: S310
            assert answer.status == 201

    def know(self, data: Path) -> None:
        """Put its credentials in force in the data of an installation."""
        store = Store.open(data)
        try:
            made = twilioaccount.read(
                {"account_sid": self.sid, "auth_token": self.token, "sender": OURS}
            )
            with transaction(store.engine) as connection:
                twilioaccount.keep(connection, store.keys, made, "usr_admin", utc_now())
                account.change(connection, {twilioaccount.SETTING: made.id}, None, utc_now())
        finally:
            store.close()


@contextmanager
def emulating(callees: Mapping[str, str]) -> Iterator[Emulator]:
    """An emulator until the end; `callees` are personas by number."""
    people = [each for to, who in callees.items() for each in ("--callee", f"{to}={who}")]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "askfirst.twilioemulator", "--number", OURS, *people],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Emulator(*process.stdout.readline().split())
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()
