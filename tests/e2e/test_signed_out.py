"""A session that ends on the server takes neither the call nor what somebody has typed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import Open
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone

from askfirst.server import accounts
from askfirst.server.database import transaction

pytestmark = pytest.mark.full


def end_sessions(installation: Installation, person: str) -> None:
    """What an administrator does who gives somebody a new password."""
    with installation.store() as store, transaction(store.engine) as connection:
        accounts.set_password(connection, installation.ids["people"][person], PASSWORD)


def test_the_call_goes_on_sign_in_appears_in_place_and_words_are_kept(
    window: Open, installation: Installation
) -> None:
    seen = window("agent")
    page, phone = seen.page, Phone(seen.page)
    seen.go("/contacts/new")
    phone.arrive()
    phone.mark()
    phone.call("+4748750101")
    company = page.locator("#main").get_by_label("Company")
    company.fill("typed before the end")
    seen.expect_error("401")

    end_sessions(installation, "agent")
    place = page.locator("#signin")
    expect(place).to_be_visible()
    assert page.locator("#phone").is_visible()
    place.get_by_label("E-mail").fill(email("agent"))
    place.get_by_label("Password").fill(PASSWORD)
    place.get_by_role("button").click()

    expect(place).to_be_hidden()
    expect(company).to_have_value("typed before the end")
    phone.expect_talking()
    phone.expect_known_light()
    assert phone.is_marked()
    assert len(seen.documents) == 1
    phone.hang_up()
