"""A dialer over the network: what it sends before a permit is nowhere, and a lost one shuts."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from tests.server import rig
from tests.web.conftest import PASSWORD, add
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, tone
from askfirst.model import FRAME_MS
from askfirst.rules import packaged
from askfirst.server import account, accounts, tokens
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import consents, parties
from askfirst.server.emptydisk import search
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web import api_external
from askfirst.web.app import API, create_app
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

MARKER, CONTROL = (in_frames(to_pcm(tone(hz, 1_000, -20.0))) for hz in (MARKER_HZ, CONTROL_HZ))
QUIET = [bytes(640)]
SCOPES = ("calls.make", "calls.read")
PATIENCE_FRAMES = 1_500

ELSEWHERE = {"to": "+4722334455", "provider": "external"}


@dataclass
class Office:
    """A running server, and a user with a token."""

    site: Site
    node: Node
    user: accounts.User
    token: str
    port: int
    open: ExitStack

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"authorization": f"Bearer {token or self.token}"}
        origin = f"http://127.0.0.1:{self.port}"
        return self.open.enter_context(httpx.Client(base_url=origin, headers=headers))

    def socket(self, call: str, **headers: str) -> ClientConnection:
        given = headers or {"authorization": f"Bearer {self.token}"}
        address = f"ws://127.0.0.1:{self.port}{API}/calls/{call}/frames"
        return self.open.enter_context(connect(address, additional_headers=given))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    node = Node.open(tmp_path / "data", Scripted())
    stated = {"company": "Harbor Supply", "home_place": "US-TX", "retention_days": 30}
    listener = socket.create_server(("127.0.0.1", 0))
    settings = Settings(data=tmp_path / "data", port=listener.getsockname()[1])
    site = Site(node.store, settings, packaged(), Listening(node.store), Carrier(node))
    user = add(site, UserRole.AGENT, "north")
    with node.store.engine.begin() as connection:
        account.change(connection, stated, None, utc_now())
        accounts.acknowledge(connection, user.id, 1, utc_now())
        _, token = tokens.make(connection, user, "dialer", SCOPES, utc_now())
    app = create_app(site)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    with ExitStack() as connections:
        yield Office(site, node, user, token, settings.port, connections)
    server.should_exit = True
    thread.join()
    listener.close()
    node.close()


class Dialer:
    """Somebody's dialer: it sends a frame of both legs each 20 ms by its own clock."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.http = office.client()
        answer = self.http.post(f"{API}/calls", json=ELSEWHERE)
        assert answer.status_code == 201, answer.text
        self.call = answer.json()["call"]
        self.socket = office.socket(self.call)
        self.began = 0.0
        self.sent = 0

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        answer = self.http.post(f"{API}/calls/{self.call}/{path}", json=content)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def answer(self) -> None:
        self.began = time.monotonic()
        assert self.post("external-events", event="answered")["answered"]

    def live(self) -> dict[str, Any]:
        answer = self.http.get(f"{API}/calls/{self.call}/live")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def speak(self, contact: list[bytes], frames: int = 1) -> None:
        """Send frames as they are captured: the agent is quiet, the contact says this."""
        for _ in range(frames):
            start_ms = self.sent * FRAME_MS
            captured = self.began + (start_ms + FRAME_MS) / 1000
            time.sleep(max(0.0, captured - time.monotonic()))
            for leg, pcm in ((0, QUIET[0]), (1, contact[self.sent % len(contact)])):
                self.socket.send(struct.pack(">BI", leg, start_ms) + pcm)
            self.sent += 1

    def until(self, holds: Callable[[dict[str, Any]], bool], contact: list[bytes]) -> None:
        """Speak until the state is as wanted."""
        for _ in range(PATIENCE_FRAMES // 5):
            if holds(self.live()):
                return
            self.speak(contact, 5)
        raise AssertionError(f"never came: {self.live()}")

    def wait(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """The same without a connection to speak over."""
        for _ in range(PATIENCE_FRAMES):
            if holds(self.live()):
                return
            time.sleep(FRAME_MS / 1000)
            self.sent += 1
        raise AssertionError(f"never came: {self.live()}")

    def consented(self) -> None:
        """Told, keyed and open; what the contact says until the key is the marker."""
        self.answer()
        self.post("record")
        self.speak(MARKER, 15)
        assert self.post("telling")["state"] == "telling"
        self.speak(MARKER, 15)
        self.post("consents", kind="informed")
        self.speak(MARKER, 5)
        assert self.live()["state"] == "asking"
        self.post("external-events", event="dtmf", party=1, digit="1")
        self.until(lambda state: state["light"] == "recording", QUIET)


def is_open(state: dict[str, Any]) -> bool:
    return bool(state["light"] == "recording")


def is_shut(state: dict[str, Any]) -> bool:
    return (state["state"], state["because"]) == ("closed", "failed")


def test_what_comes_before_the_permit_is_nowhere_and_what_comes_after_it_is_kept(
    office: Office,
) -> None:
    dialer = Dialer(office)
    dialer.consented()
    dialer.speak(CONTROL, 60)
    dialer.post("external-events", event="ended", cause="remote-hangup")

    call = settled(office, dialer.call)
    assert call["outcome"]["code"] == "recorded", call["outcome"]
    assert call["provider"] == "external"
    assert call["proof"] == 4
    found = search(office.node.store, [office.node.store.folder], [])
    assert found.control_found, "the search would find it"
    assert not found.marker_found, found.where


def test_a_lost_connection_shuts_and_only_a_new_decision_opens(office: Office) -> None:
    dialer = Dialer(office)
    dialer.consented()
    before = rig.kinds(office.node.store, dialer.call).count("decision.made")

    dialer.socket.close()
    dialer.wait(is_shut)
    assert not dialer.live()["connected"]
    dialer.post("places", party=1, code="SE")
    dialer.post("consents", kind="informed")
    assert is_shut(dialer.live()), "nothing but the connection opens it"

    dialer.socket = office.socket(dialer.call)
    dialer.until(is_open, QUIET)
    assert rig.kinds(office.node.store, dialer.call).count("decision.made") > before
    dialer.post("hangup")
    settled(office, dialer.call)
    states = [state for _, state in rig.states(office.node.store, dialer.call)]
    assert states.count("open") == 2


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\x01" * 644,
        b"\x01" * 646,
        "a text",
        struct.pack(">BI", 7, 0) + bytes(640),
        struct.pack(">BI", 1, 3_600_000) + bytes(640),
        struct.pack(">BI", 1, 0) + bytes(640),
    ],
    ids=["empty", "short", "long", "text", "nobody's leg", "ahead", "back in time"],
)
def test_a_bad_message_ends_the_connection_with_a_reason_and_shuts(
    office: Office, bad: bytes | str
) -> None:
    dialer = Dialer(office)
    dialer.consented()

    dialer.socket.send(bad)

    with pytest.raises(ConnectionClosed) as closed:
        dialer.socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003
    assert closed.value.rcvd.reason
    dialer.wait(is_shut)
    dialer.post("hangup")


