"""The list of calls: filters in the address, people never, views that somebody keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.server.people import called, draft, meet
from tests.web.conftest import add, signed_in

from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.database import calls, recordings, transaction
from askfirst.web.visit import Site

LONG_AGO = rig.AT - timedelta(days=40)


@dataclass(frozen=True)
class Office:
    """Two calls of an agent: an old one to Norway, and a recorded one to California."""

    site: Site
    agent: accounts.User
    client: TestClient
    old: str
    new: str

    def listed(self, query: str = "", client: TestClient | None = None) -> list[str]:
        answer = (client or self.client).get(f"/calls{query}")
        assert answer.status_code == 200, answer.text
        return [each for each in (self.new, self.old) if f'/calls/{each}"' in answer.text]


@pytest.fixture
def office(ready: Site) -> Office:
    agent = add(ready, UserRole.AGENT, "north")
    old = called(ready.store, rig.NORWAY, at=LONG_AGO)
    new = called(ready.store, rig.CALIFORNIA, ledger=1)
    changes: tuple[tuple[str, dict[str, object]], ...] = (
        (old, {"outcome": "refused", "decision": {"mode": "forbid"}, "mode": "forbid"}),
        (
            new,
            {
                "outcome": "recorded",
                "decision": {"mode": "ask"},
                "mode": "ask",
                "proof": 4,
                "verdict": "heard",
            },
        ),
    )
    with transaction(ready.store.engine) as connection:
        for call, values in changes:
            connection.execute(
                calls.update().where(calls.c.id == call).values(agent=agent.id, **values)
            )
        connection.execute(
            recordings.insert().values(
                id="rec_" + "1" * 32,
                call=new,
                created_at=rig.AT,
                state="ready",
                purpose="training",
                legal_hold=True,
                duration_ms=5_000,
                is_truncated=False,
                lost_frames=0,
                may_transcribe=True,
            )
        )
    return Office(ready, agent, signed_in(ready, agent), old, new)


@pytest.mark.parametrize(
    ("query", "old", "new"),
    [
        ("", True, True),
        (f"?since={rig.AT.date()}", False, True),
        (f"?until={LONG_AGO.date()}", True, False),
        (f"?since={LONG_AGO.date()}&until={rig.AT.date()}", True, True),
        ("?mode=forbid", True, False),
        ("?mode=auto", False, False),
        ("?outcome=recorded", False, True),
        ("?recorded=yes", False, True),
        ("?recorded=no", True, False),
        ("?proof=3", False, True),
        ("?proof=5", False, False),
        ("?hold=yes", False, True),
        ("?hold=no", True, False),
        ("?verdict=heard", False, True),
        ("?verdict=not-needed", True, False),
        ("?mode=ask&proof=4&hold=yes&recorded=yes", False, True),
    ],
)
def test_a_filter_leaves_what_fits_and_nothing_else(
    office: Office, query: str, *, old: bool, new: bool
) -> None:
    assert office.listed(query) == [office.new] * new + [office.old] * old


@pytest.mark.parametrize(
    "query",
    ["mode=perhaps", "outcome=x", "proof=7", "since=yesterday", "hold=1", "agent=" + "x" * 81],
)
def test_a_filter_that_is_none_shows_nothing_and_says_so(office: Office, query: str) -> None:
    answer = office.client.get(f"/calls?{query}")

    assert answer.status_code == 422
    assert office.new not in answer.text
    assert query.partition("=")[0] in answer.text


def test_an_agents_filter_reaches_no_further_than_the_person(office: Office) -> None:
    far = signed_in(office.site, add(office.site, UserRole.SUPERVISOR, "south", name="far"))
    lead = signed_in(office.site, add(office.site, UserRole.SUPERVISOR, "north", name="lead"))
    query = f"?agent={office.agent.id}"

    assert office.listed(query, far) == []
    assert office.listed(query, lead) == [office.new, office.old]
    assert office.agent.id not in far.get("/calls").text
    assert f'value="{office.agent.id}"' in lead.get("/calls").text
    assert 'name="agent"' not in office.client.get("/calls").text


def test_one_person_who_fits_becomes_part_of_the_address_by_id(office: Office) -> None:
    contact = meet(office.site.store, draft("Nora Lie", rig.NORWAY))

    for words in ("nora", "+47 487 50 103", rig.NORWAY):
        found = office.client.post("/calls", data={"q": words, "mode": "forbid"})
        assert found.status_code == 303
        assert found.headers["location"] == f"/calls?contact={contact}&mode=forbid"
    assert office.listed(f"?contact={contact}") == [office.old]
    assert "Nora Lie" in office.client.get(f"/calls?contact={contact}").text


def test_a_number_of_nobody_finds_its_calls_and_stands_in_no_address(office: Office) -> None:
    answer = office.client.post("/calls", data={"q": rig.CALIFORNIA})

    assert answer.status_code == 200
    assert f'/calls/{office.new}?found=1"' in answer.text
    assert f"/calls/{office.old}" not in answer.text
    digits = rig.CALIFORNIA.removeprefix("+")
    addresses = [part.split('"')[0] for part in answer.text.split('href="')[1:]]
    # Ids of these calls are made of their numbers; parameters are what is looked at.
    assert not [each for each in addresses if digits in each.partition("?")[2]]


def test_words_that_fit_nobody_find_no_call(office: Office) -> None:
    answer = office.client.post("/calls", data={"q": "nobody at all"})

    assert answer.status_code == 200
    assert "No call fits this filter." in answer.text
    assert office.client.post("/calls", data={"q": " "}).headers["location"] == "/calls"


def test_several_people_who_fit_show_the_calls_of_all(office: Office) -> None:
    meet(office.site.store, draft("Nora Lie", rig.NORWAY))
    meet(office.site.store, draft("Nora Berg", rig.CALIFORNIA))

    answer = office.client.post("/calls", data={"q": "nora", "recorded": "yes"})

    assert f'/calls/{office.new}?found=1"' in answer.text
    assert f"/calls/{office.old}" not in answer.text


def test_a_view_is_kept_shown_replaced_and_deleted_by_its_owner_only(office: Office) -> None:
    kept = office.client.post("/calls/views", data={"name": " To  check ", "mode": "ask"})
    assert kept.headers["location"] == "/calls?mode=ask"
    office.client.post("/calls/views", data={"name": "To check", "mode": "forbid"})

    page = office.client.get("/calls?mode=forbid").text
    assert page.count(">To check</a>") == 2, "above the table and where it is deleted"
    assert 'href="/calls?mode=forbid" aria-current="page">To check' in page
    view = page.partition('action="/calls/views/')[2].partition("/")[0]
    other = signed_in(office.site, add(office.site, UserRole.AGENT, "north", name="other"))
    assert "To check" not in other.get("/calls").text
    assert other.post(f"/calls/views/{view}/delete").status_code == 404
    assert office.client.post(f"/calls/views/{view}/delete").status_code == 303
    assert "To check" not in office.client.get("/calls").text


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "mode": "ask"},
        {"name": "x" * 81, "mode": "ask"},
        {"name": "all"},
        {"name": "odd", "mode": "perhaps"},
    ],
)
def test_a_view_that_cannot_be_kept_is_refused(office: Office, form: dict[str, str]) -> None:
    assert office.client.post("/calls/views", data=form).status_code == 422
    assert "Saved views" not in office.client.get("/calls").text


def test_a_view_holds_ids_and_codes_only(office: Office) -> None:
    form = {"name": "mine", "contact": "pers_1", "mode": "ask", "q": rig.NORWAY, "number": "1"}

    assert office.client.post("/calls/views", data=form).status_code == 303

    assert '/calls?contact=pers_1&amp;mode=ask"' in office.client.get("/calls").text
