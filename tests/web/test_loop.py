"""Pages keep the server's loop free: the database is asked in threads, as calls run on the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.web.conftest import PASSWORD, add, browser, signed_in
from tests.web.test_rights import ask
from tests.web.test_settings import POLICIES

from askfirst.server import accounts, contacts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Draft
from askfirst.web.app import API, routes
from askfirst.web.visit import Site

PAGES = [each for each in routes() if not each[1].startswith(API)]
PERSON = {"name": "Ola", "email": "ola@example.org", "language": "en", "roles": "agent"}
COMPLETE: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("/users", PERSON),
    ("/users/{user}", PERSON),
    ("/settings", {"company": "Harbor"}),
    ("/settings/recording", {"recording": "on"}),
    ("/settings/policies", POLICIES),
    ("/settings/texts", {"language": "en", "place": "NO"}),
    ("/contacts/{contact}/edit", {"name": "Nora", "seen": "{seen}"}),
)
"""Forms that are carried out to their end."""

FIRST_RUN = {
    "name": "Kari",
    "email": "kari@example.org",
    "password": PASSWORD,
    "language": "en",
    "company": "Harbor",
    "home_place": "NO",
    "lawful_basis": "legitimate_interests",
    "lawful_basis_owner": "Kari",
    "purpose": "training",
    "purpose_sentence": "training our staff on real calls",
    "purpose_owner": "Kari",
    "retention_days": "30",
    "recording_enabled": "on",
}


def on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@pytest.fixture
def asked_on_loop(site: Site) -> Iterator[list[bool]]:
    """For each time that the database was asked, whether a loop waited for it."""
    seen: list[bool] = []

    def began(_: sa.Connection) -> None:
        seen.append(on_a_loop())

    sa.event.listen(site.store.engine, "begin", began)
    yield seen
    sa.event.remove(site.store.engine, "begin", began)


@pytest.fixture
def admin(ready: Site) -> TestClient:
    user = add(ready, UserRole.ADMIN, name="boss")
    with ready.store.engine.begin() as connection:
        accounts.change_user(connection, user.id, roles=list(UserRole))
    return signed_in(ready, user)


@pytest.mark.parametrize(("method", "path"), PAGES)
def test_no_page_asks_the_database_on_the_loop(
    admin: TestClient, asked_on_loop: list[bool], method: str, path: str
) -> None:
    asked_on_loop.clear()

    ask(admin, method, path)

    assert not any(asked_on_loop)


@pytest.mark.parametrize(("path", "form"), COMPLETE)
def test_no_form_is_carried_out_on_the_loop(
    ready: Site,
    admin: TestClient,
    asked_on_loop: list[bool],
    path: str,
    form: Mapping[str, str],
) -> None:
    user = add(ready, UserRole.AGENT, name="other")
    with ready.store.engine.begin() as connection:
        contact = contacts.add(connection, Draft(name="N", owner=user.id), utc_now())
        seen = contacts.get(connection, contact).updated_at.isoformat()
    filled = path.format(user=user.id, contact=contact)
    asked_on_loop.clear()

    answer = admin.post(filled, data={key: value.format(seen=seen) for key, value in form.items()})

    assert answer.status_code in (201, 303), answer.text
    assert len(asked_on_loop) > 1
    assert not any(asked_on_loop)


def test_the_first_run_is_not_carried_out_on_the_loop(
    site: Site, asked_on_loop: list[bool]
) -> None:
    with site.store.engine.begin() as connection:
        link = accounts.make_link(connection, None, utc_now())
    asked_on_loop.clear()

    answer = browser(site).post(f"/setup/{link}", data=FIRST_RUN)

    assert answer.status_code == 303, answer.text
    assert asked_on_loop
    assert not any(asked_on_loop)
