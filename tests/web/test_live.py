"""Live calls over HTTP: only their agent acts in them, and the light is the gate's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import ORIGIN, OWN, add, problem
from tests.web.live import live_site, sign_in

from askfirst.clock import LoopClock, run_virtual
from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.desk import Desk
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.web.api_live import told
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


def test_only_its_agent_undoes_a_recording_and_the_past_is_kept_or_erased(
    browser: TestClient, site: Site
) -> None:
    kari = sign_in(browser, site, UserRole.AGENT, "kari")
    session = browser.cookies["askfirst"]
    with answered_call(browser) as call:
        record = f"{call}/record"
        assert browser.post(record).json()["wanted"]
        assert browser.delete(f"{record}?past=sell").status_code == 422
        sign_in(browser, site, UserRole.SUPERVISOR, "lead")
        assert browser.delete(f"{record}?past=erase").status_code == 403
        live = site.carrier.desk.of(kari.id)
        assert live is not None
        assert live.call.facts.is_wanted

        browser.cookies.clear()
        browser.cookies.set("askfirst", session)
        undone = browser.delete(f"{record}?past=erase")
        assert (undone.status_code, undone.json()["wanted"]) == (200, False)
        assert browser.post(f"{call}/hangup").status_code == 200
    late = browser.delete(f"{record}?past=erase")
    assert late.status_code in (403, 404), "the call is over"


def test_the_stream_of_a_call_that_is_over_ends_without_an_error(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    events = f"/api/v1/calls/{call}/events"
    browser.post(f"/api/v1/calls/{call}/hangup")

    browser.get(events)  # is at its end when the call is settled

    assert browser.get(events).status_code == 204
    assert browser.get("/api/v1/calls/call_none/events").status_code == 404
    sign_in(browser, site, UserRole.AGENT, "other")
    assert browser.get(events).status_code == 403


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

    async def heard() -> list[str]:
        desk = Desk(node, LoopClock())
        live = await desk.place(user, rig.CALIFORNIA, MemoryLeg())
        parts = [part async for part in told(live.events(), lambda: next(answers))]
        assert not live.has_ended, "the call goes on"
        await desk.close()
        return parts

    parts = run_virtual(heard())

    assert parts, "what was allowed was told"
    assert not any('"settled": true' in part for part in parts)
    assert next(answers, None) is None


def test_the_stream_tells_each_change_and_ends_with_the_call(site: Site) -> None:
    user = add(site, UserRole.AGENT)
    node = site.carrier.node
    assert node is not None

    async def heard() -> list[dict[str, Any]]:
        desk = Desk(node, LoopClock())
        live = await desk.place(user, rig.CALIFORNIA, MemoryLeg())
        parts = []
        async for part in told(live.events(), lambda: True):
            parts.append(part)
            if len(parts) == 1:
                await live.hangup()
        await desk.close()
        assert all(part.startswith("id: ") and part.endswith("\n\n") for part in parts)
        return [json.loads(part.partition("data: ")[2]) for part in parts]

    states = run_virtual(heard())

    sequences = [state["sequence"] for state in states]
    assert sequences == sorted(set(sequences))
    assert [state["settled"] for state in states] == [False] * (len(states) - 1) + [True]
    assert "recording" not in {state["light"] for state in states}


@contextmanager
def answered_call(browser: TestClient) -> Iterator[str]:
    """The address of an answered call that somebody else's dialer carries."""
    placed = browser.post("/api/v1/calls", json={"to": "+14155550100", "provider": "external"})
    call = f"/api/v1/calls/{placed.json()['call']}"
    with browser.websocket_connect(f"ws://127.0.0.1:8470{call}/frames"):
        told = browser.post(f"{call}/external-events", json={"event": "answered"})
        assert told.status_code == 200, told.text
        yield call


@pytest.fixture
def joinable(browser: TestClient, site: Site) -> Iterator[tuple[accounts.User, str]]:
    """Kari, who is signed in, and the address of her answered call."""
    kari = sign_in(browser, site, UserRole.AGENT, "kari")
    with answered_call(browser) as call:
        yield kari, call


