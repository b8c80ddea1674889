"""Several people at once, and one person in two tabs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Open
from tests.e2e.phone import Phone

pytestmark = pytest.mark.full


def test_two_agents_call_at_once_and_each_has_a_light_of_their_own(window: Open) -> None:
    first, second = window("agent"), window("other")
    for seen in (first, second):
        seen.go("/contacts")
        Phone(seen.page).arrive()

    Phone(first.page).call("+4748750101")
    Phone(second.page).call("+64209001234")
    Phone(first.page).hang_up()

    Phone(second.page).expect_talking()
    Phone(second.page).expect_known_light()
    Phone(second.page).hang_up()


def test_a_supervisor_sees_the_calls_of_their_team_and_of_nobody_else(window: Open) -> None:
    mine, theirs, watching = window("agent"), window("other"), window("supervisor")
    for seen in (mine, theirs):
        seen.go("/contacts")
        Phone(seen.page).arrive()
        Phone(seen.page).call("+4748750101")
    calls = [on_call(seen.page) for seen in (mine, theirs)]

    answers = [
        watching.context.request.get(f"{watching.installation.origin}/api/v1/calls/{call}/live")
        for call in calls
    ]

    assert [answer.status for answer in answers] == [200, 403]
    for seen in (mine, theirs):
        Phone(seen.page).hang_up()


def test_a_second_tab_shows_the_same_call_and_ends_it_for_both(window: Open) -> None:
    first = window("agent")
    first.go("/contacts")
    Phone(first.page).arrive()
    Phone(first.page).call("+4748750101")

    second = window("agent", sharing=first)
    second.go("/calls")
    Phone(second.page).expect_talking()
    Phone(second.page).hang_up()

    Phone(first.page).expect_no_call()
    expect(first.page.locator("#main h1")).to_have_text("Contacts")


def on_call(page: Page) -> str:
    """The id of the call that somebody is on."""
    answer = page.context.request.get("/api/v1/phone")
    return str(answer.json()["call"]["call"])
