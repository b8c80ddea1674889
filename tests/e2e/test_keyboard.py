"""A whole call without a pointer."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.e2e.conftest import Open
from tests.e2e.phone import Phone

pytestmark = pytest.mark.full

MOST_STEPS = 120
"""Nothing on a page is further away than this by the tabulator key."""


def reach(page: Page, wanted: Locator) -> None:
    """Go to an element by the tabulator key alone."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_STEPS):
        if wanted.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard never came to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    reach(page, wanted)
    page.keyboard.press(key)


def test_a_call_from_the_number_to_the_outcome_needs_no_pointer(window: Open) -> None:
    seen = window("agent")
    page, phone = seen.page, Phone(seen.page)
    seen.go("/contacts")
    phone.arrive()
    page.evaluate(
        """() => { window.pointed = 0;
          addEventListener("pointerdown", () => { window.pointed += 1; }, true); }"""
    )
    page.keyboard.press("Alt+KeyP")
    expect(phone.part("to")).to_be_focused()
    page.keyboard.type("+4748750101")
    page.keyboard.press("Tab")
    press(page, phone.root.locator('[name="phone-audio"]:checked'), "ArrowDown")
    reach(page, phone.place("+4748750101"))
    page.keyboard.press("Enter")
    phone.expect_talking()

    page.keyboard.press("Alt+KeyM")
    expect(phone.control("mute")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Alt+KeyM")
    expect(phone.control("mute")).to_have_attribute("aria-pressed", "false")
    press(page, phone.act("telling"))
    press(page, phone.answer("agreed"))
    phone.expect_light("recording")
    press(page, phone.act("pause"))
    press(page, phone.root.locator('[data-pause="card-number"]'))
    phone.expect_light("off")
    press(page, phone.act("resume"))
    phone.expect_light("recording")
    page.keyboard.press("Alt+Shift+KeyE")
    phone.expect_no_call()

    press(page, phone.part("last").get_by_role("link"))
    after = page.locator("#after-call")
    outcome = after.get_by_label("How did it go?")
    reach(page, outcome)
    page.keyboard.press("ArrowDown")
    chosen = outcome.input_value()
    assert chosen
    reach(page, after.get_by_label("Notes"))
    page.keyboard.type("Will call again in January.")
    press(page, after.get_by_role("button", name="Save"))

    expect(page.locator("#after-call").get_by_label("Notes")).to_have_value(
        "Will call again in January."
    )
    expect(page.locator("#after-call").get_by_label("How did it go?")).to_have_value(chosen)
    assert page.evaluate("() => window.pointed") == 0
    assert len(seen.documents) == 1
