"""Running calls on a page, and notes written while a call runs."""

from __future__ import annotations

from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import add, signed_in
from tests.web.live import sign_in
from tests.web.test_live import browser as browser
from tests.web.test_live import site as site

from askfirst.server.access import UserRole
from askfirst.web.visit import Site


def test_a_supervisor_sees_state_and_people_of_the_teams_calls_and_no_words(
    browser: TestClient, site: Site
) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    live = site.carrier.desk.get(call)
    spoken = [
        each["text"] for each in browser.get(f"/api/v1/calls/{call}/live").json()["sentences"]
    ]

    sign_in(browser, site, UserRole.SUPERVISOR, "lead")
    page = browser.get("/live").text

    assert f'href="/calls/{call}"' in page
    assert ">Kari</a>" in page
    shown = page.partition('id="live-list"')[2].partition("</main>")[0]
    assert "light-recording" not in shown.replace("light-word-recording", "")
    assert not [words for words in spoken if words in page]
    assert live.user_id not in shown, "names and not ids"


def test_a_supervisor_of_another_team_sees_nobody(browser: TestClient, site: Site) -> None:
    sign_in(browser, site, UserRole.AGENT, "kari")
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    lead = sign_in(browser, site, UserRole.SUPERVISOR, "lead")
    with site.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET team = 'south' WHERE id = ?", (lead.id,))

    page = browser.get("/live").text

    assert call not in page
    assert "Nobody is on a call right now." in page


def test_a_process_that_carries_no_calls_says_so(ready: Site) -> None:
    lead = signed_in(ready, add(ready, UserRole.SUPERVISOR, "north"))

    answer = lead.get("/live")

    assert (answer.status_code, "carries no calls" in answer.text) == (200, True)


def test_notes_typed_in_a_running_call_outlive_the_session_and_the_call(
    browser: TestClient, site: Site
) -> None:
    kari = sign_in(browser, site, UserRole.AGENT, "kari")
    call = browser.post("/api/v1/calls", json={"to": rig.CALIFORNIA}).json()["call"]
    notes = f"/api/v1/calls/{call}/notes"
    written = browser.put(notes, json={"version": 0, "notes": "asked for a quote"})
    assert (written.status_code, site.carrier.desk.get(call).has_ended) == (200, False)

    browser.post("/sign-out")
    assert browser.put(notes, json={"version": 1, "notes": "x"}).status_code == 401

    again = signed_in(site, kari)
    assert again.get(notes).json()["notes"] == "asked for a quote"
