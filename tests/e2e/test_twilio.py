"""A call over Twilio from the browser: credentials, a yes, a recording, and nothing kept there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect
from tests.e2e.conftest import Open, running
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone, at_phone
from tests.e2e.twilio import OSLO, Emulator, emulating, look_on, looked_at
from tests.twilio.onlooker import Onlooker
from tests.twilio.onlooker import onlooker as onlooker

from askfirst.server.database import calls, reading, recordings
from askfirst.server.store import Store
from askfirst.server.twiliotables import twilio_calls

pytestmark = pytest.mark.full


@pytest.fixture
def emulator(onlooker: Onlooker) -> Iterator[Emulator]:
    with emulating({OSLO: "presses-one"}) as found:
        yield found


@pytest.fixture(params=[0, 2], ids=["one process", "media workers"])
def office(
    request: pytest.FixtureRequest,
    chromium: str,
    furnished: Path,
    tmp_path: Path,
    emulator: Emulator,
    onlooker: Onlooker,
) -> Iterator[Installation]:
    """A server that has credentials at that Twilio, and as many media workers as it says."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    settings = f'twilio_url = "{emulator.address}"\nmedia_workers = {request.param}\n'
    (folder / "askfirst.toml").write_text(settings)
    emulator.know(folder / "data")
    with running(folder) as found:
        look_on(onlooker, found)
        yield found


@pytest.fixture
def window(window: Open, onlooker: Onlooker) -> Iterator[Open]:
    with looked_at(window, onlooker) as found:
        yield found


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
    (stream,) = told["streams"]
    assert stream.startswith(f"ws{office.origin.removeprefix('http')}/api/v1/twilio/stream")
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

    with seen.page.expect_response("**/leg"):  # nobody hangs up before the sound is there
        phone.act("take").click()
    phone.expect_talking()
    phone.expect_light("off")
    phone.hang_up()
    phone.expect_no_call()
    assert emulator.told()["captures"] == []


def test_a_test_call_says_how_every_step_went_and_nothing_of_it_is_kept(
    office: Installation, window: Open, emulator: Emulator
) -> None:
    seen = window("admin", at=office)
    seen.go("/settings/providers/twilio")
    seen.page.get_by_role("link", name="Test call").click()
    seen.page.get_by_label("Number of your own telephone").fill("+47 22 22 22 22")
    seen.page.get_by_role("button", name="Call it").click()

    part = seen.page.locator("#test-call")
    expect(part).to_contain_text("A test call is under way")
    expect(part.get_by_role("button", name="Stop it")).to_be_visible()
    expect(part).to_contain_text("Every step went well", timeout=40_000)
    expect(part.locator(".chip-no")).to_have_count(0)
    for words in ("with the token of the call", "told back", "ms of jitter", "of a call and of"):
        expect(part).to_contain_text(words)
    expect(part).not_to_contain_text("22 22")
    told = emulator.told()
    assert (told["calls"], told["captures"], told["recordings"]) == (1, [], 0)
    assert rows(office, twilio_calls) == []
    assert [row.id for row in rows(office, calls) if row.provider == "twilio"] == []


def test_a_test_call_is_stopped_from_the_page(
    office: Installation, window: Open, emulator: Emulator
) -> None:
    seen = window("admin", at=office)
    seen.go("/settings/providers/twilio/test")
    seen.page.get_by_label("Number of your own telephone").fill(OSLO)
    seen.page.get_by_role("button", name="Call it").click()
    seen.page.get_by_role("button", name="Stop it").click()

    part = seen.page.locator("#test-call")
    expect(part).to_contain_text("The call was stopped")
    expect(part.get_by_role("button", name="Call it")).to_be_visible()
    assert emulator.told()["captures"] == []
