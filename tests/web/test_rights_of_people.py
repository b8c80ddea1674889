"""What people may ask for over HTTP: erasure, requests, and what a search and the ledger say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.people import draft, meet
from tests.web.conftest import add, problem, signed_in

from askfirst.ledger import commit
from askfirst.rules import packaged
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.accounttables import audit
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.requesttables import subject_requests
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.visit import Site

WORDS = "Wants the blue one, on Thursdays"


@dataclass(frozen=True)
class Office:
    """One recorded call to Norway with notes, a contact who has the number, and an officer."""

    site: Site
    recorded: rig.Recorded
    contact: str
    agent: accounts.User
    officer: TestClient

    def erase(self, **body: object) -> dict[str, object]:
        answer = self.officer.post("/api/v1/erasures", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    node = Node.open(tmp_path / "data", Scripted())
    recorded = rig.record(node, tmp_path / "callee")
    site = Site(node.store, Settings(data=tmp_path / "data"), packaged(), Listening(node.store))
    with node.store.engine.begin() as connection:
        stated = {"company": "Nordlys AS", "retention_days": 90}
        account.change(connection, stated, None, utc_now())
    agent = add(site, UserRole.AGENT, "north")
    with node.store.engine.begin() as connection:
        connection.execute(calls.update().values(agent=agent.id))
    contact = meet(node.store, draft("Nora Lie", rig.NORWAY, company="Harbor"))
    notes = f"/api/v1/calls/{recorded.call}/notes"
    written = {"version": 0, "notes": WORDS, "follow_up_on": "2026-12-24"}
    assert signed_in(site, agent).put(notes, json=written).status_code == 200
    yield Office(site, recorded, contact, agent, signed_in(site, add(site, UserRole.COMPLIANCE)))
    node.close()


def test_a_recording_under_hold_stays_and_says_so(office: Office) -> None:
    rig.change(office.site.store, office.recorded.id, legal_hold=True)

    found = office.erase(recording=office.recorded.id)

    assert found["items"] == [{"id": office.recorded.id, "outcome": "held"}]
    assert len(office.site.store.blobs.names()) >= 1


def test_a_call_that_goes_on_is_not_torn_apart(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        connection.execute(calls.update().values(ended_at=None))

    found = office.erase(number=rig.NORWAY)

    assert found["items"] == [{"id": office.recorded.id, "outcome": "running"}]
    assert found["forgotten_in"] == 0
    assert len(office.site.store.blobs.names()) >= 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"number": rig.NORWAY, "recording": "rec_1"},
        {"number": "not a number"},
        {"number": rig.NORWAY, "hurry": True},
    ],
)
def test_an_erasure_names_exactly_one(office: Office, body: dict[str, object]) -> None:
    answer = office.officer.post("/api/v1/erasures", json=body)

    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-request")
    assert office.recorded.row.state == "ready"


@pytest.mark.parametrize(
    "body", [{"recording": "rec_1"}, {"contact": "pers_1"}, {"number": "+4721000001"}]
)
def test_what_is_not_there_is_not_found(office: Office, body: dict[str, object]) -> None:
    assert office.officer.post("/api/v1/erasures", json=body).status_code == 404


@pytest.mark.parametrize("name", ["number", "contact"])
def test_a_dry_run_says_what_would_go_and_then_it_goes(office: Office, name: str) -> None:
    body = {"number": rig.NORWAY} if name == "number" else {"contact": office.contact}
    store = office.site.store

    would = office.erase(**body, dry_run=True)

    item = {"id": office.recorded.id, "outcome": "would-erase"}
    void = datetime.fromisoformat(str(would.pop("backups_void_at")))
    assert timedelta(days=13) < void - utc_now() <= timedelta(days=14)
    assert would == {
        "dry_run": True, "items": [item], "calls": 1, "notes": 1, "forgotten_in": 0,
        "traces_left": False,
    }  # fmt: skip
    assert office.recorded.row.state == "ready"
    done = office.erase(**body)
    assert (done["items"], done["forgotten_in"]) == ([{**item, "outcome": "erased"}], 1)
    assert store.blobs.names() == []
    for path in store.folder.glob("askfirst.db*"):
        content = path.read_bytes()
        assert all(each.encode() not in content for each in (rig.NORWAY, WORDS, "Nora Lie"))
    assert store.ledger.verify().size == len(rig.kinds(store))


def test_a_contact_without_a_number_is_forgotten_too(office: Office) -> None:
    nameless = meet(office.site.store, draft("Only A Name"))

    office.erase(contact=nameless)

    assert office.officer.get(f"/api/v1/contacts/{nameless}").status_code == 404


def test_the_audit_log_names_no_number(office: Office) -> None:
    office.erase(number=rig.NORWAY)

    lines = rig.rows(office.site.store, sa.select(audit))
    assert "erasure.ordered" in {row.action for row in lines}
    assert rig.NORWAY not in json.dumps([[row.object, row.detail] for row in lines])


def test_a_request_has_a_deadline_and_is_bound_to_its_number_without_keeping_it(
    office: Office,
) -> None:
    other = "+4721000001"
    body = {"kind": "access", "number": other}

    made = office.officer.post("/api/v1/subject-requests", json=body)

    assert made.status_code == 201
    (row,) = rig.rows(office.site.store, sa.select(subject_requests))
    assert row.due_at - row.received_at == timedelta(days=30)
    assert row.person == commit(office.site.store.keys.salt(row.id), other)
    assert other not in json.dumps([str(each) for each in row])
    assert made.json()["found"] == {
        "calls": 0, "recordings": 0, "transcripts": 0, "consents": 0,
        "notes": 0, "standing": 0, "follow_ups": 0, "contacts": 0
    }  # fmt: skip


def test_a_request_counts_what_there_is_and_is_listed_by_its_day(office: Office) -> None:
    for kind, body in (
        ("erasure", {"number": rig.NORWAY}),
        ("objection", {"contact": office.contact}),
    ):
        made = office.officer.post("/api/v1/subject-requests", json={"kind": kind, **body}).json()
        assert made["contact"] == office.contact
        assert made["found"] == {
            "calls": 1, "recordings": 1, "transcripts": 1, "consents": 1,
            "notes": 1, "standing": 0, "follow_ups": 1, "contacts": 1
        }  # fmt: skip

    listed = office.officer.get("/api/v1/subject-requests").json()["requests"]

    assert [each["kind"] for each in listed] == ["erasure", "objection"]


@pytest.mark.parametrize(
    "body",
    [{"kind": "access"}, {"kind": "gift", "number": rig.NORWAY}, {"number": rig.NORWAY}],
)
def test_a_request_that_says_too_little_is_refused(office: Office, body: dict[str, object]) -> None:
    assert office.officer.post("/api/v1/subject-requests", json=body).status_code == 422
    assert rig.rows(office.site.store, sa.select(subject_requests)) == []


@pytest.mark.parametrize(
    ("words", "found_in"),
    [("blue thursdays", "notes"), ("BLUE", "notes"), ("nora", "contact"), ("harbor", "contact"),
     (rig.NORWAY, "contact")],
)  # fmt: skip
def test_a_search_finds_calls_by_people_and_notes(
    office: Office, words: str, found_in: str
) -> None:
    found = office.officer.get("/api/v1/search", params={"q": words}).json()

    (hit,) = found["calls"]
    assert (hit["id"], hit["found_in"]) == (office.recorded.call, found_in)
    assert (hit["text"] == WORDS) is (found_in == "notes")
    assert [each["id"] for each in found["contacts"]] == [office.contact] * (found_in == "contact")


def test_a_hit_that_is_opened_is_written_down(office: Office) -> None:
    (hit,) = office.officer.get("/api/v1/search", params={"q": "blue"}).json()["calls"]

    def found() -> int:
        kinds = [entry["kind"] for _, entry in office.site.store.ledger.entries(hit["id"])]
        return kinds.count("access.found")

    assert found() == 0
    page = office.officer.get(hit["url"])
    again = office.officer.get(f"/api/v1/calls/{hit['id']}", params={"found": True})

    assert (page.status_code, again.status_code, found()) == (200, 200, 2)
    assert "opened the call from a search" in page.text
    assert office.officer.get(f"/calls/{hit['id']}").status_code == 200
    assert found() == 2


def test_a_search_reaches_no_further_than_the_person(office: Office) -> None:
    far = signed_in(office.site, add(office.site, UserRole.SUPERVISOR, "south", name="far"))

    for words in ("blue", "nora", rig.NORWAY):
        assert far.get("/api/v1/search", params={"q": words}).json()["calls"] == []
    nothing: dict[str, object] = {"contacts": [], "calls": [], "next": None, "index": "ready"}
    assert far.get("/api/v1/search", params={"q": "red"}).json() == nothing


@pytest.mark.parametrize("words", ["", " ", "x" * 201, "\0"])
def test_a_search_for_nothing_is_refused(office: Office, words: str) -> None:
    answer = office.officer.get("/api/v1/search", params={"q": words})

    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-request")


def test_the_ledger_shows_checkpoint_entries_and_proofs_that_fit(office: Office) -> None:
    head = office.officer.get("/api/v1/ledger/checkpoint").json()
    assert head["key"] == office.site.store.ledger.verifier_key

    proof = office.officer.get("/api/v1/ledger/proofs/0").json()
    entry = office.officer.get("/api/v1/ledger/entries/0").json()

    assert proof["checkpoint"] == head["checkpoint"]
    assert entry["entry"]["kind"] in {kind.value for kind in rig.Kind}
    size = proof["size"]
    assert office.officer.get(f"/api/v1/ledger/entries/{size}").status_code == 404
    assert office.officer.get(f"/api/v1/ledger/proofs/{size}").status_code == 404
    assert office.officer.get("/api/v1/ledger/entries/-1").status_code == 404
    assert office.officer.get("/api/v1/ledger/entries/first").status_code == 422
