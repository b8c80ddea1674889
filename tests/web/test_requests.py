"""The register of people's requests: finding somebody, its steps, erasure and restriction."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.web.conftest import add, signed_in
from tests.web.test_rights_of_people import Office
from tests.web.test_rights_of_people import office as office

from askfirst.ledger import Kind
from askfirst.server import legalholds
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.playback import Playback
from askfirst.server.requesttables import subject_requests
from askfirst.server.sweep import sweep

PAGE = "/compliance/requests"


def received(office: Office, kind: str, **body: object) -> str:
    """The id of a new request, of the person of the recorded call where nobody is named."""
    asked = {"kind": kind, **(body or {"number": rig.NORWAY})}
    answer = office.officer.post("/api/v1/subject-requests", json=asked)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def stepped(
    office: Office, request: str, step: str, reason: str | None = None
) -> dict[str, object]:
    answer = office.officer.patch(
        f"/api/v1/subject-requests/{request}", json={"step": step, "reason": reason}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def refused(office: Office, request: str, step: str, reason: str | None = None) -> int:
    return office.officer.patch(
        f"/api/v1/subject-requests/{request}", json={"step": step, "reason": reason}
    ).status_code


def listens(office: Office, purpose: str) -> int:
    return office.officer.post(
        f"/api/v1/recordings/{office.recorded.id}/links",
        json={"purpose": purpose, "seconds": 60},
    ).status_code


@pytest.mark.parametrize("text", [rig.NORWAY, "0047" + rig.NORWAY[3:], "Nora Lie", "nora"])
def test_a_person_is_found_by_any_spelling_and_by_name(office: Office, text: str) -> None:
    page = office.officer.post(f"{PAGE}/find", data={"text": text})

    assert page.status_code == 200
    assert "Found 1 call, 1 recording, 1 transcript, 1 comment." in page.text
    assert f"/calls/{office.recorded.call}" in page.text


def test_a_number_that_nobody_has_is_found_with_nothing(office: Office) -> None:
    page = office.officer.post(f"{PAGE}/find", data={"text": "+4721000001"}).text

    assert "Found 0 calls, 0 recordings, 0 transcripts, 0 comments." in page


@pytest.mark.parametrize(("text", "status"), [("", 422), ("Nobody At All", 200)])
def test_who_is_not_there_is_not_found(office: Office, text: str, status: int) -> None:
    page = office.officer.post(f"{PAGE}/find", data={"text": text})

    assert page.status_code == status
    assert "Found" not in page.text


def test_what_is_looked_for_is_written_nowhere(office: Office) -> None:
    before = rig.kinds(office.site.store)

    office.officer.post(f"{PAGE}/find", data={"text": rig.NORWAY})

    assert rig.kinds(office.site.store) == before


def test_a_hold_says_until_when_and_why(office: Office) -> None:
    store, until = office.site.store, utc_now() + timedelta(days=30)
    legalholds.place(store, office.recorded.id, office.agent.id, "A claim", utc_now(), until)

    page = office.officer.post(f"{PAGE}/find", data={"text": rig.NORWAY}).text

    assert re.search(r"1 call is under legal hold and stays until [^:]+: A claim\.", page)


def test_a_request_from_the_page_leads_to_an_address_without_the_number(office: Office) -> None:
    answer = office.officer.post(
        PAGE, data={"kind": "access", "number": rig.NORWAY}, follow_redirects=False
    )

    assert answer.status_code == 303
    address = answer.headers["location"]
    assert re.fullmatch(rf"{PAGE}/req_[0-9a-f]{{32}}", address)
    assert "Found 1 call" in office.officer.get(address).text
    assert address in office.officer.get(PAGE).text


def test_a_number_without_a_contact_is_found_again_by_its_commitment(office: Office) -> None:
    office.officer.post("/api/v1/erasures", json={"contact": office.contact, "dry_run": True})
    with transaction(office.site.store.engine) as connection:
        for table in ("contact_numbers", "follow_ups", "contact_places"):
            connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours
    made = received(office, "access")

    (row,) = rig.rows(office.site.store, sa.select(subject_requests))
    assert (row.contact, rig.NORWAY in str(row.person)) == (None, False)
    assert "Found 1 call" in office.officer.get(f"{PAGE}/{made}").text


def test_a_request_is_extended_once_and_with_a_reason(office: Office) -> None:
    made = received(office, "access")
    assert refused(office, made, "extend") == 422
    assert refused(office, made, "extend", "not-identified") == 422

    found = stepped(office, made, "extend", "complex")

    assert (found["state"], found["reason"]) == ("extended", "complex")
    (row,) = rig.rows(office.site.store, sa.select(subject_requests))
    assert row.due_at - row.received_at == timedelta(days=90)
    assert refused(office, made, "extend", "complex") == 403


@pytest.mark.parametrize(("step", "reason"), [("answer", None), ("refuse", "unfounded")])
def test_a_closed_request_stays_closed(office: Office, step: str, reason: str | None) -> None:
    made = received(office, "restriction")

    found = stepped(office, made, step, reason)

    assert found["answered_at"] is not None
    for again in ("answer", "restrict"):
        assert refused(office, made, again) == 403
    assert rig.kinds(office.site.store)[-1].startswith("request.")


def test_a_request_that_came_long_ago_is_overdue(office: Office) -> None:
    day = (utc_now() - timedelta(days=40)).date().isoformat()

    office.officer.post(PAGE, data={"kind": "access", "number": rig.NORWAY, "received_on": day})

    assert "Overdue" in office.officer.get(PAGE).text
    made = str(rig.rows(office.site.store, sa.select(subject_requests))[0].id)
    assert refused(office, made, "extend", "complex") == 403


def test_an_erasure_says_what_became_of_each_item(office: Office) -> None:
    made = received(office, "erasure")
    assert "Erase what can be erased" in office.officer.get(f"{PAGE}/{made}").text

    answer = office.officer.post(f"{PAGE}/{made}", data={"wanted": "erase"}, follow_redirects=False)

    assert answer.status_code == 303
    page = office.officer.get(f"{PAGE}/{made}").text
    assert office.recorded.id in page
    assert "Nora" not in page
    assert rig.NORWAY not in page
    assert "person.erased" in rig.kinds(office.site.store)


def test_an_erasure_lists_the_copies_that_were_taken_out_and_are_reached_by_none(
    office: Office,
) -> None:
    recording, playback = office.recorded.id, Playback(office.site.store)
    playback.play(recording, person="usr_heard", purpose="quality")
    for purpose in ("dispute", "subject-request"):
        kind = Kind.ACCESS_EXPORTED
        playback.play(recording, person="usr_took", purpose=purpose, kind=kind)
    made = received(office, "erasure")
    title = "Copies that were taken out"
    assert title in office.officer.get(f"{PAGE}/{made}").text
    assert title not in office.officer.get(f"{PAGE}/{received(office, 'access')}").text

    handed_out = stepped(office, made, "erase")["handed_out"]

    assert isinstance(handed_out, list)
    (only,) = handed_out
    assert (only["recording"], only["person"]) == (recording, "usr_took")
    assert (only["purpose"], only["share"]) == ("dispute", None)
    page = office.officer.get(f"{PAGE}/{made}").text
    assert "usr_took" in page
    assert "usr_heard" not in page


def test_only_a_request_of_erasure_erases(office: Office) -> None:
    made = received(office, "access")

    assert refused(office, made, "erase") == 403
    assert office.recorded.row.state == "ready"


def test_a_restricted_recording_is_opened_for_claims_and_the_person_alone(office: Office) -> None:
    stepped(office, received(office, "restriction"), "restrict")

    allowed = ("quality", "training", "consent-check", "dispute", "subject-request")
    assert [listens(office, each) for each in allowed] == [403, 403, 403, 201, 201]
    assert "Restricted because" in office.officer.get(f"/calls/{office.recorded.call}").text
    transcript = f"/api/v1/recordings/{office.recorded.id}/transcript"
    assert office.officer.get(transcript).status_code == 403
    assert office.officer.get(transcript.replace("transcript", "peaks")).status_code == 403


def test_a_link_from_before_opens_nothing_that_was_restricted_since(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        connection.execute(sa.text("UPDATE calls SET policy = '{}'"))
    made = office.officer.post(
        f"/api/v1/recordings/{office.recorded.id}/links", json={"purpose": "quality", "seconds": 60}
    )
    assert made.status_code == 201, made.text
    address = made.json()["url"]
    assert office.officer.get(address).status_code == 200

    stepped(office, received(office, "restriction"), "restrict")

    assert office.officer.get(address).status_code == 403


def test_a_restricted_recording_is_neither_swept_nor_erased_until_it_is_lifted(
    office: Office,
) -> None:
    store, made = office.site.store, received(office, "restriction")
    rig.change(store, office.recorded.id, expires_at=utc_now() - timedelta(days=1))
    stepped(office, made, "restrict")

    sweep(store, utc_now())
    items = office.erase(recording=office.recorded.id)["items"]

    assert items == [{"id": office.recorded.id, "outcome": "restricted"}]
    assert store.blobs.names() != []
    stepped(office, made, "lift")
    assert office.recorded.row.state == "erased"
    assert rig.kinds(store).count("restriction.lifted") == 1


def test_two_restrictions_are_lifted_one_by_one(office: Office) -> None:
    first, second = received(office, "restriction"), received(office, "restriction")
    for each in (first, second):
        stepped(office, each, "restrict")

    stepped(office, first, "lift")

    assert listens(office, "quality") == 403


def test_an_objection_holds_at_once_for_contacts_and_unknown_numbers(office: Office) -> None:
    other = "+4721000001"

    received(office, "objection", number=other)
    received(office, "objection", contact=office.contact)

    assert office.site.store.erasures.is_never(other)
    shown = office.officer.get(f"/api/v1/contacts/{office.contact}").json()
    assert shown["never_record"] is True
    content = office.site.store.erasures.path.read_bytes()
    assert other.encode() not in content


def test_the_register_is_for_who_answers_people(office: Office) -> None:
    for role in (UserRole.AGENT, UserRole.SUPERVISOR, UserRole.ADMIN, UserRole.AUDITOR):
        client = signed_in(office.site, add(office.site, role, name=f"x-{role.value}"))
        assert client.get(PAGE).status_code == 403
        assert client.post(f"{PAGE}/find", data={"text": rig.NORWAY}).status_code == 403
