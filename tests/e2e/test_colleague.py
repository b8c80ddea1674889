"""A call that an agent hands to a colleague by name, each at a browser of their own."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect
from tests.e2e.conftest import Open
from tests.e2e.phone import Phone, at_phone

pytestmark = pytest.mark.full

ANNA = "+4748750101"


def hand_over(phone: Phone, to: str) -> Locator:
    """Hand the call to a colleague and return the panel that says so."""
    part = phone.part("beside-part")
    part.locator("summary").click()
    expect(phone.part("colleague").locator("option", has_text=to).first).to_be_attached()
    phone.part("colleague").select_option(label=to)
    phone.act("offer").click()
    expect(phone.part("offer-text")).to_contain_text(f"It rings at {to}.")
    return phone.part("offer")


def test_a_colleague_takes_a_call_and_talks_on_while_the_one_before_is_out_of_it(
    window: Open,
) -> None:
    kari, other = window("agent"), window("other")
    first, second = at_phone(kari), at_phone(other)
    first.call(ANNA, "browser")
    expect(first.part("consent")).to_be_visible()
    first.answer("agreed").click()
    first.expect_light("recording")

    hand_over(first, "Per Lie")
    first.expect_light("recording")
    expect(second.part("ringing-who")).to_contain_text("Kari Berg hands you the call with")
    second.act("take").click()

    second.expect_talking()
    expect(first.part("last")).to_have_text(re.compile(r"^Per Lie has the call now\."))
    first.expect_no_call()
    first.expect_light("off")
    second.expect_light("recording")
    people = second.part("parties").locator("li")
    expect(people.first).to_contain_text("Colleague (left)")
    expect(people.last).to_contain_text("You")
    expect(people.last.get_by_role("button")).to_have_count(0)
    second.hang_up()
    notes = second.part("last").get_by_role("link").get_attribute("href")
    assert notes is not None
    other.go(notes.removesuffix("/notes"))
    expect(other.page.locator("h1")).to_contain_text("Per Lie")


def test_a_call_that_is_declined_or_kept_stays_where_it_is(window: Open) -> None:
    kari, other = window("agent"), window("other")
    first, second = at_phone(kari), at_phone(other)
    first.call(ANNA, "browser")

    hand_over(first, "Per Lie")
    expect(second.part("ringing")).to_be_visible()
    second.act("decline").click()
    expect(first.part("offer")).to_be_hidden()
    expect(kari.page.get_by_text("Per Lie did not take the call.")).to_be_visible()
    expect(second.part("ringing")).to_be_hidden()

    hand_over(first, "Per Lie")
    expect(second.part("ringing")).to_be_visible()
    first.act("keep-call").click()
    expect(second.part("ringing")).to_be_hidden()
    first.expect_talking()
    first.hang_up()


def test_nobody_can_be_chosen_who_takes_no_calls(window: Open) -> None:
    kari, other = window("agent"), window("other")
    first, second = at_phone(kari), at_phone(other)
    second.act("away").click()
    expect(second.part("away")).to_have_attribute("aria-pressed", "true")
    first.call(ANNA, "browser")

    first.part("beside-part").locator("summary").click()
    option = first.part("colleague").locator("option", has_text="Per Lie")
    expect(option).to_have_text("Per Lie (cannot take calls now)")
    expect(option).to_be_disabled()
    expect(first.part("colleague-help")).to_contain_text("No colleague can take a call now")
    second.act("away").click()
    first.hang_up()
