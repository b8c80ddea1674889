"""An emulated Twilio on a loop of its own, an installation's account there, and who looks on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import httpx
from playwright.sync_api import Error, Response
from tests.e2e.browsing import Window
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation
from tests.twilio.closedlists import Shown
from tests.twilio.onlooker import Onlooker, looked_on

from askfirst.server import account, twilioaccount
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.store import Store
from askfirst.telephony.persona import packaged_persona
from askfirst.twilioemulator.__main__ import Program
from askfirst.twilioemulator.app import LOOPBACK, served
from askfirst.web.twiliopaths import PROGRESS, VOICE

OSLO, OURS = "+4722222222", "+4721000000"


@dataclass(frozen=True)
class Emulator:
    """An emulated Twilio, as it is asked from elsewhere."""

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
    """An emulator until the end, behind the onlooker; `callees` are personas by number."""
    people = {to: packaged_persona(who) for to, who in callees.items()}
    loop, begun, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    told: list[str] = []

    async def run() -> None:
        program = Program(OURS, people)
        before = looked_on(program.emulator.app, program.emulator.exchange)
        async with served(before) as port:
            known = program.account
            told.extend((f"http://{LOOPBACK}:{port}", known.sid, known.secret))
            begun.set()
            await ended.wait()
            await program.emulator.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert begun.wait(30)
    try:
        yield Emulator(*told)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def look_on(onlooker: Onlooker, installation: Installation) -> None:
    """Say which installation is ours; its log is read at the end."""
    onlooker.seen.ours.add(installation.origin.removeprefix("http://"))
    onlooker.logs.append(installation.folder / "server.log")


@contextmanager
def looked_at(window: Open, onlooker: Onlooker) -> Iterator[Open]:
    """Windows whose pages, answers and messages are written down as well."""
    answers: list[Response] = []

    def make(person: str, *, at: Installation) -> Window:
        found = window(person, at=at)
        found.page.on("response", lambda answer: answers.append(answer))
        network = found.context.new_cdp_session(found.page)
        for event in ("Network.eventSourceMessageReceived", "Network.webSocketFrameReceived"):
            network.on(event, lambda told: onlooker.seen.shown.append(Shown("", str(told))))
        network.send("Network.enable")
        return found

    yield make
    for each in answers:
        if each.headers.get("content-type", "").startswith(("text/html", "application/json")):
            with suppress(Error):  # the browser has left it already
                onlooker.seen.shown.append(Shown(each.url, f"{each.headers} {each.text()}"))
    assert sum(len(each.text) for each in onlooker.seen.shown) > 10_000
