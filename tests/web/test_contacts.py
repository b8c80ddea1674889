"""Contacts on the pages: what is refused, then added, found, imported, never recorded, forecast."""

from __future__ import annotations

import json
import re
from contextlib import closing
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, problem, signed_in

from askfirst.rules import packaged
from askfirst.server import account, audit, contacts, followups
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.api_contacts import LARGEST_IMPORT
from askfirst.web.visit import Site

API = "/api/v1/contacts"
NOBODY = "pers_" + "0" * 32
NUMBERS = ("+4722334455", "+4930123456", "+14155550123", "+12025550123")
KARI = {"name": "Kari Berg", "company": "Fjord", "numbers": [{"number": NUMBERS[0]}]}
SHEET = (
    b"name,phone,country\n"
    b"Kari,+47 22 33 44 55,Norway\n"
    b"Nobody,call me,Norway\n"
    b"Ola,+49 30 123456,Atlantis\n"
)
BAD_FILES = (b"", b"{}", b"\x00\xff\xfe" * 40, b"name,company\nKari,Fjord\n", b"\x89PNG\r\n\x1a\n")


@pytest.fixture
def client(ready: Site) -> TestClient:
    """A browser in which an agent is signed in."""
    return signed_in(ready, add(ready, UserRole.AGENT))


def made(client: TestClient, number: str, **fields: object) -> str:
    answer = client.post(API, json={"numbers": [{"number": number}], **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def listed(client: TestClient, **query: str | int) -> list[str]:
    answer = client.get(API, params=query)
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["contacts"]]


def noted(site: Site) -> list[audit.AuditLine]:
    with reading(site.store.engine) as connection:
        lines = audit.lines(connection, most=500)
    return [each for each in reversed(lines) if each.action.startswith("contact")]


# What is refused


@pytest.mark.parametrize("role", [UserRole.ADMIN, UserRole.AUDITOR, UserRole.COMPLIANCE])
def test_who_may_not_write_contacts_writes_none(ready: Site, role: UserRole) -> None:
    other = signed_in(ready, add(ready, role, name="other"))

    refused = other.post(API, json=KARI)
    brought = other.post(f"{API}/import?write=true", content=SHEET)
    flagged = other.post(f"{API}/{NOBODY}/never-record")

    for answer in (refused, brought, flagged):
        assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert other.post("/contacts/import", files={"file": SHEET}).status_code == 403
    assert (other.get("/contacts").status_code == 200) is (role is UserRole.COMPLIANCE)
    assert noted(ready) == []


@pytest.mark.parametrize("content", BAD_FILES)
def test_a_file_that_is_no_table_of_contacts_is_refused(
    ready: Site, client: TestClient, content: bytes
) -> None:
    refused = client.post(f"{API}/import?write=true", content=content)
    page = client.post("/contacts/import", files={"file": ("a.csv", content)})

    assert (refused.status_code, problem(refused)) == (422, "urn:askfirst:problem:invalid-input")
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert listed(client) == []
    assert [each.action for each in noted(ready)] == ["contacts.import-began"]


def test_a_file_that_is_too_large_is_not_read_to_its_end(client: TestClient) -> None:
    content = SHEET + b"x" * LARGEST_IMPORT

    refused = client.post(f"{API}/import", content=content)
    page = client.post("/contacts/import", files={"file": ("a.csv", content)})
    huge = client.post("/contacts/import", files={"file": ("a.csv", content * 2)})

    assert (refused.status_code, problem(refused)) == (422, "urn:askfirst:problem:invalid-input")
    assert "larger than 5 MB" in refused.json()["detail"]
    assert (page.status_code, huge.status_code) == (422, 422)


@pytest.mark.parametrize("content", ["", "no base64!", "å", "e30="])
def test_a_report_that_was_tampered_with_writes_nothing(client: TestClient, content: str) -> None:
    assert client.post("/contacts/import", data={"content": content}).status_code == 422
    assert listed(client) == []


@pytest.mark.parametrize("number", ["12", "call me", "+0", "+47 22 33 44 55 66 77 88 99"])
def test_a_bad_number_is_refused_by_its_field_and_not_repeated(
    ready: Site, client: TestClient, number: str
) -> None:
    refused = client.post(API, json={**KARI, "numbers": [{"number": number}]})
    page = client.post("/contacts/new", data={"name": "Kari", "number": number})

    assert (refused.status_code, refused.json()["key"]) == (422, "numbers")
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert 'value="Kari"' in page.text
    assert noted(ready) == []


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"name": "Kari", "rank": 1},
        {"name": "Kari", "email": "nobody"},
        {"name": "Kari", "places": [{"code": "Atlantis"}]},
        {"name": "Kari", "places": [{"code": "NO", "source": "number"}]},
        {"name": None},
    ],
)
def test_a_contact_that_cannot_be_kept_is_refused(
    client: TestClient, wanted: dict[str, object]
) -> None:
    refused = client.post(API, json=wanted)

    assert (refused.status_code, problem(refused)) == (422, "urn:askfirst:problem:invalid-request")


