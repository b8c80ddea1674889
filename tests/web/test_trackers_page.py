"""Trackers on their page and over HTTP, in the list of calls and on the page of a call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.test_finishing import NOTICE, Listening
from tests.web.conftest import add, problem, set_up, signed_in

from askfirst.rules import packaged
from askfirst.server import account, accounts, study
from askfirst.server.access import UserRole
from askfirst.server.accounttables import users
from askfirst.server.analysistables import tracker_hits, trackers
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.server.listening import Listening as Opening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site

NORTH, SOUTH = "north", "south"
PAGE, API = "/settings/trackers", "/api/v1/trackers"
THANKS: dict[str, Any] = {"name": "Gratitude", "team": NORTH, "phrases": {"en": ["very much"]}}
FORM = {"name": "Gratitude", "team": NORTH, "phrases.en": "very much\n\nso  kind\n", "between": "1"}
SAID = "thank you very much"
"""What the contact says; the agent says the notice."""


@dataclass
class Office:
    """An account whose agent, of the team north, had a call that is recorded."""

    site: Site
    people: dict[str, accounts.User]
    clients: dict[str, TestClient]
    call: str
    recording: str

    def get(self, who: str, path: str, **query: str) -> Any:
        return self.clients[who].get(path, params=query)

    def make(self, who: str = "lead", **more: object) -> dict[str, Any]:
        answer = self.clients[who].post(API, json={**THANKS, **more})
        assert answer.status_code == 201, answer.text
        assert self.site.carrier.node is not None
        self.site.carrier.node.jobs.wait()
        return dict(answer.json())

    def listen(self, who: str, purpose: str = "training") -> str:
        form = {"purpose": purpose}
        answer = self.clients[who].post(f"/calls/{self.call}/listen", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def state_basis(self) -> None:
        with transaction(self.site.store.engine) as connection:
            basis = {"person_figures_basis": "agreed on 1 May"}
            account.change(connection, basis, None, utc_now())


PEOPLE = {
    "agent": (UserRole.AGENT, NORTH),
    "colleague": (UserRole.AGENT, NORTH),
    "lead": (UserRole.SUPERVISOR, NORTH),
    "elsewhere": (UserRole.SUPERVISOR, SOUTH),
    "officer": (UserRole.COMPLIANCE, None),
    "auditor": (UserRole.AUDITOR, None),
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The account, once for all tests."""
    folder = tmp_path_factory.mktemp("trackers")
    node = Node.open(folder / "data", Listening(NOTICE))
    recorded = rig.record(node, folder / "callee")
    site = Site(
        node.store,
        Settings(data=folder / "data"),
        packaged(),
        Opening(node.store),
        Carrier(node),
    )
    set_up(site)
    people = {name: add(site, role, team, name) for name, (role, team) in PEOPLE.items()}
    with transaction(node.store.engine) as connection:
        everybody = accounts.all_users(connection)
        connection.execute(calls.update().values(agent=people["agent"].id))
    people["admin"] = next(each for each in everybody if each.email == "admin@example.org")
    clients = {name: signed_in(site, user) for name, user in people.items()}
    yield Office(site, people, clients, recorded.call, recorded.id)
    node.close()


@pytest.fixture
def office(furnished: Office) -> Iterator[Office]:
    """The account as it was furnished, without trackers."""
    yield furnished
    with transaction(furnished.site.store.engine) as connection:
        for table in (tracker_hits, trackers):
            connection.execute(table.delete())
        is_agent = users.c.id == furnished.people["agent"].id
        connection.execute(users.update().where(is_agent).values(team=NORTH))
        account.change(connection, {"person_figures_basis": None}, None, utc_now())
    values = {"state": "ready", "may_analyse": True, "failure": None}
    rig.change(furnished.site.store, furnished.recording, **values)
    study.study(furnished.site.store, furnished.call, utc_now())


# The page


def test_a_tracker_is_added_changed_and_ended_on_its_page(office: Office) -> None:
    lead = office.clients["lead"]
    assert "No trackers yet" in lead.get(PAGE).text

    assert lead.post(PAGE, data=FORM).status_code == 303
    page = lead.get(PAGE, params={"saved": "1"}).text
    assert "Gratitude" in page
    assert "English 2" in page
    (kept,) = lead.get(API).json()["trackers"]
    assert kept["phrases"] == {"en": ["very much", "so kind"]}

    change = lead.get(PAGE, params={"change": kept["id"]}).text
    assert "Change a tracker" in change
    assert "very much\nso kind</textarea>" in change
    form = {**FORM, "name": "Thanks", "version": "1"}
    assert lead.post(f"{PAGE}/{kept['id']}", data=form).status_code == 303
    stale = lead.post(f"{PAGE}/{kept['id']}", data={**form, "name": "Praise"})
    assert stale.status_code == 409
    assert "somebody has changed this tracker since" in stale.text
    assert 'value="Praise"' in stale.text, "what was typed is kept"

    old = lead.post(f"{PAGE}/{kept['id']}/end", data={"version": "1"})
    assert old.status_code == 409
    assert lead.post(f"{PAGE}/{kept['id']}/end", data={"version": "2"}).status_code == 303
    assert "No trackers yet" in lead.get(PAGE).text


