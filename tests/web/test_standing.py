"""Standing consents over HTTP and on pages: filed, shown, opened by few, withdrawn by many."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server.people import draft, meet
from tests.server.standingrig import GERMANY, PDF, filing, today
from tests.web.conftest import add, signed_in

from askfirst.ledger import Kind
from askfirst.server import standingconsents
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import ledger_entries, reading
from askfirst.web.visit import Site

API = "/api/v1"
BODY: dict[str, Any] = {
    "purposes": ["training", "quality"],
    "uses": ["record", "transcribe", "analyse"],
    "elements": ["intent_to_record", "consent_request"],
    "language": "de",
    "given_on": today().isoformat(),
    "document": base64.b64encode(PDF).decode(),
}


@pytest.fixture
def contact(ready: Site) -> str:
    return meet(ready.store, draft("Ada Lovelace", GERMANY))


@pytest.fixture
def officer(ready: Site) -> TestClient:
    """A browser in which somebody of compliance is signed in."""
    return signed_in(ready, add(ready, UserRole.COMPLIANCE))


@pytest.fixture
def agent(ready: Site) -> TestClient:
    """A browser in which an agent is signed in."""
    return signed_in(ready, add(ready, UserRole.AGENT))


def of(contact: str) -> str:
    return f"/contacts/{contact}/standing-consents"


def entered(site: Site, kind: Kind) -> int:
    with reading(site.store.engine) as connection:
        rows = connection.execute(ledger_entries.select()).all()
    return sum(f'"kind":"{kind.value}"' in row.entry for row in rows)


# What is refused


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("document", "not base64!"),
        ("document", base64.b64encode(b"MZ\x90\x00").decode()),
        ("document", None),
        ("purposes", []),
        ("uses", ["answer"]),
        ("elements", ["beep"]),
        ("language", "tlh"),
        ("given_on", "2999-01-01"),
        ("ends_on", "2001-01-01"),
        ("numbers", ["12"]),
        ("numbers", ["+4722334455"]),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_key(
    officer: TestClient, contact: str, key: str, value: object
) -> None:
    answer = officer.post(API + of(contact), json={**BODY, key: value})
    assert answer.status_code == 422
    assert key in answer.text
    assert officer.get(API + of(contact)).json() == {"standing_consents": []}


def test_an_agent_files_nothing_and_opens_nothing_but_may_withdraw(
    ready: Site, officer: TestClient, agent: TestClient, contact: str
) -> None:
    assert agent.post(API + of(contact), json=BODY).status_code == 403
    made = officer.post(API + of(contact), json=BODY).json()["id"]
    assert agent.get(f"{API}{of(contact)}/{made}/document").status_code == 403
    assert entered(ready, Kind.STANDING_OPENED) == 0
    answer = agent.post(f"{API}{of(contact)}/{made}/withdraw", json={"why": "asked"})
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")


def test_a_consent_is_reached_by_its_own_contact_alone(
    ready: Site, officer: TestClient, contact: str
) -> None:
    made = officer.post(API + of(contact), json=BODY).json()["id"]
    other = meet(ready.store, draft("Grace Hopper", "+4748750103"))
    assert officer.get(f"{API}{of(other)}/{made}/document").status_code == 404
    assert officer.post(f"{API}{of(other)}/{made}/withdraw", json={}).status_code == 404
    assert officer.get(API + of(contact)).json()["standing_consents"][0]["state"] == "holds"


@pytest.mark.parametrize("why", ["said-no", "objected"])
def test_what_only_the_contact_does_is_no_reason_of_a_form(
    officer: TestClient, contact: str, why: str
) -> None:
    made = officer.post(API + of(contact), json=BODY).json()["id"]
    answer = officer.post(f"{API}{of(contact)}/{made}/withdraw", json={"why": why})
    assert answer.status_code == 422


# What is kept


def test_what_was_filed_is_listed_and_opened_as_it_was(
    ready: Site, officer: TestClient, contact: str
) -> None:
    made = officer.post(API + of(contact), json=BODY).json()
    (listed,) = officer.get(API + of(contact)).json()["standing_consents"]
    assert listed == made
    assert (listed["state"], listed["numbers"], listed["form"]) == ("holds", [GERMANY], "pdf")
    answer = officer.get(f"{API}{of(contact)}/{made['id']}/document")
    assert answer.content == PDF
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert entered(ready, Kind.STANDING_OPENED) == 1


def test_never_record_withdraws_it(officer: TestClient, agent: TestClient, contact: str) -> None:
    officer.post(API + of(contact), json=BODY)
    agent.post(f"{API}/contacts/{contact}/never-record", json={})
    agent.delete(f"{API}/contacts/{contact}/never-record")
    (listed,) = officer.get(API + of(contact)).json()["standing_consents"]
    assert (listed["state"], listed["withdrawn_why"]) == ("withdrawn", "objected")


# Pages


def test_it_is_filed_shown_opened_and_withdrawn_on_pages(officer: TestClient, contact: str) -> None:
    assert officer.get(f"{of(contact)}/new").status_code == 200
    form = {
        "numbers": [GERMANY],
        "purposes": ["training"],
        "uses": ["record"],
        "elements": ["intent_to_record"],
        "language": "en",
        "given_on": today().isoformat(),
        "ends_on": "",
        "filed_at": "",
    }
    answer = officer.post(of(contact), data=form, files={"document": ("signed.pdf", PDF)})
    assert answer.status_code == 303, answer.text
    page = officer.get(f"/contacts/{contact}").text
    assert "In force" in page
    (listed,) = officer.get(API + of(contact)).json()["standing_consents"]
    assert listed["id"] in page
    assert officer.get(f"{of(contact)}/{listed['id']}/document").content == PDF
    answer = officer.post(f"{of(contact)}/{listed['id']}/withdraw", data={"why": "replaced"})
    assert answer.status_code == 303
    assert "another one takes its place" in officer.get(f"/contacts/{contact}").text


def test_a_form_with_a_mistake_comes_back_with_what_was_chosen(
    officer: TestClient, contact: str
) -> None:
    form = {
        "numbers": [GERMANY],
        "purposes": ["coaching"],
        "uses": ["share"],
        "elements": ["rights"],
        "language": "en",
        "given_on": today().isoformat(),
        "ends_on": "",
        "filed_at": "",
    }
    answer = officer.post(of(contact), data=form, files={"document": ("", b"")})
    assert answer.status_code == 422
    assert 'id="document-error"' in answer.text
    for value in ("coaching", "share", "rights"):
        assert f'value="{value}" checked' in answer.text


@pytest.mark.parametrize("days", [7, 30])
def test_the_page_says_that_one_ends_soon(
    ready: Site, officer: TestClient, contact: str, days: int
) -> None:
    whose = add(ready, UserRole.SUPERVISOR, name="sup")
    last = today() + timedelta(days=days)
    standingconsents.file(ready.store, contact, filing(ends_on=last), whose.id, utc_now())
    assert f"It ends in {days} days." in officer.get(f"/contacts/{contact}").text


def test_an_agent_sees_it_and_no_button_to_open_or_file(
    officer: TestClient, agent: TestClient, contact: str
) -> None:
    officer.post(API + of(contact), json=BODY)
    page = agent.get(f"/contacts/{contact}").text
    assert "In force" in page
    assert "/document" not in page
    assert f"{of(contact)}/new" not in page
    assert "/withdraw" in page
