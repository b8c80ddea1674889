"""A team's whole way with a call: its words, a tracker, a comment, a clip, the dashboard, the
search, and nothing of all that after it was erased.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page
from tests.e2e.browsing import Window
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation

pytestmark = pytest.mark.full

OPENED = "() => document.querySelector('askfirst-player .player-time') !== null"
COMMENT = "ask about the second floor earlier"
CLIP = "how an order is taken up"


def main(page: Page) -> str:
    return page.locator("main").inner_text()


def listen(window: Window, call: str) -> Page:
    """The page of a call with its recording opened."""
    window.go(f"/calls/{call}")
    window.page.locator("form[action$=listen] button").click()
    window.page.wait_for_function(OPENED)
    return window.page


def found_in(window: Window, words: str) -> str:
    """The addresses of the calls in which the search page finds words."""
    window.go("/search")
    window.page.locator("main [name=q]").fill(words)
    window.page.locator("main form[role=search] button.button-primary").click()
    window.page.locator("#views-title").wait_for()
    links = window.page.locator("main .found-call a")
    return " ".join(str(each.get_attribute("href")) for each in links.all())


def test_a_call_is_learnt_from_and_erased_everywhere(
    window: Open, installation: Installation
) -> None:
    call = installation.ids["calls"]["presses-one"]
    admin = window("admin")
    admin.go("/settings/sites")
    admin.page.fill("[name=person_figures_basis]", "Decision of 1 November")
    admin.page.locator("form[action$=figures] button").click()
    admin.page.wait_for_load_state()
    lead = window("supervisor")
    page = lead.page

    lead.go("/settings/trackers")
    page.fill("[name=name]", "Headsets")
    page.fill("textarea[name='phrases.en']", "headset")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("cell", name="Headsets").first.wait_for()
    while "Older calls are being looked through" in main(page):
        lead.go("/settings/trackers")

    listen(lead, call)
    marked = page.locator(".line-trackers")
    assert marked.count() >= 1
    assert "Headsets" in marked.all_text_contents()[0]

    page.locator("[role=slider]").press("ArrowRight")
    page.locator("[data-now=comment-at]").click()
    begins = page.input_value("#comment-at")
    page.fill("#comment-text", COMMENT)
    page.get_by_role("button", name="Comment", exact=True).click()
    page.locator(".thread").wait_for()

    lead.go("/playlists")
    page.fill("#name", "Orders")
    page.get_by_label("Everybody here").check()
    page.get_by_role("button", name="Make the playlist").click()
    page.wait_for_url("**/playlists/list_*")
    playlist = page.url.removeprefix(lead.origin)
    listen(lead, call)
    minutes, _, seconds = begins.partition(":")
    page.fill("#clip-from", begins)
    page.fill("#clip-to", f"{minutes}:{int(seconds) + 3:02d}")
    page.fill("#clip-text", CLIP)
    page.select_option("#clip-playlist", label="Orders")
    page.get_by_role("button", name="Make a clip").click()
    page.locator("#coaching audio").wait_for()
    lead.go(playlist)
    assert CLIP in main(page)

    lead.go("/dashboards/quality")
    assert "Headsets" in main(page)
    assert f"/calls/{call}" in found_in(lead, '"second floor"')
    agent = window("agent")
    agent.go("/me/coaching")
    assert COMMENT in main(agent.page)

    officer = window("compliance")
    officer.go(f"/calls/{call}/erase")
    officer.page.get_by_role("button", name="Erase for good").click()
    officer.page.wait_for_url(f"**/calls/{call}*")
    while "This recording was erased" not in main(officer.page):
        officer.go(f"/calls/{call}")

    for words in ('"second floor"', "headset"):
        assert call not in found_in(lead, words)
    lead.go(playlist)
    assert CLIP not in main(page)
    agent.go("/me/coaching")
    assert COMMENT not in main(agent.page)
    lead.go(f"/calls/{call}")
    assert page.locator("askfirst-player, .line-trackers, .thread").count() == 0