def test_a_colleague_joins_once_and_is_somebody_else_who_works_here(
    browser: TestClient, site: Site, joinable: tuple[accounts.User, str]
) -> None:
    kari, call = joinable
    add(site, UserRole.ADMIN)
    nora, gone = add(site, UserRole.AGENT, "south", "nora"), add(site, UserRole.AGENT, None, "gone")
    with site.store.engine.begin() as connection:
        accounts.disable(connection, gone.id, utc_now())

    def join(user: str) -> Any:
        return browser.post(f"{call}/parties", json={"role": "agent", "user": user})

    for user in (kari.id, gone.id):
        assert (join(user).status_code, join(user).json()["key"]) == (422, "user")
    assert join("usr_nobody").status_code == 404
    joined = join(nora.id)
    assert joined.status_code == 201, joined.text
    assert (join(nora.id).status_code, join(nora.id).json()["key"]) == (422, "user")
    assert len(browser.get(f"{call}/live").json()["parties"]) == 3

    browser.delete(f"{call}/parties/{joined.json()['party']}")
    assert join(nora.id).status_code == 201, "who has left may come back"


@pytest.mark.parametrize("source", ["recorder", "number", "\ud800", ""])
def test_a_place_is_learnt_from_people_and_not_from_the_programs_own_sources(
    browser: TestClient, joinable: tuple[accounts.User, str], source: str
) -> None:
    _, call = joinable
    before = browser.get(f"{call}/live").json()["decision"]
    wanted = {"party": 1, "code": "NO", "source": source}

    refused = browser.post(
        f"{call}/places",
        content=json.dumps(wanted),
        headers={"content-type": "application/json"},
    )

    assert (refused.status_code, refused.json()["key"]) == (422, "source")
    assert browser.get(f"{call}/live").json()["decision"] == before
    for good in ("stated", "address", "given"):
        answer = browser.post(f"{call}/places", json={**wanted, "source": good})
        assert answer.status_code == 201, answer.text


def test_a_payment_page_pauses_with_a_token_that_can_do_nothing_else(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    wanted = {"name": "payment page", "scopes": ["calls.pause"], "days": 30}
    secret = browser.post("/api/v1/tokens", json=wanted).json()["token"]
    bare = {"authorization": f"Bearer {secret}"}
    paying = {**bare, "idempotency-key": "payment-4711"}
    with answered_call(browser) as call:
        cookies = dict(browser.cookies)
        browser.cookies.clear()  # from here on only the token speaks for the page
        first = browser.post(f"{call}/holds", json={"reason": "payment"}, headers=paying)
        again = browser.post(f"{call}/holds", json={"reason": "payment"}, headers=paying)
        assert (first.status_code, again.status_code) == (201, 201), first.text
        hold = first.json()["hold"]
        assert first.json() == again.json() == {"hold": hold, "holds": [hold]}
        assert browser.get(call, headers=paying).status_code == 403
        assert browser.get(f"{call}/live", headers=paying).status_code == 403
        for act in ("record", "hangup", "mute"):
            assert browser.post(f"{call}/{act}", headers=bare).status_code == 403
        unknown = browser.post(f"{call}/holds", json={"reason": "4242 4242"}, headers=bare)
        assert unknown.status_code == 422
        for name, value in cookies.items():
            browser.cookies.set(name, value)
        shown = browser.get(f"{call}/live").json()
        assert shown["holds"] == [hold], "a pause that nobody ends is shown to the agent"
        browser.cookies.clear()
        ended = browser.delete(f"{call}/holds/{hold}", headers=paying)
        assert (ended.status_code, ended.json()) == (200, {"holds": []})
        assert browser.delete(f"{call}/holds/{hold}", headers=paying).status_code == 404
        for name, value in cookies.items():
            browser.cookies.set(name, value)
        assert browser.post(f"{call}/hangup").status_code == 200
