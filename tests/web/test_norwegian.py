"""On Norwegian pages nothing is English: neither what is wrong with a form nor why law decided."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from html import unescape
from importlib import resources
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import PASSWORD, browser, signed_in

from askfirst.decide import decide
from askfirst.explain import to_json
from askfirst.model import Party, Place
from askfirst.policy import Policy
from askfirst.rules import packaged
from askfirst.server import account, accounts, contacts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Draft, Number
from askfirst.web import words
from askfirst.web.decidedwords import reasons_in
from askfirst.web.visit import LANGUAGE_COOKIE, Site

DAY = date(2026, 11, 24)

ENGLISH = re.compile(
    r"\b(the|and|is|are|with|found|expected|nobody|somebody|choose|must|cannot|characters|this)\b",
    re.IGNORECASE,
)


@pytest.fixture
def office(ready: Site) -> TestClient:
    """A Norwegian browser in which somebody is signed in who may do everything on these forms."""
    with ready.store.engine.begin() as connection:
        account.change(connection, {"home_place": "NO"}, None, utc_now())
        kari = accounts.add_user(
            connection, "kari@example.org", "Kari", list(UserRole), utc_now(), password=PASSWORD
        )
    return norwegian(signed_in(ready, kari))


def norwegian(client: TestClient) -> TestClient:
    """The browser of somebody who reads Norwegian."""
    client.cookies.set(LANGUAGE_COOKIE, "nb")
    return client


def said(answer: Any, marks: str = 'class="flash is-error"|class="error"') -> str:
    """What a page says is wrong, without what the person wrote themselves."""
    found = re.findall(rf"<(?:div|p)[^>]*(?:{marks})[^>]*>.*?</(?:div|p)>", answer.text, re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", " ".join(found)))


@pytest.mark.parametrize(
    ("path", "form", "status", "told"),
    [
        ("/contacts/new", {"name": "Ola", "number": "12"}, 422, "kan ikke brukes"),
        ("/contacts/new", {}, 422, "uten navn, firma, e-post og nummer"),
        ("/contacts/new", {"name": "Ola", "place": "ZZZZ"}, 422, "skal være koden for et sted"),
        ("/users", {"email": "kari", "name": "K", "roles": "agent"}, 422, "Skriv en adresse som"),
        ("/users", {"email": "k@example.org", "name": "K"}, 422, "Velg minst én"),
        ("/settings", {"company": "Nord", "lawful_basis": "consent"}, 422, ""),
        ("/settings/notice", {"en": "", "nb": ""}, 422, "skal ha 1 til 4000 tegn"),
        ("/rules/check", {"number": "+4722330000", "purpose": "fun"}, 422, "skal være"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_form_is_said_in_norwegian(
    office: TestClient, path: str, form: dict[str, str], status: int, told: str
) -> None:
    answer = office.post(path, data=form)

    assert answer.status_code == status
    assert told in said(answer)
    assert said(answer).strip()
    # Codes of the program may stand there; what the person wrote too. Sentences may not.
    assert not ENGLISH.search(said(answer)), said(answer)


def test_the_filter_of_calls_says_in_norwegian_what_is_wrong(office: TestClient) -> None:
    answer = office.get("/calls?since=yesterday")

    assert answer.status_code == 422
    assert "første dag: fant 'yesterday'; skal være en dag som 2026-11-23" in said(answer)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b\n1,2\n", "ingen kjent kolonne"),
        (b"name\nOla\n", "ingen kolonne med numre"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b"name,phone,name\nOla,+4722330000,x\n", "to kolonner er dette"),
    ],
)
def test_an_import_says_in_norwegian_what_is_wrong(
    office: TestClient, content: bytes, told: str
) -> None:
    answer = office.post("/contacts/import", files={"file": ("a.csv", content, "text/csv")})

    assert answer.status_code == 422
    assert told in said(answer)
    assert not ENGLISH.search(said(answer)), said(answer)


def test_a_page_that_is_not_there_says_so_in_norwegian(office: TestClient) -> None:
    assert words.errors("nb")["Not Found"] in office.get("/nowhere").text
    assert "det finnes ingen regelfil XX" in office.get("/rules/XX").text


def test_the_phone_of_somebody_gets_norwegian_and_a_program_english(
    ready: Site, office: TestClient
) -> None:
    path, english = "/api/v1/contacts/con_nobody", "no contact has this id; it was never there"

    own = office.get(path).json()
    assert own["detail"].startswith("ingen kontakt har denne id-en")
    assert own["type"] == "urn:askfirst:problem:not-found"
    assert set(own) == {"type", "title", "status", "detail"}
    stranger = norwegian(browser(ready)).get(path).json()
    assert stranger["detail"] == "nobody is signed in; sign in and try again"
    token = office.post("/api/v1/tokens", json={"name": "crm", "scopes": ["contacts.read"]})
    assert token.status_code == 201, token.text
    program = norwegian(browser(ready))
    headers = {"authorization": f"Bearer {token.json()['token']}"}
    assert program.get(path, headers=headers).json()["detail"].startswith(english)
    office.cookies.set(LANGUAGE_COOKIE, "en")
    assert office.get(path).json()["detail"].startswith(english)


def test_a_check_says_why_in_the_readers_language(office: TestClient) -> None:
    answer = office.post("/rules/check", data={"number": "+4722330000"})
    summary = packaged().jurisdictions["NO"].rules[0].summary

    assert unescape(answer.text).count(summary["nb"]) == 1
    assert "ut fra nummeret" in answer.text
    assert "going by" not in answer.text


def test_a_forecast_says_why_in_the_readers_language_and_to_programs_in_english(
    ready: Site, office: TestClient
) -> None:
    with ready.store.engine.begin() as connection:
        contacts.add(connection, Draft(name="Ola", numbers=(Number("+4722330000"),)), utc_now())
    page = unescape(office.get("/forecast").text)

    assert "ut fra nummeret" in page or "Ikke noe behandlingsgrunnlag" in page
    assert "going by" not in page
    assert "No lawful basis" not in page
    document = str(office.get("/api/v1/forecast").json())
    assert "going by" in document or "No lawful basis" in document


def stored(policy: Policy) -> dict[str, Any]:
    """A decision as it stands with a call."""
    people = [Party.agent("NO"), Party.contact("+16285550142", Place("DE"))]
    return to_json(decide(people, DAY, packaged(), policy))


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(lawful_basis="consent", automatic_notice=True),
        Policy(always_ask=True, contact_objected=True, recording_enabled=False),
    ],
)
def test_a_stored_decision_is_told_in_norwegian_where_its_rules_say_the_same(
    policy: Policy,
) -> None:
    decision = stored(policy)
    own = decide(
        [Party.agent("NO"), Party.contact("+16285550142", Place("DE"))],
        DAY, packaged(), policy, language="nb",
    )  # fmt: skip
    shown = reasons_in("nb", decision, DAY, packaged(), policy)

    assert {each["why"] for each in shown} == {each.why for each in own.reasons}
    assert [each["rule"] for each in shown] == [each["rule"] for each in decision["reasons"]]
    assert reasons_in("en", decision, DAY, packaged(), policy) == decision["reasons"]


def test_stored_words_that_no_rule_says_today_stand_as_they_are() -> None:
    decision = stored(Policy())
    decision["reasons"][0]["why"] += " It was otherwise then."
    decision["reasons"][1]["rule"] = "NO.gone"

    shown = reasons_in("nb", decision, DAY, packaged(), Policy())

    assert shown[0]["why"] == decision["reasons"][0]["why"]
    assert shown[1]["why"] == decision["reasons"][1]["why"]
    assert shown[2]["why"] != decision["reasons"][2]["why"]


def texts_of(table: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    """Every text of a file that is there in several languages."""
    if isinstance(table.get("en"), str):
        yield table
    else:
        for each in table.values():
            if isinstance(each, dict):
                yield from texts_of(each)


@pytest.mark.parametrize("name", ["decisions", "employee", "hearing", "notices", "replies"])
def test_every_packaged_text_is_there_in_norwegian_with_the_same_values(name: str) -> None:
    source = resources.files("askfirst") / "texts" / f"{name}.toml"
    for text in texts_of(tomllib.loads(source.read_text(encoding="utf-8"))):
        assert text["nb"]
        filled = (sorted(re.findall(r"\{\w+\}", text[each])) for each in ("en", "nb"))
        assert len({tuple(each) for each in filled}) == 1


def test_every_rule_says_in_norwegian_what_it_asks_for() -> None:
    for file in packaged().jurisdictions.values():
        assert file.name["nb"]
        for rule in file.rules:
            assert rule.summary["nb"]
            assert rule.eased is None or rule.eased.summary["nb"]
