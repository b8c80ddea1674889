"""Links to recordings: what each of them refuses, and that every attempt is written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, problem, signed_in
from tests.web.test_recordings import NOBODYS, NORTH, SOUTH, Office, office

from askfirst.errors import Refused
from askfirst.model import Purpose
from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, reading, recordings
from askfirst.server.ids import new_id
from askfirst.server.linktables import links
from askfirst.server.listening import Listening
from askfirst.server.purposes import ListeningPurpose, allowed

__all__ = ["office"]

LASTS = timedelta(seconds=60)


def attempts(office: Office) -> list[dict[str, Any]]:
    """What was refused, of this recording and of none."""
    found = [entry for _, entry in office.site.store.ledger.entries()]
    return [each for each in found if each["kind"] == "access.refused"]


def whys(office: Office) -> list[str]:
    return [each["data"]["why"] for each in attempts(office)]


def audio(office: Office, client: TestClient, link: str, **headers: str) -> Any:
    return client.get(f"{office.api}/audio", params={"link": link}, headers=headers)


def told(office: Office, purpose: Purpose | None) -> None:
    """Let the recording have been made for a purpose."""
    with office.site.store.engine.begin() as connection:
        policy = dict(connection.execute(sa.select(calls.c.policy)).scalar_one())
        policy["purpose"] = None if purpose is None else purpose.value
        connection.execute(calls.update().values(policy=policy))


@contextmanager
def counted(office: Office) -> Iterator[list[str]]:
    """Every statement that the database is given meanwhile."""
    seen: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(office.site.store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(office.site.store.engine, "before_cursor_execute", note)


def test_an_altered_link_opens_nothing_and_the_attempt_is_written_down(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]

    answer = audio(office, client, link[:-1] + ("A" if link[-1] != "A" else "B"))

    assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert whys(office) == ["no-link"]
    assert office.accesses == []


def test_a_link_of_another_person_or_session_opens_nothing(office: Office) -> None:
    officer = office.somebody(UserRole.COMPLIANCE)
    link = office.link(officer)["link"]
    lead = office.somebody(UserRole.SUPERVISOR, NORTH)

    assert audio(office, lead, link).status_code == 403
    assert whys(office) == ["other-session"]
    assert office.accesses == []


def test_a_link_of_another_recording_opens_nothing(office: Office, tmp_path: Path) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]
    node = office.site.carrier.node
    assert node is not None
    other = rig.record(node, tmp_path / "second")

    answer = client.get(f"/api/v1/recordings/{other.id}/audio", params={"link": link})

    assert answer.status_code == 403
    assert [(each["recording"], each["data"]["why"]) for each in attempts(office)] == [
        (other.id, "other-recording")
    ]


def test_a_link_that_was_revoked_opens_nothing(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    made = client.post(f"{office.api}/links", json={"purpose": "dispute", "seconds": 60}).json()
    link = made["url"].partition("link=")[2]
    assert audio(office, client, link).status_code == 200

    assert client.delete(f"{office.api}/links/{made['id']}").status_code == 204

    assert audio(office, client, link).status_code == 403
    assert whys(office) == ["revoked"]
    assert client.delete(f"{office.api}/links/{made['id']}").status_code == 204


def test_only_an_officer_revokes_the_links_of_others(office: Office) -> None:
    agent = signed_in(office.site, office.agent)
    lead = office.somebody(UserRole.SUPERVISOR, NORTH)
    officer = office.somebody(UserRole.COMPLIANCE)
    made = agent.post(f"{office.api}/links", json={"purpose": "dispute", "seconds": 60}).json()
    where, link = f"{office.api}/links/{made['id']}", made["url"].partition("link=")[2]

    assert lead.delete(where).status_code == 404
    assert audio(office, agent, link).status_code == 200
    assert officer.delete(where).status_code == 204
    assert audio(office, agent, link).status_code == 403


def test_a_link_does_not_outlive_its_session(office: Office) -> None:
    client = signed_in(office.site, office.agent)
    link = office.link(client)["link"]
    with office.site.store.engine.begin() as connection:
        accounts.set_password(connection, office.agent.id, "another long password")

    assert audio(office, client, link).status_code == 401
    assert office.accesses == []


def test_a_link_that_ran_out_is_told_apart_in_the_log(office: Office) -> None:
    person, now, listening = office.agent.person, utc_now(), office.site.listening
    made = listening.link(person, "s", office.recorded.id, ListeningPurpose.DISPUTE, LASTS, now)

    with pytest.raises(Refused, match="run out"):
        listening.sound(person, "s", office.recorded.id, made.token, made.expires_at)

    assert whys(office) == ["expired"]


@pytest.mark.parametrize(
    "asked", ["bytes=999999999-", "bytes=5-2", "bytes=-0", "bytes=0-9,20-29", "bytes=" + "9" * 60]
)
def test_an_abused_range_gives_nothing_beyond_the_file(office: Office, asked: str) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]

    answer = audio(office, client, link, range=asked)

    assert answer.status_code in (200, 416)
    written = len(office.accesses)
    assert written == (1 if answer.status_code == 200 else 0)


def test_only_what_was_not_given_before_is_written_down_again(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]
    whole = len(audio(office, office.somebody(UserRole.COMPLIANCE, NORTH), link).content)
    size = len(audio(office, client, link).content)
    first = office.entries("access.played")

    for _ in range(3):
        assert audio(office, client, link, range=f"bytes={size // 2}-").status_code == 206

    assert whole < size
    assert office.entries("access.played") == first
    assert len(first) == 1


def test_a_part_is_written_down_with_its_call_times(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    size = len(audio(office, client, office.link(client)["link"]).content)
    whole = office.entries("access.played")[0]["data"]
    link = office.link(client)["link"]

    assert audio(office, client, link, range=f"bytes={size // 2}-").status_code == 206

    part = office.entries("access.played")[1]["data"]
    assert whole["from_ms"] < part["from_ms"] < part["to_ms"] == whole["to_ms"]
    assert part["link"] != whole["link"]


def test_after_a_restart_a_link_holds_and_is_not_written_down_twice(office: Office) -> None:
    person, now, recording = office.agent.person, utc_now(), office.recorded.id
    made = office.site.listening.link(person, "s", recording, ListeningPurpose.DISPUTE, LASTS, now)
    sound = office.site.listening.sound(person, "s", recording, made.token, now)
    sound.part(0, sound.size - 1)

    again = Listening(office.site.store).sound(person, "s", recording, made.token, now)
    again.part(0, again.size - 1)

    assert len(office.entries("access.played")) == 1


def test_what_cannot_be_written_down_is_not_heard(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]
    with office.site.store.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_head RENAME TO away"))

    answer = audio(office, client, link)

    assert answer.status_code == 503
    assert b"OggS" not in answer.content


@pytest.mark.parametrize("link", ["", "x", "A" * 43])
def test_neither_answer_nor_work_tells_whether_a_recording_exists(
    office: Office, link: str
) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    answers, work = [], []
    for recording in (office.recorded.id, NOBODYS):
        with counted(office) as statements:
            answer = client.get(f"/api/v1/recordings/{recording}/audio", params={"link": link})
        answers.append((answer.status_code, answer.json()["detail"]))
        work.append([statement.split("(")[0] for statement in statements])

    assert answers[0] == answers[1]
    assert work[0] == work[1]
    assert [each.get("recording") for each in attempts(office)] == [office.recorded.id, None]


def test_a_recording_that_goes_meanwhile_is_not_found(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = new_id("rec")
    with office.site.store.engine.begin() as connection:
        row = connection.execute(sa.select(recordings)).one()._mapping
        connection.execute(recordings.insert().values({**row, "id": begun, "state": "spool"}))

    def goes(*_: object) -> bool:
        with office.site.store.engine.begin() as connection:
            connection.execute(recordings.delete().where(recordings.c.id == begun))
        return False

    monkeypatch.setattr(Listening, "wants_reason", goes)
    client = office.somebody(UserRole.COMPLIANCE)
    wanted = {"purpose": "dispute", "seconds": 60}
    answer = client.post(f"/api/v1/recordings/{begun}/links", json=wanted)

    assert (answer.status_code, problem(answer)) == (404, "urn:askfirst:problem:not-found")


def test_knocking_again_and_again_does_not_fill_the_ledger(office: Office) -> None:
    client = office.somebody(UserRole.SUPERVISOR, SOUTH)

    for _ in range(20):
        assert client.get(f"{office.api}/transcript").status_code == 403

    assert whys(office) == ["no-right"]


@pytest.mark.parametrize("role", [UserRole.ADMIN, UserRole.AUDITOR, UserRole.SUPERVISOR])
def test_whoever_may_not_listen_is_written_down_for_trying(office: Office, role: UserRole) -> None:
    client = office.somebody(role, SOUTH)

    assert client.get(office.page).status_code == 403
    assert client.get(f"{office.api}/audio").status_code == 403

    assert set(whys(office)) <= {"no-right", "no-link"}
    assert {each["call"] for each in attempts(office)} == {office.recorded.call}
    assert len(attempts(office)) == 2


def test_the_recorded_agent_sees_who_was_refused(office: Office) -> None:
    office.somebody(UserRole.ADMIN).get(office.page)

    mine = signed_in(office.site, office.agent).get("/me").text

    assert "tried to open it and was refused" in mine


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_recording_is_opened_for_the_purpose_that_was_told_and_for_no_other(
    office: Office, purpose: Purpose
) -> None:
    told(office, purpose)
    client = signed_in(office.site, office.agent)
    statuses = {
        each: client.post(
            f"{office.api}/links", json={"purpose": each.value, "seconds": 60}
        ).status_code
        for each in ListeningPurpose
    }

    assert {each for each, status in statuses.items() if status == 201} == {
        ListeningPurpose(purpose.value),
        ListeningPurpose.DISPUTE,
    }
    assert set(whys(office)) == {"other-purpose"}


def test_proof_of_business_never_enters_coaching(office: Office) -> None:
    told(office, Purpose.BUSINESS_PROOF)
    lead = office.somebody(UserRole.SUPERVISOR, NORTH)
    where = f"{office.page}/listen"

    for purpose in ("coaching", "training", "quality"):
        assert lead.post(where, data={"purpose": purpose}).status_code == 403
        form = {"purpose": purpose, "wanted": "audio"}
        assert lead.post(f"{office.page}/export", data=form).status_code == 403
    assert office.accesses == []
    offered = lead.get(office.page).text
    assert 'value="business_proof"' in offered
    assert 'value="coaching"' not in offered


def test_only_officers_open_for_a_check_or_a_request(office: Office) -> None:
    lead = add(office.site, UserRole.SUPERVISOR, NORTH, name="lead")
    officer = add(office.site, UserRole.COMPLIANCE, name="officer")
    with reading(office.site.store.engine) as connection:
        of_lead = set(allowed(connection, lead.person, office.recorded.id))
        of_officer = set(allowed(connection, officer.person, office.recorded.id))

    assert of_officer - of_lead == {
        ListeningPurpose.CONSENT_CHECK,
        ListeningPurpose.SUBJECT_REQUEST,
    }


def test_no_secret_of_a_link_is_kept(office: Office) -> None:
    client = office.somebody(UserRole.COMPLIANCE)
    link = office.link(client)["link"]

    with reading(office.site.store.engine) as connection:
        rows = connection.execute(sa.select(links)).all()

    assert len(rows) == 1
    assert link not in str(rows)
