"""A server that carries calls, and people who sign in to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from starlette.testclient import TestClient
from tests.web.conftest import PASSWORD, add

from askfirst.rules import packaged
from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.carrying import Carrier
from askfirst.web.visit import Site


def live_site(folder: Path) -> Iterator[Site]:
    """An installation that carries calls, with one account of Texas; closed when exhausted."""
    node = Node.open(folder / "data", Scripted())
    stated = {"company": "Harbor Supply", "home_place": "US-TX", "retention_days": 30}
    with node.store.engine.begin() as connection:
        account.change(connection, stated, None, utc_now())
    yield Site(
        node.store,
        Settings(data=folder / "data"),
        packaged(),
        Listening(node.store),
        Carrier(node),
    )
    node.close()


def sign_in(browser: TestClient, site: Site, role: UserRole, name: str) -> accounts.User:
    """Somebody new of the team north, who has read the notice and is signed in from now on."""
    user = add(site, role, "north", name)
    with site.store.engine.begin() as connection:
        accounts.acknowledge(connection, user.id, 1, utc_now())
    browser.cookies.clear()
    answer = browser.post("/sign-in", data={"email": user.email, "password": PASSWORD})
    assert answer.status_code == 303
    return user
