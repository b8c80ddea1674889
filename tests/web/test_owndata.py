"""An employee's own data: who gets it, what is in it, what is not, and what is written down."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, signed_in
from tests.web.test_rights_of_people import WORDS, Office
from tests.web.test_rights_of_people import office as office

from askfirst.audio.container import decode
from askfirst.server import accounts, audit, restrictions
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.accounttables import audit as audit_lines
from askfirst.server.clock import utc_now
from askfirst.server.copies import KEPT_FOR
from askfirst.server.database import calls, transaction
from askfirst.server.ownpackage import MADE, TAKEN
from askfirst.server.requestregister import RequestKind, receive
from askfirst.server.subjectrights import who
from askfirst.server.sweep import sweep

PAGE = "/me/data"
SPOKEN = {"language": "en", "voice": "on"}


def agent_of(office: Office) -> TestClient:
    return signed_in(office.site, office.agent)


def made(client: TestClient, form: dict[str, str] | None = None) -> str:
    """The address of a new package."""
    answer = client.post(PAGE, data=form or {"language": "en"}, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    page = client.get(PAGE).text
    address: str = page.partition('href="/me/data/')[2].partition('"')[0]
    assert address, page
    return f"{PAGE}/{address}"


def opened(client: TestClient, address: str) -> dict[str, bytes]:
    """The files of a package by name."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def package(client: TestClient, form: dict[str, str] | None = None) -> dict[str, bytes]:
    return opened(client, made(client, form))


