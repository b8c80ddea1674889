"""From the browser's microphone to a telephone over SIP, and back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect
from tests.e2e.beside import CONTACT_HZ, Beside
from tests.e2e.conftest import TONE_HZ, Open, running
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone, at_phone
from tests.sip.peer import LOOPBACK, free_port, needed

from askfirst.audio.container import decode

pytestmark = pytest.mark.full

OSLO = "+4722222222"
BERGEN = "+4755555555"


@pytest.fixture
def beside(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Beside]:
    """A telephone in Oslo, or telephones of the numbers that a test names."""
    found = Beside(tmp_path / "bob", getattr(request, "param", [OSLO]))
    yield found
    found.end()


@pytest.fixture
def silent(beside: Beside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From now on no program is found, and so no placeholder's voice for announcements."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def listening() -> int:
    """The port at which the server takes calls."""
    return free_port()


@pytest.fixture
def office(
    chromium: str, furnished: Path, tmp_path: Path, beside: Beside, listening: int
) -> Iterator[Installation]:
    """A server whose calls go out to that telephone, and that takes its calls."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    (folder / "askfirst.toml").write_text(
        f'[sip]\nserver = "{LOOPBACK}"\naddress = "{LOOPBACK}"\nport = {beside.port}\n'
        f"listen = {listening}\n"
    )
    with running(folder) as found:
        yield found


