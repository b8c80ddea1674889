"""What was brought over, on the pages: shown where it may be, locked and told where not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.server import twiliorig
from tests.twilio.importrig import (
    BERLIN,
    CALIFORNIA,
    NOW,
    OURS,
    Case,
    Hearing,
    at_once,
    mono,
)
from tests.twilio.serving import serving
from tests.web.conftest import add, opened, set_up, signed_in

from askfirst.server import recordingselsewhere
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.queuecheck import check_all
from askfirst.server.recordingselsewhere import Watch
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCredentials
from askfirst.twilioemulator.kept import ACCOUNT_SID, SECRET, Account, Fault, KeptNumber
from askfirst.twilioemulator.resources import Resources
from askfirst.web.visit import Site

API = "/api/v1"


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Site]:
    for site in opened(tmp_path):
        yield set_up(site)


@pytest.fixture
def case(ready: Site) -> Iterator[Case]:
    account = Account()
    account.numbers["PN1"] = KeptNumber(f"PN{1:032x}", OURS)
    with serving(Resources(account).routes()) as base:
        yield Case(account, ready.store, base)


@pytest.fixture
def officer(ready: Site) -> TestClient:
    return signed_in(ready, add(ready, UserRole.COMPLIANCE))


def watch(case: Case) -> Watch:
    credentials = TwilioCredentials(ACCOUNT_SID, SECRET)
    return Watch(lambda: TwilioClient(credentials, case.base, pause=at_once))


def test_a_locked_one_is_an_item_with_our_side_alone_and_no_cut(
    ready: Site, case: Case, officer: TestClient
) -> None:
    case.add(1, BERLIN)
    case.run()
    (item,) = officer.get(f"{API}/queue").json()["items"]
    assert item["reason"] == "imported"
    assert item["decisions"] == ["given", "not-given"]
    assert item["evidence"] == {"from_ms": 0, "to_ms": 4_000, "own_side_only": True}
    page = officer.get(f"/compliance/items/{item['id']}")
    assert page.status_code == 200
    assert "brought over from elsewhere" in page.text
    assert officer.get(f"/compliance/items/{item['id']}/sound").status_code == 200
    for path in (f"/calls/{item['call']}", "/calls", "/compliance", "/compliance/report"):
        assert officer.get(path).status_code in (200, 404), path
    assert officer.get(f"/calls/{item['call']}").status_code == 200
    decided = {"decision": "given", "comment": "a signed consent is on file"}
    answer = officer.post(f"{API}/queue/{item['id']}/decision", json=decided)
    assert answer.json()["state"] == "decided"


def test_of_a_mix_nothing_is_heard_before_a_decision(case: Case, officer: TestClient) -> None:
    case.add(1, CALIFORNIA, mono())
    case.run()
    (item,) = officer.get(f"{API}/queue").json()["items"]
    assert item["evidence"] is None
    assert officer.get(f"/compliance/items/{item['id']}/sound").status_code == 403


def test_the_check_finds_nothing_odd_in_what_was_brought(
    ready: Site, case: Case, officer: TestClient
) -> None:
    case.add(1, CALIFORNIA)
    (line,) = case.run()
    assert line.outcome == "ready"
    assert check_all(ready.store, ready.rules, NOW) == 0
    found = officer.get(f"{API}/assurance", params={"from": "2026-11-01", "to": "2026-11-30"})
    assert found.json()["counts"]["unexpected"] == 0
    (call,) = officer.get(f"{API}/calls").json()["calls"]
    page = officer.get(f"/calls/{call['id']}")
    assert page.status_code == 200
    assert "brought over" in page.text
    assert "http://api.twilio" not in page.text


def test_the_queue_tells_of_what_twilio_keeps_and_of_a_check_that_failed(
    ready: Site, case: Case, officer: TestClient
) -> None:
    sid = case.add(1, CALIFORNIA)
    assert sid not in officer.get("/compliance").text
    recordingselsewhere.run(ready.store, watch(case), NOW)
    page = officer.get("/compliance").text
    assert sid in page
    assert "belongs to none of our calls" in page
    assert "/calls/None" not in page
    case.account.secret = "another"  # noqa: S105 - of the emulator
    recordingselsewhere.run(ready.store, watch(case), NOW)
    page = officer.get("/compliance").text
    assert "Not known whether Twilio records" in page
    assert "does not take the credentials" in page
    assert sid in page


def test_the_pages_of_twilio_and_of_the_system_say_when_and_why_a_check_failed(
    ready: Site, case: Case
) -> None:
    admin = signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))
    twiliorig.set_up(ready.store)
    assert "never checked" in on(admin, "/settings/providers/twilio")
    recordingselsewhere.run(ready.store, watch(case), utc_now())
    assert "Nothing is kept there" in on(admin, "/settings/providers/twilio")
    case.account.faults = [("Recordings", Fault.BROKEN)] * 8
    case.add(1, CALIFORNIA)
    recordingselsewhere.run(ready.store, watch(case), utc_now())
    for path in ("/settings/providers/twilio", "/dashboards/system"):
        page = on(admin, path)
        assert "Not known: Twilio did not answer" in page
        assert "Nothing is kept there" not in page
        assert "Last tried" in page
        assert "Last made whole" in page
    recordingselsewhere.run(ready.store, watch(case), utc_now())
    page = on(admin, "/settings/providers/twilio")
    assert "Recordings are kept there" in page
    assert 'href="/compliance"' not in page.partition("<main")[2]
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    page = on(officer, "/settings/providers/twilio")
    assert 'href="/compliance"' in page.partition("<main")[2]


def on(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.text


def test_what_belongs_to_no_call_of_ours_has_decisions_of_its_own(
    ready: Site, case: Case, officer: TestClient
) -> None:
    sid = case.add(1, CALIFORNIA)
    recordingselsewhere.run(ready.store, watch(case), NOW)
    found = officer.get(f"{API}/queue", params={"reason": "elsewhere-no-call"}).json()
    (item,) = found["items"]
    assert (item["call"], item["recording"], item["agent"], item["evidence"]) == (None,) * 4
    assert item["elsewhere"]["recording"] == sid
    assert item["decisions"] == ["deleted-there", "known"]
    assert found["counts"]["elsewhere-no-call"] == 1
    path = f"/compliance/items/{item['id']}"
    page = officer.get(path).text
    assert sid in page
    assert "/calls/" not in page.partition("<main")[2]
    assert officer.get(f"{path}/sound").status_code == 403
    auditor = signed_in(ready, add(ready, UserRole.AUDITOR))
    assert auditor.get(path).status_code == 200
    answer = {"decision": "known", "comment": "our queue system makes it, contract of 2024"}
    assert auditor.post(path, data=answer).status_code == 403
    assert officer.post(path, data={**answer, "comment": ""}).status_code == 422
    assert officer.post(path, data=answer).status_code == 303
    page = officer.get(path).text
    assert "ours, and known" in page
    assert "contract of 2024" in page
    assert officer.get("/compliance").status_code == 200
    assert sid in officer.get("/compliance?decided=yes").text


def test_an_alarm_about_our_call_names_it_and_the_recording(
    ready: Site, case: Case, officer: TestClient
) -> None:
    sid = case.add(1, CALIFORNIA)
    case.hearing = Hearing()
    case.run()
    recordingselsewhere.run(ready.store, watch(case), NOW)
    (item,) = officer.get(f"{API}/queue", params={"reason": "elsewhere"}).json()["items"]
    assert item["decisions"] == ["dismiss"]
    assert sid in officer.get(f"/compliance/items/{item['id']}").text