def rows(files: dict[str, bytes], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(files[f"{name}.json"])
    return found


def hand(office: Office, to: User, at_ms: int = 1_000) -> None:
    """The recorded call goes to a colleague, so many ms after the answer."""
    with transaction(office.site.store.engine) as connection:
        row = connection.execute(sa.select(calls)).one()
        connection.execute(calls.update().values(agent=to.id))
        at = row.answered_at + timedelta(milliseconds=at_ms)
        audit.note(connection, at, office.agent.id, "call.handed", row.id, {"to": to.id})


def loud(samples: np.ndarray[Any, np.dtype[np.int16]]) -> bool:
    return bool(samples.size) and int(np.abs(samples.astype(int)).max()) > 100


def voices(files: dict[str, bytes]) -> list[str]:
    return [name for name in files if name.endswith(".ogg")]


# Who gets it


def test_the_package_of_somebody_else_is_not_there(office: Office) -> None:
    address = made(agent_of(office))
    request = address.split("/")[3]
    others = [UserRole.AGENT, UserRole.SUPERVISOR, UserRole.ADMIN, UserRole.COMPLIANCE]

    for role in others:
        other = signed_in(office.site, add(office.site, role, "north", name=f"other-{role}"))
        assert other.get(address).status_code == 404

    api = f"/api/v1/subject-requests/{request}/copy"
    assert office.officer.get(api).status_code == 404
    assert office.officer.post(api, json={}).status_code == 404
    assert office.officer.get(f"/compliance/requests/{request}/copy.zip").status_code == 404
    assert TAKEN not in [row.action for row in rig.rows(office.site.store, sa.select(audit_lines))]


def test_a_package_that_has_run_out_is_not_there(office: Office) -> None:
    client = agent_of(office)
    address = made(client)

    sweep(office.site.store, utc_now() + KEPT_FOR + timedelta(seconds=1))

    assert client.get(address).status_code == 404
    assert "package.zip" not in client.get(PAGE).text


def test_a_package_that_is_made_again_replaces_the_one_before(office: Office) -> None:
    client = agent_of(office)
    first = made(client)

    assert made(client) != first

    assert client.get(first).status_code == 404


def test_nobody_signed_in_gets_nothing(office: Office) -> None:
    address = made(agent_of(office))

    nobody = TestClient(agent_of(office).app, follow_redirects=False)

    assert nobody.get(address).headers["location"].startswith("/sign-in")


def test_the_request_of_a_contact_gives_no_own_data(office: Office) -> None:
    store = office.site.store
    with transaction(store.engine) as connection:
        person = who(connection, number=rig.NORWAY)
        request = receive(store, connection, RequestKind.ACCESS, person, office.agent.id, utc_now())

    assert agent_of(office).get(f"{PAGE}/{request.id}/package.zip").status_code == 404


def test_a_language_that_there_is_not_makes_nothing(office: Office) -> None:
    answer = agent_of(office).post(PAGE, data={"language": "xx"})

    assert answer.status_code == 422
    assert "subject-request.received" not in {
        row.action for row in rig.rows(office.site.store, sa.select(audit_lines))
    }


# Voice


@pytest.mark.parametrize("state", ["quarantined", "checking", "erased"])
def test_a_recording_that_is_not_ready_is_not_in_it(office: Office, state: str) -> None:
    rig.change(office.site.store, office.recorded.id, state=state)

    files = package(agent_of(office), SPOKEN)

    assert voices(files) == []
    assert [each["left_out"] for each in rows(files, "voice")] == [state]
    assert "access.exported" not in rig.kinds(office.site.store)


def test_a_restricted_recording_is_not_in_it(office: Office) -> None:
    store, now = office.site.store, utc_now()
    with transaction(store.engine) as connection:
        person = who(connection, number=rig.NORWAY)
        asked = receive(store, connection, RequestKind.RESTRICTION, person, office.agent.id, now)
        restrictions.place(store, connection, asked.id, [office.recorded.id], office.agent.id, now)

    files = package(agent_of(office), SPOKEN)

    assert voices(files) == []
    assert [each["left_out"] for each in rows(files, "voice")] == ["restricted"]


def test_a_recording_that_is_locked_later_closes_the_package(office: Office) -> None:
    client = agent_of(office)
    address = made(client, SPOKEN)
    rig.change(office.site.store, office.recorded.id, state="quarantined")

    assert client.get(address).status_code == 403
    rig.change(office.site.store, office.recorded.id, state="ready")
    assert client.get(address).status_code == 200


def test_a_recording_that_is_erased_takes_the_package_with_it(office: Office) -> None:
    client = agent_of(office)
    address = made(client, SPOKEN)

    office.erase(recording=office.recorded.id)

    answer = client.get(address)
    assert answer.status_code == 403
    assert "make a new one" in answer.text
    assert not [name for name in office.site.store.blobs.names() if name.startswith("cpy_")]


def test_a_call_that_was_handed_on_is_not_heard_any_more(office: Office) -> None:
    hand(office, add(office.site, UserRole.AGENT, "south", name="colleague"))

    files = package(agent_of(office), SPOKEN)

    assert voices(files) == []
    assert [each["left_out"] for each in rows(files, "voice")] == ["no-right"]


def test_no_voice_is_in_it_unless_it_was_asked_for(office: Office) -> None:
    files = package(agent_of(office))

    assert voices(files) == []
    assert "access.exported" not in rig.kinds(office.site.store)


def test_of_a_recording_only_the_own_side_is_heard(office: Office) -> None:
    files = package(agent_of(office), SPOKEN)

    (name,) = voices(files)
    samples, _ = decode(files[name], 16_000)
    assert loud(samples[0])
    assert not loud(samples[1])
    for line in json.loads(files.get(name.replace(".ogg", ".json"), b"[]")):
        assert line.keys() == {"start_ms", "end_ms", "text"}


def test_whoever_took_a_call_over_hears_only_their_own_time(office: Office) -> None:
    colleague = add(office.site, UserRole.AGENT, "south", name="colleague")
    whole = package(agent_of(office), SPOKEN)
    before, _ = decode(whole[voices(whole)[0]], 16_000)
    (row,) = rig.call_rows(office.site.store)
    end_ms = int((row.ended_at - row.answered_at).total_seconds() * 1000)
    hand(office, colleague, end_ms + 1_000)

    files = package(signed_in(office.site, colleague), SPOKEN)

    samples, _ = decode(files[voices(files)[0]], 16_000)
    assert loud(before[0])
    assert not loud(samples)


def test_each_voice_is_an_access_when_it_is_made_and_when_it_is_taken(office: Office) -> None:
    client = agent_of(office)
    address = made(client, SPOKEN)
    store = office.site.store
    assert rig.kinds(store).count("access.exported") == 1

    opened(client, address)

    assert rig.kinds(store).count("access.exported") == 2
    actions = [row.action for row in rig.rows(store, sa.select(audit_lines))]
    assert (actions.count(MADE), actions.count(TAKEN)) == (1, 1)
    assert "The agent’s own data" in client.get("/me").text


# What is in it


def test_every_file_is_named_with_its_digest_and_the_page_needs_no_network(office: Office) -> None:
    files = package(agent_of(office), SPOKEN)

    manifest = json.loads(files["manifest.json"])
    assert manifest.keys() == files.keys() - {"manifest.json"}
    for name, digest in manifest.items():
        assert hashlib.sha256(files[name]).hexdigest() == digest
    page = files["index.html"].decode()
    assert "<script" not in page
    assert "http" not in page


def test_their_account_sessions_and_calls_are_in_it(office: Office) -> None:
    client = agent_of(office)
    client.get("/")

    files = package(client)

    (account,) = rows(files, "account")
    assert (account["name"], account["email"]) == (office.agent.name, office.agent.email)
    assert [each["kind"] for each in rows(files, "signing-in")] == ["password"]
    assert {each["browser"] for each in rows(files, "sessions")} == {"testclient"}
    (call,) = rows(files, "calls")
    assert call["call"] == office.recorded.call
    assert call["recorded"] is True
    assert call["number"] == "••••" + rig.NORWAY[-2:]
    assert call["seconds"] > 0


def test_nothing_of_a_contact_and_no_secret_is_in_it(office: Office) -> None:
    files = package(agent_of(office), SPOKEN)

    with transaction(office.site.store.engine) as connection:
        kept = connection.execute(sa.text("SELECT password FROM users")).scalars().all()
        digests = connection.execute(sa.text("SELECT digest FROM sessions")).scalars().all()
    everything = b"\n".join(files.values()).decode(errors="replace")
    for planted in (rig.NORWAY, rig.NORWAY[1:], WORDS, "Nora Lie", "Harbor", *kept, *digests):
        assert planted not in everything


def test_what_is_planted_about_a_colleague_is_not_in_it(office: Office) -> None:
    colleague = add(office.site, UserRole.AGENT, "south", name="planted-colleague")
    hand(office, colleague)
    store = office.site.store
    with transaction(store.engine) as connection:
        said: audit.Detail = {"to": office.agent.id, "people": [colleague.id, office.agent.id]}
        audit.note(connection, utc_now(), colleague.id, "test.about-both", colleague.id, said)
        audit.note(connection, utc_now(), colleague.id, "test.planted", "call_planted")
    theirs = package(signed_in(office.site, colleague))
    complaint = f"/api/v1/calls/{office.recorded.call}/complaint"
    officer = office.officer
    assert officer.post(complaint, json={"text": "planted complaint"}).status_code == 201
    (item,) = officer.get("/api/v1/queue").json()["items"]
    asked = {"decision": "ask-agent", "comment": "planted question"}
    officer.post(f"/api/v1/queue/{item['id']}/decision", json=asked)
    answer = {"text": "planted answer of a colleague"}
    signed_in(office.site, colleague).post(f"/me/questions/{item['id']}", data=answer)

    mine = b"\n".join(package(agent_of(office)).values()).decode()

    assert "test.about-both" in mine
    for planted in ("planted", "Planted", colleague.id, colleague.email):
        assert planted not in mine, planted
    assert office.agent.id not in b"\n".join(theirs.values()).decode()


def test_questions_to_them_their_answers_and_comments_are_in_it_and_complaints_are_not(
    office: Office,
) -> None:
    complaint = f"/api/v1/calls/{office.recorded.call}/complaint"
    office.officer.post(complaint, json={"text": "They were rude to me"})
    (item,) = office.officer.get("/api/v1/queue").json()["items"]
    asked = {"decision": "ask-agent", "comment": "Did you tell them?"}
    office.officer.post(f"/api/v1/queue/{item['id']}/decision", json=asked)
    client = agent_of(office)
    client.post(f"/me/questions/{item['id']}", data={"text": "Yes, at once"})

    files = package(client)

    (review,) = rows(files, "reviews")
    assert [each["text"] for each in review["texts"]] == ["Did you tell them?", "Yes, at once"]
    assert [each["by"] for each in review["texts"]] == ["somebody-else", "you"]
    assert "They were rude" not in b"\n".join(files.values()).decode()


def test_a_call_that_was_handed_on_is_in_it_for_their_own_time(office: Office) -> None:
    colleague = add(office.site, UserRole.AGENT, "south", name="colleague")
    hand(office, colleague, 1_500)

    (former,) = rows(package(agent_of(office)), "calls")
    (latter,) = rows(package(signed_in(office.site, colleague)), "calls")

    assert former["own_time"] == [{"from_ms": 0, "to_ms": 1_500}]
    assert latter["own_time"] == [{"from_ms": 1_500, "to_ms": None}]
    assert former["seconds"] == 2
    assert former["is_shared"] is latter["is_shared"] is True


def test_who_opened_their_recordings_is_in_it(office: Office) -> None:
    node, officer = office.recorded.node, add(office.site, UserRole.COMPLIANCE, name="opener")
    node.playback.play(office.recorded.id, person=officer.id, purpose="quality")

    (opening,) = rows(package(agent_of(office)), "openings")

    assert (opening["by"], opening["kind"], opening["purpose"]) == (
        officer.name, "access.played", "quality",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "What is kept about you"), ("nb", "Det som er lagret om deg"), ("de", "Was über Sie")],
)
def test_the_page_is_in_three_languages(office: Office, language: str, title: str) -> None:
    page = package(agent_of(office), {"language": language})["index.html"].decode()

    assert f'<html lang="{language}">' in page
    assert title in page


