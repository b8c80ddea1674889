"""The phone beside every page, as tests use it; the only place that knows how it is built."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect
from tests.e2e.browsing import Window

CALL_SECONDS = 60.0
"""How long ringing, answering and the first words may take on a busy machine,
and an announcement with its answer."""

_LOG_LIGHT = """() => {
  const lamp = document.getElementById("light");
  const kinds = ["off", "waiting", "recording", "unknown"];
  const kind = () => kinds.find((each) => lamp.classList.contains(`light-${each}`));
  window.lightLog = [{at: performance.now(), light: kind()}];
  new MutationObserver(() => {
    if (window.lightLog.at(-1).light !== kind())
      window.lightLog.push({at: performance.now(), light: kind()});
  }).observe(lamp, {attributes: true});
}"""


class Phone:
    """The phone of a page, in English or Norwegian."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.locator("#phone")
        self.light = page.locator("#light")

    def part(self, name: str) -> Locator:
        """A part by its hook."""
        return self.root.locator(f'[data-phone="{name}"]')

    def control(self, name: str) -> Locator:
        """One of the controls of a call that are always there: mute, on-hold, keypad, …"""
        return self.root.locator(f'.call-controls [data-call="{name}"]')

    def act(self, name: str) -> Locator:
        """A button below them that does something in the call, where it is shown."""
        return self.root.locator(f'.dock-sheet [data-call="{name}"]:visible')

    def answer(self, kind: str) -> Locator:
        """A button that reports an answer: agreed, refused, informed."""
        return self.root.locator(f'[data-answer="{kind}"]')

    def log_light(self) -> None:
        """Begin to write down every change of the light, and when it was."""
        self.page.evaluate(_LOG_LIGHT)

    def lights(self) -> list[dict[str, Any]]:
        """What the light has shown since `log_light`: `light`, and `at` in ms of the page."""
        found: list[dict[str, Any]] = self.page.evaluate("() => window.lightLog")
        return found

    def shades(self) -> list[str]:
        """What the light has shown since `log_light` while it was known: a busy machine may say
        for a moment that it does not know, which is no lie."""
        known = [each["light"] for each in self.lights() if each["light"] != "unknown"]
        return [light for at, light in enumerate(known) if at == 0 or known[at - 1] != light]

    def mark(self) -> None:
        """Mark the phone's own node, to know it again."""
        self.root.evaluate("(phone) => { phone.askfirstMark = true; }")

    def is_marked(self) -> bool:
        """Whether the phone is the very node that was marked."""
        return bool(self.root.evaluate("(phone) => phone.askfirstMark === true"))

    # Making a call

    def arrive(self) -> None:
        """Return when the phone has asked the server what goes on; at once where there is none."""
        if self.light.count():
            self.expect_known_light()

    def speak_by(self, way: str) -> None:
        """Choose to speak by the microphone (browser) or by chosen sentences (script)."""
        self.root.locator(f'[name="phone-audio"][value="{way}"]').check()

    def prepare(self, number: str) -> None:
        """Write a number into the phone and return when its card is there."""
        self.part("to").fill(number)
        self.part("to").press("Enter")
        expect(self.part("card")).not_to_have_attribute("aria-busy", "true")
        expect(self.place(number)).to_be_visible()

    def place(self, number: str) -> Locator:
        """The button that calls the number of the card."""
        return self.root.locator(f'[data-place="{number}"]')

    def call(self, number: str, way: str = "script") -> None:
        """Call a demo contact by its number and return when it has answered."""
        self.speak_by(way)
        self.prepare(number)
        self.place(number).click()
        self.expect_talking()

    def hang_up(self) -> None:
        """End the call and return when the phone says that there is none."""
        self.control("hangup").click()
        self.expect_no_call()

    # What is shown

    def expect_light(self, kind: str) -> None:
        """Wait for what the light shows."""
        shown = re.compile(rf"\blight-{kind}\b")
        expect(self.light).to_have_class(shown, timeout=CALL_SECONDS * 1000)

    def expect_known_light(self) -> None:
        """Wait until the light shows what the server says."""
        unknown = re.compile(r"\blight-unknown\b")
        expect(self.light).not_to_have_class(unknown, timeout=CALL_SECONDS * 1000)

    def expect_ringing(self) -> None:
        """Wait until the phone shows a call that nobody has answered."""
        expect(self.control("hangup")).to_be_visible()
        expect(self.part("status")).to_have_text(re.compile("Ringing|Det ringer"))

    def expect_talking(self) -> None:
        """Wait until the phone shows a call that was answered."""
        expect(self.control("hangup")).to_be_visible()
        talking = re.compile("In call|I samtale")
        expect(self.part("status")).to_have_text(talking, timeout=CALL_SECONDS * 1000)

    def expect_no_call(self) -> None:
        """Wait until the phone shows that another call can be made."""
        expect(self.part("idle")).to_be_visible(timeout=CALL_SECONDS * 1000)
        expect(self.control("hangup")).to_be_hidden()


def at_phone(seen: Window) -> Phone:
    """The phone of a window, beside the contacts, when it knows that there is no call."""
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.arrive()
    return phone
