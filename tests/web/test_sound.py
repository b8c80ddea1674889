"""The agent's sound over HTTP: whose browser may bring it, and what is not understood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from tests.server import rig
from tests.web.conftest import ORIGIN, OWN, PASSWORD, add, problem
from tests.web.live import live_site, sign_in

from askfirst.errors import Refused
from askfirst.model import FRAME_BYTES
from askfirst.server import accounts, sessions
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.telephony.movingleg import MovingLeg
from askfirst.telephony.socketleg import Message, pack
from askfirst.web.api_sound import NORMAL, POLICY_VIOLATION, TAKEN_OVER, WRONG_MESSAGE
from askfirst.web.visit import Site

FRAME = bytes([1, 0]) * (FRAME_BYTES // 2)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that carries calls."""
    yield from live_site(tmp_path)


@pytest.fixture
def browser(running: TestClient, site: Site) -> TestClient:
    """A running server with an agent signed in."""
    sign_in(running, site, UserRole.AGENT, "kari")
    return running


def call_of(browser: TestClient, audio: str = "browser") -> str:
    wanted = {"to": rig.CALIFORNIA, "agent_audio": audio}
    placed = browser.post("/api/v1/calls", json=wanted)
    assert placed.status_code == 201, placed.text
    return str(placed.json()["call"])


def socket_of(
    browser: TestClient, call: str, query: str = "", **headers: str
) -> WebSocketTestSession:
    """The socket of a call, as one of our own pages opens it, or with other headers."""
    url = f"{ORIGIN.replace('http', 'ws')}/api/v1/calls/{call}/sound{query}"
    return browser.websocket_connect(url, headers=headers or OWN)


def read_to_end(socket: WebSocketTestSession) -> None:
    while True:
        socket.receive_bytes()


def code_of(browser: TestClient, call: str, sent: bytes | str | None = None) -> int:
    """Why the socket of a call is closed."""

    def converse() -> None:
        with socket_of(browser, call) as socket:
            if isinstance(sent, bytes):
                socket.send_bytes(sent)
            elif sent is not None:
                socket.send_text(sent)
            read_to_end(socket)

    with pytest.raises(WebSocketDisconnect) as closed:
        converse()
    return closed.value.code


def test_nobody_else_brings_sound_to_a_call(browser: TestClient, site: Site) -> None:
    call = call_of(browser)
    sign_in(browser, site, UserRole.SUPERVISOR, "lead")
    assert code_of(browser, call) == POLICY_VIOLATION
    assert browser.post(f"/api/v1/calls/{call}/leg", json={"offer": "v=0"}).status_code == 403
    sign_in(browser, site, UserRole.AGENT, "other")
    assert code_of(browser, call) == POLICY_VIOLATION
    browser.cookies.clear()
    assert code_of(browser, call) == POLICY_VIOLATION
    assert browser.post(f"/api/v1/calls/{call}/leg", json={"offer": "v=0"}).status_code == 401


def test_a_socket_that_another_site_opened_is_refused(browser: TestClient) -> None:
    call = call_of(browser)
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}
    with pytest.raises(WebSocketDisconnect) as closed:
        socket_of(browser, call, **foreign).__enter__()
    assert closed.value.code == POLICY_VIOLATION


def test_a_call_by_sentences_takes_no_sound(browser: TestClient) -> None:
    call = call_of(browser, "script")
    assert code_of(browser, call) == POLICY_VIOLATION
    refused = browser.post(f"/api/v1/calls/{call}/leg", json={"offer": "v=0"})
    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")


@pytest.mark.parametrize(
    "sent", [b"", b"x" * 652, b"short", "words", pack(Message(0, 0, FRAME))[1:]]
)
def test_what_is_no_frame_ends_the_socket_and_not_the_call(
    browser: TestClient, site: Site, sent: bytes | str
) -> None:
    call = call_of(browser)
    assert code_of(browser, call, sent) == WRONG_MESSAGE
    assert not site.carrier.desk.get(call).has_ended


@pytest.mark.parametrize("offer", ["", "v=0", "x" * 1000, "m=audio 9 RTP/AVP 0\r\n"])
def test_an_offer_that_cannot_be_used_is_named_and_changes_nothing(
    browser: TestClient, site: Site, offer: str
) -> None:
    call = call_of(browser)
    refused = browser.post(f"/api/v1/calls/{call}/leg", json={"offer": offer})
    assert refused.status_code in (400, 422)
    assert not site.carrier.desk.get(call).leg.is_connected


