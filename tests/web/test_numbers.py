"""The page of the account's own numbers: what is kept, what is refused, who may."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import add, signed_in

from askfirst.server import account, accounts, ownnumbers
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.ownnumbers import OwnNumber
from askfirst.web.visit import Site

OSLO = "+4721000000"


@pytest.fixture
def kari(ready: Site) -> accounts.User:
    """An agent of an account in Norway."""
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"home_place": "NO"}, None, utc_now())
    return add(ready, UserRole.AGENT, "north", name="kari")


@pytest.fixture
def admin(ready: Site, kari: accounts.User) -> TestClient:
    return signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))


def kept(site: Site) -> list[OwnNumber]:
    with reading(site.store.engine) as connection:
        return ownnumbers.all_of(connection)


def test_a_number_is_added_changed_and_removed(
    ready: Site, admin: TestClient, kari: accounts.User
) -> None:
    assert "No numbers are listed" in admin.get("/settings/numbers").text

    form = {"number": "21 00 00 00", "name": "Support", "team": "north", "people": kari.id}
    assert admin.post("/settings/numbers", data=form).status_code == 303
    page = admin.get("/settings/numbers").text
    assert OSLO in page
    assert "team north" in page
    assert "Kari" in page
    assert kept(ready) == [OwnNumber(OSLO, "Support", "north", frozenset({kari.id}))]

    change = admin.get("/settings/numbers", params={"change": OSLO}).text
    assert "Change a number" in change
    assert f'value="{kari.id}" checked' in change
    admin.post("/settings/numbers", data={"number": OSLO, "name": "Care", "team": ""})
    assert kept(ready) == [OwnNumber(OSLO, "Care")]
    assert "everybody" in admin.get("/settings/numbers").text

    assert admin.post("/settings/numbers/remove", data={"number": OSLO}).status_code == 303
    assert kept(ready) == []
    assert admin.post("/settings/numbers/remove", data={"number": OSLO}).status_code == 404


def test_what_is_refused_is_said_beside_it_and_nothing_typed_is_lost(
    ready: Site, admin: TestClient, kari: accounts.User
) -> None:
    form = {"number": "12", "name": "<b>Care</b>", "team": "west", "people": kari.id}

    answer = admin.post("/settings/numbers", data=form)

    assert answer.status_code == 422
    assert 'id="number-error"' in answer.text
    assert "expected a telephone number" in answer.text
    assert "&lt;b&gt;Care&lt;/b&gt;" in answer.text
    assert '<option value="west" selected' in answer.text
    assert f'value="{kari.id}" checked' in answer.text
    assert kept(ready) == []


def test_a_number_that_is_not_kept_is_not_found(admin: TestClient) -> None:
    assert admin.get("/settings/numbers", params={"change": OSLO}).status_code == 404


def test_compliance_sees_the_numbers_and_changes_none(ready: Site, admin: TestClient) -> None:
    admin.post("/settings/numbers", data={"number": OSLO, "name": "Support"})
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE, name="officer"))

    page = officer.get("/settings/numbers").text

    assert OSLO in page
    assert 'action="/settings/numbers' not in page
    assert officer.post("/settings/numbers", data={"number": OSLO, "name": "x"}).status_code == 403
    assert officer.post("/settings/numbers/remove", data={"number": OSLO}).status_code == 403
