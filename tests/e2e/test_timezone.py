"""A real browser tells its time zone by itself, and pages go by it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation

pytestmark = pytest.mark.full

KATHMANDU = "Asia/Kathmandu"
"""A zone with one name for the whole year; browsers know it by an older spelling."""


def test_the_page_after_the_first_is_in_the_browsers_zone(
    window: Open, installation: Installation
) -> None:
    seen = window("agent", zone=KATHMANDU)
    seen.go("/calls")
    expect(seen.page.locator("#main")).to_contain_text(" UTC")
    expect(seen.page.locator("#main")).not_to_contain_text("UTC+5:45")
    call = installation.ids["calls"]["presses-one"]
    seen.page.locator(f'a[href="/calls/{call}"]').first.click()
    seen.page.wait_for_url(f"**/calls/{call}", wait_until="commit")

    expect(seen.page.locator("#main")).to_contain_text("UTC+5:45")
    assert len(seen.documents) == 1


def test_the_zone_is_kept_for_a_year_and_for_our_own_pages(window: Open) -> None:
    seen = window(None, zone="Europe/Oslo")
    seen.go("/sign-in")

    (kept,) = [each for each in seen.context.cookies() if each["name"] == "time_zone"]

    assert (kept["value"], kept["path"], kept["sameSite"]) == ("Europe/Oslo", "/", "Lax")
    assert not kept["secure"], "there is no https here"
    assert kept["expires"] > 0
