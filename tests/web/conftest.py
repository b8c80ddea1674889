"""A running application without a port, with everything that stands before its routes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from askfirst.rules import packaged
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.listening import Listening
from askfirst.server.settings import Settings
from askfirst.server.store import Store
from askfirst.web.app import create_app
from askfirst.web.visit import Site

ORIGIN = "http://127.0.0.1:8470"
PASSWORD = "a sentence is easy to remember"  # noqa: S105 - of nobody
OWN = {"sec-fetch-site": "same-origin"}


def opened(folder: Path) -> Iterator[Site]:
    """An installation that nobody has set up; closed when exhausted."""
    store = Store.open(folder / "data")
    yield Site(store, Settings(data=folder / "data"), packaged(), Listening(store))
    store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation that nobody has set up."""
    yield from opened(tmp_path)


@pytest.fixture
def running(site: Site) -> Iterator[TestClient]:
    """A browser at a server whose loop runs; nobody is signed in."""
    with TestClient(create_app(site), base_url=ORIGIN, headers=OWN, follow_redirects=False) as made:
        yield made


def browser(site: Site) -> TestClient:
    """A browser without a session, on one of our own pages."""
    return TestClient(create_app(site), base_url=ORIGIN, headers=OWN, follow_redirects=False)


def add(site: Site, role: UserRole, team: str | None = None, name: str = "") -> accounts.User:
    """Somebody of a role, with `PASSWORD`."""
    with site.store.engine.begin() as connection:
        return accounts.add_user(
            connection,
            f"{name or role.value}@example.org",
            (name or role.value).title(),
            [role],
            utc_now(),
            password=PASSWORD,
            team=team,
        )


def signed_in(site: Site, user: accounts.User) -> TestClient:
    """A browser in which somebody is signed in."""
    found = browser(site)
    answer = found.post("/sign-in", data={"email": user.email, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return found


@pytest.fixture
def ready(site: Site) -> Site:
    """An installation whose first run is over, with an administrator."""
    return set_up(site)


def set_up(site: Site) -> Site:
    """The installation after its first run, with an administrator."""
    add(site, UserRole.ADMIN)
    with site.store.engine.begin() as connection:
        stated = {"company": "Nordlys AS", "retention_days": 90}
        account.change(connection, stated, None, utc_now())
    return site


def problem(answer: Any) -> str:
    """The type of a problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == answer.status_code
    return str(document["type"])
