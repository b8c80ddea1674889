"""Requests with an Idempotency-Key: carried out once, and nothing secret is kept for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from tests.server import rig
from tests.web.conftest import add, browser, problem, signed_in

from askfirst.errors import InvalidInput
from askfirst.server import accounts
from askfirst.server import once as module
from askfirst.server.access import UserRole
from askfirst.server.once import Answer, Once
from askfirst.server.store import Store
from askfirst.server.tokentables import answers_once
from askfirst.web.app import create_app
from askfirst.web.repeats import LARGEST_REQUEST, Repeats
from askfirst.web.visit import Site

KEY = {"idempotency-key": "3f0c6f9e-0000-4000-8000-000000000001"}
CONTACTS = "/api/v1/contacts"
NORA = {"name": "Nora Lie", "numbers": [{"number": "+442079460991"}]}


@pytest.fixture
def agent(ready: Site) -> TestClient:
    return signed_in(ready, add(ready, UserRole.AGENT))


def listed(client: TestClient) -> int:
    return len(client.get(CONTACTS).json()["contacts"])


def kept(site: Site) -> list[Any]:
    return rig.rows(site.store, sa.select(answers_once))


def test_the_same_request_is_carried_out_once_and_answered_alike(agent: TestClient) -> None:
    first = agent.post(CONTACTS, json=NORA, headers=KEY)
    again = agent.post(CONTACTS, json=NORA, headers=KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert listed(agent) == 1


def test_the_same_key_for_another_request_is_refused(agent: TestClient) -> None:
    agent.post(CONTACTS, json=NORA, headers=KEY)

    for path, content in ((CONTACTS, {"name": "Ola"}), (f"{CONTACTS}?x=1", NORA)):
        answer = agent.post(path, json=content, headers=KEY)
        assert answer.status_code == 422
        assert problem(answer) == "urn:askfirst:problem:idempotency-key-reused"
    assert listed(agent) == 1


def test_another_key_and_no_key_are_other_requests(agent: TestClient) -> None:
    for number, headers in enumerate((KEY, {"idempotency-key": "another"}, {}, {})):
        answer = agent.post(CONTACTS, json={"name": f"N {number}"}, headers=headers)
        assert answer.status_code == 201

    assert listed(agent) == 4


def test_a_request_that_did_nothing_may_be_mended_and_sent_again(agent: TestClient) -> None:
    wrong = agent.post(CONTACTS, json={"name": "x" * 300}, headers=KEY)
    assert wrong.status_code == 422

    assert agent.post(CONTACTS, json=NORA, headers=KEY).status_code == 201


def test_keys_of_others_are_their_own(ready: Site, agent: TestClient) -> None:
    agent.post(CONTACTS, json={"name": "Nora"}, headers=KEY)
    other = signed_in(ready, add(ready, UserRole.SUPERVISOR))

    answer = other.post(CONTACTS, json={"name": "Ola"}, headers=KEY)

    assert answer.status_code == 201
    assert answer.json()["name"] == "Ola"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/api/v1/tokens", {"name": "crm", "scopes": ["calls.read"]}),
        ("/api/v1/decisions", {"contact_numbers": ["+442079460991"]}),
        ("/api/v1/users", {"email": "x@example.org", "name": "X", "roles": ["agent"]}),
    ],
)
def test_secrets_and_what_keeps_nothing_are_kept_for_no_key(
    ready: Site, path: str, content: dict[str, Any]
) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))
    settled = client.post(path, json=content, headers=KEY)

    assert settled.status_code in (200, 201, 422), settled.text
    assert kept(ready) == []


def test_what_is_kept_shows_nothing_without_the_key(
    ready: Site, agent: TestClient, tmp_path: Path
) -> None:
    agent.post(CONTACTS, json=NORA, headers=KEY)
    (row,) = kept(ready)

    assert row.status == 201
    assert b"Nora" not in row.body
    assert b"442079460991" not in row.body
    assert KEY["idempotency-key"].encode() not in (tmp_path / "data" / "askfirst.db").read_bytes()


def test_nobody_who_is_not_signed_in_leaves_anything(ready: Site) -> None:
    answer = browser(ready).post(CONTACTS, json=NORA, headers=KEY)

    assert answer.status_code == 401
    assert kept(ready) == []


def test_who_may_no_longer_ask_gets_no_answer_again(ready: Site) -> None:
    officer = add(ready, UserRole.COMPLIANCE, "north")
    client = signed_in(ready, officer)
    path, wanted = "/api/v1/subject-requests", {"kind": "access", "number": "+442079460991"}
    assert client.post(path, json=wanted, headers=KEY).status_code == 201

    with ready.store.engine.begin() as connection:
        accounts.change_user(connection, officer.id, roles=[UserRole.AGENT])

    answer = client.post(path, json=wanted, headers=KEY)
    assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")


@pytest.mark.parametrize("changed", [{"team": "south"}, {"roles": [UserRole.SUPERVISOR]}])
def test_an_answer_is_known_only_with_the_rights_that_it_was_given_under(
    ready: Site, changed: dict[str, Any]
) -> None:
    user = add(ready, UserRole.AGENT, "north")
    client = signed_in(ready, user)
    client.post(CONTACTS, json={"name": "Nora"}, headers=KEY)

    with ready.store.engine.begin() as connection:
        accounts.change_user(connection, user.id, **changed)

    again = client.post(CONTACTS, json={"name": "Nora"}, headers=KEY)
    assert "idempotent-replayed" not in again.headers


def test_a_body_that_broke_off_is_not_carried_out(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.AGENT))
    reached: list[Scope] = []
    sent: list[Message] = []
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"name": "Nora"}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    cookie = f"askfirst={client.cookies['askfirst']}".encode()
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": CONTACTS,
        "query_string": b"",
        "headers": [(b"idempotency-key", b"k"), (b"cookie", cookie)],
        "app": create_app(ready),
        "state": {"nonce": ""},
        "server": ("127.0.0.1", 8470),
        "scheme": "http",
    }
    asyncio.run(Repeats(app)(scope, receive, send))

    assert (reached, sent, kept(ready)) == ([], [], [])


@pytest.mark.parametrize("key", ["", "x" * 201, "\t"])
def test_a_key_that_is_none_is_refused(ready: Site, agent: TestClient, key: str) -> None:
    answer = agent.post(CONTACTS, json=NORA, headers={"idempotency-key": key})

    assert (answer.status_code, problem(answer)) == (422, "urn:askfirst:problem:invalid-input")
    assert listed(agent) == 0


def test_a_request_too_large_to_be_compared_is_refused(ready: Site, agent: TestClient) -> None:
    answer = agent.post(CONTACTS, content=b"x" * (LARGEST_REQUEST + 1), headers=KEY)

    assert answer.status_code == 413
    assert kept(ready) == []


def test_a_request_that_was_cut_off_is_not_carried_out_again(
    ready: Site, agent: TestClient
) -> None:
    agent.post(CONTACTS, json=NORA, headers=KEY)
    with ready.store.engine.begin() as connection:
        connection.execute(answers_once.update().values(status=None, body=None))

    answer = agent.post(CONTACTS, json=NORA, headers=KEY)

    assert answer.status_code == 409
    assert problem(answer) == "urn:askfirst:problem:idempotency-key-in-use"
    assert listed(agent) == 1


def test_an_answer_is_known_for_a_day(store: Store) -> None:
    once = Once(store.keys, "usr_1/session", "key")
    day = timedelta(hours=24)
    with store.engine.begin() as connection:
        assert once.begin(connection, b"x", rig.AT) is None
        once.end(connection, Answer(201, "application/json", b"{}"))
        known = once.begin(connection, b"x", rig.AT + day - timedelta(seconds=1))
        later = once.begin(connection, b"x", rig.AT + day)

    assert known is not None
    assert known.answer == Answer(201, "application/json", b"{}")
    assert later is None


def test_a_holder_has_only_so_many_answers(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANSWERS", 3)
    with store.engine.begin() as connection:
        for number in range(6):
            once = Once(store.keys, "usr_1/session", str(number))
            assert once.begin(connection, b"x", rig.AT + timedelta(seconds=number)) is None
        Once(store.keys, "usr_2/session", "0").begin(connection, b"x", rig.AT)
        own = connection.execute(sa.select(sa.func.count()).select_from(answers_once)).scalar_one()
        newest = Once(store.keys, "usr_1/session", "5").begin(connection, b"x", rig.AT)
        oldest = Once(store.keys, "usr_1/session", "0").begin(connection, b"x", rig.AT)

    assert own == 3 + 1
    assert newest is not None
    assert oldest is None


def test_a_key_of_no_characters_is_none(store: Store) -> None:
    with pytest.raises(InvalidInput):
        Once(store.keys, "usr_1/session", "é")


@pytest.fixture
def store(site: Site) -> Store:
    return site.store
