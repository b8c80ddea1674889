"""People on pages: somebody stays administrator, and what was filled in is not lost."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import add, problem, signed_in

from askfirst.server import accounts, audit
from askfirst.server.access import UserRole
from askfirst.server.database import reading
from askfirst.web.visit import Site

OLA = {"name": "Ola Nordmann", "team": "North", "place": "SE", "language": "nb", "roles": "agent"}


@pytest.fixture
def boss(ready: Site) -> accounts.User:
    """A second administrator."""
    return add(ready, UserRole.ADMIN, name="boss")


@pytest.fixture
def admin(ready: Site, boss: accounts.User) -> TestClient:
    """A browser in which an administrator is signed in."""
    return signed_in(ready, boss)


def person(site: Site, identity: str) -> accounts.User:
    with reading(site.store.engine) as connection:
        return accounts.user(connection, identity)


def everybody(site: Site) -> list[accounts.User]:
    with reading(site.store.engine) as connection:
        return accounts.all_users(connection)


# What is refused


def test_the_last_administrator_stays_one(ready: Site, boss: accounts.User) -> None:
    admin = signed_in(ready, boss)
    (other,) = [each for each in everybody(ready) if each.id != boss.id]
    assert admin.post(f"/users/{other.id}/disable").status_code == 303

    demoted = admin.post(f"/users/{boss.id}", data={**OLA, "name": "Boss"})
    locked = admin.post(f"/users/{boss.id}/disable")
    program = admin.patch(f"/api/v1/users/{boss.id}", json={"roles": ["agent"]})
    out = admin.patch(f"/api/v1/users/{boss.id}", json={"disabled": True})

    assert (demoted.status_code, locked.status_code) == (422, 422)
    for page in (demoted, locked):
        assert "Somebody has to be administrator." in page.text
    for answer in (program, out):
        assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert person(ready, boss.id) == boss


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", " "),
        ("name", "x" * 121),
        ("team", "x" * 81),
        ("place", "Norway"),
        ("place", "ZZ"),
        ("language", "xx"),
        ("roles", ""),
        ("roles", "owner"),
    ],
)
def test_a_person_that_cannot_be_is_marked_and_the_rest_is_not_lost(
    ready: Site, admin: TestClient, boss: accounts.User, key: str, value: str
) -> None:
    ola = add(ready, UserRole.AGENT, name="ola")
    filled = {**OLA, "name": "Ola N", key: value}

    for path, more in ((f"/users/{ola.id}", {}), ("/users", {"email": "new@example.org"})):
        wrong = admin.post(path, data={**filled, **more})
        assert wrong.status_code == 422, path
        assert 'aria-invalid="true"' in wrong.text
        assert key == "name" or 'value="Ola N"' in wrong.text
        assert key == "place" or 'value="SE" selected' in wrong.text
    assert person(ready, ola.id) == ola
    assert len(everybody(ready)) == 3


@pytest.mark.parametrize("email", ["", "ola", "boss@example.org", "Boss@Example.org"])
def test_an_address_that_is_none_or_somebodys_is_marked(
    ready: Site, admin: TestClient, email: str
) -> None:
    wrong = admin.post("/users", data={**OLA, "email": email})

    assert wrong.status_code == 422
    assert "that nobody else has" in wrong.text
    assert len(everybody(ready)) == 2


def test_nobody_is_changed_whom_there_is_not(admin: TestClient) -> None:
    assert admin.get("/users/usr_nobody").status_code == 404
    assert admin.post("/users/usr_nobody", data=OLA).status_code == 404
    assert admin.patch("/api/v1/users/usr_nobody", json={}).status_code == 404


# What is done


def test_a_person_is_changed_in_everything_but_the_address(
    ready: Site, admin: TestClient, boss: accounts.User
) -> None:
    ola = add(ready, UserRole.AGENT, name="ola")
    filled = {**OLA, "roles": ["agent", "supervisor"], "email": "other@example.org"}

    assert admin.post(f"/users/{ola.id}", data=filled).status_code == 303

    now = person(ready, ola.id)
    assert (now.name, now.team, now.place, now.language) == ("Ola Nordmann", "North", "SE", "nb")
    assert now.roles == {UserRole.AGENT, UserRole.SUPERVISOR}
    assert now.email == ola.email
    assert "Sweden" in admin.get("/users").text
    with reading(ready.store.engine) as connection:
        line = audit.lines(connection, most=1)[0]
    assert (line.actor, line.action, line.object) == (boss.id, "user.changed", ola.id)
    assert line.detail["roles"] == ["agent", "supervisor"]


def test_a_change_of_roles_counts_at_once(ready: Site, admin: TestClient) -> None:
    ola = add(ready, UserRole.AGENT, name="ola")
    client = signed_in(ready, ola)
    assert client.get("/audit").status_code == 403

    admin.patch(f"/api/v1/users/{ola.id}", json={"roles": ["auditor"]})
    assert client.get("/audit").status_code == 200
    admin.patch(f"/api/v1/users/{ola.id}", json={"disabled": True})
    assert client.get("/audit").status_code == 303
    assert "Locked out" in admin.get("/users").text
    assert admin.patch(f"/api/v1/users/{ola.id}", json={"disabled": False}).status_code == 200
    assert not person(ready, ola.id).is_disabled


def test_the_page_says_when_somebody_was_last_here(ready: Site, admin: TestClient) -> None:
    ola = add(ready, UserRole.AGENT, name="ola")
    with reading(ready.store.engine) as connection:
        assert ola.id not in accounts.last_sign_ins(connection)
    signed_in(ready, ola)

    with reading(ready.store.engine) as connection:
        assert ola.id in accounts.last_sign_ins(connection)
    assert "Last signed in" in admin.get(f"/users/{ola.id}").text
