"""A call that is handed to a colleague over HTTP: at whom it can ring, and whose acts count."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import open_phone
from tests.web.conftest import ORIGIN, OWN
from tests.web.live import live_site, sign_in

from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from live_site(tmp_path)


class Team:
    """Kari, who has a call with a browser's sound, and Ola, whose phone is open."""

    def __init__(self, browser: TestClient, site: Site) -> None:
        self._browser, self._site = browser, site
        self.ola = sign_in(browser, site, UserRole.AGENT, "ola")
        self._cookies = {"ola": dict(browser.cookies)}
        self.kari = sign_in(browser, site, UserRole.AGENT, "kari")
        self._cookies["kari"] = dict(browser.cookies)
        self.open = AsyncExitStack()
        self.do(self._open, self.ola)
        placed = browser.post(
            "/api/v1/calls", json={"to": rig.CALIFORNIA, "agent_audio": "browser"}
        )
        self.call = str(placed.json()["call"])

    def do(self, what: Any, *arguments: Any) -> Any:
        """Have something done on the loop of the server."""
        assert self._browser.portal is not None
        return self._browser.portal.call(what, *arguments)

    async def _open(self, user: User) -> None:
        await self.open.enter_async_context(open_phone(self._site.carrier.reception, user))

    def answered(self) -> None:
        live = self._site.carrier.desk.get(self.call)
        self.do(asyncio.wait_for, until(live, has(answered=True)), 20)

    def ask(self, name: str, method: str, path: str, **body: Any) -> Any:
        """An answer of the server to one of them."""
        self._browser.cookies.clear()
        self._browser.cookies.update(self._cookies[name])
        return self._browser.request(
            method, f"/api/v1{path}", json=body if method == "POST" else None
        )

    def in_call(self, name: str, method: str, path: str, **body: Any) -> Any:
        return self.ask(name, method, f"/calls/{self.call}{path}", **body)

    def offer(self) -> str:
        """Kari hands the call to Ola; gives the id of what rings there."""
        offered = self.in_call("kari", "POST", "/transfer", user=self.ola.id)
        assert offered.status_code == 202, offered.text
        shown = self.do(self._shown)
        assert shown["ringing"][0]["by"] == "Kari"
        return str(shown["ringing"][0]["id"])

    async def _shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self._site.carrier.reception.shown_to(self.ola.id)
        return found


@pytest.fixture
def team(running: TestClient, site: Site) -> Iterator[Team]:
    found = Team(running, site)
    found.answered()
    yield found
    found.do(found.open.aclose)


def test_who_is_there_is_told_by_name(team: Team) -> None:
    found = team.ask("kari", "GET", "/phone/colleagues").json()["colleagues"]
    assert {"user": team.ola.id, "name": "Ola", "available": True} in found
    assert team.kari.id not in {each["user"] for each in found}


def test_after_it_was_taken_the_acts_of_the_one_before_count_no_more(team: Team) -> None:
    ringing = team.offer()
    assert team.in_call("ola", "POST", "/mute").status_code == 403  # not before it is taken

    taken = team.ask("ola", "POST", f"/phone/ringing/{ringing}/answer")

    assert (taken.status_code, taken.json()["call"]) == (201, team.call)
    assert taken.json()["agent"] == team.ola.id
    for path in ("/record", "/consents", "/hangup", "/transfer"):
        refused = team.in_call("kari", "POST", path, kind="informed")
        assert refused.status_code in (403, 422), path
    assert team.ask("kari", "GET", "/phone").json()["call"] is None
    assert team.ask("ola", "GET", "/phone").json()["call"]["call"] == team.call
    assert team.in_call("kari", "GET", "/live").status_code == 403
    assert team.in_call("ola", "POST", "/hangup").status_code == 200


def test_nobody_but_the_new_agent_brings_the_sound_and_the_old_one_is_cut_off(
    team: Team, running: TestClient
) -> None:
    ringing = team.offer()
    assert team.ask("ola", "POST", f"/phone/ringing/{ringing}/answer").status_code == 201

    refused = team.in_call("kari", "POST", "/leg", offer="v=0")
    assert refused.status_code == 403
    url = f"{ORIGIN.replace('http', 'ws')}/api/v1/calls/{team.call}/sound"
    team.ask("ola", "GET", "/phone")
    with running.websocket_connect(url, headers=OWN) as socket:
        assert len(socket.receive_bytes()) == 652


def test_a_call_is_kept_by_who_has_it_until_then(team: Team) -> None:
    ringing = team.offer()
    kept = team.in_call("kari", "DELETE", "/transfer")
    assert (kept.status_code, kept.json()["offer"]["stage"]) == (200, "not-taken")
    late = team.ask("ola", "POST", f"/phone/ringing/{ringing}/answer")
    assert late.status_code in (403, 404)
    assert team.in_call("kari", "POST", "/hangup").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "usr_nobody"}, 404),
        ({"user": "usr_nobody", "number": "+4722222222"}, 422),
        ({"user": ""}, 404),
        ({"user": "x" * 61}, 422),
    ],
)
def test_a_colleague_who_is_not_there_is_named(
    team: Team, body: dict[str, str], status: int
) -> None:
    assert team.in_call("kari", "POST", "/transfer", **body).status_code == status


def test_oneself_and_somebody_who_is_away_are_refused(team: Team) -> None:
    assert team.in_call("kari", "POST", "/transfer", user=team.kari.id).status_code == 422
    assert team.ask("ola", "POST", "/phone/away").status_code == 200
    refused = team.in_call("kari", "POST", "/transfer", user=team.ola.id)
    assert refused.status_code == 403
    assert "Ola cannot take calls now" in refused.json()["detail"]
