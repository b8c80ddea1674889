"""Changing a contact on its page: nothing is lost, nobody's number is taken, reasons are kept."""

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient
from tests.server import people
from tests.web.conftest import add, signed_in

from askfirst.server import audit, contacts
from askfirst.server.access import UserRole
from askfirst.server.contactcard import Contact
from askfirst.server.database import calls, reading, transaction
from askfirst.web.visit import Site

API = "/api/v1/contacts"
NUMBERS = ("+4722334455", "+4930123456", "+14155550123")


@pytest.fixture
def client(ready: Site) -> TestClient:
    """A browser in which an agent is signed in."""
    return signed_in(ready, add(ready, UserRole.AGENT))


def made(client: TestClient, *numbers: str, name: str = "Kari") -> str:
    body = {"name": name, "numbers": [{"number": each} for each in numbers]}
    answer = client.post(API, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def known(site: Site, contact: str) -> Contact:
    with reading(site.store.engine) as connection:
        return contacts.get(connection, contact)


def filled(client: TestClient, contact: str, **changed: object) -> dict[str, object]:
    """The form as it was shown, with changes."""
    page = client.get(f"/contacts/{contact}/edit").text
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen is not None
    numbers = re.findall(r'name="number" type="tel" value="([^"]*)"', page)
    form = {"name": "Kari", "company": "", "email": "", "language": "", "notes": ""}
    labels = [""] * len(numbers)
    rows = {"number": numbers, "label": labels, "primary": "0", "seen": seen[1]}
    return {**form, **rows, **changed}


# What is refused


@pytest.mark.parametrize(
    ("key", "value"),
    [("email", "nobody"), ("language", "da"), ("name", "x" * 201), ("notes", "x" * 10_001)],
)
def test_a_field_that_cannot_be_kept_is_marked_and_the_rest_is_not_lost(
    ready: Site, client: TestClient, key: str, value: str
) -> None:
    contact = made(client, NUMBERS[0])
    before = known(ready, contact)

    wrong = client.post(
        f"/contacts/{contact}/edit",
        data=filled(client, contact, company="Fjord AS", **{key: value}),
    )

    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    assert 'value="Fjord AS"' in wrong.text
    assert known(ready, contact) == before


def test_a_number_that_is_none_or_somebody_elses_is_marked_where_it_stands(
    ready: Site, client: TestClient
) -> None:
    other = made(client, NUMBERS[1], name="Bernd")
    contact = made(client, NUMBERS[0])
    before = known(ready, contact)
    rows = [NUMBERS[0], "call me", "+49 (30) 12 34 56"]
    form = filled(client, contact, number=rows, label=["", "home", "work"])

    wrong = client.post(f"/contacts/{contact}/edit", data=form)

    assert wrong.status_code == 422
    assert 'id="number-2-error"' in wrong.text
    assert 'id="number-3-error"' in wrong.text
    assert 'id="number-1-error"' not in wrong.text
    assert f'href="/contacts/{other}"' in wrong.text
    assert 'value="call me"' in wrong.text
    assert 'value="home"' in wrong.text
    assert known(ready, contact) == before


def test_a_number_twice_and_a_contact_of_nothing_are_refused(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0])
    twice = filled(client, contact, number=[NUMBERS[0], "22 33 44 55"], primary="1")
    nothing = filled(client, contact, name="", number=[NUMBERS[0]], remove=["0"])

    for form in (twice, nothing):
        wrong = client.post(f"/contacts/{contact}/edit", data=form)
        assert wrong.status_code == 422
        assert 'role="alert"' in wrong.text or 'aria-invalid="true"' in wrong.text
    assert [each.number for each in known(ready, contact).numbers] == [NUMBERS[0]]


def test_what_somebody_else_changed_meanwhile_is_not_written_over(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0])
    form = filled(client, contact, company="Mine AS")
    client.patch(f"{API}/{contact}", json={"company": "Theirs AS"})

    stale = client.post(f"/contacts/{contact}/edit", data=form)

    assert stale.status_code == 422
    assert "Somebody else changed this contact" in stale.text
    assert 'value="Mine AS"' in stale.text
    assert known(ready, contact).company == "Theirs AS"
    without = {key: value for key, value in form.items() if key != "seen"}
    assert client.post(f"/contacts/{contact}/edit", data=without).status_code == 422


def test_an_archived_contact_is_put_back_before_it_is_changed(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0])
    assert client.post(f"/contacts/{contact}/archive").status_code == 303
    refused = client.post(
        f"/contacts/{contact}/edit", data=filled(client, contact, company="Fjord AS")
    )
    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    page = client.get(f"/contacts/{contact}").text
    assert "data-dial" not in page
    assert "/edit" not in page
    assert "Kari" not in client.get("/contacts").text.partition('id="main"')[2]
    assert "Kari" in client.get("/contacts?archived=true").text

    assert client.post(f"/contacts/{contact}/restore").status_code == 303
    assert known(ready, contact).archived_at is None
    with reading(ready.store.engine) as connection:
        actions = [each.action for each in audit.lines(connection)]
    assert actions[:2] == ["contact.restored", "contact.archived"]