@pytest.mark.parametrize(
    ("change", "told", "beside"),
    [
        ({"name": ""}, "found a name of 0 characters", 'id="name-error"'),
        ({"between": "9"}, "found 9 words between", 'id="between-error"'),
        ({"between": "x"}, "expected a whole number", 'id="between-error"'),
        ({"phrases.en": ""}, "found no phrase", 'id="phrases-error"'),
        ({"phrases.de": "a b c d e f g h i"}, "expected 1 to 8 words", 'id="phrases.de-error"'),
    ],
)
def test_what_cannot_be_kept_is_told_beside_its_field(
    office: Office, change: dict[str, str], told: str, beside: str
) -> None:
    answer = office.clients["lead"].post(PAGE, data={**FORM, **change})

    assert answer.status_code == 422
    assert told in answer.text
    assert beside in answer.text
    assert office.get("lead", API).json() == {"trackers": []}


def test_a_try_counts_in_calls_that_its_reader_may_listen_to_and_keeps_nothing(
    office: Office,
) -> None:
    tried = {**FORM, "try": "1"}

    shown = office.clients["lead"].post(PAGE, data=tried).text
    assert "In the last 1 calls" in shown
    assert "Said 1 times, in 1 of them" in shown
    assert office.call not in shown
    assert "None of them" in office.clients["admin"].post(PAGE, data=tried).text
    assert "None of them" in office.clients["elsewhere"].post(PAGE, data={**tried, "team": ""}).text
    assert office.get("lead", API).json() == {"trackers": []}


def test_a_lead_sees_everybody_s_trackers_and_changes_their_own_team_s(office: Office) -> None:
    own = office.make("lead")
    shared = office.make("officer", team=None, name="Of all")
    other = office.make("admin", team=SOUTH, name="Of the south")

    page = office.get("lead", PAGE).text
    assert "Of all" in page
    assert "Of the south" not in page
    assert f"change={own['id']}" in page
    assert f"change={shared['id']}" not in page
    for tracker in (shared["id"], other["id"]):
        answer = office.clients["lead"].patch(
            f"{API}/{tracker}", json={"version": 1, "name": "Mine"}
        )
        assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert {each["id"] for each in office.get("officer", API).json()["trackers"]} == {
        own["id"], shared["id"], other["id"],
    }  # fmt: skip


def test_somebody_without_settings_finds_the_trackers_in_the_navigation(office: Office) -> None:
    def entries(who: str, page: str) -> int:
        return str(office.get(who, page).text).count('href="/settings/trackers"')

    assert entries("lead", "/calls") == 2, "the bar and its menu"
    assert entries("officer", "/calls") == 0, "theirs is in the menu of the settings"
    assert entries("officer", PAGE) > 0
    assert entries("agent", "/calls") == 0


def test_over_http_what_is_not_named_stays_and_a_second_change_is_a_conflict(
    office: Office,
) -> None:
    made = office.make()
    lead, path = office.clients["lead"], f"{API}/{made['id']}"

    changed = lead.patch(path, json={"version": 1, "between": 2}).json()
    assert (changed["version"], changed["between"], changed["name"]) == (2, 2, "Gratitude")
    assert changed["phrases"] == {"en": ["very much"]}
    stale = lead.patch(path, json={"version": 1, "between": 3})
    assert (stale.status_code, problem(stale)) == (409, "urn:askfirst:problem:conflict")
    assert lead.request("DELETE", path, json={"version": 2}).status_code == 204
    assert lead.request("DELETE", path, json={"version": 2}).status_code == 404


# Calls


def test_calls_from_before_have_the_tracker_and_whoever_may_listen_finds_them(
    office: Office,
) -> None:
    made = office.make()
    assert (made["calls"], office.get("lead", API).json()["trackers"][0]["calls_done"]) == (1, 1)

    for who, is_found in (
        ("agent", True), ("lead", True), ("officer", True), ("elsewhere", False),
        ("colleague", False),
    ):  # fmt: skip
        page = office.get(who, "/calls", tracker=made["id"]).text
        assert (f'/calls/{office.call}"' in page) is is_found, who
    assert "Gratitude" in office.get("lead", "/calls").text
    assert f'/calls/{office.call}"' not in office.get("lead", "/calls", tracker="trk_none").text


@pytest.mark.parametrize(
    "change", [{"may_analyse": False}, {"state": "quarantined"}, {"failure": "spool"}]
)
def test_what_may_not_be_analysed_any_more_shows_no_tracker_anywhere(
    office: Office, change: dict[str, object]
) -> None:
    office.make()
    figures = f"/api/v1/calls/{office.call}/figures"
    assert len(office.get("agent", figures).json()["trackers"]) == 1

    rig.change(office.site.store, office.recording, **change)

    assert "<span>Gratitude</span>" not in office.get("agent", "/calls").text
    shown = office.get("agent", figures).json()
    assert shown == {
        "call": office.call, "figures": None, "hidden": "not-analysed", "trackers": []
    }  # fmt: skip


