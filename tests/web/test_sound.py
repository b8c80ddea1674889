"""The agent's sound over HTTP: whose browser may bring it, and what is not understood."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from tests.server import rig
from tests.web.conftest import ORIGIN, OWN, problem
from tests.web.live import live_site, sign_in

from askfirst.model import FRAME_BYTES
from askfirst.server.access import UserRole
from askfirst.telephony.socketleg import Message, pack
from askfirst.web.api_sound import POLICY_VIOLATION, TAKEN_OVER, WRONG_MESSAGE
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


def socket_of(browser: TestClient, call: str, **headers: str) -> WebSocketTestSession:
    """The socket of a call, as one of our own pages opens it, or with other headers."""
    url = f"{ORIGIN.replace('http', 'ws')}/api/v1/calls/{call}/sound"
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


def test_a_file_is_no_voice_of_a_live_call(browser: TestClient) -> None:
    wanted = {"to": rig.CALIFORNIA, "agent_audio": "file"}
    assert browser.post("/api/v1/calls", json=wanted).status_code == 422
