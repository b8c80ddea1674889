"""Whoever is recorded sees at once who opens their calls."""

from __future__ import annotations

import pytest
from playwright.sync_api import Request, expect
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation

pytestmark = pytest.mark.full


def test_an_agent_sees_the_supervisors_access_when_the_page_asks_next(
    window: Open, installation: Installation
) -> None:
    mine, theirs = window("agent"), window("supervisor")
    mine.go("/me")
    expect(mine.page.locator("#opened-list")).to_be_visible()
    before = mine.page.locator("#opened-list").get_by_text("Liv Moe").count()
    theirs.go(f"/calls/{installation.ids['calls']['presses-one']}")
    asked: list[Request] = []

    theirs.page.get_by_role("button", name="Listen").click()
    play = theirs.page.get_by_role("button", name="Play", exact=True)
    expect(play).to_be_visible()
    with theirs.page.expect_response(lambda answer: "/audio" in answer.url) as heard:
        play.click()
    assert heard.value.ok
    mine.page.on("request", lambda each: asked.append(each) if "/me/opened" in each.url else None)

    seen = mine.page.locator("#opened-list").get_by_text("Liv Moe")
    expect(seen).not_to_have_count(before)
    # One question may have been on its way already; the page asks once a second.
    assert len(asked) <= 2
    assert len(mine.documents) == 1