def test_nothing_is_answered_before_frames_can_come(office: Office) -> None:
    dialer = Dialer(office)
    dialer.socket.close()
    dialer.wait(lambda state: not state["connected"])

    answer = dialer.http.post(
        f"{API}/calls/{dialer.call}/external-events", json={"event": "answered"}
    )

    assert answer.status_code == 403, answer.text
    assert not dialer.live()["answered"]


def test_only_who_placed_a_call_carries_it(office: Office) -> None:
    dialer = Dialer(office)
    with office.node.store.engine.begin() as connection:
        _, same = tokens.make(connection, office.user, "another", SCOPES, utc_now())
    other = add(office.site, UserRole.AGENT, name="other")
    with office.node.store.engine.begin() as connection:
        _, others = tokens.make(connection, other, "another", SCOPES, utc_now())
        _, reads = tokens.make(connection, office.user, "reader", ["calls.read"], utc_now())

    for token in (same, others, reads, "unknown"):
        with pytest.raises(InvalidStatus) as refused:
            office.socket(dialer.call, authorization=f"Bearer {token}")
        assert refused.value.response.status_code == 403
        answer = office.client(token).post(
            f"{API}/calls/{dialer.call}/external-events", json={"event": "answered"}
        )
        assert answer.status_code in (401, 403)
    assert not dialer.live()["answered"]


