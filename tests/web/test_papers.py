"""Papers: made from the real settings, in three languages, with every gap marked and counted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from html import unescape
from importlib import resources
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.server import twiliorig
from tests.web.conftest import add, set_up, signed_in

from askfirst.server import account, accounts
from askfirst.server.access import UserRole
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.clock import utc_now
from askfirst.server.database import calls, parties
from askfirst.server.paper import pdf
from askfirst.server.paperfacts import grounds
from askfirst.server.papers import LANGUAGES, Made, PaperKind, paper
from askfirst.server.papervalues import values
from askfirst.server.signon import SignOn
from askfirst.telephony.siptrunk import Trunk
from askfirst.web.visit import Site

SECRET = "trunk-password-of-nobody"  # noqa: S105 - of nobody
HOSTILE = "<script>alert(1)</script> {dpo} #panic() %(count)s [To be filled in: nothing]"
FULL: Mapping[str, object] = {
    "company": "Nordlys AS",
    "home_place": "DE",
    "lawful_basis": "consent",
    "lawful_basis_owner": "Kari Nordmann",
    "purpose": "training",
    "purpose_sentence": "to train the people who answer our telephones",
    "purpose_owner": "Ola Nordmann",
    "retention": {"purposes": {"coaching": 30}, "places": {"NO": 60}},
    "backup_days": 21,
    "unverified_days": 9,
    "second_person": ["settings", "hold-release"],
    "second_factor": "everybody",
    "asks_reason": True,
    "beeps": True,
    "privacy_url": "https://nordlys.example/privacy",
    "wishes": {
        "minimum_proof": 4,
        "external_processors": ["Skytale Ltd"],
        "external_share_links": True,
        "storage_region": "NO",
        "mandatory_recording": "mifid2",
        "require_works_agreement": True,
        "special_category_expected": True,
    },
}
JOINED = {
    "sip": Trunk(server="exchange.example", password=SECRET),
    "checkpoints": CheckpointSettings(
        stamp_url="https://stamp.example/tsa",
        webhook_url="https://hook.example/in",
        mail_to=("a@nordlys.example",),
        smtp_host="mail.example",
    ),
    "oidc": SignOn("https://login.example/realm", "askfirst", SECRET),
}

EVERY = [(kind, language) for kind in PaperKind for language in LANGUAGES]


@pytest.fixture
def full(site: Site) -> Site:
    """An installation in which everything that papers ask about is set."""
    set_up(site)
    with site.store.engine.begin() as connection:
        account.change(connection, FULL, None, utc_now())
        accounts.add_user(
            connection, "per@example.org", "Per", [UserRole.AGENT], utc_now(), place="NO"
        )
    return replace(site, settings=replace(site.settings, **JOINED))  # type: ignore[arg-type]


def made(site: Site, kind: PaperKind, language: str = "en") -> Made:
    found = grounds(site.store, site.settings, site.rules, utc_now())
    return paper(kind, language, values(found, language, {"DE": "Germany", "NO": "Norway"}))


def change(site: Site, **stated: object) -> None:
    with site.store.engine.begin() as connection:
        account.change(connection, stated, None, utc_now())


def texts_of(found: Made) -> list[str]:
    """Everything that a paper says, checklist included."""
    said = [found.paper.title, found.paper.footer, *(each.text for each in found.paper.facts)]
    for section in found.paper.sections:
        said += [section.title, *section.paragraphs, *section.quotations]
        said += [word for each in section.facts for word in (each.term, each.text)]
        for table in section.tables:
            said += [*table.columns, *(cell for row in table.rows for cell in row)]
    return said


def reader(site: Site) -> TestClient:
    return signed_in(site, add(site, UserRole.AUDITOR))


@pytest.mark.parametrize(("kind", "language"), EVERY)
@pytest.mark.parametrize("name", ["ready", "full"])
def test_every_paper_is_whole_in_every_language(
    kind: PaperKind, language: str, name: str, request: pytest.FixtureRequest
) -> None:
    found = made(request.getfixturevalue(name), kind, language)

    texts = texts_of(found)

    assert all(texts), "something is empty"
    assert not [text for text in texts if re.search(r"[{}]", text)]
    assert pdf(found.paper).startswith(b"%PDF-")
    assert found.paper.language == language
    # Every gap is marked where it stands, and listed once.
    listed = [row[1] for table in found.paper.sections[-1].tables for row in table.rows]
    assert listed == list(found.gaps) == list(found.paper.marks)
    for gap in found.gaps:
        assert sum(gap in text for text in texts) >= 2, gap
    assert str(len(listed)) in found.paper.sections[-1].paragraphs[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_set_is_said_and_what_is_not_is_a_gap(
    ready: Site, site: Site, language: str
) -> None:
    before = made(ready, PaperKind.RECORD, language)
    change(site, **FULL)
    after = made(site, PaperKind.RECORD, language)

    said = " ".join(texts_of(after))
    assert "Kari Nordmann" in said
    assert "Kari Nordmann" not in " ".join(texts_of(before))
    assert len(after.gaps) < len(before.gaps)


def test_a_setting_that_is_changed_changes_the_paper_and_its_fingerprint(ready: Site) -> None:
    before = made(ready, PaperKind.DELETION)
    again = made(ready, PaperKind.DELETION)
    change(ready, backup_days=33)
    after = made(ready, PaperKind.DELETION)

    assert before.paper.facts[3] == again.paper.facts[3]
    assert before.paper.facts[3] != after.paper.facts[3]
    assert "after 14 days" in " ".join(texts_of(before))
    assert "after 33 days" in " ".join(texts_of(after))


@pytest.mark.parametrize(
    ("setting", "kind", "said"),
    [
        ({"announces": False}, PaperKind.ASSESSMENT, "announcements are switched off"),
        ({"hears_answers": True}, PaperKind.ASSESSMENT, "their sound is never kept"),
        ({"second_person": ["settings"]}, PaperKind.ASSESSMENT, "a second person has agreed"),
        ({"second_factor": "everybody"}, PaperKind.ASSESSMENT, "Everybody needs a second factor"),
        ({"unverified_days": None}, PaperKind.DELETION, "No time of their own"),
        ({"recording_enabled": False}, PaperKind.RECORD, "Recording is switched off"),
        ({"wishes": {"no_third_party_guarantee": True}}, PaperKind.PROCESSORS, "guarantees that"),
        ({"asks_reason": True}, PaperKind.AGREEMENT, "gives a reason in words"),
        ({"home_place": "DE"}, PaperKind.AGREEMENT, "§ 87(1) no. 6"),
        ({"home_place": "NO"}, PaperKind.AGREEMENT, "§ 9-1"),
        ({"notice_version": 0}, PaperKind.NOTICE, "nobody is recorded"),
    ],
)
def test_a_switch_says_what_it_means(
    ready: Site, setting: dict[str, object], kind: PaperKind, said: str
) -> None:
    assert said not in " ".join(texts_of(made(ready, kind)))
    change(ready, **setting)
    assert said in " ".join(texts_of(made(ready, kind)))


def test_only_what_is_joined_is_a_processor_and_no_secret_is_said(full: Site) -> None:
    said = " ".join(texts_of(made(full, PaperKind.PROCESSORS)))

    for host in ("exchange", "stamp", "hook", "mail", "login"):
        assert f"{host}.example" in said
    assert "Skytale Ltd" in said
    assert "country of Skytale Ltd" in said
    assert not any(SECRET in text for kind in PaperKind for text in texts_of(made(full, kind)))


def test_an_installation_that_is_joined_to_nothing_says_so(ready: Site) -> None:
    said = " ".join(texts_of(made(ready, PaperKind.PROCESSORS)))

    assert "No telephone exchange" in said
    assert ".example" not in said


def test_twilio_carries_the_sound_of_calls_unless_a_trunk_does(ready: Site) -> None:
    secure = replace(ready, settings=replace(ready.settings, public_url="https://phone.example"))
    assert "Twilio" not in " ".join(texts_of(made(secure, PaperKind.PROCESSORS)))
    made_one = twiliorig.set_up(ready.store)
    said = " ".join(texts_of(made(secure, PaperKind.PROCESSORS)))
    assert "Twilio" in said
    assert "sound of all calls, encrypted" in said
    assert made_one.account_sid not in said

    trunk = Trunk(server="exchange.example")
    both = replace(secure, settings=replace(secure.settings, sip=trunk))
    assert "Twilio" not in " ".join(texts_of(made(both, PaperKind.PROCESSORS)))


def test_duties_are_those_of_the_sites_with_source_and_date(full: Site) -> None:
    said = " ".join(texts_of(made(full, PaperKind.AGREEMENT)))

    assert "Agree with the works council" in said
    assert "Working Environment Act" in said
    assert f"DE, {full.rules.jurisdictions['DE'].reviewed}" in said


def test_places_that_were_called_and_a_dialer_are_read_from_the_calls(ready: Site) -> None:
    assert "no call has been made yet" in " ".join(texts_of(made(ready, PaperKind.ASSESSMENT)))
    with ready.store.engine.begin() as connection:
        connection.execute(
            calls.insert().values(
                id="call_1",
                created_at=utc_now(),
                provider="external",
                direction="outbound",
                language="en",
                policy={},
                proof=0,
            )
        )
        for number, role, places in ((0, "agent", ["SE"]), (1, "contact", ["DE", "NO"])):
            connection.execute(
                parties.insert().values(
                    call="call_1", number_in_call=number, role=role, places=places
                )
            )

    said = texts_of(made(ready, PaperKind.ASSESSMENT))

    assert "Germany, Norway" in said
    assert any("GDPR articles 5 and 6" in text for text in said)
    assert "name of the own dialer" in " ".join(texts_of(made(ready, PaperKind.PROCESSORS)))


def test_who_may_export_is_who_the_table_of_rights_lets(ready: Site) -> None:
    (row,) = (
        row
        for section in made(ready, PaperKind.RECORD).paper.sections
        for table in section.tables
        for row in table.rows
        if row[0] == "Export recordings"
    )

    assert row[1] == "supervisors, compliance officers"


def test_the_packaged_notice_is_in_german_and_a_text_of_ones_own_leaves_a_gap(ready: Site) -> None:
    before = made(ready, PaperKind.NOTICE, "de")
    change(ready, notice_text={"en": "Calls are recorded.", "nb": "Samtaler tas opp."})
    after = made(ready, PaperKind.NOTICE, "de")

    assert "Nordlys AS zeichnet Gespräche für" in " ".join(texts_of(before))
    assert len(after.gaps) == len(before.gaps) + 1
    assert "Calls are recorded." in " ".join(texts_of(made(ready, PaperKind.NOTICE)))


@pytest.mark.parametrize("kind", PaperKind)
def test_what_people_typed_is_text_and_fills_nothing_in(ready: Site, kind: PaperKind) -> None:
    counted = len(made(ready, kind).gaps)
    change(ready, company=HOSTILE)

    found = made(ready, kind)
    page = reader(ready).get(f"/settings/papers/{kind}", params={"language": "en"})

    assert len(found.gaps) == counted
    assert pdf(found.paper).startswith(b"%PDF-")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert HOSTILE in unescape(page.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_mark_every_gap_and_say_their_language(ready: Site, language: str) -> None:
    client = reader(ready)
    for kind in PaperKind:
        gaps = made(ready, kind, language).gaps
        page = client.get(f"/settings/papers/{kind}", params={"language": language})
        assert page.status_code == 200, page.text[:300]
        assert f'<article class="paper stack" lang="{language}">' in page.text
        marked = {unescape(each) for each in re.findall(r"<mark>(.*?)</mark>", page.text)}
        assert marked == set(gaps)


def test_the_list_names_every_paper_language_and_gap(ready: Site) -> None:
    page = reader(ready).get("/settings/papers").text

    for kind in PaperKind:
        found = made(ready, kind)
        assert found.paper.title in unescape(page)
        assert f"Points still to be filled in: {len(found.gaps)}" in page
        for language in LANGUAGES:
            assert f"/settings/papers/{kind}.pdf?language={language}" in page


def test_a_pdf_is_given_for_download_and_no_other_paper_exists(ready: Site) -> None:
    client = reader(ready)

    answer = client.get("/settings/papers/record.pdf", params={"language": "de"})

    assert answer.headers["content-type"] == "application/pdf"
    assert 'filename="askfirst-record-de.pdf"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")
    assert client.get("/settings/papers/secrets").status_code == 404
    assert client.get("/settings/papers/record", params={"language": "fr"}).status_code == 422


def test_papers_are_for_who_may_read_the_settings(ready: Site) -> None:
    client = signed_in(ready, add(ready, UserRole.AGENT))

    for path in ("", "/record", "/record.pdf"):
        assert client.get(f"/settings/papers{path}").status_code == 403


def test_every_text_stands_in_every_language_and_every_name_is_known() -> None:
    folder = resources.files("askfirst") / "texts"
    shared = tomllib.loads((folder / "papers.toml").read_text(encoding="utf-8"))
    for file in ("papers.toml", *(f"paper-{kind}.toml" for kind in PaperKind)):
        for text in _languages(tomllib.loads((folder / file).read_text(encoding="utf-8"))):
            assert set(text) - {"when", "each"} == set(LANGUAGES), (file, text)
            names = {
                language: set(re.findall(r"{(\w+)}", text[language])) for language in LANGUAGES
            }
            assert names["en"] == names["nb"] == names["de"], (file, text)
    assert set(shared["head"]) <= set(shared["term"])


def _languages(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every table that holds a text by language."""
    if isinstance(value, dict):
        if set(value) & set(LANGUAGES):
            yield value
        else:
            for each in value.values():
                yield from _languages(each)
    elif isinstance(value, list):
        for each in value:
            yield from _languages(each)
