"""A light that nobody feeds is unknown, never off; what is known again, or late, is shown then."""

from __future__ import annotations

import signal

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation
from tests.e2e.line import line_to
from tests.e2e.phone import at_phone

pytestmark = pytest.mark.full

WITHIN_MS = 3_000
"""How long a light may stay known without news; by the browser's own clock."""

SLOW_S = 0.8
"""How long everything takes on a slow line, each way."""

NOTE = "Wants a call back in May."
CALL_OF = "async () => (await (await fetch('/api/v1/phone')).json()).call.call"


def test_the_light_is_unknown_within_three_seconds_of_a_cut_and_comes_back(
    window: Open, installation: Installation
) -> None:
    with line_to(installation.port) as line:
        seen = window("agent", origin=line.origin)
        phone = at_phone(seen)
        phone.mark()
        phone.call("+4748750101")
        phone.log_light()
        seen.expect_error("net::ERR")

        cut = seen.page.evaluate("() => performance.now()")
        line.cut()
        phone.expect_light("unknown")
        unknown = next(each["at"] for each in phone.lights() if each["light"] == "unknown")
        line.mend()

        assert unknown - cut <= WITHIN_MS
        phone.expect_known_light()
        phone.expect_talking()
        assert phone.is_marked()
        phone.hang_up()


def test_over_a_slow_line_the_light_waits_for_the_server_and_no_note_is_lost(
    window: Open, installation: Installation
) -> None:
    with line_to(installation.port) as line:
        seen = window("agent", origin=line.origin)
        phone = at_phone(seen)
        phone.call("+4748750101")
        phone.log_light()
        line.slow(SLOW_S)

        pressed = seen.page.evaluate("() => performance.now()")
        phone.answer("agreed").click()
        phone.expect_light("recording")
        red = next(each["at"] for each in phone.lights() if each["light"] == "recording")
        assert red - pressed >= 2 * SLOW_S * 1_000, "nobody can know it before"

        call = seen.page.evaluate(CALL_OF)
        phone.part("notes").fill(NOTE)
        phone.hang_up()
        expect(phone.part("notes-state")).to_contain_text("Saved")
        kept = seen.context.request.get(f"{installation.origin}/api/v1/calls/{call}/notes")
        assert kept.json()["notes"] == NOTE
        seen.page.goto("about:blank")  # the line ends before the window


def test_a_server_that_is_killed_leaves_the_light_unknown_until_it_says_that_the_call_is_over(
    window: Open, installation: Installation
) -> None:
    seen = window("agent")
    phone = at_phone(seen)
    phone.mark()
    phone.call("+4748750101")
    phone.log_light()
    seen.expect_error("net::ERR|404.*/events")

    installation.end(signal.SIGKILL)
    phone.expect_light("unknown")
    lights = [each["light"] for each in phone.lights()]
    assert "off" not in lights[lights.index("unknown") :]
    installation.start()

    phone.expect_light("off")
    phone.expect_no_call()
    expect(phone.part("last")).to_contain_text("our process failed")
    assert phone.is_marked()
    assert len(seen.documents) == 1
