"""The queue over HTTP and as pages: who sees it, who decides, what is heard, the second person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.test_finishing import NOTICE, TOLD, Listening, finished
from tests.server.test_queuecheck import UNTOLD
from tests.web.conftest import add, problem, signed_in

from askfirst.audio.container import decode
from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, calls, recordings, segments, transaction
from askfirst.server.queuecheck import check_all
from askfirst.web.visit import Site

API = "/api/v1"


@dataclass
class Office:
    """A set-up installation with an item of the queue, and people at their browsers."""

    site: Site
    call: str
    item: str
    officer: TestClient
    agent: TestClient
    auditor: TestClient
    supervisor: TestClient


@pytest.fixture
def office(ready: Site, tmp_path: Path) -> Office:
    agent = add(ready, UserRole.AGENT, "north")
    call = finished(ready.store, tmp_path, Listening(UNTOLD), *TOLD)
    with transaction(ready.store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id))
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    (item,) = officer.get(f"{API}/queue").json()["items"]
    return Office(
        ready,
        call.id,
        item["id"],
        officer,
        signed_in(ready, agent),
        signed_in(ready, add(ready, UserRole.AUDITOR)),
        signed_in(ready, add(ready, UserRole.SUPERVISOR, "north")),
    )


def second_person(office: Office, *kinds: str) -> None:
    with transaction(office.site.store.engine) as connection:
        account.change(connection, {"second_person": list(kinds)}, None, utc_now())


def state(office: Office) -> str:
    return str(rig.recording_rows(office.site.store)[0].state)


def test_the_queue_says_why_and_what_may_be_decided(office: Office) -> None:
    found = office.officer.get(f"{API}/queue").json()

    (item,) = found["items"]
    assert (item["reason"], item["call"], item["late"]) == ("not-heard", office.call, False)
    assert item["decisions"] == ["given", "not-given", "keep-from", "ask-agent"]
    assert item["evidence"]["own_side_only"] is True
    assert found["counts"]["not-heard"] == 1
    assert found["next"] is None


def test_a_page_of_the_queue_goes_on_behind_its_last_item(office: Office) -> None:
    office.agent.post(f"{API}/calls/{office.call}/complaint", json={"text": "They were rude"})

    first = office.officer.get(f"{API}/queue", params={"limit": 1}).json()
    second = office.officer.get(f"{API}/queue", params={"after": first["next"]}).json()

    assert [each["reason"] for each in first["items"]] == ["not-heard"]
    assert [each["reason"] for each in second["items"]] == ["complaint"]


def test_a_decision_is_made_over_http_and_the_second_one_is_told(office: Office) -> None:
    path = f"{API}/queue/{office.item}/decision"
    wanted = {"decision": "not-given", "comment": "no notice"}

    assert office.auditor.post(path, json=wanted).status_code == 403
    assert office.officer.post(path, json=wanted).json() == {
        "id": office.item,
        "state": "decided",
        "proposal": None,
    }
    again = office.officer.post(path, json=wanted)
    assert (again.status_code, problem(again)) == (403, "urn:askfirst:problem:refused")
    assert state(office) == "erased"


@pytest.mark.parametrize(
    "wanted",
    [
        {"decision": "dismiss", "comment": "nothing"},
        {"decision": "keep-from", "comment": "cut it"},
        {"decision": "given"},
        {"decision": "perhaps", "comment": "what"},
    ],
)
def test_a_decision_that_does_not_fit_is_told_and_changes_nothing(
    office: Office, wanted: dict[str, object]
) -> None:
    answer = office.officer.post(f"{API}/queue/{office.item}/decision", json=wanted)

    assert answer.status_code == 422
    assert state(office) == "quarantined"


def test_the_seconds_are_heard_from_the_queue_and_nowhere_else(office: Office) -> None:
    recording = rig.recording_rows(office.site.store)[0].id
    sound = f"/compliance/items/{office.item}/sound"

    heard = office.officer.get(sound)
    assert heard.headers["cache-control"] == "no-store"
    assert decode(heard.content)[0].shape[0] == 1
    for other in (office.agent, office.auditor, office.supervisor):
        assert other.get(sound).status_code == 403
    link = office.officer.post(
        f"{API}/recordings/{recording}/links", json={"purpose": "dispute", "seconds": 60}
    ).json()
    assert office.officer.get(link["url"]).status_code == 403
    opened = office.officer.post(f"/calls/{office.call}/listen", data={"purpose": "consent-check"})
    assert "<audio" not in opened.text
    assert rig.kinds(office.site.store).count("access.played") == 1


def test_the_page_shows_the_item_the_player_and_the_decision(office: Office) -> None:
    page = office.officer.get("/compliance").text
    assert "Attested, but no notice found" in page
    assert f"/compliance/items/{office.item}/sound" in page
    assert "Compliance (1)" in page

    read = office.auditor.get("/compliance").text
    assert "Attested, but no notice found" in read
    assert "<audio" not in read
    assert "<textarea" not in office.auditor.get(f"/compliance/items/{office.item}").text
    assert office.agent.get("/compliance").status_code == 403


def test_filters_leave_what_fits(office: Office) -> None:
    for query, is_there in (
        ("reason=complaint", False),
        ("reason=not-heard", True),
        ("age=5", False),
        ("team=north", True),
        ("team=south", False),
        ("place=US-CA", True),
        ("place=NO", False),
    ):
        page = office.officer.get(f"/compliance?{query}").text
        assert ("Attested, but no notice found" in page) is is_there, query


def test_a_form_that_is_wrong_says_so_and_keeps_the_comment(office: Office) -> None:
    answer = office.officer.post(
        f"/compliance/items/{office.item}",
        data={"decision": "keep-from", "keep_from": "soon", "comment": "heard at the end"},
    )

    assert answer.status_code == 422
    assert "minutes and seconds" in answer.text
    assert "heard at the end" in answer.text


def test_the_agent_is_asked_on_their_page_and_answers_there(office: Office) -> None:
    done = office.officer.post(
        f"/compliance/items/{office.item}", data={"decision": "ask-agent", "comment": "Did you?"}
    )
    assert done.status_code == 303
    assert "Did you?" in office.agent.get("/me").text
    assert "Did you?" not in office.supervisor.get("/me").text

    path = f"/me/questions/{office.item}"
    assert office.supervisor.post(path, data={"text": "I did"}).status_code == 403
    assert office.agent.post(path, data={"text": "I did, before"}).status_code == 303
    assert "I did, before" in office.officer.get(f"/compliance/items/{office.item}").text
    assert "I did, before" not in office.auditor.get(f"/compliance/items/{office.item}").text


def test_a_complaint_is_entered_on_the_page_of_the_call(office: Office) -> None:
    stranger = signed_in(office.site, add(office.site, UserRole.AGENT, "south", "stranger"))
    path = f"/calls/{office.call}/complaint"

    assert stranger.post(path, data={"text": "Never my call"}).status_code == 403
    assert office.agent.post(path, data={"text": "The lady complained"}).status_code == 303
    assert office.officer.get(f"{API}/queue").json()["counts"]["complaint"] == 1


def test_an_empty_queue_says_when_it_was_checked(ready: Site) -> None:
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    assert "within the hour" in officer.get("/compliance").text

    check_all(ready.store, ready.rules, utc_now())
    assert "Last check" in officer.get("/compliance").text


# The second person


def test_what_waits_is_approved_by_somebody_else_on_the_page(office: Office) -> None:
    second_person(office, "queue-erase")
    other = signed_in(office.site, add(office.site, UserRole.COMPLIANCE, name="second"))
    done = office.officer.post(
        f"{API}/queue/{office.item}/decision", json={"decision": "not-given", "comment": "none"}
    ).json()
    assert done["state"] == "proposed"
    path = f"/compliance/approvals/{done['proposal']}"

    own = office.officer.post(path, data={"verdict": "approve"})
    assert (own.status_code, state(office)) == (403, "quarantined")
    assert "your own proposal" in own.text
    assert other.post(path, data={"verdict": "perhaps"}).status_code == 422
    assert other.post(path, data={"verdict": "approve"}).status_code == 303
    assert state(office) == "erased"


def test_settings_wait_for_a_second_administrator(ready: Site) -> None:
    first = signed_in(ready, add(ready, UserRole.ADMIN, name="first"))
    second = signed_in(ready, add(ready, UserRole.ADMIN, name="second"))
    assert first.patch(f"{API}/settings", json={"second_person": ["settings"]}).status_code == 200

    tightened = first.patch(f"{API}/settings", json={"recording_enabled": False})
    assert (tightened.status_code, tightened.json()["recording_enabled"]) == (200, False)
    loosened = first.patch(f"{API}/settings", json={"recording_enabled": True})
    assert (loosened.status_code, loosened.json()["recording_enabled"]) == (202, False)

    page = second.get("/compliance/approvals").text
    assert "Call recording" in page
    path = f"/compliance/approvals/{loosened.json()['proposal']}"
    assert first.post(path, data={"verdict": "approve"}).status_code == 403
    assert second.post(path, data={"verdict": "approve"}).status_code == 303
    assert first.get(f"{API}/settings").json()["recording_enabled"] is True


def test_the_policies_page_says_that_a_change_waits(ready: Site) -> None:
    first = signed_in(ready, add(ready, UserRole.ADMIN, name="first"))
    first.patch(f"{API}/settings", json={"second_person": ["settings"]})

    form = {"external_share_links": "on", "announces": "on", "automatic_notice": "on"}
    done = first.post("/settings/policies", data=form, follow_redirects=True)

    assert "waits for a second person" in done.text
    assert "Saved." not in done.text
    assert not (first.get(f"{API}/settings").json()["wishes"] or {}).get("external_share_links")


# The report


def test_the_report_counts_and_names_the_calls(office: Office) -> None:
    found = office.auditor.get(f"{API}/assurance").json()

    assert found["holds"] is True
    assert found["counts"]["calls"] == found["counts"]["present"] == 1
    assert found["calls"]["opened"] == [office.call]
    page = office.auditor.get("/compliance/assurance?figure=opened").text
    assert office.call in page
    table = office.auditor.get("/compliance/assurance.csv").text.splitlines()
    assert table[0] == "from,to,figure,count,call"
    assert any(line.endswith(f"opened,1,{office.call}") for line in table)


def test_a_missing_recording_breaks_the_report(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        for table in (assets, segments, recordings):
            connection.execute(table.delete())

    found = office.auditor.get(f"{API}/assurance").json()

    assert found["holds"] is False
    assert found["calls"]["absent"] == [office.call]


@pytest.mark.parametrize("query", ["from=2026-02-02&to=2026-02-01", "from=soon"])
def test_a_period_that_is_none_is_refused(office: Office, query: str) -> None:
    assert office.auditor.get(f"{API}/assurance?{query}").status_code == 422


def test_another_period_has_no_calls(office: Office) -> None:
    found = office.auditor.get(f"{API}/assurance?from=2020-01-01&to=2020-01-31").json()

    assert found["counts"]["calls"] == 0


def test_a_decision_that_was_not_chosen_is_asked_for(office: Office) -> None:
    answer = office.officer.post(
        f"/compliance/items/{office.item}", data={"comment": "I have listened"}
    )

    assert answer.status_code == 422
    assert "Choose one of the list." in answer.text
    assert "checked" not in office.officer.get(f"/compliance/items/{office.item}").text


def test_the_second_person_is_turned_on_and_off_among_the_policies(ready: Site) -> None:
    first = signed_in(ready, add(ready, UserRole.ADMIN, name="first"))
    asked = {"second_person_asked": "1", "announces": "on", "automatic_notice": "on"}

    on = {**asked, "second_person": ["settings", "queue-erase"], "unverified_days": "21"}
    assert first.post("/settings/policies", data=on).status_code == 303
    wants = first.get(f"{API}/settings").json()
    assert wants["second_person"] == ["queue-erase", "settings"]
    assert wants["unverified_days"] == 21

    off = first.post("/settings/policies", data={**asked, "unverified_days": "soon"})
    assert off.status_code == 422
    off = first.post("/settings/policies", data=asked, follow_redirects=True)
    assert "waits for a second person" in off.text
    assert first.get(f"{API}/settings").json()["second_person"] == ["queue-erase", "settings"]


def test_a_hold_is_released_by_two(ready: Site, tmp_path: Path) -> None:
    first = signed_in(ready, add(ready, UserRole.COMPLIANCE, name="first"))
    second = signed_in(ready, add(ready, UserRole.COMPLIANCE, name="second"))
    call = finished(ready.store, tmp_path, Listening(NOTICE), *TOLD)
    path, why = f"{API}/recordings/{call.recordings[0]}/hold", {"reason": "a claim"}
    late = {**why, "until": "2001-01-01T00:00:00Z"}
    assert first.put(path, json=late).status_code == 422
    assert first.put(path, json={**why, "until": "2999-01-01T00:00:00Z"}).status_code == 200
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"second_person": ["hold-release"]}, None, utc_now())

    asked = first.request("DELETE", path, json=why).json()
    assert asked["legal_hold"] is True
    decide = f"/compliance/approvals/{asked['proposal']}"
    assert first.post(decide, data={"verdict": "approve"}).status_code == 403
    assert rig.recording_rows(ready.store)[0].legal_hold
    assert second.post(decide, data={"verdict": "approve"}).status_code == 303
    assert not rig.recording_rows(ready.store)[0].legal_hold
