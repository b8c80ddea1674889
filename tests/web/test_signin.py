"""Signing in by two factors: what opens, what does not, and that all failures sound alike."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, timedelta

import pyotp
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from tests.web.conftest import PASSWORD, add, browser, problem, signed_in

from askfirst.server import account, accounts, addressfailures, audit, sessions
from askfirst.server.access import UserRole
from askfirst.server.accountkeys import EVERYBODY, NOBODY, OFFICERS
from askfirst.server.accounttables import sessions as session_rows
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import api_sound, signingin
from askfirst.web.visit import Site, Visit

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def kari(ready: Site) -> accounts.User:
    return add(ready, UserRole.AGENT, name="kari")


def enrol(site: Site, client: TestClient) -> tuple[str, list[str]]:
    """Set up an app; gives its secret and the recovery codes. The code used is a past one."""
    assert client.post("/me/security/app/begin").headers["location"] == "/me/security/app"
    page = client.get("/me/security/app").text
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
    assert found is not None
    secret = found[1].replace(" ", "")
    earlier = utc_now() - timedelta(seconds=30)
    answer = client.post("/me/security/app", data={"code": pyotp.TOTP(secret).at(earlier)})
    assert answer.status_code == 200, answer.text
    return secret, re.findall(r"<li><code>([a-z0-9-]+)</code></li>", answer.text)


def first_step(client: TestClient, user: accounts.User, next: str = "/") -> None:
    data = {"email": user.email, "password": PASSWORD, "next": next}
    answer = client.post("/sign-in", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in/code")


def lines(site: Site, most: int = 5) -> list[audit.AuditLine]:
    with reading(site.store.engine) as connection:
        return audit.lines(connection, most=most)


def want(site: Site, whom: str) -> None:
    with transaction(site.store.engine) as connection:
        account.change(connection, {"second_factor": whom}, None, utc_now())


# What is refused


def test_half_a_sign_in_opens_nothing(ready: Site, kari: accounts.User) -> None:
    enrol(ready, signed_in(ready, kari))
    client = browser(ready)
    first_step(client, kari)

    assert "askfirst" not in client.cookies
    assert client.get("/contacts").status_code == 303
    assert client.get("/api/v1/contacts").status_code == 401
    client.cookies.set("askfirst", client.cookies["askfirst-sign-in"])
    assert client.get("/contacts").status_code == 303


def test_wrong_codes_count_for_the_lock_and_end_the_round(ready: Site, kari: accounts.User) -> None:
    secret, _ = enrol(ready, signed_in(ready, kari))
    client = browser(ready)
    first_step(client, kari)
    for _ in range(accounts.FAILURES_ALLOWED):
        answer = client.post("/sign-in/code", data={"code": "000000"})
        assert answer.status_code == 401
        assert "The code is wrong or was used, or there were too many tries." in answer.text

    spent = client.post("/sign-in/code", data={"code": pyotp.TOTP(secret).now()})
    assert (spent.status_code, spent.headers["location"]) == (303, "/sign-in")
    again = client.post("/sign-in", data={"email": kari.email, "password": PASSWORD})
    assert again.status_code == 401, "locked, right password or not"
    assert [each.detail["why"] for each in lines(ready, 2)] == ["locked", "code"]


def test_passwords_in_between_do_not_make_room_for_more_codes(
    ready: Site, kari: accounts.User
) -> None:
    enrol(ready, signed_in(ready, kari))
    client = browser(ready)
    for _ in range(accounts.FAILURES_ALLOWED):
        first_step(client, kari)
        client.post("/sign-in/code", data={"code": "000000"})

    answer = client.post("/sign-in", data={"email": kari.email, "password": PASSWORD})
    assert answer.status_code == 401


def test_a_code_signs_in_once(ready: Site, kari: accounts.User) -> None:
    secret, _ = enrol(ready, signed_in(ready, kari))
    code = pyotp.TOTP(secret).now()
    first, second = browser(ready), browser(ready)
    first_step(first, kari)
    first_step(second, kari)

    assert first.post("/sign-in/code", data={"code": code}).status_code == 303
    assert second.post("/sign-in/code", data={"code": code}).status_code == 401


def test_somebody_disabled_between_the_steps_is_out(ready: Site, kari: accounts.User) -> None:
    secret, _ = enrol(ready, signed_in(ready, kari))
    client = browser(ready)
    first_step(client, kari)
    with transaction(ready.store.engine) as connection:
        accounts.disable(connection, kari.id, utc_now())

    answer = client.post("/sign-in/code", data={"code": pyotp.TOTP(secret).now()})

    assert answer.status_code == 401
    assert "askfirst" not in client.cookies


def test_every_failure_of_the_first_step_sounds_alike(ready: Site, kari: accounts.User) -> None:
    gone = add(ready, UserRole.AGENT, name="gone")
    with transaction(ready.store.engine) as connection:
        accounts.disable(connection, gone.id, utc_now())
    tries = [
        {"email": "nobody@example.org", "password": PASSWORD},
        {"email": kari.email, "password": "wrong"},
        {"email": gone.email, "password": PASSWORD},
        {"email": kari.email, "password": "", "passkey": "{}"},
        {"email": kari.email, "password": "", "passkey": "[" * 9_000},
    ]
    answers = [browser(ready).post("/sign-in", data=data) for data in tries]

    shown = {re.sub(r'nonce[^ ]+"|value="[^"]*"', "", each.text) for each in answers}
    assert [each.status_code for each in answers] == [401] * len(tries)
    assert len(shown) == 1


def test_failures_are_audited_without_what_was_typed(ready: Site, kari: accounts.User) -> None:
    client = browser(ready)
    client.post("/sign-in", data={"email": "typo@example.org", "password": "secret words"})
    client.post("/sign-in", data={"email": kari.email, "password": "secret words"})

    known, unknown = lines(ready, 2)
    assert (unknown.action, unknown.object, unknown.detail) == (
        "sign-in.failed", None, {"why": "unknown"},
    )  # fmt: skip
    assert (known.object, known.detail) == (kari.id, {"why": "password"})
    assert "typo" not in repr(lines(ready, 50))


def test_an_address_that_failed_too_often_is_let_in_by_nothing(
    ready: Site, kari: accounts.User
) -> None:
    client = browser(ready)
    for number in range(addressfailures.ALLOWED):
        client.post("/sign-in", data={"email": f"{number}@example.org", "password": "x"})

    answer = client.post("/sign-in", data={"email": kari.email, "password": PASSWORD})

    assert answer.status_code == 401
    assert "too many tries" in answer.text


def test_a_link_does_not_stand_in_for_a_second_factor(ready: Site, kari: accounts.User) -> None:
    enrol(ready, signed_in(ready, kari))
    with transaction(ready.store.engine) as connection:
        link = accounts.make_link(connection, kari.id, utc_now())
    client = browser(ready)

    answer = client.post(f"/welcome/{link}", data={"password": PASSWORD + "!"})

    assert answer.headers["location"] == "/sign-in/code"
    assert "askfirst" not in client.cookies


@pytest.mark.parametrize("path", ["/me/security/app/remove", "/me/security/codes"])
def test_what_protects_somebody_is_not_taken_away_without_a_password_or_code(
    ready: Site, kari: accounts.User, path: str
) -> None:
    client = signed_in(ready, kari)
    enrol(ready, client)

    answer = client.post(path, data={"proof": "wrong"})

    assert answer.headers["location"] == "/me/security?wrong=proof"
    assert "The password or code is wrong" in client.get("/me/security?wrong=proof").text
    assert "In use" in client.get("/me/security").text


# What opens


def test_a_code_signs_in_and_goes_on_to_the_page(ready: Site, kari: accounts.User) -> None:
    secret, _ = enrol(ready, signed_in(ready, kari))
    client = browser(ready)
    first_step(client, kari, "/contacts?q=x")
    assert "Six digits" in client.get("/sign-in/code").text

    answer = client.post("/sign-in/code", data={"code": pyotp.TOTP(secret).now()})

    assert (answer.status_code, answer.headers["location"]) == (303, "/contacts?q=x")
    assert client.get("/contacts").status_code == 200
    assert lines(ready, 1)[0].detail == {"by": "password+app"}


def test_a_recovery_code_stands_in_once(ready: Site, kari: accounts.User) -> None:
    _, codes = enrol(ready, signed_in(ready, kari))
    assert len(codes) == 10
    client = browser(ready)
    first_step(client, kari)
    assert client.post("/sign-in/code", data={"code": codes[3]}).status_code == 303
    assert "Left: 9." in client.get("/me/security").text

    again = browser(ready)
    first_step(again, kari)
    assert again.post("/sign-in/code", data={"code": codes[3]}).status_code == 401


def test_a_new_factor_renews_the_session_and_ends_the_others(
    ready: Site, kari: accounts.User
) -> None:
    client, other = signed_in(ready, kari), signed_in(ready, kari)
    before = client.cookies["askfirst"]
    enrol(ready, client)

    assert client.cookies["askfirst"] != before
    assert client.get("/contacts").status_code == 200
    assert other.get("/contacts").status_code == 303
    late = browser(ready)
    late.cookies.set("askfirst", before)
    assert late.get("/contacts").status_code == 303
    assert "factor.added" in [each.action for each in lines(ready)]


def test_a_removed_app_is_asked_for_no_more(ready: Site, kari: accounts.User) -> None:
    client = signed_in(ready, kari)
    enrol(ready, client)
    answer = client.post("/me/security/app/remove", data={"proof": PASSWORD})

    assert answer.headers["location"] == "/me/security?done=app-removed"
    assert signed_in(ready, kari).get("/contacts").status_code == 200
    assert lines(ready, 2)[1].action == "factor.removed"


def test_a_new_password_ends_other_sessions_and_keeps_this_one(
    ready: Site, kari: accounts.User
) -> None:
    client, other = signed_in(ready, kari), signed_in(ready, kari)
    path, new = "/me/security/password", PASSWORD + " again"

    wrong = client.post(path, data={"present": "wrong", "password": new})
    assert wrong.headers["location"] == "/me/security?wrong=password"
    weak = client.post(path, data={"present": PASSWORD, "password": "short"})
    assert (weak.status_code, "expected 12 to 256" in weak.text) == (422, True)
    done = client.post(path, data={"present": PASSWORD, "password": new})

    assert done.headers["location"] == "/me/security?done=password"
    assert client.get("/contacts").status_code == 200
    assert other.get("/contacts").status_code == 303
    assert lines(ready, 1)[0].action == "password.changed"


# Who needs one


@pytest.mark.parametrize(
    ("whom", "role", "must"),
    [
        (NOBODY, UserRole.ADMIN, False),
        (OFFICERS, UserRole.AGENT, False),
        (OFFICERS, UserRole.COMPLIANCE, True),
        (EVERYBODY, UserRole.AGENT, True),
    ],
)
def test_whoever_needs_a_factor_can_only_set_one_up(
    ready: Site, whom: str, role: UserRole, must: bool
) -> None:
    user = add(ready, role, name="somebody")
    client = signed_in(ready, user)
    want(ready, whom)

    page, part = client.get("/"), client.get("/api/v1/calls")
    assert page.status_code == (303 if must else 200)
    if not must:
        return
    assert page.headers["location"] == "/me/security"
    assert (part.status_code, problem(part)) == (403, "urn:askfirst:problem:second-factor-needed")
    assert client.get("/rules").status_code == 200, "public pages stay public"
    assert "A second factor is needed here" in client.get("/me/security").text
    enrol(ready, client)
    assert client.get("/").status_code == 200


def test_a_token_is_not_concerned_by_second_factors(ready: Site, kari: accounts.User) -> None:
    client = signed_in(ready, kari)
    body = {"name": "dialer", "scopes": ["contacts.read"]}
    secret = client.post("/api/v1/tokens", json=body).json()["token"]
    want(ready, EVERYBODY)

    program = browser(ready)
    program.headers.pop("sec-fetch-site")
    answer = program.get("/api/v1/contacts", headers={"authorization": f"Bearer {secret}"})

    assert answer.status_code == 200
    assert client.get("/api/v1/contacts").status_code == 403


def test_the_setting_is_changed_on_its_page_and_says_who_lacks_one(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))
    assert "2 of them have none yet." in client.get("/settings/sign-in").text

    assert client.post("/settings/sign-in", data={"second_factor": "x"}).status_code == 422
    assert client.post("/settings/sign-in", data={"second_factor": EVERYBODY}).status_code == 303

    assert client.get("/settings/sign-in").headers["location"] == "/me/security"


# Sessions


def test_what_a_page_asks_by_itself_keeps_no_session_alive(
    ready: Site, kari: accounts.User
) -> None:
    client = signed_in(ready, kari)

    def aged() -> None:
        """Let the session have been seen a while ago, and be about to idle."""
        with transaction(ready.store.engine) as connection:
            connection.execute(
                session_rows.update().values(
                    seen_at=utc_now() - timedelta(hours=1),
                    idles_at=utc_now() + timedelta(minutes=1),
                )
            )

    def left() -> timedelta:
        with reading(ready.store.engine) as connection:
            row = connection.execute(session_rows.select()).one()
        assert row.idles_at is not None
        found: timedelta = row.idles_at - utc_now()
        return found

    aged()
    client.get("/me?seen=-1", headers={"hx-request": "true"})
    client.get("/api/v1/contacts")
    assert left() < timedelta(minutes=2)
    client.get("/contacts", headers={"hx-request": "true", "hx-boosted": "true"})
    assert left() > timedelta(minutes=100)
    aged()
    client.post("/me", data={"time_factor": "1"})
    assert left() > timedelta(minutes=100)


@pytest.mark.parametrize(
    ("role", "minutes"),
    [(UserRole.AGENT, 120), (UserRole.SUPERVISOR, 30), (UserRole.COMPLIANCE, 30)],
)
def test_whoever_may_hear_others_is_asked_again_sooner(
    ready: Site, role: UserRole, minutes: int
) -> None:
    user = add(ready, role)
    client = browser(ready)

    client.post("/sign-in", data={"email": user.email, "password": PASSWORD})

    with reading(ready.store.engine) as connection:
        rows = connection.execute(session_rows.select()).all()
    (row,) = [each for each in rows if each.user == user.id]
    assert row.idles_at is not None
    assert row.idles_at - row.created_at == timedelta(minutes=minutes)


def test_who_speaks_on_a_call_is_doing_something(ready: Site, kari: accounts.User) -> None:
    client = signed_in(ready, kari)
    token = client.cookies[ready.cookie]
    soon = utc_now() + timedelta(minutes=1)
    with transaction(ready.store.engine) as connection:
        connection.execute(
            session_rows.update().values(seen_at=utc_now() - timedelta(hours=1), idles_at=soon)
        )
    with reading(ready.store.engine) as connection:
        wants = account.account(connection)
    speaking = Visit(
        site=ready, account=wants, user=kari, language="en", theme="light", zone=UTC, path="/",
        nonce="", session=token,
    )  # fmt: skip

    assert api_sound._may_speak(speaking)

    with reading(ready.store.engine) as connection:
        row = connection.execute(session_rows.select()).one()
    assert row.idles_at is not None
    assert row.idles_at > soon + timedelta(minutes=20)


def test_one_sees_and_ends_ones_sessions(ready: Site, kari: accounts.User) -> None:
    client, other = signed_in(ready, kari), browser(ready)
    other.headers["user-agent"] = AGENT
    other.post("/sign-in", data={"email": kari.email, "password": PASSWORD})
    page = client.get("/me/security").text
    assert "Firefox on Linux" in page
    assert page.count("This one") == 1

    name = sessions.name_of(other.cookies["askfirst"])
    assert client.post("/me/security/sessions/end", data={"session": name}).status_code == 303

    assert other.get("/contacts").status_code == 303
    assert client.get("/contacts").status_code == 200
    assert "Firefox" not in client.get("/me/security").text


def test_one_ends_every_other_session(ready: Site, kari: accounts.User) -> None:
    client, other = signed_in(ready, kari), signed_in(ready, kari)

    client.post("/me/security/sessions/end-others")

    assert other.get("/contacts").status_code == 303
    assert client.get("/contacts").status_code == 200


def test_an_administrator_ends_sessions_and_takes_a_lost_factor_away(
    ready: Site, kari: accounts.User
) -> None:
    admin = signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))
    client = signed_in(ready, kari)
    secret, _ = enrol(ready, client)
    page = admin.get(f"/users/{kari.id}").text
    assert "authenticator app" in page
    assert secret not in page

    admin.post(f"/users/{kari.id}/sessions/end")
    assert client.get("/contacts").status_code == 303
    admin.post(f"/users/{kari.id}/factor/reset")

    assert signed_in(ready, kari).get("/contacts").status_code == 200
    actions = [each.action for each in lines(ready)]
    assert {"sessions.ended", "factor.reset"} <= set(actions)


def test_signing_in_again_ends_what_the_browser_had(ready: Site, kari: accounts.User) -> None:
    client = signed_in(ready, kari)
    before = client.cookies["askfirst"]
    client.post("/sign-in", data={"email": kari.email, "password": PASSWORD})

    assert client.cookies["askfirst"] != before
    with reading(ready.store.engine) as connection:
        assert sessions.holder(connection, before, utc_now()) is None


def test_the_picture_is_one_that_the_policy_shows(ready: Site, kari: accounts.User) -> None:
    client = signed_in(ready, kari)
    client.post("/me/security/app/begin")
    page = client.get("/me/security/app")

    assert 'src="data:image/svg+xml' in page.text
    assert "img-src 'self' data:" in page.headers["content-security-policy"]
    assert client.post("/me/security/app", data={"code": "000000"}).status_code == 422


@pytest.mark.parametrize(
    ("public", "peer", "said", "counts"),
    [
        (None, "127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("https://phone.example", "127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("https://phone.example", "127.0.0.1", "", "127.0.0.1"),
        ("https://phone.example", "9.9.9.9", "10.0.0.1", "9.9.9.9"),
    ],
)
def test_an_address_is_believed_of_our_own_proxy_alone(
    ready: Site, public: str | None, peer: str, said: str, counts: str
) -> None:
    site = replace(ready, settings=replace(ready.settings, public_url=public))
    headers = [(b"x-forwarded-for", said.encode())]
    request = Request({"type": "http", "client": (peer, 1), "headers": headers})

    assert signingin.address_of(site, request) == counts
