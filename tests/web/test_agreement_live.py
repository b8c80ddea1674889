"""Taking an agreement back over HTTP while a call goes on: its gate shuts at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.live import live_site, sign_in
from tests.web.test_agreement import PAGE, move, words_of

from askfirst.server.access import UserRole
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls, with one account of Texas."""
    yield from live_site(tmp_path)


@pytest.fixture
def browser(running: TestClient, site: Site) -> TestClient:
    """Somebody who works in California and has agreed to being recorded."""
    sign_in(running, site, UserRole.AGENT, "kari")
    move(site, "US-CA")
    assert running.post(PAGE, data=words_of(running.get(PAGE).text)).status_code == 303
    return running


def answered(browser: TestClient) -> dict[str, object]:
    """A call that somebody has answered."""
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    for _ in range(1_000):
        shown: dict[str, object] = browser.get(f"/api/v1/calls/{call}/live").json()
        if shown["answered"]:
            return shown
    raise AssertionError("nobody answered")


def test_taking_it_back_shuts_the_gate_of_the_call_that_goes_on(browser: TestClient) -> None:
    shown = answered(browser)
    assert (shown["lacks"], shown["because"]) == ([], "asking")

    browser.post(f"{PAGE}/revoke")

    after = browser.get(f"/api/v1/calls/{shown['call']}/live").json()
    assert (after["state"], after["because"]) == ("blocked", "not-acknowledged")
    assert (after["lacks"], after["light"]) == (["agreement"], "off")


def test_before_a_call_the_phone_says_that_it_would_not_be_recorded(browser: TestClient) -> None:
    said = "You have not agreed to being recorded, so this call will not be."
    assert said not in browser.post("/phone/card", data={"to": rig.CALIFORNIA}).text

    browser.post(f"{PAGE}/revoke")

    assert said in browser.post("/phone/card", data={"to": rig.CALIFORNIA}).text
