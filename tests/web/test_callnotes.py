"""Writing about calls on pages and over HTTP: nothing typed is lost, nothing unseen overwritten."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.people import called, draft, meet
from tests.web.conftest import add, problem, signed_in

from askfirst.server import accounts, followups
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import calls, reading, transaction
from askfirst.web.visit import Site

WORDS = "Wants the blue one & not the <b>red</b>"


@dataclass(frozen=True)
class Desk:
    """An agent of the team north with a browser and a call to Norway that is over."""

    site: Site
    agent: accounts.User
    client: TestClient
    call: str

    @property
    def page(self) -> str:
        return f"/calls/{self.call}/notes"

    @property
    def api(self) -> str:
        return f"/api/v1/calls/{self.call}/notes"

    def other(self, role: UserRole, team: str | None = "north") -> TestClient:
        return signed_in(self.site, add(self.site, role, team, name="other"))


@pytest.fixture
def desk(ready: Site) -> Desk:
    agent = add(ready, UserRole.AGENT, "north")
    call = called(ready.store, rig.NORWAY)
    with transaction(ready.store.engine) as connection:
        connection.execute(calls.update().values(agent=agent.id, ended_at=rig.AT))
    return Desk(ready, agent, signed_in(ready, agent), call)


def shown(page: str, name: str) -> str:
    """What a text field of a page holds."""
    found = re.search(rf'<textarea[^>]* name="{name}"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert found is not None
    return found[1]


def version(page: str) -> str:
    found = re.search(r'name="version" value="(-?\d+)"', page)
    assert found is not None
    return found[1]


def test_a_second_window_overwrites_nothing_over_http(desk: Desk) -> None:
    assert desk.client.get(desk.api).json()["version"] == 0
    first = desk.client.put(desk.api, json={"version": 0, "notes": "one"})
    assert (first.status_code, first.json()["version"]) == (200, 1)

    second = desk.client.put(desk.api, json={"version": 0, "notes": "two"})

    assert (second.status_code, problem(second)) == (409, "urn:askfirst:problem:conflict")
    assert desk.client.get(desk.api).json()["notes"] == "one"


def test_what_a_body_does_not_name_stays(desk: Desk) -> None:
    body = {"version": 0, "disposition": "call-back", "notes": WORDS, "anyone_else": "yes"}
    desk.client.put(desk.api, json=body)

    kept = desk.client.put(desk.api, json={"version": 1, "notes": "more"}).json()

    assert (kept["disposition"], kept["notes"], kept["anyone_else"]) == ("call-back", "more", "yes")
    cleared = desk.client.put(desk.api, json={"version": 2, "anyone_else": None}).json()
    assert (cleared["anyone_else"], cleared["notes"]) == (None, "more")


@pytest.mark.parametrize(
    "body",
    [
        {"notes": "no version"},
        {"version": 0, "disposition": "recorded"},
        {"version": 0, "anyone_else": "maybe"},
        {"version": 0, "notes": "x" * 4_001},
        {"version": 0, "follow_up_on": "soon"},
        {"version": 0, "outcome": "reached"},
    ],
)
def test_what_cannot_be_kept_is_a_problem_that_names_the_field(
    desk: Desk, body: dict[str, object]
) -> None:
    answer = desk.client.put(desk.api, json=body)

    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-request")
    assert desk.client.get(desk.api).json()["version"] == 0


def test_only_its_agent_writes_and_those_who_reach_it_read(desk: Desk) -> None:
    desk.client.put(desk.api, json={"version": 0, "notes": WORDS})
    lead = desk.other(UserRole.SUPERVISOR)

    assert lead.get(desk.api).json()["notes"] == WORDS
    assert lead.put(desk.api, json={"version": 1, "notes": "mine"}).status_code == 403
    page = lead.get(desk.page).text
    assert 'name="notes"' not in page
    assert "Wants the blue one &amp; not the &lt;b&gt;red" in page


def test_somebody_of_another_team_neither_reads_nor_writes(desk: Desk) -> None:
    far = desk.other(UserRole.SUPERVISOR, "south")

    for answer in (
        far.get(desk.api),
        far.put(desk.api, json={"version": 0, "notes": "x"}),
        far.get(desk.page),
    ):
        assert answer.status_code == 403


def test_the_form_keeps_what_was_typed_when_it_cannot_be_written(desk: Desk) -> None:
    typed = {"version": "0", "notes": "x" * 4_001, "disposition": "reached"}

    answer = desk.client.post(desk.page, data=typed)

    assert answer.status_code == 422
    assert shown(answer.text, "notes") == "x" * 4_001
    assert '<option value="reached" selected>' in answer.text
    wrong_day = desk.client.post(desk.page, data={"notes": WORDS, "follow_up_on": "soon"})
    assert wrong_day.status_code == 422
    assert "Choose a day." in wrong_day.text


def test_two_windows_both_see_both_texts_before_one_replaces_the_other(desk: Desk) -> None:
    first, second = desk.client.get(desk.page).text, desk.client.get(desk.page).text
    saved = desk.client.post(desk.page, data={"version": version(first), "notes": "first"})
    assert (saved.status_code, saved.headers["location"]) == (303, f"/calls/{desk.call}")

    refused = desk.client.post(desk.page, data={"version": version(second), "notes": "second"})

    assert refused.status_code == 409
    assert shown(refused.text, "notes") == "second"
    assert ">first</p>" in refused.text
    assert "/notes/draft" not in refused.text, "typing replaces nothing that is only looked at"
    again = {"version": version(refused.text), "notes": "second"}
    assert desk.client.post(desk.page, data=again).status_code == 303
    assert desk.client.get(desk.api).json()["notes"] == "second"


def test_a_text_that_was_wrong_first_still_overwrites_nothing_unseen(desk: Desk) -> None:
    wrong = desk.client.post(desk.page, data={"version": "0", "notes": "x" * 4_001})
    desk.client.put(desk.api, json={"version": 0, "notes": "meanwhile"})

    typed = {"version": version(wrong.text), "notes": "short"}

    assert desk.client.post(desk.page, data=typed).status_code == 409
    assert desk.client.get(desk.api).json()["notes"] == "meanwhile"


def test_notes_are_kept_while_they_are_typed_and_nothing_else_is(desk: Desk) -> None:
    typed = {"version": "0", "notes": WORDS, "disposition": "reached", "follow_up_on": "2026-12-24"}

    draft_answer = desk.client.post(f"{desk.page}/draft", data=typed)

    assert draft_answer.status_code == 200
    assert version(draft_answer.text) == "1"
    kept = desk.client.get(desk.api).json()
    assert (kept["notes"], kept["disposition"], kept["follow_up_on"]) == (WORDS, None, None)
    stale = desk.client.post(f"{desk.page}/draft", data={**typed, "notes": "other"})
    assert (stale.status_code, version(stale.text)) == (422, "0")
    assert "another window" in stale.text
    final = {**typed, "version": "1"}
    assert desk.client.post(desk.page, data=final).status_code == 303
    assert desk.client.get(desk.api).json()["follow_up_on"] == "2026-12-24"


def test_a_page_that_cannot_promise_takes_no_promise_back(desk: Desk) -> None:
    contact = meet(desk.site.store, draft("Nora Lie", rig.NORWAY))
    desk.client.put(desk.api, json={"version": 0, "follow_up_on": "2026-12-24"})
    desk.client.delete(f"/api/v1/contacts/{contact}")

    page = desk.client.get(desk.page).text
    kept = re.search(r'type="hidden" name="follow_up_on" value="([^"]*)"', page)
    assert kept is not None
    typed = {"version": "1", "notes": WORDS, "follow_up_on": kept[1]}
    assert desk.client.post(desk.page, data=typed).status_code == 303

    assert desk.client.get(desk.api).json()["follow_up_on"] == "2026-12-24"


def due(site: Site, contact: str, owner: accounts.User, days: int) -> str:
    with transaction(site.store.engine) as connection:
        day = utc_now().date() + timedelta(days)
        return followups.promise(connection, contact, day, note=f"in {days}", owner=owner.id)


def test_follow_ups_are_grouped_and_narrowed_to_whom_somebody_reaches(desk: Desk) -> None:
    contact = meet(desk.site.store, draft("Nora Lie", rig.NORWAY))
    second = add(desk.site, UserRole.AGENT, "south", name="far")
    for owner, days in ((desk.agent, -1), (desk.agent, 0), (desk.agent, 5), (second, 3)):
        due(desk.site, contact, owner, days)

    own = desk.client.get("/follow-ups").text
    lead = desk.other(UserRole.SUPERVISOR).get("/follow-ups").text
    officer = signed_in(desk.site, add(desk.site, UserRole.COMPLIANCE)).get("/follow-ups").text

    for page in (own, lead):
        assert [page.count(f">in {days}<") for days in (-1, 0, 5, 3)] == [1, 1, 1, 0]
        assert (
            page.index("in -1") < page.index("Today") < page.index(">in 0") < page.index("Coming")
        )
    assert officer.count("in 3") == 1
    assert "/done" not in officer


def test_only_somebody_who_reaches_a_follow_up_marks_it_done(desk: Desk) -> None:
    contact = meet(desk.site.store, draft("Nora Lie", rig.NORWAY))
    made = due(desk.site, contact, desk.agent, 0)
    far = desk.other(UserRole.SUPERVISOR, "south")

    assert far.post(f"/follow-ups/{made}/done").status_code == 403
    with reading(desk.site.store.engine) as connection:
        assert connection.execute(sa.select(follow_ups.c.done_at)).scalar() is None
    assert desk.client.post(f"/follow-ups/{made}/done").status_code == 303
    assert f"{made}/done" not in desk.client.get("/follow-ups").text
    assert desk.client.post("/follow-ups/fol_nothing/done").status_code == 404


def test_a_follow_up_is_marked_done_on_its_contacts_page_by_whoever_reaches_it(desk: Desk) -> None:
    contact = meet(desk.site.store, draft("Nora Lie", rig.NORWAY))
    second = add(desk.site, UserRole.AGENT, "south", name="far")
    mine, theirs = (due(desk.site, contact, owner, 0) for owner in (desk.agent, second))

    page = desk.client.get(f"/contacts/{contact}").text
    assert f"/follow-ups/{mine}/done" in page
    assert f"/follow-ups/{theirs}/done" not in page
    done = desk.client.post(f"/follow-ups/{mine}/done", data={"back": "contact"})

    assert (done.status_code, done.headers["location"]) == (303, f"/contacts/{contact}")
    assert f"/follow-ups/{mine}/done" not in desk.client.get(f"/contacts/{contact}").text
    elsewhere = desk.client.post(f"/follow-ups/{mine}/done", data={"back": "https://evil.example"})
    assert elsewhere.headers["location"] == "/follow-ups"