def test_a_second_socket_takes_the_place_of_the_first(browser: TestClient, site: Site) -> None:
    call = call_of(browser)
    leg = site.carrier.desk.get(call).leg
    with socket_of(browser, call) as first:
        first.send_bytes(pack(Message(0, 0, FRAME)))
        assert len(first.receive_bytes()) == 652
        with socket_of(browser, call) as second:
            second.send_bytes(pack(Message(0, 0, FRAME)))
            assert len(second.receive_bytes()) == 652
            first.send_bytes(pack(Message(1, 20, FRAME)))
            with pytest.raises(WebSocketDisconnect) as closed:
                read_to_end(first)
            assert closed.value.code == TAKEN_OVER
            assert leg.is_connected
    assert browser.post(f"/api/v1/calls/{call}/hangup").status_code == 200


def closed_in_silence(socket: WebSocketTestSession) -> int:
    """Why a socket is closed on which the browser has stopped sending."""
    with pytest.raises(WebSocketDisconnect) as closed:
        read_to_end(socket)
    return closed.value.code


def agent_of(site: Site) -> str:
    with reading(site.store.engine) as connection:
        return next(
            each.id for each in accounts.all_users(connection) if each.email == "kari@example.org"
        )


@pytest.mark.parametrize("end", ["disabled", "every session ended"])
def test_sound_ends_with_the_last_right_to_it_and_the_call_waits(
    browser: TestClient, site: Site, end: str
) -> None:
    call = call_of(browser)
    agent = agent_of(site)
    add(site, UserRole.ADMIN, None, "boss")
    with socket_of(browser, call) as socket:
        socket.send_bytes(pack(Message(0, 0, FRAME)))
        with transaction(site.store.engine) as connection:
            if end == "disabled":
                accounts.disable(connection, agent, utc_now())
            else:
                accounts.set_password(connection, agent, PASSWORD)
        assert closed_in_silence(socket) == POLICY_VIOLATION
    live = site.carrier.desk.get(call)
    assert not live.leg.is_connected
    assert not live.has_ended


def test_sound_goes_on_where_one_device_signs_out_and_another_stays(
    browser: TestClient, site: Site
) -> None:
    call = call_of(browser)
    agent = agent_of(site)
    leg = site.carrier.desk.get(call).leg
    with socket_of(browser, call) as socket:
        socket.send_bytes(pack(Message(0, 0, FRAME)))
        with transaction(site.store.engine) as connection:
            sessions.begin(connection, agent, utc_now(), timedelta(hours=1), "")
            sessions.end(connection, browser.cookies["askfirst"])
        for number in range(1, 200):
            socket.send_bytes(pack(Message(number, 20 * number, FRAME)))
            socket.receive_bytes()
        assert leg.is_connected


def test_a_silent_socket_is_closed_when_the_call_is_over(browser: TestClient) -> None:
    call = call_of(browser)
    with socket_of(browser, call) as socket:
        assert browser.post(f"/api/v1/calls/{call}/hangup").status_code == 200
        assert closed_in_silence(socket) == NORMAL


def test_a_silent_socket_is_closed_when_another_takes_its_place(browser: TestClient) -> None:
    call = call_of(browser)
    with socket_of(browser, call) as first, socket_of(browser, call) as second:
        assert closed_in_silence(first) == TAKEN_OVER
        second.send_bytes(pack(Message(0, 0, FRAME)))
        assert len(second.receive_bytes()) == 652


def test_a_call_that_ends_while_its_sound_comes_closes_the_socket_without_a_fault(
    browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(leg: MovingLeg, *given: object) -> None:
        raise Refused("the sound has ended")

    call = call_of(browser)
    monkeypatch.setattr(MovingLeg, "attach", refuse)
    assert code_of(browser, call) == NORMAL


def test_a_window_that_comes_back_by_itself_takes_nothing_from_one_that_came_meanwhile(
    browser: TestClient, site: Site
) -> None:
    call = call_of(browser)
    leg = site.carrier.desk.get(call).leg
    with socket_of(browser, call, "?window=first"):
        pass
    with socket_of(browser, call, "?window=first&again=true") as again:
        again.send_bytes(pack(Message(0, 0, FRAME)))
        assert len(again.receive_bytes()) == 652
        with socket_of(browser, call, "?window=second") as second:
            second.send_bytes(pack(Message(0, 0, FRAME)))
            assert len(second.receive_bytes()) == 652
            with socket_of(browser, call, "?window=first&again=true") as back:
                assert closed_in_silence(back) == TAKEN_OVER
            wanted = {"offer": "v=0", "window": "first", "again": True}
            refused = browser.post(f"/api/v1/calls/{call}/leg", json=wanted)
            assert (refused.status_code, problem(refused)) == (409, "urn:askfirst:problem:conflict")
            assert leg.is_connected
