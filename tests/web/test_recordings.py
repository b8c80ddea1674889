"""Recordings on their page and over HTTP: who gets what, what is written down, what is refused."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, browser, problem, signed_in

from askfirst.audio.container import decode
from askfirst.errors import Unavailable
from askfirst.rules import packaged
from askfirst.server import account, accounts, erasure, legalholds
from askfirst.server.access import UserRole
from askfirst.server.accounttables import audit
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, ledger_entries, transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.vconread import read
from askfirst.web import callpage
from askfirst.web.carrying import Carrier
from askfirst.web.recordingview import clock
from askfirst.web.visit import Site

NORTH, SOUTH = "north", "south"
NOBODYS = "rec_" + "0" * 32
WHY = {"reason": "Claim by Nora Lie"}


@dataclass(frozen=True)
class Office:
    """An installation with one recorded call, made by an agent of the team north."""

    site: Site
    recorded: rig.Recorded
    agent: accounts.User

    @property
    def api(self) -> str:
        return f"/api/v1/recordings/{self.recorded.id}"

    @property
    def page(self) -> str:
        return f"/calls/{self.recorded.call}"

    def somebody(self, role: UserRole, team: str | None = None) -> TestClient:
        return signed_in(self.site, add(self.site, role, team, name=f"{role.value}-{team}"))

    def link(self, client: TestClient) -> dict[str, str]:
        made = client.post(f"{self.api}/links", json={"purpose": "dispute", "seconds": 60})
        assert made.status_code == 201, made.text
        return {"link": str(made.json()["url"]).partition("link=")[2]}

    def entries(self, kind: str) -> list[dict[str, Any]]:
        found = self.site.store.ledger.entries(self.recorded.call)
        return [entry for _, entry in found if str(entry["kind"]).startswith(kind)]

    @property
    def accesses(self) -> list[tuple[str, str]]:
        return [
            (each["kind"], each["data"]["purpose"])
            for each in self.entries("access.")
            if "purpose" in each["data"]
        ]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    node = Node.open(tmp_path / "data", Scripted())
    recorded = rig.record(node, tmp_path / "callee")
    store = node.store
    site = Site(
        store, Settings(data=tmp_path / "data"), packaged(), Listening(store), Carrier(node)
    )
    with store.engine.begin() as connection:
        stated = {"company": "Nordlys AS", "retention_days": 90}
        account.change(connection, stated, None, utc_now())
    agent = add(site, UserRole.AGENT, NORTH)
    with store.engine.begin() as connection:
        connection.execute(calls.update().values(agent=agent.id))
    yield Office(site, recorded, agent)
    node.close()


ROUTES = [
    ("GET", "/peaks"),
    ("GET", "/vcon"),
    ("GET", "/bundle"),
    ("PUT", "/hold"),
    ("DELETE", "/hold"),
]


def test_nobody_gets_anything_without_signing_in(office: Office) -> None:
    client = browser(office.site)

    for method, path in ROUTES:
        answer = client.request(method, office.api + path, json=WHY)
        assert (answer.status_code, problem(answer)) == (401, "urn:askfirst:problem:signed-out")
    assert client.get("/api/v1/recordings").status_code == 401
    assert client.get("/api/v1/access-events").status_code == 401
    assert office.accesses == []


def test_a_recording_that_is_not_there_is_not_found(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    links = office.link(client)

    for method, path in ROUTES:
        answer = client.request(
            method, f"/api/v1/recordings/{NOBODYS}{path}", params=links, json=WHY
        )
        assert (answer.status_code, problem(answer)) == (404, "urn:askfirst:problem:not-found"), (
            path
        )


@pytest.mark.parametrize(
    ("role", "team", "sees", "exports", "holds"),
    [
        (UserRole.AGENT, NORTH, False, False, False),
        (UserRole.SUPERVISOR, SOUTH, False, False, False),
        (UserRole.SUPERVISOR, None, False, False, False),
        (UserRole.SUPERVISOR, NORTH, True, True, False),
        (UserRole.COMPLIANCE, None, True, True, True),
        (UserRole.ADMIN, NORTH, False, False, False),
        (UserRole.AUDITOR, NORTH, False, False, False),
    ],
)
def test_somebody_gets_as_far_as_their_role_and_team(
    office: Office, role: UserRole, team: str | None, *, sees: bool, exports: bool, holds: bool
) -> None:
    client = office.somebody(role, team)
    links = office.link(client) if sees else {"link": "x"}

    assert client.get(f"{office.api}/peaks").status_code == (200 if sees else 403)
    for path in ("/vcon", "/bundle"):
        answer = client.get(office.api + path, params=links)
        assert answer.status_code == (200 if exports else 403), path
    for method in ("PUT", "DELETE"):
        answer = client.request(method, f"{office.api}/hold", json=WHY)
        assert answer.status_code == (200 if holds else 403)
    assert client.get(f"{office.page}/erase").status_code == (200 if holds else 403)
    if not holds:
        assert client.post(f"{office.page}/erase").status_code == 403
        assert office.recorded.row.state == "ready"
    exported = client.post(f"{office.page}/export", data={"purpose": "dispute", "wanted": "audio"})
    assert exported.status_code == (200 if exports else 403)


def test_an_agent_sees_their_own_recording_and_exports_nothing(office: Office) -> None:
    client = signed_in(office.site, office.agent)
    listed = client.get("/api/v1/recordings").json()["recordings"]

    assert [each["id"] for each in listed] == [office.recorded.id]
    assert client.get(f"{office.api}/peaks").status_code == 200
    assert client.get(f"{office.api}/vcon", params=office.link(client)).status_code == 403


def test_peaks_are_given_with_their_map_and_reading_them_is_written_down(office: Office) -> None:
    client = signed_in(office.site, office.agent)

    found = client.get(f"{office.api}/peaks").json()
    client.get(f"{office.api}/peaks", params=office.link(client))

    assert found["duration_ms"] == office.recorded.row.duration_ms
    assert len(found["channels"]) == 2
    lasts = sum(each["to_ms"] - each["from_ms"] for each in found["segments"])
    assert lasts == found["duration_ms"]
    assert sum(found["talk_ms"]) + found["silence_ms"] == found["duration_ms"]
    assert office.accesses == [("access.read", "peaks"), ("access.read", "dispute")]


def test_peaks_that_cannot_be_written_down_are_not_given(office: Office) -> None:
    client = signed_in(office.site, office.agent)

    with rig.unwritable(office.site.store):
        answer = client.get(f"{office.api}/peaks")

    assert answer.status_code == 503
    assert "channels" not in answer.text


@pytest.mark.parametrize("state", ["checking", "quarantined", "erased"])
def test_peaks_and_player_are_for_ready_recordings_only(office: Office, state: str) -> None:
    client = signed_in(office.site, office.agent)
    rig.change(office.site.store, office.recorded.id, state=state)

    assert client.get(f"{office.api}/peaks").status_code == 403
    shown = client.post(f"{office.page}/listen", data={"purpose": "dispute"})
    assert "<askfirst-player" not in shown.text
    assert "data-picture" not in shown.text
    assert office.accesses == []


def test_an_export_needs_a_link_that_holds(office: Office) -> None:
    officer = office.somebody(UserRole.COMPLIANCE)
    other = office.somebody(UserRole.SUPERVISOR, NORTH)
    links = office.link(other)

    for path in ("/vcon", "/bundle"):
        for given in ({}, {"link": "1.dispute.x.y"}, links):
            answer = officer.get(office.api + path, params=given)
            assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert office.accesses == []


@pytest.mark.parametrize("wanted", ["audio", "vcon", "bundle"])
def test_an_export_says_why_where_the_account_wants_a_reason(office: Office, wanted: str) -> None:
    with transaction(office.site.store.engine) as connection:
        account.change(connection, {"asks_reason": True}, None, utc_now())
    officer = office.somebody(UserRole.COMPLIANCE)
    form = {"purpose": "dispute", "wanted": wanted}
    assert 'id="export-reason"' in officer.get(office.page).text

    for empty in ({}, {"reason": "  "}, {"reason": "no"}):
        assert officer.post(f"{office.page}/export", data={**form, **empty}).status_code == 422
    assert office.accesses == [], "nothing was handed on"
    reason = {"reason": "Klage fra Nora"}
    assert officer.post(f"{office.page}/export", data={**form, **reason}).status_code == 200

    assert office.accesses == [("access.exported", "dispute")]
    assert "Klage fra Nora" in signed_in(office.site, office.agent).get("/me").text
    assert "Nora" not in "".join(map(str, office.site.store.ledger.entries()))


def test_a_vcon_holds_the_sound_and_its_export_is_written_down(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)

    answer = client.get(f"{office.api}/vcon", params=office.link(client))

    assert read(answer.json()).has_recording
    assert answer.headers["content-disposition"].startswith("attachment")
    assert office.accesses == [("access.exported", "dispute")]


def test_a_vcon_without_sound_is_an_access_too(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    rig.change(office.site.store, office.recorded.id, state="quarantined")

    answer = client.get(f"{office.api}/vcon", params=office.link(client))

    assert not read(answer.json()).has_recording
    assert office.accesses == [("access.exported", "dispute")]


def test_a_bundle_holds_its_own_export(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)

    answer = client.get(f"{office.api}/bundle", params=office.link(client))

    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        lines = found.read("entries.jsonl").decode().splitlines()
    assert "access.exported" in json.loads(lines[-1])["entry"]


@pytest.mark.parametrize("wanted", ["vcon", "bundle", "audio"])
def test_the_page_hands_on_for_a_stated_purpose_only(office: Office, wanted: str) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    where = f"{office.page}/export"

    for data in (
        {"wanted": wanted},
        {"wanted": "mp3", "purpose": "dispute"},
        {"wanted": wanted, "purpose": "x"},
    ):
        assert client.post(where, data=data).status_code == 422
    assert office.accesses == []
    answer = client.post(where, data={"wanted": wanted, "purpose": "subject-request"})

    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert office.accesses == [("access.exported", "subject-request")]
    if wanted == "audio":
        assert decode(answer.content)[0].shape[0] == 2


def test_a_process_that_carries_nothing_exports_nothing(office: Office) -> None:
    idle = Site(office.site.store, office.site.settings, office.site.rules, office.site.listening)
    client = signed_in(idle, add(idle, UserRole.COMPLIANCE))

    assert client.get(f"{office.api}/vcon", params=office.link(client)).status_code == 503
    assert office.accesses == []


def test_the_list_is_narrowed_and_goes_on_behind_its_last(office: Office, tmp_path: Path) -> None:
    second = rig.record(office.recorded.node, tmp_path / "second")  # nobody's call
    officer = office.somebody(UserRole.COMPLIANCE)

    first = officer.get("/api/v1/recordings", params={"limit": 1}).json()
    rest = officer.get("/api/v1/recordings", params={"limit": 1, "before": first["next"]}).json()
    last = officer.get("/api/v1/recordings", params={"before": rest["next"]}).json()

    assert [each["id"] for each in first["recordings"] + rest["recordings"]] == [
        second.id,
        office.recorded.id,
    ]
    assert last == {"recordings": [], "next": None}
    legalholds.place(office.site.store, second.id, "usr_" + "1" * 32, "a claim", utc_now())
    held = officer.get("/api/v1/recordings", params={"legal_hold": True}).json()["recordings"]
    assert [(each["id"], each["legal_hold"]) for each in held] == [(second.id, True)]
    assert officer.get("/api/v1/recordings", params={"state": "erased"}).json()["recordings"] == []
    assert officer.get("/api/v1/recordings", params={"state": "lost"}).status_code == 422
    others = office.somebody(UserRole.SUPERVISOR, SOUTH).get("/api/v1/recordings").json()
    assert others == {"recordings": [], "next": None}
    assert office.somebody(UserRole.ADMIN).get("/api/v1/recordings").status_code == 403


@pytest.mark.parametrize(
    ("role", "team", "sees"),
    [
        (UserRole.AGENT, NORTH, False),
        (UserRole.SUPERVISOR, SOUTH, False),
        (UserRole.SUPERVISOR, NORTH, True),
        (UserRole.COMPLIANCE, None, True),
        (UserRole.ADMIN, None, True),
        (UserRole.AUDITOR, None, True),
    ],
)
def test_accesses_are_seen_as_far_as_calls_or_the_audit_log(
    office: Office, role: UserRole, team: str | None, *, sees: bool
) -> None:
    listener = signed_in(office.site, office.agent)
    listener.get(f"{office.api}/peaks")

    events = office.somebody(role, team).get("/api/v1/access-events").json()["events"]

    assert [(each["recording"], each["person"]) for each in events] == (
        [(office.recorded.id, office.agent.id)] if sees else []
    )


def test_the_recorded_agent_sees_who_opened_their_call(office: Office) -> None:
    officer = office.somebody(UserRole.COMPLIANCE)
    for _ in range(3):
        officer.get(f"{office.api}/peaks")
    own = signed_in(office.site, office.agent)

    first = own.get("/api/v1/access-events", params={"limit": 2}).json()
    rest = own.get("/api/v1/access-events", params={"limit": 2, "before": first["next"]}).json()

    found = first["events"] + rest["events"]
    assert [each["name"] for each in found] == ["Compliance-None"] * 3
    assert {each["purpose"] for each in found} == {"peaks"}
    positions = [each["ledger"] for each in found]
    assert positions == sorted(set(positions), reverse=True)
    assert rest["next"] is None


def test_a_hold_over_http_keeps_its_reason_out_of_the_ledger(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)

    assert client.put(f"{office.api}/hold", json={"reason": ""}).status_code == 422
    assert client.put(f"{office.api}/hold", json={}).status_code == 422
    assert not office.recorded.row.legal_hold
    assert client.put(f"{office.api}/hold", json=WHY).json()["legal_hold"] is True
    assert office.recorded.row.legal_hold
    assert client.request("DELETE", f"{office.api}/hold", json=WHY).json()["legal_hold"] is False
    assert not office.recorded.row.legal_hold

    assert len(office.entries("legal-hold.")) == 2
    assert "Nora" not in json.dumps(office.entries(""))


def test_the_page_of_a_held_recording_says_why_and_refuses_to_erase(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    assert client.post(f"{office.page}/hold", data={"reason": "x"}).status_code == 422
    placed = client.post(f"{office.page}/hold", data=WHY)
    assert (placed.status_code, placed.headers["location"]) == (303, office.page)

    assert WHY["reason"] in client.get(office.page).text
    assert WHY["reason"] not in signed_in(office.site, office.agent).get(office.page).text
    assert "Erase for good" not in client.get(f"{office.page}/erase").text
    refused = client.post(f"{office.page}/erase")

    assert refused.status_code == 403
    assert "legal hold" in refused.text
    assert office.recorded.row.state == "ready", "and it is not locked away either"
    assert client.post(f"{office.page}/release", data=WHY).status_code == 303
    assert client.post(f"{office.page}/erase").status_code == 303
    assert office.recorded.row.state == "erased"


def test_a_mandatory_recording_is_not_erased(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    rig.change(office.site.store, office.recorded.id, mandatory="mifid2")

    assert "MiFID" in client.get(office.page).text
    assert "Erase for good" not in client.get(f"{office.page}/erase").text
    assert client.post(f"{office.page}/erase").status_code == 403
    assert office.recorded.row.state == "ready"


def test_a_recording_of_a_call_that_goes_on_is_not_erased(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    with office.site.store.engine.begin() as connection:
        connection.execute(calls.update().values(ended_at=None))

    assert "Erase for good" not in client.get(f"{office.page}/erase").text
    assert client.post(f"{office.page}/erase").status_code == 403
    assert office.recorded.row.state == "ready"


def test_erasing_is_confirmed_first_and_says_on_the_page_what_became_of_it(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    assert "Erase for good" in client.get(f"{office.page}/erase").text
    assert office.recorded.row.state == "ready"

    assert client.post(f"{office.page}/erase").status_code == 303
    assert client.post(f"{office.page}/erase").status_code == 303

    page = client.get(office.page).text
    assert "This recording was erased on" in page
    assert "somebody asked for it" in page
    assert "/listen" not in page
    with office.site.store.engine.connect() as connection:
        noted = connection.execute(audit.select().where(audit.c.action == "recording.erase")).all()
    assert [row.object for row in noted] == [office.recorded.id]


def test_an_erasure_that_has_to_wait_is_told_of(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office.somebody(UserRole.COMPLIANCE)

    def refuse(*_: object) -> None:
        raise Unavailable("the disk does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "destroy", refuse)
        assert client.post(f"{office.page}/erase").status_code == 303
    assert "Its erasure is ordered" in client.get(office.page).text

    assert erasure.carry_out(office.site.store, utc_now()) == 1
    assert office.recorded.row.state == "erased"


def test_looking_at_a_call_loads_no_sound_and_writes_nothing(office: Office) -> None:
    client = signed_in(office.site, office.agent)

    page = client.get(office.page).text

    assert "<askfirst-player" not in page
    assert "data-picture" not in page
    assert 'class="line-text"' not in page
    assert office.accesses == []


def test_opening_is_written_down_at_once_and_playing_when_it_is_played(office: Office) -> None:
    client = signed_in(office.site, office.agent)

    page = client.post(f"{office.page}/listen", data={"purpose": "training"}).text
    assert 'preload="none"' in page
    assert office.accesses == [("access.read", "training")]
    url = re.search(r'<audio controls[^>]* src="([^"]+)"', page)
    assert url
    assert client.get(url[1]).status_code == 200

    assert office.accesses == [("access.read", "training"), ("access.played", "training")]


def test_what_cannot_be_written_down_is_not_opened(office: Office) -> None:
    client = signed_in(office.site, office.agent)

    with rig.unwritable(office.site.store):
        answer = client.post(f"{office.page}/listen", data={"purpose": "training"})

    assert answer.status_code == 503
    assert "data-picture" not in answer.text


def picture(office: Office, client: TestClient) -> dict[str, Any]:
    """What the page gives the player to draw."""
    page = client.post(f"{office.page}/listen", data={"purpose": "training"}).text
    found = re.search(r'data-picture="([^"]*)"', page)
    assert found
    drawn: dict[str, Any] = json.loads(found[1].replace("&#34;", '"').replace("&amp;", "&"))
    return drawn


def test_the_player_is_given_lanes_gaps_and_marks_in_call_time(office: Office) -> None:
    drawn = picture(office, signed_in(office.site, office.agent))

    assert drawn["lanes"] == ["You", "They"]
    first = drawn["gaps"][0]
    assert first["from_ms"] == 0
    opened = [each["from_ms"] for each in drawn["stretches"] if each["kind"] == "open"]
    began = [each["at_ms"] for each in drawn["marks"] if each["kind"] == "began"]
    assert began == opened
    assert {each["kind"] for each in drawn["marks"]} == {"began", "consent"}
    assert drawn["end_ms"] >= max(each["to_ms"] for each in drawn["stretches"])
    officer = picture(office, office.somebody(UserRole.COMPLIANCE))
    assert officer["lanes"] == [office.agent.name, "They"]


def test_the_called_side_is_the_second_lane_whoever_called(office: Office) -> None:
    with office.site.store.engine.begin() as connection:
        connection.execute(calls.update().values(direction="inbound"))

    drawn = picture(office, signed_in(office.site, office.agent))

    assert (drawn["own"], drawn["lanes"]) == (1, ["They", "You"])


def test_the_page_says_where_in_the_ledger_and_that_it_holds(office: Office) -> None:
    client = signed_in(office.site, office.agent)
    assert "The ledger holds" in client.get(office.page).text

    with office.site.store.engine.begin() as connection:
        connection.execute(
            ledger_entries.update()
            .where(ledger_entries.c.position == 1)
            .values(entry='{"call":null,"data":{},"kind":"call.answered"}')
        )

    page = client.get(office.page).text
    assert "The ledger does not hold" in page
    assert "ledger entry 1 was changed" in page


def test_a_long_ledger_is_checked_on_request_of_who_may_read_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callpage, "CHECKED_AT_ONCE", 3)
    officer, agent = office.somebody(UserRole.COMPLIANCE), signed_in(office.site, office.agent)

    assert "Check the ledger" in officer.get(office.page).text
    assert "The ledger holds" in officer.get(f"{office.page}?check=ledger").text
    unasked = agent.get(f"{office.page}?check=ledger").text
    assert "The ledger holds" not in unasked
    assert "Check the ledger" not in unasked


@pytest.mark.parametrize(
    ("ms", "said"),
    [(-5, "00:00"), (999, "00:00"), (251_999, "04:11"), (3_600_000, "1:00:00")],
)
def test_a_player_counts_minutes_and_then_hours(ms: int, said: str) -> None:
    assert clock(ms) == said