def share_of_tone(samples: np.ndarray[tuple[int], np.dtype[np.int16]], hertz: float) -> float:
    """How much of a sound's energy is near a frequency."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / 16_000)
    return float(power[np.abs(at - hertz) < 15].sum() / max(power[at > 50].sum(), 1.0))


def test_an_agent_in_a_browser_talks_with_a_telephone_and_records_after_a_yes(
    office: Installation, window: Open, beside: Beside
) -> None:
    seen = window("agent", at=office)
    phone = at_phone(seen)
    phone.call(OSLO, "browser")
    expect(phone.part("consent")).to_be_visible()
    phone.expect_light("off")

    phone.answer("agreed").click()
    phone.expect_light("recording")
    expect(phone.part("clock")).to_have_text("00:12", timeout=30_000)
    beside.tell("hangup")
    phone.expect_no_call()

    beside.end()
    heard, _ = decode(beside.telephone.heard().read_bytes(), 16_000)
    assert share_of_tone(heard[0], TONE_HZ) > 0.5
    assert share_of_tone(heard[0], CONTACT_HZ) < 0.05


@pytest.mark.usefixtures("silent")
def test_without_an_announcement_the_phone_says_to_tell_in_person_and_offers_none(
    office: Installation, window: Open, beside: Beside
) -> None:
    seen = window("agent", at=office)
    phone = at_phone(seen)
    phone.call(OSLO, "browser")

    expect(phone.part("no-prompt")).to_be_visible()
    expect(phone.act("telling")).to_be_visible()
    expect(phone.act("ask-keypad")).to_be_hidden()
    phone.expect_light("off")
    expect(phone.part("clock")).to_have_text("00:03", timeout=30_000)
    beside.tell("hangup")
    phone.expect_no_call()


def test_where_something_can_be_played_the_phone_offers_it(
    office: Installation, window: Open, beside: Beside
) -> None:
    needed("espeak-ng")
    seen = window("agent", at=office)
    phone = at_phone(seen)
    phone.call(OSLO, "browser")

    expect(phone.act("ask-keypad")).to_be_visible()
    expect(phone.part("no-prompt")).to_be_hidden()
    phone.act("ask-keypad").click()
    expect(phone.part("rule")).to_have_text("They are being told")
    phone.expect_light("waiting")
    beside.tell("hangup")
    phone.expect_no_call()


@pytest.fixture
def phone(office: Installation, window: Open) -> Phone:
    """The phone of an agent there, at which it may ring."""
    seen = window("agent", at=office)
    seen.go("/contacts")
    found = Phone(seen.page)
    found.arrive()
    expect(found.part("away")).to_be_visible()
    return found


def ring(beside: Beside, listening: int, phone: Phone) -> None:
    """Call the office and return when the phone shows it."""
    beside.tell("dial", f"sip:+4721000000@{LOOPBACK}:{listening}")
    expect(phone.part("ringing")).to_be_visible(timeout=20_000)


def test_an_agent_takes_a_call_from_outside_and_records_after_a_yes(
    office: Installation, phone: Phone, beside: Beside, listening: int
) -> None:
    ring(beside, listening, phone)
    expect(phone.part("ringing-who")).to_contain_text(OSLO)

    phone.act("take").click()
    phone.expect_talking()
    expect(phone.part("consent")).to_be_visible()
    phone.expect_light("off")
    phone.answer("agreed").click()
    phone.expect_light("recording")
    beside.tell("hangup")
    phone.expect_no_call()
    notes = phone.part("last").get_by_role("link").get_attribute("href")
    assert notes is not None
    phone.page.goto(office.origin + notes.removesuffix("/notes"))
    expect(phone.page.locator("h1")).to_have_text(re.compile(rf"^{re.escape(OSLO)}.*Kari Berg$"))


def test_calls_that_nobody_takes_stop_ringing_and_are_in_the_list(
    office: Installation, window: Open, phone: Phone, beside: Beside, listening: int
) -> None:
    ring(beside, listening, phone)
    beside.tell("hangup")
    expect(phone.part("ringing")).to_be_hidden()

    ring(beside, listening, phone)
    phone.act("decline").click()
    expect(phone.part("ringing")).to_be_hidden()

    officer = window("compliance", at=office)
    officer.go("/calls")
    missing = officer.page.get_by_text("Missed call")
    missed = officer.page.locator("#main tbody tr").filter(has_text=OSLO, has=missing)
    expect(missed).to_have_count(2)


def test_nothing_rings_at_somebody_who_takes_no_calls(
    phone: Phone, beside: Beside, listening: int
) -> None:
    phone.act("away").click()
    expect(phone.part("away")).to_have_attribute("aria-pressed", "true")
    beside.tell("dial", f"sip:+4721000000@{LOOPBACK}:{listening}")
    beside.until("CALL_RINGING")
    expect(phone.part("ringing")).to_be_hidden()

    phone.act("away").click()
    expect(phone.part("ringing")).to_be_visible()
    beside.tell("hangup")
    expect(phone.part("ringing")).to_be_hidden()


@pytest.mark.parametrize("beside", [[OSLO, BERGEN]], indirect=True)
def test_somebody_is_called_beside_the_call_and_brought_in_and_asked_like_everybody(
    office: Installation, window: Open
) -> None:
    seen = window("agent", at=office)
    phone = at_phone(seen)
    phone.call(OSLO, "browser")
    phone.answer("agreed").click()
    phone.expect_light("recording")

    add(phone, BERGEN).get_by_role("button", name="Call them").click()
    expect(phone.part("beside-text")).to_contain_text(f"You talk to {BERGEN} alone.")
    phone.expect_light("off")
    phone.part("beside").get_by_role("button", name="Bring them in").click()

    expect(phone.part("beside")).to_be_hidden()
    expect(phone.part("rule")).to_have_text("They are being told")  # by an announcement, again
    phone.expect_light("waiting")
    expect(phone.part("parties")).to_contain_text(BERGEN)
    phone.answer("agreed").click()
    phone.expect_light("recording")

    there = phone.part("parties").get_by_role("button", name="Hang up")
    there.click()
    expect(there).to_have_count(0)
    phone.expect_light("recording")
    phone.control("hangup").click()
    phone.expect_no_call()


@pytest.mark.parametrize("beside", [[OSLO, BERGEN]], indirect=True)
def test_a_call_is_handed_on_from_the_phone_which_says_how_that_went(
    office: Installation, window: Open
) -> None:
    seen = window("agent", at=office)
    phone = at_phone(seen)
    phone.call(OSLO, "browser")
    expect(phone.part("consent")).to_be_visible()

    add(phone, BERGEN).get_by_role("button", name="Call them").click()
    expect(phone.part("beside-text")).to_contain_text(f"You talk to {BERGEN} alone.")
    expect(phone.part("consent")).to_be_hidden()  # a yes of Bergen is none of Oslo
    phone.part("beside").get_by_role("button", name="Back to the call").click()
    expect(phone.part("consent")).to_be_visible()

    add(phone, "+4733333333").get_by_role("button", name="Hand the call on at once").click()
    over = "+4733333333: The exchange knows no such number. Everybody else still waits."
    expect(phone.part("beside-text")).to_have_text(over)
    phone.part("beside").get_by_role("button", name="Back to the call").click()
    expect(phone.part("beside")).to_be_hidden()

    add(phone, BERGEN).get_by_role("button", name="Hand the call on at once").click()
    expect(phone.part("last")).to_contain_text("The call is over. The call was handed on.")


def add(phone: Phone, number: str) -> Locator:
    """The part of the phone in which somebody is added, with a number typed there."""
    part = phone.part("beside-part")
    if part.get_attribute("open") is None:
        part.locator("summary").click()
    part.get_by_label("Their number").fill(number)
    return part