def test_what_people_typed_is_text_on_the_page(office: Office) -> None:
    hostile = "<script>alert(1)</script>"
    add(office.site, UserRole.ADMIN)
    with transaction(office.site.store.engine) as connection:
        accounts.change_user(connection, office.agent.id, name=hostile)

    page = package(agent_of(office))["index.html"].decode()

    assert hostile not in page
    assert "&lt;script&gt;" in page


def test_a_package_lies_in_no_clear_byte(office: Office) -> None:
    made(agent_of(office), SPOKEN)

    for path in office.site.store.folder.rglob("*"):
        if path.is_file():
            assert b"index.html" not in path.read_bytes(), path.name


# The register


def test_what_they_make_themselves_is_an_answered_request(office: Office) -> None:
    made(agent_of(office))

    (found,) = office.officer.get("/api/v1/subject-requests").json()["requests"]

    assert (found["user"], found["kind"], found["state"]) == (
        office.agent.id, "access", "answered",
    )  # fmt: skip
    kinds = rig.kinds(office.site.store)
    assert kinds.count("request.received") == kinds.count("request.answered") == 1


def leave(office: Office) -> None:
    add(office.site, UserRole.ADMIN, name="boss")
    with transaction(office.site.store.engine) as connection:
        accounts.disable(connection, office.agent.id, utc_now())