def test_somebody_who_changes_teams_has_the_trackers_of_the_new_one(office: Office) -> None:
    office.make()
    south = office.make("officer", name="Courtesy", team=SOUTH)
    path = f"/api/v1/calls/{office.call}/figures"
    assert [each["name"] for each in office.get("agent", path).json()["trackers"]] == ["Gratitude"]

    agent = office.people["agent"].id
    admin = office.clients["admin"]
    assert admin.patch(f"/api/v1/users/{agent}", json={"team": SOUTH}).status_code == 200
    assert office.get("agent", path).json()["trackers"] == [], "the former ones at once"
    assert office.site.carrier.node is not None
    office.site.carrier.node.jobs.wait()

    found = office.get("agent", path).json()["trackers"]
    assert [each["tracker"] for each in found] == [south["id"]]


# Who sees figures and words

FIGURES, NO_GROUND = "Figures of both sides", "These figures are about Agent alone"


@pytest.mark.parametrize(
    ("who", "without", "with_basis"),
    [
        ("agent", True, True),
        ("lead", False, True),
        ("officer", False, True),
    ],
)
def test_figures_are_shown_to_their_agent_and_to_others_with_a_ground_only(
    office: Office, who: str, without: bool, with_basis: bool
) -> None:
    path = f"/calls/{office.call}"
    api = f"/api/v1{path}/figures"
    for has_basis, is_shown in ((False, without), (True, with_basis)):
        if has_basis:
            office.state_basis()
        page, answer = office.get(who, path).text, office.get(who, api).json()
        opened_page = office.listen(who)
        assert (FIGURES in page, NO_GROUND in page) == (is_shown, not is_shown)
        assert ("player-talk" in opened_page) is is_shown, "nor by what is heard"
        assert (answer["figures"] is not None) is is_shown
        assert answer["hidden"] == (None if is_shown else "no-ground")


@pytest.mark.parametrize("who", ["colleague", "elsewhere", "admin", "auditor"])
def test_who_does_not_reach_a_call_sees_nothing_of_its_analysis(office: Office, who: str) -> None:
    office.make()
    office.state_basis()

    assert office.get(who, f"/calls/{office.call}").status_code == 403
    answer = office.get(who, f"/api/v1/calls/{office.call}/figures")
    assert answer.status_code == 403
    assert "Gratitude" not in answer.text


@pytest.mark.parametrize("who", ["agent", "lead", "officer"])
def test_words_are_quoted_only_where_the_recording_was_opened(office: Office, who: str) -> None:
    office.make()

    closed = office.get(who, f"/calls/{office.call}").text
    shown = office.listen(who)

    for words in ("Gratitude", "very much", "Next steps"):
        assert words not in closed
        assert words in shown
    assert "<q>very much</q>" in shown
    assert 'data-jump="' in shown
    (anchor,) = {part.split('"')[0] for part in shown.split('href="#said-')[1:]} or {""}
    assert f'id="said-{anchor}"' in shown
    row = shown.split('id="said-contact-')[1].split("</li>")[0]
    assert "line-trackers" in row
    assert "Gratitude" in row


def test_a_recording_that_may_not_be_analysed_is_opened_without_quotations(office: Office) -> None:
    office.make()
    rig.change(office.site.store, office.recording, may_analyse=False)

    shown = office.listen("agent")

    assert SAID in shown
    assert "Nothing is analysed here" in shown
    assert "Gratitude" not in shown


def test_a_language_without_word_lists_says_so(office: Office) -> None:
    with transaction(office.site.store.engine) as connection:
        connection.execute(calls.update().values(language="fr"))
    study.study(office.site.store, office.call, utc_now())
    try:
        assert "not counted in this language" in office.get("agent", f"/calls/{office.call}").text
        assert "Not counted in this language" in office.listen("agent")
    finally:
        with transaction(office.site.store.engine) as connection:
            connection.execute(calls.update().values(language="en"))


def test_the_share_of_talk_is_a_filter_only_where_figures_may_be_shown(office: Office) -> None:
    reason = "Calls cannot be found by the share of talk"
    assert 'name="talk_from"' in office.get("agent", "/calls").text
    page = office.get("lead", "/calls").text
    assert reason in page
    assert 'name="talk_from"' not in page
    refused = office.get("lead", "/calls", talk_from="10")
    assert refused.status_code == 422
    assert f'/calls/{office.call}"' not in refused.text

    office.state_basis()

    page = office.get("lead", "/calls", talk_from="0", talk_to="100").text
    assert reason not in page
    assert f'/calls/{office.call}"' in page
    assert office.get("lead", "/calls", talk_from="101").status_code == 422
