"""Calls from outside over HTTP: an open phone, taking a call, and being away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.receptionrig import Caller, Exchange, rings
from tests.web.conftest import browser as browser_at
from tests.web.live import live_site, sign_in

from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.database import reading
from askfirst.server.reception import Reception
from askfirst.web.api_live import told
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from live_site(tmp_path)


@pytest.fixture
def agent(site: Site) -> Iterator[TestClient]:
    """An agent's browser at a server to which an exchange sends calls."""
    with browser_at(site) as client:
        site.carrier.desk.providers.connect(Exchange())
        client.agent = sign_in(client, site, UserRole.AGENT, "kari")  # type: ignore[attr-defined]  # for the tests
        yield client


def rung(client: TestClient, site: Site) -> tuple[Caller, str]:
    """A call that rings at an agent whose phone is open, and its id."""

    async def ring() -> tuple[Caller, str]:
        reception: Reception[Any, Any] = site.carrier.reception
        user: User = client.agent  # type: ignore[attr-defined]  # the fixture's own
        states = reception.following(user)
        await anext(states)
        kept.append(states)  # the phone stays open
        line = Caller()
        assert reception.arrive(line)
        return line, await rings(reception, user)

    assert client.portal is not None
    return client.portal.call(ring)


kept: list[Any] = []


def test_a_call_that_rings_is_taken_over_http(agent: TestClient, site: Site) -> None:
    line, ringing = rung(agent, site)

    answer = agent.post(f"/api/v1/phone/ringing/{ringing}/answer", json={"agent_audio": "file"})

    assert answer.status_code == 201, answer.text
    assert answer.json()["to"] == line.caller
    assert agent.get("/api/v1/phone").json()["call"]["call"] == answer.json()["call"]
    again = agent.post(f"/api/v1/phone/ringing/{ringing}/answer", json={})
    assert again.status_code == 404
    assert agent.post(f"/api/v1/calls/{answer.json()['call']}/hangup").status_code == 200


def test_the_last_one_who_declines_ends_the_ringing(agent: TestClient, site: Site) -> None:
    line, ringing = rung(agent, site)

    answer = agent.post(f"/api/v1/phone/ringing/{ringing}/decline")

    assert answer.json()["ringing"] == []
    assert line.was_declined
    assert agent.post(f"/api/v1/phone/ringing/{ringing}/answer", json={}).status_code in (403, 404)


def test_nothing_rings_at_somebody_who_is_away(agent: TestClient, site: Site) -> None:
    assert agent.post("/api/v1/phone/away").json()["away"] is True
    assert agent.get("/api/v1/phone").json()["away"] is True
    assert agent.delete("/api/v1/phone/away").json()["away"] is False


def test_whoever_is_away_is_away_still_when_the_server_was_started_anew(
    agent: TestClient, site: Site
) -> None:
    agent.post("/api/v1/phone/away")

    with reading(site.store.engine) as connection:
        user = accounts.user(connection, agent.agent.id)  # type: ignore[attr-defined]  # the fixture's own

    async def opened() -> tuple[dict[str, Any], bool]:
        anew = Reception(site.carrier.desk)
        states = anew.following(user)
        shown = await anext(states)
        rings = anew.is_available(user.id)
        await states.aclose()
        return shown, rings

    assert agent.portal is not None
    shown, rings = agent.portal.call(opened)
    assert (shown["away"], rings) == (True, False)


def test_a_sound_by_sentences_is_refused_for_a_telephone(agent: TestClient, site: Site) -> None:
    _, ringing = rung(agent, site)

    answer = agent.post(f"/api/v1/phone/ringing/{ringing}/answer", json={"agent_audio": "script"})

    assert answer.status_code == 422


async def closed(reception: Reception[Any, Any], user: str) -> None:
    """Return when no phone of a user is open."""
    changed = reception.changed()
    while reception.is_available(user):
        await changed.wait()
        changed = reception.changed()


def test_a_phone_is_open_only_as_long_as_somebody_reads_what_rings(site: Site) -> None:
    with browser_at(site) as client:
        user = sign_in(client, site, UserRole.AGENT, "ola")

        async def follow() -> tuple[dict[str, Any], bool, bool]:
            reception = site.carrier.reception
            lines = told(reception.following(user), lambda: True)
            first = await anext(lines)
            was_open = reception.is_available(user.id)
            await lines.aclose()  # type: ignore[attr-defined]  # it is a generator
            async with asyncio.timeout(5):
                await closed(reception, user.id)
            return json.loads(first.partition("data: ")[2]), was_open, True

        assert client.portal is not None
        shown, was_open, is_closed = client.portal.call(follow)
    assert shown == {"call": None, "away": False, "ringing": []}
    assert was_open
    assert is_closed


def test_a_phone_whose_person_was_signed_out_is_closed(site: Site) -> None:
    with browser_at(site) as client:
        user = sign_in(client, site, UserRole.AGENT, "ola")

        async def follow() -> list[str]:
            return [line async for line in told(site.carrier.reception.following(user), gone)]

        def gone() -> bool:
            return False

        assert client.portal is not None
        lines = client.portal.call(follow)
    assert "ringing" in lines[0]
    assert all("alive" in line for line in lines[1:])
