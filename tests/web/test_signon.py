"""Single sign-on with a provider that runs: whom its word lets in, and whom it does not."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from tests.web.conftest import ORIGIN, PASSWORD, add, browser
from tests.web.test_signin import enrol

from askfirst.errors import Unverified
from askfirst.server import accounts, audit, oidc
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.signintables import identities, rounds
from askfirst.server.signon import SignOn
from askfirst.web.pages_signon import BACK
from askfirst.web.visit import Site

SECRET = "the secret of the client"  # noqa: S105 - of nobody
TRIES = 200


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A provider in a process of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port)]
    address = f"http://127.0.0.1:{port}"
    running = subprocess.Popen(  # noqa: S603 - a package of the tests
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    transport = httpx2.HTTPTransport(retries=TRIES)
    try:
        with httpx2.Client(transport=transport, trust_env=False) as client:
            for _ in range(TRIES):
                with suppress(httpx2.TransportError):
                    client.get(f"{address}/.well-known/openid-configuration", timeout=10)
                    break
        yield address
    finally:
        running.terminate()
        running.wait(timeout=10)


@pytest.fixture
def wants(provider: str) -> SignOn:
    return SignOn(provider, "askfirst", SECRET, "Nordlys ID")


@pytest.fixture
def kari(ready: Site) -> accounts.User:
    return add(ready, UserRole.AGENT, name="kari")


def at(site: Site, wants: SignOn) -> Site:
    """The installation with single sign-on."""
    return replace(site, settings=replace(site.settings, oidc=wants))


def know(provider: str, subject: str, **claims: object) -> None:
    """Let the provider know somebody, with a verified address unless it is said otherwise."""
    body = {"sub": subject, "email_verified": True, **claims}
    answer = httpx2.put(f"{provider}/users/{subject}", json=body, trust_env=False)
    assert answer.status_code < 300, answer.text


def leave(client: TestClient, next: str = "/") -> str:
    """The address that a browser is sent to."""
    answer = client.get("/sign-in/provider", params={"next": next})
    assert answer.status_code == 303
    return answer.headers["location"]


def agree(address: str, subject: str) -> str:
    """What the provider sends the browser back to, once somebody has signed in there."""
    answer = httpx2.post(address, data={"sub": subject}, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = answer.headers["location"]
    assert back.startswith(f"{ORIGIN}{BACK}?")
    return back.removeprefix(ORIGIN)


def come_back(site: Site, subject: str) -> tuple[TestClient, httpx2.Response]:
    client = browser(site)
    found = client.get(agree(leave(client), subject))
    return client, found


def why(site: Site) -> object:
    """Why the last sign-in failed, as the audit log has it."""
    with reading(site.store.engine) as connection:
        line = audit.lines(connection, most=1)[0]
    assert line.action == "sign-in.failed"
    return line.detail["why"]


def ensure_out(client: TestClient, answer: httpx2.Response, says: str) -> None:
    assert answer.status_code in (403, 503)
    assert says in answer.text
    assert "askfirst" not in client.cookies
    assert client.get("/contacts").status_code == 303


# Whom it does not let in


@pytest.mark.parametrize("change", ["state", "code", "iss"])
def test_a_changed_answer_lets_nobody_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str, change: str
) -> None:
    know(provider, "k-changed", email=kari.email)
    site = at(ready, wants)
    client = browser(site)
    back = agree(leave(client), "k-changed")
    query = {key: values[0] for key, values in parse_qs(urlsplit(back).query).items()}

    answer = client.get(BACK, params={**query, change: "https://elsewhere.example"})

    ensure_out(client, answer, "does not hold")
    assert why(site) == "provider-answer"


def test_an_answer_to_another_browser_lets_nobody_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-browser", email=kari.email)
    site = at(ready, wants)
    back = agree(leave(browser(site)), "k-browser")
    other = browser(site)

    ensure_out(other, other.get(back), "does not hold")
    assert why(site) == "round"


def test_an_answer_counts_once(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-once", email=kari.email)
    client = browser(at(ready, wants))
    back = agree(leave(client), "k-once")
    cookie = client.cookies["askfirst-provider"]
    assert client.get(back).status_code == 303

    again = browser(at(ready, wants))
    again.cookies.set("askfirst-provider", cookie)
    ensure_out(again, again.get(back), "does not hold")


def test_a_token_with_another_nonce_lets_nobody_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-nonce", email=kari.email)
    site = at(ready, wants)
    client = browser(site)
    back = agree(leave(client), "k-nonce")
    with transaction(site.store.engine) as connection:
        (row,) = connection.execute(sa.select(rounds)).all()
        changed = {**row.detail, "nonce": "another"}
        connection.execute(rounds.update().values(detail=changed))

    ensure_out(client, client.get(back), "does not hold")
    assert why(site) == "provider-answer"


def test_a_token_that_has_expired_or_is_for_another_client_does_not_hold(
    wants: SignOn, provider: str
) -> None:
    know(provider, "k-expired", email="k@example.org")
    for late, client in ((timedelta(hours=2), wants.client_id), (timedelta(), "another")):
        begun = oidc.begin(wants, f"{ORIGIN}{BACK}")
        back = agree(begun.address, "k-expired")
        given = {key: values[0] for key, values in parse_qs(urlsplit(back).query).items()}
        detail = {"state": begun.state, "nonce": begun.nonce, "verifier": begun.verifier}
        asks = replace(wants, client_id=client)

        with pytest.raises(Unverified):
            oidc.finish(asks, detail, f"{ORIGIN}{BACK}", given, utc_now() + late)


@pytest.mark.parametrize("is_verified", [False, None, "true"])
def test_an_address_that_is_not_verified_lets_nobody_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str, is_verified: object
) -> None:
    subject = f"k-unverified-{is_verified}"
    know(provider, subject, email=kari.email, email_verified=is_verified)
    client, answer = come_back(at(ready, wants), subject)

    ensure_out(client, answer, "let nobody in")
    assert why(ready) == "unverified-address"


def test_somebody_unknown_or_of_another_domain_is_not_let_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-unknown", email="unknown@example.org")
    know(provider, "k-domain", email=kari.email)

    client, answer = come_back(at(ready, wants), "k-unknown")
    ensure_out(client, answer, "let nobody in")
    assert why(ready) == "unknown"
    client, answer = come_back(at(ready, replace(wants, domains=("nordlys.example",))), "k-domain")
    ensure_out(client, answer, "let nobody in")
    assert why(ready) == "domain"


def test_an_address_that_is_used_again_does_not_open_the_first_persons_account(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-first", email=kari.email)
    know(provider, "k-second", email=kari.email)
    _, first = come_back(at(ready, wants), "k-first")
    assert first.status_code == 303

    client, second = come_back(at(ready, wants), "k-second")

    ensure_out(client, second, "let nobody in")
    assert why(ready) == "other-subject"


def test_somebody_disabled_is_not_let_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-disabled", email=kari.email)
    with transaction(ready.store.engine) as connection:
        accounts.disable(connection, kari.id, utc_now())

    client, answer = come_back(at(ready, wants), "k-disabled")

    ensure_out(client, answer, "let nobody in")
    assert why(ready) == "disabled"


def test_a_provider_that_does_not_answer_is_said_to_be_away(ready: Site, wants: SignOn) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        away = replace(wants, issuer=f"http://127.0.0.1:{taken.getsockname()[1]}")
        client = browser(at(ready, away))
        answer = client.get("/sign-in/provider")

    ensure_out(client, answer, "Nordlys ID does not answer.")


def test_a_provider_by_another_name_is_not_asked(ready: Site, wants: SignOn) -> None:
    other = replace(wants, issuer=wants.issuer.replace("127.0.0.1", "localhost") + "/")

    answer = browser(at(ready, other)).get("/sign-in/provider")

    assert answer.status_code == 503


def test_a_second_factor_is_asked_for_after_the_provider(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-factor", email=kari.email)
    site = at(ready, wants)
    client, answer = come_back(site, "k-factor")
    assert answer.headers["location"] == "/"
    enrol(site, client)

    asked, second = come_back(site, "k-factor")
    assert second.headers["location"] == "/sign-in/code"
    assert "askfirst" not in asked.cookies
    trusting = at(ready, replace(wants, has_second_factor=True))
    _, third = come_back(trusting, "k-factor")
    assert third.headers["location"] == "/"


def test_without_single_sign_on_there_is_no_way_to_it(ready: Site) -> None:
    assert browser(ready).get("/sign-in/provider").status_code == 404
    assert browser(ready).get(BACK).status_code == 404
    assert "Sign in with" not in browser(ready).get("/sign-in").text.replace("with a passkey", "")


# Whom it lets in


def test_a_known_person_is_let_in_and_bound(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-good", email=kari.email.upper())
    site = at(ready, wants)
    page = browser(site).get("/sign-in?next=/contacts").text
    assert "Sign in with Nordlys ID" in page
    assert SECRET not in page
    client = browser(site)
    address = leave(client, "/contacts")
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()

    answer = client.get(agree(address, "k-good"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/contacts")
    assert client.get("/contacts").status_code == 200
    with reading(site.store.engine) as connection:
        (bound,) = connection.execute(sa.select(identities)).all()
    assert (bound.issuer, bound.subject, bound.user) == (provider, "k-good", kari.id)


def test_a_bound_person_is_let_in_by_the_subject_whatever_the_address(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    know(provider, "k-moved", email=kari.email)
    assert come_back(at(ready, wants), "k-moved")[1].status_code == 303
    know(provider, "k-moved", email="married@elsewhere.example", email_verified=False)

    client, answer = come_back(at(ready, wants), "k-moved")

    assert answer.status_code == 303
    assert client.get("/contacts").status_code == 200


def test_a_first_sign_in_adds_an_agent_where_that_is_wanted(
    ready: Site, wants: SignOn, provider: str
) -> None:
    know(provider, "k-new", email="new@nordlys.example", name="New Person")
    site = at(ready, replace(wants, domains=("nordlys.example",), makes_users=True))
    _, answer = come_back(site, "k-new")

    assert answer.status_code == 303
    with reading(site.store.engine) as connection:
        (made,) = [each for each in accounts.all_users(connection) if "new@" in each.email]
        assert not accounts.has_password(connection, made.id)
    assert made.name == "New Person"
    assert made.roles == {UserRole.AGENT}


def test_roles_follow_the_claim_and_without_one_nobody_is_let_in(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    asks = replace(wants, roles_claim="groups", roles={"leads": UserRole.SUPERVISOR})
    know(provider, "k-roles", email=kari.email, groups=["leads", "others"])
    assert come_back(at(ready, asks), "k-roles")[1].status_code == 303
    with reading(ready.store.engine) as connection:
        assert accounts.user(connection, kari.id).roles == {UserRole.SUPERVISOR}

    know(provider, "k-roles", email=kari.email, groups=["others"])
    client, answer = come_back(at(ready, asks), "k-roles")
    ensure_out(client, answer, "let nobody in")
    assert why(ready) == "role"


def test_an_administrator_lets_another_subject_be_bound(
    ready: Site, wants: SignOn, kari: accounts.User, provider: str
) -> None:
    site = at(ready, wants)
    know(provider, "k-old", email=kari.email)
    know(provider, "k-anew", email=kari.email)
    assert come_back(site, "k-old")[1].status_code == 303
    boss, admin = add(ready, UserRole.ADMIN, name="boss"), browser(site)
    admin.post("/sign-in", data={"email": boss.email, "password": PASSWORD})
    admin.post(f"/users/{kari.id}/identity/forget")

    assert come_back(site, "k-anew")[1].status_code == 303
