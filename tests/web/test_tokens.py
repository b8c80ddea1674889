"""Tokens: less than their person, nothing for anybody else, and no page."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import rig
from tests.web.conftest import ORIGIN, add, browser, problem, signed_in

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.rules import packaged
from askfirst.server import accounts, tokens
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.listening import Listening
from askfirst.server.node import Node
from askfirst.server.settings import Settings
from askfirst.speech.scripted import Scripted
from askfirst.web.app import create_app
from askfirst.web.visit import Site

READ = ["calls.read", "contacts.read"]


def program(site: Site, secret: str) -> TestClient:
    """A program with a token: no cookie, no browser's headers."""
    return TestClient(
        create_app(site),
        base_url=ORIGIN,
        headers={"authorization": f"Bearer {secret}"},
        follow_redirects=False,
    )


def make(site: Site, user: accounts.User, *scopes: str, days: int = 90) -> tuple[str, str]:
    """Id and secret of a token made over HTTP by somebody who is signed in."""
    wanted = {"name": "crm", "scopes": list(scopes), "days": days}
    answer = signed_in(site, user).post("/api/v1/tokens", json=wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["token"]


def is_out(answer: Any) -> bool:
    return (answer.status_code, problem(answer)) == (401, "urn:askfirst:problem:signed-out")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer askfirst_x", "bearer \udcff"])
def test_a_token_that_nobody_made_opens_nothing(ready: Site, header: str) -> None:
    add(ready, UserRole.AGENT)
    raw = header.encode("utf-8", "surrogateescape")

    answer = browser(ready).get("/api/v1/contacts", headers={b"authorization": raw})

    assert is_out(answer)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_token_beside_a_good_session_is_out(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.AGENT))
    assert client.get("/api/v1/contacts").status_code == 200

    assert is_out(client.get("/api/v1/contacts", headers={"authorization": "Bearer wrong"}))


