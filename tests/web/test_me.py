"""One's own page: whoever opens a call is seen by its agent at once, and by nobody else there."""

from __future__ import annotations

import pytest
from tests.server import rig
from tests.server.people import called
from tests.web.conftest import add, signed_in

from askfirst.ledger import Kind
from askfirst.server import accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, transaction
from askfirst.web.visit import Site


def opened(site: Site, call: str, person: str, kind: Kind = Kind.ACCESS_PLAYED) -> int:
    with transaction(site.store.engine) as connection:
        data = {"person": person, "purpose": "quality"}
        return site.store.ledger.append(connection, kind, utc_now(), call=call, data=data)


@pytest.fixture
def agent(ready: Site) -> accounts.User:
    return add(ready, UserRole.AGENT, "north", name="kari")


def call_of(site: Site, agent: accounts.User, number: str, ledger: int = 0) -> str:
    made = called(site.store, number, ledger=ledger)
    with transaction(site.store.engine) as connection:
        connection.execute(calls.update().where(calls.c.id == made).values(agent=agent.id))
    return made


def test_an_access_by_another_person_appears_at_the_next_look(
    ready: Site, agent: accounts.User
) -> None:
    call, lead = call_of(ready, agent, rig.NORWAY), add(ready, UserRole.SUPERVISOR, name="lead")
    client = signed_in(ready, agent)
    assert "Nobody yet." in client.get("/me").text
    assert client.get("/me?seen=-1").status_code == 204, "nothing new is nothing sent"

    position = opened(ready, call, lead.id)

    part = client.get("/me?seen=-1")
    assert part.status_code == 200
    assert "<strong>Lead</strong> listened: Quality of service" in part.text
    assert f'href="/calls/{call}"' in part.text
    assert client.get(f"/me?seen={position}").status_code == 204


def test_the_newest_access_is_first_and_other_entries_are_none(
    ready: Site, agent: accounts.User
) -> None:
    call = call_of(ready, agent, rig.NORWAY)
    opened(ready, call, agent.id, Kind.ACCESS_READ)
    opened(ready, call, "askfirst", Kind.ACCESS_EXPORTED)
    with transaction(ready.store.engine) as connection:
        ready.store.ledger.append(connection, Kind.CALL_ENDED, utc_now(), call=call)

    page = signed_in(ready, agent).get("/me").text

    assert page.index("exported it") < page.index("<strong>You</strong> read the transcript")
    assert page.count(f'href="/calls/{call}"') == 2


def test_accesses_to_somebody_elses_calls_are_not_shown(ready: Site, agent: accounts.User) -> None:
    other = add(ready, UserRole.AGENT, "north", name="other")
    opened(ready, call_of(ready, other, rig.NORWAY), agent.id)

    page = signed_in(ready, agent).get("/me").text

    assert "Nobody yet." in page


def test_the_notice_that_was_read_stands_with_its_version(
    ready: Site, agent: accounts.User
) -> None:
    client = signed_in(ready, agent)
    assert "You have not read it." in client.get("/me").text

    with transaction(ready.store.engine) as connection:
        accounts.acknowledge(connection, agent.id, 1, utc_now())

    assert "You have read version 1, on" in client.get("/me").text


def test_a_person_takes_more_time_to_react(ready: Site, agent: accounts.User) -> None:
    client = signed_in(ready, agent)
    page = client.get("/me").text
    assert 'value="1" checked' in page
    assert "45 s of ringing, 30 s to come back, 3 s to undo" in page

    answer = client.post("/me", data={"time_factor": "10"})

    assert answer.headers["location"] == "/me?saved=1"
    page = client.get("/me?saved=1").text
    assert 'value="10" checked' in page
    assert "Saved." in page


@pytest.mark.parametrize("wrong", ["", "0", "2", "-1", "1000", "ten", "1.0"])
def test_a_time_that_is_not_offered_changes_nothing(
    ready: Site, agent: accounts.User, wrong: str
) -> None:
    answer = signed_in(ready, agent).post("/me", data={"time_factor": wrong})

    assert answer.status_code == 422
    with transaction(ready.store.engine) as connection:
        assert accounts.user(connection, agent.id).time_factor == 1
