"""The phone before a call: what its card says, and that nothing dials by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.trunkrig import Exchange
from tests.web.conftest import add as add_user
from tests.web.live import live_site, sign_in

from askfirst.model import Source
from askfirst.server import account, contacts, ownnumbers, reviews
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Draft, KnownPlace, Number
from askfirst.server.ownnumbers import OwnNumber
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


@pytest.fixture
def browser(running: TestClient, site: Site) -> TestClient:
    """A running server with an agent signed in."""
    sign_in(running, site, UserRole.AGENT, "kari")
    return running


def card(browser: TestClient, to: str) -> str:
    shown = browser.post("/phone/card", data={"to": to})
    assert shown.status_code == 200
    return shown.text


def add(site: Site, number: str, **more: object) -> None:
    draft = Draft(name="Jane Roe", company="Nordlys", numbers=(Number(number),), **more)  # type: ignore[arg-type]
    with site.store.engine.begin() as connection:
        contacts.add(connection, draft, utc_now())


def test_a_demo_number_can_be_called_and_shows_who_decides(browser: TestClient) -> None:
    shown = card(browser, "+1 628 555 0142")
    assert f'data-place="{rig.CALIFORNIA}"' in shown
    assert "Decided by: California" in shown
    assert "/rules/US-CA" in shown


@pytest.mark.parametrize("number", ["+4722222222", "tel", "+47", "<b>x</b>", "112", "911", ""])
def test_nothing_else_can_be_called(browser: TestClient, number: str) -> None:
    shown = card(browser, number)
    assert "data-place" not in shown
    assert "<b>" not in shown


def test_an_emergency_number_says_to_use_a_telephone(browser: TestClient) -> None:
    assert "Emergency calls are not possible" in card(browser, "1 1 2")


def test_a_name_finds_contacts_to_choose_from(browser: TestClient, site: Site) -> None:
    add(site, rig.CALIFORNIA)
    assert f'data-dial="{rig.CALIFORNIA}"' in card(browser, "jane")
    assert "No contact has this name" in card(browser, "zoe")


def test_a_place_that_a_contact_was_said_to_be_in_counts_before_and_in_the_call(
    browser: TestClient, site: Site
) -> None:
    place = KnownPlace("DE", Source.STATED, utc_now())
    add(site, rig.CALIFORNIA, places=(place,))
    assert "Germany" in card(browser, rig.CALIFORNIA)
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()
    assert call["name"] == "Jane Roe"
    request = site.carrier.desk.get(call["call"]).call.request
    assert "DE" in request.contact_places


def test_a_link_from_elsewhere_fills_the_phone_and_dials_nothing(
    browser: TestClient, site: Site
) -> None:
    page = browser.get("/dial", params={"to": "tel:+16285550142"})
    assert 'data-prepare="+16285550142"' in page.text
    assert site.carrier.desk.all() == ()
    odd = browser.get("/dial", params={"to": '"><script>alert(1)</script>'})
    assert "<script>alert" not in odd.text


def test_the_phone_alone_has_its_own_page(browser: TestClient) -> None:
    page = browser.get("/phone").text
    assert 'id="phone"' in page
    assert 'id="main"' not in page


def test_places_come_with_their_names(browser: TestClient) -> None:
    found = dict(browser.get("/phone/places").json())
    assert found["US-CA"] == "California"
    assert browser.get("/phone/places?lang=nb").headers["cache-control"].startswith("private")


def test_where_the_account_wants_it_a_country_is_called_only_after_its_rules_were_read(
    browser: TestClient, site: Site
) -> None:
    with site.store.engine.begin() as connection:
        account.change(connection, {"first_country": "review"}, None, utc_now())
    assert "before the first call there" in card(browser, rig.CALIFORNIA)
    refused = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA})
    assert (refused.status_code, site.carrier.desk.all()) == (403, ())

    officer = add_user(site, UserRole.COMPLIANCE)
    with site.store.engine.begin() as connection:
        reviews.review(connection, "US", officer.id, utc_now())
    assert "has not called United States before" in card(browser, rig.CALIFORNIA)
    assert browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).status_code == 201


def test_the_card_offers_the_numbers_that_may_be_shown_to_a_telephone(
    browser: TestClient, site: Site
) -> None:
    with site.store.engine.begin() as connection:
        for number, team in (("+4721000000", None), ("+4721000001", "elsewhere")):
            ownnumbers.keep(connection, OwnNumber(number, "Support", team), None, utc_now())
    site.carrier.desk.providers.connect(Exchange())
    shown = card(browser, "+4722222222")
    assert '<option value="+4721000000">+4721000000 Support</option>' in shown
    assert "+4721000001" not in shown
    assert "caller-id" not in card(browser, "+1 628 555 0142")  # a demo contact sees none
    placed = {"to": "+4722222222", "agent_audio": "file", "caller_id": "+4721000001"}
    assert browser.post("/api/v1/calls", json=placed).status_code == 422
