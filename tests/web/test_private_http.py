"""Private calls over HTTP: said before the call or in it, and what others are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import problem, signed_in
from tests.web.live import live_site, sign_in
from tests.web.test_agreement_live import answered

from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.web.visit import Site

CALL = {"to": rig.CALIFORNIA}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls, with one account of Texas."""
    yield from live_site(tmp_path)


@pytest.fixture
def kari(running: TestClient, site: Site) -> accounts.User:
    """An agent, signed in at `running`."""
    return sign_in(running, site, UserRole.AGENT, "kari")


def set_up(site: Site, **values: object) -> None:
    with transaction(site.store.engine) as connection:
        account.change(connection, values, None, utc_now())


def over(browser: TestClient, call: str) -> None:
    """End a call and return when it is written down."""
    browser.post(f"/api/v1/calls/{call}/hangup")
    browser.get(f"/api/v1/calls/{call}/events")


def test_a_call_that_is_placed_as_private_is_blocked_and_says_so(
    running: TestClient, kari: accounts.User
) -> None:
    placed = running.post("/api/v1/calls", json={**CALL, "private": True})

    assert placed.status_code == 201
    assert placed.json()["private"]
    assert not placed.json()["may_be_private"]


def test_a_call_is_made_private_and_its_watchers_see_no_number_from_then_on(
    running: TestClient, kari: accounts.User, site: Site
) -> None:
    call = answered(running)["call"]

    made = running.post(f"/api/v1/calls/{call}/private", json={}).json()

    assert (made["because"], made["private"], made["to"]) == ("private", True, rig.CALIFORNIA)
    sign_in(running, site, UserRole.SUPERVISOR, "lead")
    seen = running.get(f"/api/v1/calls/{call}/live").text
    page = running.get("/live").text
    assert rig.CALIFORNIA not in seen
    assert "US-CA" not in seen
    assert rig.CALIFORNIA not in page
    assert "Private call" in page


def test_afterwards_lists_pages_and_search_show_the_number_to_its_agent_alone(
    running: TestClient, kari: accounts.User, site: Site
) -> None:
    call = running.post("/api/v1/calls", json={**CALL, "private": True}).json()["call"]
    over(running, str(call))
    assert rig.CALIFORNIA in running.get("/calls").text
    assert rig.CALIFORNIA in running.get(f"/calls/{call}").text

    sign_in(running, site, UserRole.SUPERVISOR, "lead")
    found = [
        running.get("/calls"),
        running.get(f"/calls/{call}"),
        running.get("/api/v1/calls"),
        running.get(f"/api/v1/calls/{call}"),
        running.get(f"/calls/{call}/certificate"),
        running.post("/calls", data={"q": rig.CALIFORNIA}),
        running.get("/api/v1/search", params={"q": "+1628"}),
    ]

    assert [each.status_code for each in found[:5]] == [200] * 5
    assert all(
        rig.CALIFORNIA not in each.text.replace('value="+16285550142"', "") for each in found
    )
    assert "Private call" in found[0].text
    assert "Private call" in found[1].text
    assert found[2].json()["calls"][0]["private"]
    assert (found[3].json()["to"], found[3].json()["decision"]) == (None, None)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"private_calls": False}, "private calls are switched off"),
        ({"wishes": {"mandatory_recording": "mifid2"}}, "must be recorded (mifid2)"),
    ],
)
def test_where_there_are_none_it_is_refused_in_words_and_not_offered(
    running: TestClient, kari: accounts.User, site: Site, setting: dict[str, object], said: str
) -> None:
    set_up(site, **setting)

    refused = running.post("/api/v1/calls", json={**CALL, "private": True})
    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert said in refused.json()["detail"]

    shown = answered(running)
    assert not shown["may_be_private"]
    later = running.post(f"/api/v1/calls/{shown['call']}/private", json={"past": "keep"})
    assert said in later.json()["detail"]
    assert 'name="private"' not in running.post("/phone/card", data=CALL).text


def test_it_is_offered_before_a_call_and_only_its_agent_says_so_in_it(
    running: TestClient, kari: accounts.User, site: Site
) -> None:
    assert 'name="private"' in running.post("/phone/card", data=CALL).text
    call = answered(running)["call"]
    assert running.post(f"/api/v1/calls/{call}/private", json={"past": "all"}).status_code == 422
    sign_in(running, site, UserRole.AGENT, "other")

    assert running.post(f"/api/v1/calls/{call}/private", json={}).status_code == 403


def test_whether_there_are_private_calls_is_set_under_policies(site: Site) -> None:
    with transaction(site.store.engine) as connection:
        keeper = accounts.add_user(
            connection,
            "keeper@example.org",
            "Keeper",
            [UserRole.ADMIN],
            utc_now(),
            password="a sentence is easy to remember",  # noqa: S106 - of nobody
        )
    page = signed_in(site, keeper).get("/settings/policies").text

    assert 'name="private_calls" value="on" checked' in page
