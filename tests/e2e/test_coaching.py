"""Coaching in a browser: a comment at a time, a clip of it, a playlist, and playing it there."""

from __future__ import annotations

import pytest
from tests.e2e.checks import overflows, violations
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation

pytestmark = pytest.mark.full

OPENED = "() => document.querySelector('askfirst-player .player-time') !== null"
WRITTEN = "slow down here @Kari Berg <b>please</b>"


def test_a_call_is_commented_clipped_and_played_from_a_playlist(
    window: Open, installation: Installation
) -> None:
    found = window("supervisor")
    page = found.page
    found.go("/playlists")
    page.fill("#name", "Good openings")
    page.get_by_label("Everybody here").check()
    page.get_by_role("button", name="Make the playlist").click()
    page.wait_for_url("**/playlists/list_*")
    made = page.url

    found.go(f"/calls/{installation.ids['calls']['presses-one']}")
    page.locator("form[action$=listen] button").click()
    page.wait_for_function(OPENED)
    page.locator("[role=slider]").press("ArrowRight")
    page.locator("[data-now=comment-at]").click()
    begins = page.input_value("#comment-at")
    page.fill("#comment-text", WRITTEN)
    page.get_by_role("button", name="Comment", exact=True).click()
    thread = page.locator(".thread")
    thread.wait_for()
    assert WRITTEN in thread.inner_text()
    assert page.locator(".player-mark.is-comment").count() == 1
    assert page.locator(".line-comment").count() == 1
    assert page.url.endswith("/listen"), "the opened call stays"

    page.locator("[role=slider]").press("End")
    thread.locator(".player-jump").click()
    assert page.locator(".player-time").inner_text().startswith(begins)

    minutes, _, seconds = begins.partition(":")
    page.fill("#clip-from", begins)
    page.fill("#clip-to", f"{minutes}:{int(seconds) + 2:02d}")
    page.fill("#clip-text", "how he opens")
    page.select_option("#clip-playlist", label="Good openings")
    page.get_by_role("button", name="Make a clip").click()
    page.locator("#coaching audio").wait_for()
    assert violations(page) == []

    found.go(made.partition("/playlists")[1] + made.partition("/playlists")[2])
    assert "how he opens" in page.locator("main").inner_text()
    page.locator("main audio").evaluate("audio => audio.play()")
    page.wait_for_function("() => document.querySelector('main audio').currentTime > 0.3")
    call = installation.ids["calls"]["presses-one"]
    with installation.store() as store:
        accesses = [entry for _, entry in store.ledger.entries(call)]
    heard = [each for each in accesses if str(each["kind"]) == "access.played"]
    assert any("clip" in dict(each["data"]) for each in heard)  # type: ignore[call-overload]  # JSON

    told = window("agent", language="nb", theme="dark", width=375, height=700)
    told.go("/me")
    assert WRITTEN in told.page.locator("main").inner_text()
    assert overflows(told.page) == []