def test_an_id_that_there_is_not_is_not_found(client: TestClient) -> None:
    where = f"{API}/{NOBODY}"
    answers = [
        client.get(where),
        client.patch(where, json={"name": "X"}),
        client.delete(where),
        client.post(f"{where}/never-record"),
        client.delete(f"{where}/never-record"),
        client.post(API, json={"name": "Kari", "owner": "usr_nobody"}),
    ]

    for answer in answers:
        assert (answer.status_code, problem(answer)) == (404, "urn:askfirst:problem:not-found")
    page = f"/contacts/{NOBODY}"
    place = {"code": "NO", "source": "stated"}
    assert client.get(page).status_code == 404
    assert client.post(f"{page}/never-record").status_code == 404
    assert client.post(f"{page}/places", data=place).status_code == 404


def test_a_number_belongs_to_one_contact(client: TestClient) -> None:
    made(client, NUMBERS[0], name="Kari")
    twice = [{"number": NUMBERS[1]}, {"number": "+49 (30) 12 34 56"}]

    taken = client.post(API, json={"name": "Ola", "numbers": [{"number": "+47 22334455"}]})
    page = client.post("/contacts/new", data={"name": "Ola", "number": NUMBERS[0]})
    own = client.post(API, json={"name": "Ola", "numbers": twice})

    assert (taken.status_code, problem(taken)) == (403, "urn:askfirst:problem:refused")
    assert NUMBERS[0] not in taken.text
    assert (page.status_code, own.status_code) == (422, 422)
    assert "Another contact has this number." in page.text
    assert listed(client) == ["Kari"]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"mode": "x"}, {"place": "x"}, {"before": NOBODY}]
)
def test_a_search_that_cannot_be_done_is_refused(
    client: TestClient, query: dict[str, str | int]
) -> None:
    assert client.get(API, params=query).status_code == 422
    assert client.get("/contacts", params=query).status_code in (200, 422)


# What is done


def test_a_contact_is_added_changed_archived_and_taken_back(
    ready: Site, client: TestClient
) -> None:
    page = client.post(
        "/contacts/new", data={"name": "Kari <b>", "number": NUMBERS[0], "place": "NO"}
    )
    assert page.status_code == 303, page.text
    contact = page.headers["location"].rpartition("/")[2]
    where = f"{API}/{contact}"
    assert "Kari &lt;b&gt;" in client.get(f"/contacts/{contact}").text

    changed = client.patch(where, json={"name": "Kari", "places": [{"code": "DE"}]}).json()
    assert (changed["name"], changed["numbers"][0]["number"]) == ("Kari", NUMBERS[0])
    assert [each["code"] for each in changed["places"]] == ["DE", "NO"]

    assert client.delete(where).json()["archived_at"] is not None
    assert client.delete(where).status_code == 200
    assert listed(client) == []
    assert client.patch(where, json={"name": "X"}).status_code == 403
    assert client.patch(where, json={"archived": False}).json()["archived_at"] is None
    assert listed(client) == ["Kari"]
    actions = [each.action for each in noted(ready)]
    assert actions == ["contact.added", "contact.changed", "contact.archived", "contact.changed"]


