"""Pages as somebody uses them: the first run, signing in, rules without an account."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa
from tests.web.conftest import PASSWORD, add, browser, problem, signed_in

from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.accounttables import audit, users
from askfirst.server.clock import utc_now
from askfirst.web.visit import Site

FIRST_RUN = {
    "name": "Kari Berg",
    "email": "kari@example.org",
    "password": PASSWORD,
    "company": "Nordlys AS",
    "home_place": "NO",
    "language": "nb",
    "recording_enabled": "on",
    "retention_days": "90",
}
NUMBER = "+16285550142"


def setup_link(site: Site) -> str:
    with site.store.engine.begin() as connection:
        return f"/setup/{accounts.make_link(connection, None, utc_now())}"


def wants(site: Site) -> account.Account:
    with site.store.engine.connect() as connection:
        return account.account(connection)


def test_the_first_run_makes_the_administrator_and_signs_in(site: Site) -> None:
    client, link = browser(site), setup_link(site)
    assert client.get(link).status_code == 200

    done = client.post(link, data=FIRST_RUN)

    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert client.get("/").status_code == 200
    assert wants(site).is_set_up
    assert wants(site).recording_enabled
    assert wants(site).lawful_basis is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("company", ""),
        ("retention_days", ""),
        ("retention_days", "0"),
        ("retention_days", "soon"),
        ("password", "short"),
        ("email", "kari"),
        ("home_place", "Norway"),
        ("lawful_basis", "consent"),
        ("language", "xx"),
    ],
)
def test_a_first_run_with_a_fault_leaves_nothing_behind(site: Site, key: str, value: str) -> None:
    client, link = browser(site), setup_link(site)

    wrong = client.post(link, data={**FIRST_RUN, key: value})

    assert wrong.status_code == 422
    assert PASSWORD not in wrong.text
    assert wants(site) == account.Account()
    with site.store.engine.connect() as connection:
        assert not accounts.has_users(connection)
    assert client.post(link, data=FIRST_RUN).status_code == 303


def test_the_first_run_is_open_once_and_by_its_link_only(site: Site) -> None:
    client, link = browser(site), setup_link(site)
    assert client.get("/setup/guessed").status_code == 403
    client.post(link, data=FIRST_RUN)

    assert browser(site).get(link).status_code == 403
    assert browser(site).post(setup_link(site), data=FIRST_RUN).status_code == 403


def test_a_wrong_password_and_a_wrong_address_are_told_alike(ready: Site) -> None:
    user = add(ready, UserRole.AGENT)
    client = browser(ready)

    wrong = client.post("/sign-in", data={"email": user.email, "password": "wrong"})
    nobody = client.post("/sign-in", data={"email": "x@example.org", "password": "wrong"})

    assert (wrong.status_code, nobody.status_code) == (401, 401)
    assert wrong.text.replace(user.email, "") == nobody.text.replace("x@example.org", "") or (
        "password is wrong" in wrong.text and "password is wrong" in nobody.text
    )


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_signing_in_leads_nowhere_but_to_our_own_pages(ready: Site, elsewhere: str) -> None:
    user = add(ready, UserRole.AGENT)
    form = {"email": user.email, "password": PASSWORD, "next": elsewhere}

    assert browser(ready).post("/sign-in", data=form).headers["location"] == "/"


def test_somebody_new_gets_in_by_a_link_that_opens_once(ready: Site) -> None:
    admin = signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))
    made = admin.post(
        "/api/v1/users", json={"email": "ola@e.org", "name": "Ola", "roles": ["agent"]}
    )
    assert made.status_code == 201
    path = made.json()["sign_in_link"].removeprefix("http://127.0.0.1:8470")
    client = browser(ready)

    assert client.get(path).status_code == 200
    assert client.post(path, data={"password": "short"}).status_code == 422
    assert client.post(path, data={"password": PASSWORD}).status_code == 303
    assert client.get("/").status_code == 200
    assert browser(ready).get(path).status_code == 403


def test_a_number_that_is_asked_about_is_kept_nowhere(
    ready: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = browser(ready)

    page = client.post("/rules/check", data={"number": NUMBER, "agent": "NO"})
    program = client.post("/api/v1/decisions", json={"contact_numbers": [NUMBER]})

    assert "California" in page.text
    assert (page.status_code, program.json()["mode"]) == (200, "ask")
    digits = NUMBER[1:].encode()
    for path in ready.store.folder.rglob("*"):
        assert not path.is_file() or digits not in path.read_bytes()
    assert NUMBER not in caplog.text
    assert "no-store" in page.headers["cache-control"]


def test_what_to_say_names_the_company_to_its_own_people_only(ready: Site) -> None:
    asked = {"number": NUMBER, "agent": "NO"}

    public = browser(ready).post("/rules/check", data=asked).text
    own = signed_in(ready, add(ready, UserRole.AGENT)).post("/rules/check", data=asked).text

    assert "Your company would like to record" in public
    assert "Nordlys AS" not in public
    assert "Nordlys AS would like to record" in own


@pytest.mark.parametrize("number", ["", "anonymous", "+1", "x" * 900, "<script>alert(1)</script>"])
def test_the_checker_answers_anything_with_ask(ready: Site, number: str) -> None:
    answer = browser(ready).post("/rules/check", data={"number": number})

    assert answer.status_code == 200
    assert "Ask first." in answer.text
    assert "<script>alert" not in answer.text


def test_too_many_questions_from_one_address_wait(
    ready: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askfirst.web.api_decisions.asked.most", 2)
    client = browser(ready)
    statuses = [client.post("/api/v1/decisions", json={}).status_code for _ in range(200)]

    assert 429 in statuses


@pytest.mark.parametrize("code", ["NO", "US-CA", "UNKNOWN", "EEA", "CA-QC"])
@pytest.mark.parametrize("language", ["en", "nb"])
def test_a_jurisdiction_has_a_page_in_both_languages(ready: Site, code: str, language: str) -> None:
    page = browser(ready).get(f"/rules/{code}", params={"lang": language})
    file = ready.rules.jurisdictions[code]

    assert page.status_code == 200
    assert f'lang="{language}"' in page.text
    assert file.name[language].replace("'", "&#39;") in page.text


def test_what_is_not_there_says_so_to_people_and_programs(ready: Site) -> None:
    page, program = browser(ready).get("/rules/ZZ"), browser(ready).get("/api/v1/jurisdictions/ZZ")

    assert (page.status_code, program.status_code) == (404, 404)
    assert "<h1>" in page.text
    assert problem(program) == "urn:askfirst:problem:not-found"


def test_a_change_of_settings_is_in_the_audit_log_with_who_made_it(ready: Site) -> None:
    user = add(ready, UserRole.ADMIN, name="boss")
    client = signed_in(ready, user)

    assert client.post("/settings/recording", data={"recording": "off"}).status_code == 303
    assert not wants(ready).recording_enabled
    wrong = client.post("/settings/retention", data={"retention_days": "never"})
    assert wrong.status_code == 422
    with ready.store.engine.connect() as connection:
        lines = connection.execute(sa.select(audit.c.actor, audit.c.action)).all()
    assert (user.id, "settings.changed") in [tuple(line) for line in lines]
    assert "settings.changed" in client.get("/audit").text


def test_language_and_look_stay_with_the_person(ready: Site) -> None:
    user = add(ready, UserRole.AGENT)
    client = signed_in(ready, user)
    client.post("/look", data={"language": "nb", "theme": "dark", "next": "/rules"})

    page = signed_in(ready, user).get("/rules")
    assert 'lang="nb"' in page.text
    assert 'data-theme="dark"' in page.text
    client.post("/look", data={"language": "xx", "theme": "pink"})
    with ready.store.engine.connect() as connection:
        row = connection.execute(sa.select(users).where(users.c.id == user.id)).one()
    assert (row.language, row.theme) == ("nb", "dark")
