"""My page → My agreement: given and taken back by oneself, and at once in calls that go on."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import add, browser, signed_in

from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.accounttables import users
from askfirst.server.agreements import in_force
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.visit import Site

PAGE = "/me/agreement"


@pytest.fixture
def agent(ready: Site) -> str:
    person = add(ready, UserRole.AGENT, "north", name="kari").id
    move(ready, "DE")
    return person


@pytest.fixture
def client(ready: Site, agent: str) -> TestClient:
    with reading(ready.store.engine) as connection:
        person = accounts.user(connection, agent)
    return signed_in(ready, person)


def move(site: Site, place: str) -> None:
    with transaction(site.store.engine) as connection:
        connection.execute(users.update().values(place=place))


def words_of(page: str) -> dict[str, str]:
    """What the form of a page says that was read."""
    form = page[page.index('method="post" action="/me/agreement"') :]
    return {
        name: re.findall(rf'name="{name}" value="([^"]+)"', form)[0]
        for name in ("digest", "language")
    }


def holds(site: Site, user: str) -> bool:
    with reading(site.store.engine) as connection:
        return in_force(connection, user, account.account(connection)) is not None


def test_it_is_given_in_the_language_that_was_read_and_taken_back(
    ready: Site, client: TestClient, agent: str
) -> None:
    read = words_of(client.get(f"{PAGE}?text=de").text)
    assert read["language"] == "de"

    assert client.post(PAGE, data=read).status_code == 303

    assert holds(ready, agent)
    page = client.get(PAGE).text
    assert "You have agreed" in page
    assert 'lang="de"' in page

    assert client.post(f"{PAGE}/revoke").status_code == 303
    assert not holds(ready, agent)
    assert "You have not agreed to this text." in client.get(PAGE).text


def test_saying_no_changes_nothing(ready: Site, client: TestClient, agent: str) -> None:
    page = client.get(f"{PAGE}?done=declined").text

    assert "has no disadvantage for you" in page
    assert not holds(ready, agent)


@pytest.mark.parametrize("wrong", [{"digest": "0" * 64}, {"digest": ""}, {"language": "fr"}])
def test_words_that_were_not_read_are_not_agreed_to(
    ready: Site, client: TestClient, agent: str, wrong: dict[str, str]
) -> None:
    answer = client.post(PAGE, data={**words_of(client.get(PAGE).text), **wrong})

    assert answer.status_code == 422
    assert not holds(ready, agent)


def test_other_settings_need_another_agreement(ready: Site, client: TestClient, agent: str) -> None:
    client.post(PAGE, data=words_of(client.get(PAGE).text))
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"retention_days": 91}, None, utc_now())

    assert "The settings have changed since you agreed" in client.get(PAGE).text
    assert not holds(ready, agent)


def test_my_page_and_the_start_page_say_so_until_it_is_given(
    ready: Site, client: TestClient
) -> None:
    assert "You have not agreed to being recorded." in client.get("/me").text
    client.post(PAGE, data=words_of(client.get(PAGE).text))
    assert "You agreed to being recorded, on" in client.get("/me").text

    move(ready, "NO")
    client.post(f"{PAGE}/revoke")
    assert "does not ask for it" in client.get("/me").text


def test_who_has_agreed_stands_under_the_employee_notice_and_nobody_agrees_there(
    ready: Site, client: TestClient
) -> None:
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))
    move(ready, "DE")
    assert "Not agreed" in officer.get("/settings/notice").text
    client.post(PAGE, data=words_of(client.get(PAGE).text))

    page = officer.get("/settings/notice").text
    part = page[page.index('id="agreements"') :]

    assert ">Agreed<" in part
    assert "<form" not in part[: part.index("</section>")]
    client.post(f"{PAGE}/revoke")
    assert "Taken back" in officer.get("/settings/notice").text


def test_no_program_agrees_for_somebody(ready: Site, agent: str, client: TestClient) -> None:
    read = words_of(client.get(PAGE).text)
    made = client.post("/api/v1/tokens", json={"name": "dialer", "scopes": ["calls.make"]})
    program = browser(ready)
    program.headers["authorization"] = f"Bearer {made.json()['token']}"

    asked = program.post(PAGE, data=read), program.post(f"{PAGE}/revoke")

    assert all(each.headers["location"].startswith("/sign-in") for each in asked)
    assert not holds(ready, agent)