def test_contacts_are_found_by_word_number_place_and_rule_page_by_page(client: TestClient) -> None:
    made(client, NUMBERS[0], name="Åse Berg", company="Fjord")
    made(client, NUMBERS[1], name="Bernd")
    made(client, NUMBERS[2], name="Cal")

    assert listed(client, q="ase") == listed(client, q="22 33 44") == ["Åse Berg"]
    assert listed(client, place="DE") == ["Bernd"]
    by_rule = [name for mode in ("auto", "ask", "forbid") for name in listed(client, mode=mode)]
    assert sorted(by_rule) == sorted(listed(client))
    first = client.get(API, params={"limit": 2}).json()
    second = client.get(API, params={"limit": 2, "before": first["next"]}).json()
    assert len(first["contacts"]) == 2
    assert len(second["contacts"]) == 1
    assert second["next"] is None
    page = client.get("/contacts", params={"q": "fjord", "place": "NO"})
    assert "Åse Berg" in page.text
    assert "Bernd" not in page.text.partition("<tbody")[2]
    assert "No contact fits" in client.get("/contacts", params={"q": "zzz"}).text


def test_the_list_goes_on_behind_its_last_contact(client: TestClient) -> None:
    for number in range(51):
        made(client, f"+47223344{number:02d}", name=f"N{number:02d}")

    page = client.get("/contacts")
    link = re.search(r'href="([^"]+)" rel="next"', page.text)
    assert link is not None
    following = client.get(link[1].replace("&amp;", "&"))

    assert "N50" not in page.text
    assert "N50" in following.text
    assert 'rel="next"' not in following.text


def test_an_import_tells_the_bad_lines_before_it_writes(ready: Site, client: TestClient) -> None:
    looked = client.post("/contacts/import", files={"file": ("a.csv", SHEET)})
    assert looked.status_code == 200, looked.text
    assert "no telephone number" in looked.text
    assert "no such country" in looked.text
    assert listed(client) == []
    assert noted(ready) == []

    content = re.search(r'name="content" value="([^"]+)"', looked.text)
    assert content is not None
    written = client.post("/contacts/import", data={"content": content[1]})

    assert "The contacts were taken in." in written.text
    assert listed(client) == ["Kari", "Ola"]
    (began, done) = noted(ready)
    assert (began.action, done.action) == ("contacts.import-began", "contacts.imported")
    assert done.detail == {"added": 2, "updated": 0, "skipped": 1}


def test_a_program_imports_and_importing_again_changes_nothing(client: TestClient) -> None:
    dry = client.post(f"{API}/import", content=SHEET).json()
    assert (dry["is_written"], dry["added"], listed(client)) == (False, [2, 4], [])
    assert [(each["line"], each["code"]) for each in dry["skipped"]] == [(3, "no-number")]

    first = client.post(f"{API}/import?write=true", content=SHEET).json()
    again = client.post(f"{API}/import?write=true", content=SHEET).json()

    assert (first["is_written"], first["added"]) == (True, [2, 4])
    assert (again["added"], again["unchanged"]) == ([], [2, 4])


def test_never_record_is_shown_and_undone(ready: Site, client: TestClient) -> None:
    contact = made(client, NUMBERS[0], name="Kari")
    page = f"/contacts/{contact}"
    assert "Never record this contact" in client.get(page).text

    for _ in range(2):
        assert client.post(f"{page}/never-record", data={"never": "on"}).status_code == 303
    shown = client.get(page).text
    assert "whatever the law allows" in shown
    assert "Do not record" in shown
    assert listed(client, mode="forbid") == ["Kari"]

    assert client.post(f"{page}/never-record", data={"never": "off"}).status_code == 303
    assert "whatever the law allows" not in client.get(page).text
    flagged = client.post(f"{API}/{contact}/never-record").json()
    freed = client.delete(f"{API}/{contact}/never-record").json()
    assert (flagged["never_record"], freed["never_record"]) == (True, False)
    actions = [each.action for each in noted(ready)][1:]
    assert actions == ["contact.never-record", "contact.may-record-again"] * 2


