"""The phone under the profile `hubspot-2023`: the reminder, and where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import Open
from tests.e2e.phone import Phone

pytestmark = pytest.mark.full

CALIFORNIA = "+16285550142"

_CHANGE = """async (settings) => {
  const answer = await fetch("/api/v1/settings", {
    method: "PATCH",
    headers: {"content-type": "application/json"},
    body: JSON.stringify(settings),
  });
  return answer.status;
}"""


@pytest.fixture
def office(window: Open) -> Iterator[Page]:
    """The administrator's page, while the account behaves as the other product."""
    seen = window("admin")
    seen.go("/settings")
    page = seen.page
    assert page.evaluate(_CHANGE, {"wishes": {"profile": "hubspot-2023"}}) == 200
    yield page
    assert page.evaluate(_CHANGE, {"wishes": {}, "recording_enabled": True}) == 200


def test_record_reminds_first_and_cancelling_leaves_the_call_unrecorded(
    office: Page, window: Open
) -> None:
    seen = window("agent")
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.call(CALIFORNIA)
    phone.expect_light("off")
    expect(phone.part("consent")).to_be_hidden()

    phone.control("record").click()
    expect(phone.part("rule")).to_have_text("Remember to inform everyone")
    expect(phone.answer("informed")).to_have_text("I have informed them")
    expect(phone.answer("agreed")).to_be_hidden()
    phone.expect_light("waiting")
    phone.act("cancel").click()
    expect(phone.part("consent")).to_be_hidden()
    phone.expect_light("off")

    phone.control("record").click()
    phone.answer("informed").click()
    phone.expect_light("recording")
    phone.hang_up()


def test_where_the_switch_is_off_there_is_no_record_button_for_anybody(
    office: Page, window: Open
) -> None:
    assert office.evaluate(_CHANGE, {"recording_enabled": False}) == 200
    seen = window("agent")
    seen.go("/contacts")
    phone = Phone(seen.page)
    phone.call(CALIFORNIA)
    expect(phone.control("record")).to_be_hidden()
    phone.expect_light("off")
    phone.hang_up()