def test_a_token_may_do_what_its_scopes_say_and_no_more(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    _, secret = make(ready, agent, *READ)
    client = program(ready, secret)

    assert client.get("/api/v1/contacts").status_code == 200
    refused = client.post("/api/v1/contacts", json={"name": "Nora"})
    assert (refused.status_code, problem(refused)) == (403, "urn:askfirst:problem:refused")
    assert "scope contacts.write" in refused.json()["detail"]
    assert client.get("/api/v1/settings").status_code == 403


def test_a_token_may_write_where_its_scopes_let_it_without_an_origin(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    _, secret = make(ready, agent, "contacts.write", "contacts.read")

    made = program(ready, secret).post("/api/v1/contacts", json={"name": "Nora"})

    assert made.status_code == 201, made.text


def test_nobody_gives_away_what_they_may_not_do(ready: Site) -> None:
    agent = signed_in(ready, add(ready, UserRole.AGENT))

    for scope in ("users.manage", "no.such"):
        answer = agent.post("/api/v1/tokens", json={"name": "x", "scopes": [scope]})
        assert (answer.status_code, answer.json()["key"]) == (422, "scopes")


def test_a_token_shrinks_with_its_person(ready: Site) -> None:
    lead = add(ready, UserRole.COMPLIANCE)
    _, secret = make(ready, lead, "settings.read", "calls.read")
    client = program(ready, secret)
    assert client.get("/api/v1/settings").status_code == 200

    with ready.store.engine.begin() as connection:
        accounts.change_user(connection, lead.id, roles=["agent"])

    assert client.get("/api/v1/settings").status_code == 403
    assert client.get("/api/v1/calls").status_code == 200


def test_a_token_of_somebody_locked_out_is_out(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    _, secret = make(ready, agent, *READ)
    client = program(ready, secret)
    with ready.store.engine.begin() as connection:
        accounts.disable(connection, agent.id, utc_now())

    assert is_out(client.get("/api/v1/contacts"))


def test_a_token_ends_with_its_day(ready: Site) -> None:
    agent, now = add(ready, UserRole.AGENT), utc_now()
    with ready.store.engine.begin() as connection:
        made, secret = tokens.make(connection, agent, "crm", READ, now, timedelta(days=1))
        just = tokens.holder(connection, secret, made.expires_at - timedelta(seconds=1))
        over = tokens.holder(connection, secret, made.expires_at)

    assert just is not None
    assert over is None


def test_a_revoked_token_is_out_and_stays_listed(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    identity, secret = make(ready, agent, *READ)
    own = signed_in(ready, agent)

    assert own.delete(f"/api/v1/tokens/{identity}").status_code == 204

    assert is_out(program(ready, secret).get("/api/v1/contacts"))
    (listed,) = own.get("/api/v1/tokens").json()["tokens"]
    assert listed["revoked_at"] is not None


def test_tokens_of_others_are_neither_seen_nor_revoked(ready: Site) -> None:
    identity, secret = make(ready, add(ready, UserRole.AGENT), *READ)
    other = signed_in(ready, add(ready, UserRole.AGENT, name="other"))

    assert other.get("/api/v1/tokens").json()["tokens"] == []
    assert other.delete(f"/api/v1/tokens/{identity}").status_code == 404
    assert program(ready, secret).get("/api/v1/contacts").status_code == 200


def test_a_token_makes_no_token(ready: Site) -> None:
    identity, secret = make(ready, add(ready, UserRole.AGENT), *READ)
    client = program(ready, secret)

    assert client.get("/api/v1/tokens").status_code == 403
    assert client.post("/api/v1/tokens", json={"name": "x", "scopes": READ}).status_code == 403
    assert client.delete(f"/api/v1/tokens/{identity}").status_code == 403


def test_a_token_makes_and_changes_no_person(ready: Site) -> None:
    boss, other = add(ready, UserRole.ADMIN, name="boss"), add(ready, UserRole.AGENT)
    _, secret = make(ready, boss, "users.manage")
    client = program(ready, secret)
    wanted = {"email": "x@example.org", "name": "X", "roles": ["admin", "compliance"]}
    before = client.get("/api/v1/users").json()

    made = client.post("/api/v1/users", json=wanted)
    changed = client.patch(f"/api/v1/users/{other.id}", json={"roles": ["admin"]})

    for answer in (made, changed):
        assert (answer.status_code, problem(answer)) == (403, "urn:askfirst:problem:refused")
    assert client.get("/api/v1/users").json() == before


def test_a_token_opens_no_page(ready: Site) -> None:
    _, secret = make(ready, add(ready, UserRole.AGENT), *READ)
    client = program(ready, secret)

    for page in ("/", "/contacts", "/calls"):
        answer = client.get(page)
        assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in")


def test_the_secret_is_kept_nowhere(
    ready: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        _, secret = make(ready, add(ready, UserRole.AGENT), *READ)
        client = program(ready, secret)
        client.get("/api/v1/contacts")
        client.get("/api/v1/settings")

    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []
    assert secret not in caplog.text


def test_the_last_use_is_written_down_and_not_each_one(ready: Site) -> None:
    agent = add(ready, UserRole.AGENT)
    _, secret = make(ready, agent, *READ)
    client = program(ready, secret)

    def used() -> Any:
        with ready.store.engine.connect() as connection:
            (token,) = tokens.of_user(connection, agent.id)
        return token.used_at

    assert used() is None
    client.get("/api/v1/contacts")
    first = used()
    assert first is not None
    client.get("/api/v1/contacts")
    assert used() == first


def test_a_link_opens_audio_for_the_session_or_token_that_made_it_and_no_other(
    tmp_path: Path,
) -> None:
    node = Node.open(tmp_path / "data", Scripted())
    try:
        recorded = rig.record(node, tmp_path / "callee")
        site = Site(node.store, Settings(data=tmp_path / "data"), packaged(), Listening(node.store))
        officer = add(site, UserRole.COMPLIANCE)
        person = signed_in(site, officer)
        first, second = (
            program(site, make(site, officer, "recordings.listen")[1]) for _ in range(2)
        )
        narrow = program(site, make(site, officer, "calls.read")[1])
        links = f"/api/v1/recordings/{recorded.id}/links"
        wanted = {"purpose": "dispute", "seconds": 60}
        urls = {each: each.post(links, json=wanted).json()["url"] for each in (person, first)}

        for maker, url in urls.items():
            for asking in (person, first, second, narrow, browser(site)):
                assert (asking.get(url).status_code == 200) is (asking is maker)
        assert narrow.post(links, json=wanted).status_code == 403
        played = [kind for kind in rig.kinds(node.store) if kind == "access.played"]
        assert len(played) == len(urls)
    finally:
        node.close()


@pytest.mark.parametrize(
    ("name", "scopes", "days", "key"),
    [
        ("", READ, 90, "name"),
        ("x" * 81, READ, 90, "name"),
        ("a\x00b", READ, 90, "name"),
        ("crm", [], 90, "scopes"),
        ("crm", READ, 0, "days"),
        ("crm", READ, 367, "days"),
        ("crm", READ, 10**15, "days"),
    ],
)
def test_a_token_that_cannot_be_is_refused_by_its_key(
    ready: Site, name: str, scopes: list[str], days: int, key: str
) -> None:
    agent = signed_in(ready, add(ready, UserRole.AGENT))

    answer = agent.post("/api/v1/tokens", json={"name": name, "scopes": scopes, "days": days})

    assert (answer.status_code, answer.json()["key"]) == (422, key)
    assert agent.get("/api/v1/tokens").json()["tokens"] == []


def test_a_person_has_only_so_many_tokens(ready: Site) -> None:
    agent, now = add(ready, UserRole.AGENT), utc_now()
    with ready.store.engine.begin() as connection:
        for _ in range(tokens.MOST_TOKENS):
            made, _ = tokens.make(connection, agent, "crm", READ, now)
        with pytest.raises(Refused):
            tokens.make(connection, agent, "crm", READ, now)
        tokens.revoke(connection, agent.id, made.id, now)
        tokens.make(connection, agent, "crm", READ, now)
        with pytest.raises(NotFound):
            tokens.revoke(connection, "usr_other", made.id, now)
        with pytest.raises(InvalidRequest):
            tokens.make(connection, agent, "crm", ["x"], now)