def test_a_page_elsewhere_cannot_send_frames_with_somebodys_cookie(office: Office) -> None:
    dialer = Dialer(office)
    origin = f"http://127.0.0.1:{office.port}"
    with httpx.Client(base_url=origin, headers={"origin": origin}) as browser:
        browser.post("/sign-in", data={"email": office.user.email, "password": PASSWORD})
        cookie = f"askfirst={browser.cookies['askfirst']}"
        placed = browser.post(f"{API}/calls", json=ELSEWHERE).json()

    with pytest.raises(InvalidStatus):
        office.socket(placed["call"], cookie=cookie, origin="https://evil.example")
    with pytest.raises(InvalidStatus):
        office.socket(dialer.call, cookie=cookie, origin=origin)
    office.socket(placed["call"], cookie=cookie, origin=origin).close()


def test_a_second_connection_is_refused_while_the_first_stands(office: Office) -> None:
    dialer = Dialer(office)

    second = office.socket(dialer.call)
    with pytest.raises(ConnectionClosed) as closed:
        second.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert dialer.live()["connected"]


def test_a_token_that_is_revoked_loses_its_connection(office: Office) -> None:
    dialer = Dialer(office)
    dialer.consented()
    live = office.site.carrier.desk.get(dialer.call)
    with office.node.store.engine.begin() as connection:
        (token,) = tokens.of_user(connection, office.user.id)
        tokens.revoke(connection, office.user.id, token.id, utc_now())

    with pytest.raises(ConnectionClosed):
        dialer.speak(QUIET, PATIENCE_FRAMES)
    assert live.call.facts.because.value == "failed"


def test_somebody_who_joins_shuts_the_gate_and_has_a_leg_of_their_own(office: Office) -> None:
    dialer = Dialer(office)
    dialer.consented()

    joined = dialer.post("external-events", event="joined", number="+493023125018")

    assert joined["party"] == 2
    assert not is_open(joined)
    start_ms = dialer.sent * FRAME_MS
    dialer.socket.send(struct.pack(">BI", 2, start_ms) + MARKER[0])
    dialer.speak(QUIET, 5)
    assert dialer.live()["connected"], "the new leg is known"
    dialer.post("external-events", event="ended")
    settled(office, dialer.call)
    assert not search(office.node.store, [office.node.store.folder], []).marker_found


def settled(office: Office, call: str) -> dict[str, Any]:
    """The call once it is settled and its jobs have ended."""
    client = office.client()
    for _ in range(PATIENCE_FRAMES):
        found: dict[str, Any] = client.get(f"{API}/calls/{call}").json()
        if found["outcome"]["code"] is not None:
            break
        time.sleep(FRAME_MS / 1000)
    office.node.jobs.wait()
    return found