def test_a_place_is_added_with_how_it_is_known_and_what_is_due_is_shown(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0], name="Kari")
    page = f"/contacts/{contact}"
    with transaction(ready.store.engine) as connection:
        followups.promise(connection, contact, utc_now().date(), note="Send the offer")

    for wrong in ({"code": "XX", "source": "stated"}, {"code": "NO", "source": "number"}, {}):
        refused = client.post(f"{page}/places", data=wrong)
        assert (refused.status_code, 'role="alert"' in refused.text) == (422, True)
    place = {"code": "US-CA", "source": "stated"}
    assert client.post(f"{page}/places", data=place).status_code == 303

    shown = client.get(page).text
    assert "California" in shown
    assert "they said so" in shown
    assert "Send the offer" in shown
    assert noted(ready)[-1].detail == place


def test_what_was_agreed_on_a_call_stands_with_the_contact(tmp_path: Path) -> None:
    with closing(Node.open(tmp_path / "data", Scripted())) as node:
        recorded = rig.record(node, tmp_path / "callee")
        settings = Settings(data=tmp_path / "data")
        site = Site(node.store, settings, packaged(), Listening(node.store))
        with transaction(node.store.engine) as connection:
            stated = {"company": "Nordlys AS", "retention_days": 90}
            account.change(connection, stated, None, utc_now())
        client = signed_in(site, add(site, UserRole.AGENT))
        contact = made(client, rig.NORWAY, name="Kari")

        consents = client.get(f"{API}/{contact}").json()["consents"]
        page = client.get(f"/contacts/{contact}").text

    assert consents
    assert {each["call"] for each in consents} == {recorded.call}
    assert page.count(f"/calls/{recorded.call}") == len(consents)


def test_the_forecast_adds_up(client: TestClient) -> None:
    assert "No contacts yet" in client.get("/forecast").text
    for number, name in zip(NUMBERS, "ABCD", strict=True):
        never = made(client, number, name=name)
    client.post(f"{API}/{never}/never-record")

    found = client.get("/api/v1/forecast").json()

    counts = {answer: share["count"] for answer, share in found["answers"].items()}
    assert set(counts) == {"at_once", "told", "asked", "forbidden"}
    assert sum(counts.values()) == found["total"] == len(NUMBERS)
    assert counts["forbidden"] == 1
    for share in found["answers"].values():
        assert bool(share["places"]) is bool(share["count"])
        assert all(each["reason"]["why"] for each in share["places"])
    page = client.get("/forecast", params={"lang": "nb"}).text
    assert "Kontakter i alt: 4" in page
    cells = re.findall(r'class="cell-number"><div>(\d+)<', page)
    assert [int(each) for each in cells] == list(counts.values())


def test_no_number_and_no_name_stands_in_the_audit_log(ready: Site, client: TestClient) -> None:
    contact = made(client, NUMBERS[0], name="Kari")
    client.patch(f"{API}/{contact}", json={"numbers": [{"number": NUMBERS[2]}], "name": "Karin"})
    client.post(f"{API}/{contact}/never-record")
    client.post(f"{API}/import?write=true", content=SHEET)
    client.delete(f"{API}/{contact}")

    lines = noted(ready)

    written = json.dumps([(each.action, each.object, dict(each.detail)) for each in lines])
    assert len(lines) == 6
    assert "Kari" not in written
    for number in (NUMBERS[0], NUMBERS[1], NUMBERS[2]):
        assert number[3:] not in written
    with reading(ready.store.engine) as connection:
        assert contacts.get(connection, contact).archived_at is not None
