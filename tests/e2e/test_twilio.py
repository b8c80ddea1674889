"""A call over Twilio from the browser: credentials, a yes, a recording, and nothing kept there."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import Error, Response, expect
from tests.e2e.browsing import Window
from tests.e2e.conftest import Open, running
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone, at_phone
from tests.twilio.closedlists import Shown
from tests.twilio.onlooker import Onlooker, looked_on
from tests.twilio.onlooker import onlooker as onlooker

from askfirst.server import account, twilioaccount
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.store import Store
from askfirst.server.twiliotables import twilio_calls
from askfirst.telephony.persona import packaged_persona
from askfirst.twilioemulator.__main__ import Program
from askfirst.twilioemulator.app import served
from askfirst.web.twiliopaths import PROGRESS, VOICE

pytestmark = pytest.mark.full

OSLO, OURS = "+4722222222", "+4721000000"


@dataclass(frozen=True)
class Emulator:
    """An emulated Twilio on a loop of its own, whose only callee is in Oslo."""

    address: str
    sid: str
    token: str

    def told(self) -> dict[str, Any]:
        """What it was asked for."""
        with urlopen(f"{self.address}/emulator") as answer:  # noqa: S310 - ours
            found: dict[str, Any] = json.load(answer)
        return found

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


@pytest.fixture
def emulator(onlooker: Onlooker) -> Iterator[Emulator]:
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    told: list[str] = []

    async def run() -> None:
        program = Program(OURS, {OSLO: packaged_persona("presses-one")})
        before = looked_on(program.emulator.app, program.emulator.exchange)
        async with served(before) as port:
            account = program.account
            told.extend((f"http://127.0.0.1:{port}", account.sid, account.secret))
            ready.set()
            await ended.wait()
            await program.emulator.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(30)
    try:
        yield Emulator(*told)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


@pytest.fixture
def office(
    chromium: str, furnished: Path, tmp_path: Path, emulator: Emulator, onlooker: Onlooker
) -> Iterator[Installation]:
    """A server that has credentials at that Twilio."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    (folder / "askfirst.toml").write_text(f'twilio_url = "{emulator.address}"\n')
    store = Store.open(folder / "data")
    made = twilioaccount.read(
        {"account_sid": emulator.sid, "auth_token": emulator.token, "sender": OURS}
    )
    with transaction(store.engine) as connection:
        twilioaccount.keep(connection, store.keys, made, "usr_admin", utc_now())
        account.change(connection, {twilioaccount.SETTING: made.id}, None, utc_now())
    store.close()
    with running(folder) as found:
        onlooker.seen.ours.add(found.origin.removeprefix("http://"))
        yield found
    onlooker.seen.logged += (folder / "server.log").read_text().splitlines()


@pytest.fixture
def window(window: Open, onlooker: Onlooker) -> Iterator[Open]:
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


def rows(office: Installation, table: sa.Table) -> list[Any]:
    """Everything in a table, while the server runs."""
    store = Store.open(office.data)
    try:
        with reading(store.engine) as connection:
            return list(connection.execute(sa.select(table)).all())
    finally:
        store.close()


def test_a_call_over_twilio_is_recorded_after_a_yes_and_twilio_keeps_nothing(
    office: Installation, window: Open, emulator: Emulator
) -> None:
    phone = at_phone(window("agent", at=office))
    phone.call(OSLO, "browser")
    expect(phone.part("consent")).to_be_visible()
    phone.expect_light("off")

    phone.answer("agreed").click()
    phone.expect_light("recording")
    expect(phone.part("clock")).to_have_text("00:08", timeout=30_000)
    phone.hang_up()
    phone.expect_no_call()

    told = emulator.told()
    assert (told["calls"], told["captures"], told["recordings"]) == (1, [], 0)
    assert told["streams"] == [f"ws{office.origin.removeprefix('http')}/api/v1/twilio/stream"]
    (known,) = rows(office, twilio_calls)
    (call,) = [row for row in rows(office, calls) if row.id == known.call]
    assert call.provider == "twilio"
    (recording,) = [row for row in rows(office, recordings) if row.call == known.call]
    assert (recording.failure, recording.may_transcribe) == (None, True)


def test_a_call_that_comes_in_over_twilio_rings_at_the_agent(
    office: Installation, window: Open, emulator: Emulator
) -> None:
    seen = window("agent", at=office)
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.arrive()
    emulator.configure(office.origin)
    emulator.call_in()
    expect(phone.part("ringing")).to_be_visible(timeout=20_000)

    phone.act("take").click()
    phone.expect_talking()
    phone.expect_light("off")
    phone.hang_up()
    phone.expect_no_call()
    assert emulator.told()["captures"] == []
