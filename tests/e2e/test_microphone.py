"""The agent's own microphone and loudspeaker: refused, missing, and heard at both ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, Playwright, expect
from tests.e2e.browsing import ARGUMENTS, KEEP_PEERS, Window, open_window
from tests.e2e.conftest import TONE_HZ, Open
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone

from askfirst.audio.container import decode
from askfirst.server.database import reading, recordings
from askfirst.server.playback import Playback

pytestmark = pytest.mark.full

NORWAY = "+4748750101"
BLOCKED = {
    "en": "Your browser blocks the microphone. Allow it next to the address, then press Try again.",
    "nb": ("Nettleseren blokkerer mikrofonen. Tillat den ved adressefeltet og trykk Prøv igjen."),
}
MISSING = {
    "NotFoundError": "No microphone found. Plug in a headset and try again.",
    "NotReadableError": "Another program is using the microphone.",
}

_REFUSE = """navigator.mediaDevices.getUserMedia = () =>
  Promise.reject(new DOMException("", "%s"));"""
_NO_WEBRTC = "delete window.RTCPeerConnection;"
_ENERGY = """async () => {
  for (const peer of window.peers)
    for (const each of (await peer.getStats()).values())
      if (each.type === "inbound-rtp" && each.totalAudioEnergy > 0.001) return true;
  return false;
}"""
_CLOCK = """() => {
  const [minutes, seconds] = document.querySelector('[data-phone="clock"]').textContent.split(":");
  return 60 * Number(minutes) + Number(seconds);
}"""
_IS_READY = """async (call) => {
  const answer = await fetch(`/api/v1/calls/${call}`);
  return answer.ok && (await answer.json()).recording?.state === "ready";
}"""
_UNTIL = """async (what) => {
  for (let n = 0; n < 600; n += 1) {
    if (await HOLDS(what)) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}"""


def wait_until(page: Page, asked: str, what: str = "") -> None:
    """Wait until the page's answer to an asynchronous question is yes, for two minutes at most."""
    assert page.evaluate(_UNTIL.replace("HOLDS", f"({asked})"), what)


@pytest.fixture(scope="module")
def refusing(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    """A browser whose person says no to every question about the microphone."""
    found = playwright.chromium.launch(
        executable_path=chromium, args=[*ARGUMENTS, "--deny-permission-prompts"]
    )
    yield found
    found.close()


def begin(seen: Window) -> Phone:
    """Press Call with the microphone chosen."""
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.arrive()
    phone.speak_by("browser")
    phone.prepare(NORWAY)
    phone.place(NORWAY).click()
    return phone


def ensure_way_forward(phone: Phone) -> None:
    """Try again is there, and going on without a microphone reaches the contact."""
    expect(phone.act("microphone")).to_be_enabled()
    phone.act("sentences").click()
    phone.expect_talking()
    expect(phone.part("sentences").locator("button").first).to_be_visible()
    expect(phone.part("notice-panel")).to_be_hidden()
    phone.hang_up()


@pytest.mark.parametrize("language", ["en", "nb"])
def test_a_refused_microphone_is_told_in_words_with_a_way_forward(
    refusing: Browser, installation: Installation, language: str
) -> None:
    seen = open_window(refusing, installation, "agent", language=language)

    phone = begin(seen)

    expect(phone.part("notice-text")).to_have_text(BLOCKED[language])
    ensure_way_forward(phone)
    seen.context.close()
    assert seen.faults() == []


@pytest.mark.parametrize("fault", sorted(MISSING))
def test_a_microphone_that_is_missing_or_busy_is_told_apart(window: Open, fault: str) -> None:
    seen = window("agent")
    seen.context.add_init_script(_REFUSE % fault)

    phone = begin(seen)

    expect(phone.part("notice-text")).to_have_text(MISSING[fault])
    ensure_way_forward(phone)


@pytest.mark.parametrize("way", ["webrtc", "socket"])
def test_what_the_agent_says_is_on_channel_one_and_what_the_contact_says_is_heard(
    window: Open, installation: Installation, way: str
) -> None:
    seen = window("agent")
    seen.context.add_init_script(KEEP_PEERS if way == "webrtc" else _NO_WEBRTC)
    phone = begin(seen)
    phone.expect_talking()
    call = on_call(seen.page)
    # By key: the word of an agent who sends a tone would be found wanting, and quarantined.
    phone.act("ask-keypad").click()
    phone.expect_light("recording")

    if way == "webrtc":
        wait_until(seen.page, _ENERGY)
    seconds = seen.page.evaluate(_CLOCK) + 15
    until = f"{seconds // 60:02}:{seconds % 60:02}"
    expect(phone.part("clock")).to_have_text(until, timeout=60_000)
    phone.hang_up()
    wait_until(seen.page, _IS_READY, call)

    agent, contact = kept_sound(installation, call)
    assert share_of_tone(agent) > 0.5
    assert share_of_tone(contact) < 0.1
    assert np.abs(contact).max() > 1_000


def on_call(page: Page) -> str:
    answer = page.context.request.get("/api/v1/phone")
    return str(answer.json()["call"]["call"])


def kept_sound(installation: Installation, call: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both channels of the recording of a call."""
    with installation.store() as store:
        with reading(store.engine) as connection:
            query = sa.select(recordings.c.id).where(recordings.c.call == call)
            recording = str(connection.execute(query).scalar_one())
        # The sound itself, whether or not it was looked through for numbers by now.
        audio = Playback(store).replay(recording, is_original=True)
    channels, rate = decode(audio, 16_000)
    assert (len(channels), rate) == (2, 16_000)
    return channels[0].astype(float), channels[1].astype(float)


def share_of_tone(samples: NDArray[Any]) -> float:
    """How much of a channel's energy is at the microphone's tone."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 16_000)
    near = np.abs(hertz - TONE_HZ) < 15
    return float(power[near].sum() / max(power[hertz > 50].sum(), 1.0))