# What is done


def test_a_contact_is_changed_and_its_numbers_are_added_and_removed(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0], NUMBERS[1])
    form = filled(
        client,
        contact,
        name="Kari Berg",
        email="kari@example.org",
        language="de",
        number=[NUMBERS[0], NUMBERS[1], "", "+1 415 555 0123"],
        label=["old", "home", "", "mobile"],
        remove=["0"],
        primary="3",
    )

    assert client.post(f"/contacts/{contact}/edit", data=form).status_code == 303

    now = known(ready, contact)
    assert (now.name, now.email, now.language) == ("Kari Berg", "kari@example.org", "de")
    kept = [(each.number, each.label, each.is_primary) for each in now.numbers]
    assert kept == [(NUMBERS[1], "home", False), (NUMBERS[2], "mobile", True)]
    with reading(ready.store.engine) as connection:
        line = audit.lines(connection, most=1)[0]
    assert line.action == "contact.changed"
    assert line.detail == {"fields": ["email", "language", "name", "numbers"]}
    assert "Deutsch" in client.get(f"/contacts/{contact}").text


def test_a_removed_number_that_was_dialled_leaves_the_first_one_to_be(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0], NUMBERS[1])
    form = filled(client, contact, remove=["0"], primary="0")

    assert client.post(f"/contacts/{contact}/edit", data=form).status_code == 303

    (left,) = known(ready, contact).numbers
    assert (left.number, left.is_primary) == (NUMBERS[1], True)


def test_a_form_that_changes_nothing_writes_nothing(ready: Site, client: TestClient) -> None:
    contact = made(client, NUMBERS[0])
    before = known(ready, contact)

    assert client.post(f"/contacts/{contact}/edit", data=filled(client, contact)).status_code == 303

    assert known(ready, contact) == before
    with reading(ready.store.engine) as connection:
        assert audit.lines(connection, most=1)[0].action == "contact.added"


def test_why_somebody_is_never_recorded_stands_with_the_contact_and_not_in_the_log(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0])
    page = f"/contacts/{contact}"
    assert client.post(f"{page}/never-record", data={"why": "x" * 201}).status_code == 422
    assert not known(ready, contact).never_record

    done = client.post(f"{page}/never-record", data={"why": "He asked us to in May"})

    assert done.status_code == 303
    assert "He asked us to in May" in client.get(page).text
    program = client.delete(f"{API}/{contact}/never-record").json()
    assert program["never_record_why"] == ""
    again = client.post(f"{API}/{contact}/never-record", json={"why": "By letter"}).json()
    assert again["never_record_why"] == "By letter"
    with reading(ready.store.engine) as connection:
        lines = json.dumps([dict(each.detail) for each in audit.lines(connection)])
    assert "May" not in lines
    assert "letter" not in lines


def test_whoever_may_call_gets_a_button_for_each_number_and_nobody_else(
    ready: Site, client: TestClient
) -> None:
    contact = made(client, NUMBERS[0], NUMBERS[1])
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    page, lists = client.get(f"/contacts/{contact}").text, client.get("/contacts").text

    for number in NUMBERS[:2]:
        assert f'href="/dial?to=%2B{number[1:]}" data-dial="{number}"' in page
    assert lists.count("data-dial=") == 1
    for shown in (officer.get(f"/contacts/{contact}").text, officer.get("/contacts").text):
        assert "data-dial" not in shown
        assert NUMBERS[0] in shown


def test_calls_of_the_contact_are_listed_as_far_as_somebody_reaches(ready: Site) -> None:
    agents = [add(ready, UserRole.AGENT, name=name) for name in ("anna", "bo")]
    browsers = [signed_in(ready, each) for each in agents]
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    contact = made(browsers[0], NUMBERS[0])
    made_calls = []
    for step, agent in enumerate(agents):
        call = people.called(ready.store, NUMBERS[0], ledger=step)
        with transaction(ready.store.engine) as connection:
            own = calls.update().where(calls.c.id == call).values(agent=agent.id)
            connection.execute(own)
        made_calls.append(call)
    other = people.called(ready.store, NUMBERS[1], ledger=7)

    pages = [each.get(f"/contacts/{contact}").text for each in (*browsers, officer)]

    shown = [[call in page for call in (*made_calls, other)] for page in pages]
    assert shown == [[True, False, False], [False, True, False], [True, True, False]]