def test_a_check_that_fails_shuts_the_gate_and_ends_the_connection(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialer = Dialer(office)
    dialer.consented()

    def broken(_visit: object) -> None:
        raise RuntimeError("the database is locked")

    monkeypatch.setattr(api_external, "present_user", broken)

    with pytest.raises(ConnectionClosed) as closed:
        dialer.speak(QUIET, PATIENCE_FRAMES)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011
    assert is_shut(dialer.live())


def test_the_proof_says_that_a_dialer_reported_the_key(office: Office) -> None:
    dialer = Dialer(office)
    dialer.consented()
    dialer.post("external-events", event="ended")
    settled(office, dialer.call)

    query = sa.select(consents).where(consents.c.call == dialer.call)
    found = {(each.kind, each.how, each.proof) for each in rig.rows(office.node.store, query)}
    assert ("agreed", "reported", 4) in found
    assert not [each for each in found if each[1] == "keypad"]
    origin = f"http://127.0.0.1:{office.port}"
    with httpx.Client(base_url=origin, headers={"origin": origin}) as browser:
        browser.post("/sign-in", data={"email": office.user.email, "password": PASSWORD})
        assert "the dialer reported a key" in browser.get(f"/calls/{dialer.call}").text


def test_a_key_that_a_browser_s_session_reports_is_no_more_than_a_word(office: Office) -> None:
    origin = f"http://127.0.0.1:{office.port}"
    browser = office.open.enter_context(httpx.Client(base_url=origin, headers={"origin": origin}))
    browser.post("/sign-in", data={"email": office.user.email, "password": PASSWORD})
    call = browser.post(f"{API}/calls", json=ELSEWHERE).json()["call"]
    cookie = f"askfirst={browser.cookies['askfirst']}"
    office.socket(call, cookie=cookie, origin=origin)

    def post(path: str, **content: object) -> dict[str, Any]:
        answer = browser.post(f"{API}/calls/{call}/{path}", json=content)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    post("external-events", event="answered")
    post("telling")
    post("consents", kind="informed")
    post("external-events", event="dtmf", party=1, digit="1")
    post("hangup")
    settled(office, call)

    query = sa.select(consents).where(consents.c.call == call, consents.c.kind == "agreed")
    assert [(each.how, each.proof) for each in rig.rows(office.node.store, query)] == [
        ("reported", 1)
    ]


def test_whoever_joins_is_kept_under_the_number_that_is_searched_for(office: Office) -> None:
    dialer = Dialer(office)
    dialer.answer()
    given = {
        "0049 30 2312 5018": None,
        "+49 30 23125018": "+493023125018",
        "reception": "reception",
    }

    for number, kept in given.items():
        answer = dialer.http.post(
            f"{API}/calls/{dialer.call}/external-events", json={"event": "joined", "number": number}
        )
        assert answer.status_code == (422 if kept is None else 200), answer.text
    dialer.post("hangup")
    settled(office, dialer.call)

    query = sa.select(parties).where(parties.c.call == dialer.call)
    numbers = [
        each.number
        for each in rig.rows(office.node.store, query.order_by(parties.c.number_in_call))
    ]
    assert numbers == [None, ELSEWHERE["to"], "+493023125018", "reception"]


@pytest.mark.parametrize("to", ["22 33 44 55 66 77 88", "tel:+4722334455", "\u0000", "\ud800", " "])
def test_what_may_be_a_number_and_is_none_is_not_called(office: Office, to: str) -> None:
    body = json.dumps({"to": to, "provider": "external"})  # with halves of characters as escapes

    answer = office.client().post(
        f"{API}/calls", content=body, headers={"content-type": "application/json"}
    )

    assert (answer.status_code, office.site.carrier.desk.all()) == (422, ())


def test_nothing_can_be_announced_by_us(office: Office) -> None:
    dialer = Dialer(office)
    dialer.answer()

    answer = dialer.http.post(f"{API}/calls/{dialer.call}/announcement")

    assert answer.status_code == 403, answer.text
    assert not dialer.live()["wanted"]


def test_a_demo_number_is_called_by_the_simulator_only(office: Office) -> None:
    demo = {"to": rig.NORWAY, "provider": "external"}
    refused = office.client().post(f"{API}/calls", json=demo)
    assert (refused.status_code, office.site.carrier.desk.all()) == (422, ())