def test_nobody_asks_for_somebody_who_may_sign_in(office: Office) -> None:
    body = {"kind": "access", "user": office.agent.id}
    assert office.officer.post("/api/v1/subject-requests", json=body).status_code == 403
    form = {"user": office.agent.id}
    assert office.officer.post("/compliance/requests/employees", data=form).status_code == 403


@pytest.mark.parametrize("more", [{"kind": "erasure"}, {"number": rig.NORWAY}])
def test_an_employee_who_left_asks_for_access_alone(office: Office, more: dict[str, str]) -> None:
    leave(office)
    body = {"kind": "access", "user": office.agent.id, **more}

    assert office.officer.post("/api/v1/subject-requests", json=body).status_code == 422


def test_an_officer_makes_and_takes_the_package_of_somebody_who_left(office: Office) -> None:
    leave(office)
    asked = office.officer.post(
        "/compliance/requests/employees", data={"user": office.agent.id}, follow_redirects=False
    )
    page = asked.headers["location"]
    assert office.agent.name in office.officer.get(page).text

    made = office.officer.post(f"{page}/copy", data={"voice": "on"}, follow_redirects=False)

    assert made.status_code == 303
    files = opened(office.officer, f"{page}/copy.zip")
    samples, _ = decode(files[voices(files)[0]], 16_000)
    assert (loud(samples[0]), loud(samples[1])) == (True, False)
    with transaction(office.site.store.engine) as connection:
        accounts.enable(connection, office.agent.id)
    assert office.officer.get(f"{page}/copy.zip").status_code == 404


def test_an_administrator_starts_the_request_and_gets_no_package(office: Office) -> None:
    admin = signed_in(office.site, add(office.site, UserRole.ADMIN))
    leave(office)
    page = f"/users/{office.agent.id}"
    assert "They asked for their data" in admin.get(page).text

    assert admin.post(f"{page}/data-request", follow_redirects=False).status_code == 303

    (found,) = office.officer.get("/api/v1/subject-requests").json()["requests"]
    assert (found["user"], found["state"]) == (office.agent.id, "open")
    assert "compliance answers it by" in admin.get(page).text
    assert admin.get(f"/compliance/requests/{found['id']}").status_code == 403
    assert admin.get(f"{PAGE}/{found['id']}/package.zip").status_code == 404


def test_a_package_belongs_to_no_folder_outside_of_itself(office: Office) -> None:
    names = package(agent_of(office), SPOKEN)

    assert all(not Path(name).is_absolute() and ".." not in name for name in names)
