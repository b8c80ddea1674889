"""Live calls over HTTP: only their agent acts in them, and the light is the gate's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import ORIGIN, OWN, add, problem
from tests.web.live import live_site, sign_in

from askfirst.clock import LoopClock, run_virtual
from askfirst.server.access import UserRole
from askfirst.server.desk import Desk
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.web.api_live import stream
from askfirst.web.app import create_app
from askfirst.web.visit import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls, with one account of Texas."""
    yield from live_site(tmp_path)


@pytest.fixture
def browser(running: TestClient) -> TestClient:
    """A running server with its loop; nobody is signed in."""
    return running


def test_a_number_that_is_nobodys_is_not_called(browser: TestClient, site: Site) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")

    refused = browser.post("/api/v1/calls", json={"to": "+4722222222"})

    assert (refused.status_code, problem(refused)) == (422, "urn:askfirst:problem:invalid-input")
    assert browser.get("/api/v1/calls").json()["calls"] == []


def test_a_process_without_a_desk_says_so(site: Site) -> None:
    client = TestClient(create_app(site), base_url=ORIGIN, headers=OWN, follow_redirects=False)
    sign_in(client, site, UserRole.AGENT, "kari")

    assert client.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).status_code == 503


def test_only_its_agent_acts_in_a_call_and_the_end_is_written(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    placed = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA})
    assert placed.status_code == 201, placed.text
    state = placed.json()
    call = f"/api/v1/calls/{state['call']}"
    assert (state["answered"], state["light"]) == (False, "off")
    wanted = browser.post(f"{call}/record").json()
    assert wanted["light"] != "recording"
    early = browser.post(f"{call}/consents", json={"kind": "agreed"})
    assert (early.status_code, problem(early)) == (403, "urn:askfirst:problem:refused")
    second = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA})
    assert second.status_code == 403
    session = browser.cookies["askfirst"]

    sign_in(browser, site, UserRole.SUPERVISOR, "lead")
    assert browser.get(f"{call}/live").status_code == 200
    for act in ("record", "telling", "hangup"):
        assert browser.post(f"{call}/{act}").status_code == 403
    sign_in(browser, site, UserRole.AGENT, "other")
    assert browser.get(f"{call}/live").status_code == 403
    assert browser.get(f"{call}/events").status_code == 403

    browser.cookies.clear()
    browser.cookies.set("askfirst", session)
    assert browser.post(f"{call}/hangup").status_code == 200
    listed = browser.get("/api/v1/calls").json()["calls"]
    assert [each["id"] for each in listed] == [state["call"]]


def test_the_switch_reaches_the_calls_that_go_on(browser: TestClient, site: Site) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    live = site.carrier.desk.get(call)
    assert live.call.request.recording_switch
    sign_in(browser, site, UserRole.COMPLIANCE, "officer")

    switched = browser.patch("/api/v1/settings", json={"recording_enabled": False})

    assert switched.status_code == 200
    assert browser.get(f"/api/v1/calls/{call}/live").status_code == 200
    assert not live.call.request.recording_switch


def test_a_stream_ends_soon_after_its_session(site: Site) -> None:
    user = add(site, UserRole.AGENT)
    node = site.carrier.node
    assert node is not None
    answers = iter((True, False))

    async def told() -> list[str]:
        desk = Desk(node, LoopClock())
        live = await desk.place(user, rig.CALIFORNIA, MemoryLeg())
        parts = [part async for part in stream(live, lambda: next(answers))]
        assert not live.has_ended, "the call goes on"
        await desk.close()
        return parts

    parts = run_virtual(told())

    assert parts, "what was allowed was told"
    assert not any('"settled": true' in part for part in parts)
    assert next(answers, None) is None


def test_the_stream_tells_each_change_and_ends_with_the_call(site: Site) -> None:
    user = add(site, UserRole.AGENT)
    node = site.carrier.node
    assert node is not None

    async def told() -> list[dict[str, Any]]:
        desk = Desk(node, LoopClock())
        live = await desk.place(user, rig.CALIFORNIA, MemoryLeg())
        parts = []
        async for part in stream(live, lambda: True):
            parts.append(part)
            if len(parts) == 1:
                await live.hangup()
        await desk.close()
        assert all(part.startswith("id: ") and part.endswith("\n\n") for part in parts)
        return [json.loads(part.partition("data: ")[2]) for part in parts]

    states = run_virtual(told())

    sequences = [state["sequence"] for state in states]
    assert sequences == sorted(set(sequences))
    assert [state["settled"] for state in states] == [False] * (len(states) - 1) + [True]
    assert "recording" not in {state["light"] for state in states}
