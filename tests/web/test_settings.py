"""Settings on pages: who may change what, that a wrong value loses nothing, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.web.conftest import add, signed_in

from askfirst.errors import Unavailable
from askfirst.server import account, accounts, audit, employeenotice
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.carrying import Carrier
from askfirst.web.running import RunningCall
from askfirst.web.visit import Site

PAGES = ("", "/recording", "/policies", "/texts", "/retention", "/notice")
POLICIES: Mapping[str, str] = {
    "profile": "askfirst",
    "unknown_location": "ask",
    "sector": "",
    "mandatory_recording": "",
    "minimum_proof": "",
    "first_country": "warn",
    "external_processors": "",
    "forbid_more": "",
}
SHARED = {"external_share_links": "on", "external_processors": "Whisper Inc\n\n Notes GmbH "}


@pytest.fixture
def admin(ready: Site) -> TestClient:
    """A browser in which an administrator is signed in."""
    return signed_in(ready, add(ready, UserRole.ADMIN, name="boss"))


def wants(site: Site) -> account.Account:
    with reading(site.store.engine) as connection:
        return account.account(connection)


def ticked(page: str, name: str) -> bool:
    found = re.search(rf'<input type="checkbox" id="{name}"[^>]*>', page)
    assert found is not None
    return " checked" in found[0]


def carries(recordings: int | None, *others: str) -> Callable[[Carrier], Any]:
    """A server with so many recordings, and calls of other lights; None: it carries no calls."""

    async def running_calls(_: Carrier) -> list[RunningCall]:
        if recordings is None:
            raise Unavailable("this process carries no calls")
        lights = [*others, *["recording"] * recordings]
        return [RunningCall("call", "usr", None, utc_now(), {"light": each}) for each in lights]

    return running_calls


# What is refused


@pytest.mark.parametrize("page", PAGES)
def test_who_may_only_read_sees_the_page_and_no_way_to_change_it(ready: Site, page: str) -> None:
    auditor = signed_in(ready, add(ready, UserRole.AUDITOR))
    before = wants(ready)

    shown = auditor.get(f"/settings{page}")
    refused = auditor.post(f"/settings{page}", data={"company": "X", "recording": "off"})

    assert shown.status_code == 200
    assert "May change this: " in shown.text
    form = re.search(r'<form class="card stack" method="post"', shown.text)
    assert form is None
    assert refused.status_code == 403
    assert wants(ready) == before


def test_a_compliance_officer_turns_recording_off_and_changes_nothing_else(ready: Site) -> None:
    officer = signed_in(ready, add(ready, UserRole.COMPLIANCE))

    assert officer.post("/settings/policies", data=POLICIES).status_code == 403
    assert officer.post("/settings/recording", data={"recording": "off"}).status_code == 303
    assert not wants(ready).recording_enabled


def test_names_and_terms_are_kept_one_a_line_and_too_long_ones_shown_again(
    ready: Site, admin: TestClient
) -> None:
    kept = admin.post("/settings/vocabulary", data={"vocabulary": "Askfirst\r\n\r\nNordlys AS "})
    assert kept.status_code == 303
    assert list(wants(ready).vocabulary) == ["Askfirst", "Nordlys AS"]

    wrong = admin.post("/settings/vocabulary", data={"vocabulary": "x" * 41})
    assert (wrong.status_code, "x" * 41 in wrong.text) == (422, True)
    assert list(wants(ready).vocabulary) == ["Askfirst", "Nordlys AS"]


@pytest.mark.parametrize("recording", ["", "maybe", "ON"])
def test_the_switch_is_on_or_off_and_nothing_between(
    ready: Site, admin: TestClient, recording: str
) -> None:
    assert admin.post("/settings/recording", data={"recording": recording}).status_code == 422
    assert wants(ready).recording_enabled


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("profile", "hubspot"),
        ("unknown_location", "auto"),
        ("sector", "piracy"),
        ("mandatory_recording", "everything"),
        ("minimum_proof", "1"),
        ("minimum_proof", "7"),
        ("first_country", "forbid"),
        ("forbid_more", "Atlantis"),
    ],
)
def test_a_policy_that_cannot_be_is_marked_and_the_rest_is_not_lost(
    ready: Site, admin: TestClient, key: str, value: str
) -> None:
    filled = {**POLICIES, "always_ask": "on", "external_processors": "Whisper Inc", key: value}

    wrong = admin.post("/settings/policies", data=filled)

    assert wrong.status_code == 422
    assert "Choose one of the list." in wrong.text
    assert "Nothing was saved." in wrong.text
    assert ticked(wrong.text, "always_ask")
    assert ">Whisper Inc</textarea>" in wrong.text
    assert wants(ready).wishes is None


def test_the_guarantee_and_what_would_break_it_exclude_each_other(
    ready: Site, admin: TestClient
) -> None:
    both = {**POLICIES, **SHARED, "no_third_party_guarantee": "on"}

    refused = admin.post("/settings/policies", data=both)

    assert refused.status_code == 422
    assert refused.text.count("Take one of the two back.") == 3
    assert ticked(refused.text, "external_share_links")
    assert "Whisper Inc" in refused.text
    assert wants(ready).wishes is None
    program = {"no_third_party_guarantee": True, "external_share_links": True}
    assert admin.patch("/api/v1/settings", json={"wishes": program}).status_code == 422


@pytest.mark.parametrize("days", ["", "0", "3651", "-1", "9" * 30, "soon", "½", "²"])
def test_a_period_that_is_none_is_refused_and_shown_again(
    ready: Site, admin: TestClient, days: str
) -> None:
    wrong = admin.post("/settings/retention", data={"retention_days": days})

    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    assert f'value="{days}"' in wrong.text
    assert wants(ready).retention_days == 90


def test_a_company_page_with_a_fault_changes_nothing_and_loses_nothing(
    ready: Site, admin: TestClient
) -> None:
    filled = {"company": "Sørlys AS", "lawful_basis": "consent", "lawful_basis_owner": "Kari"}

    wrong = admin.post("/settings", data=filled)

    assert wrong.status_code == 422
    assert 'value="Sørlys AS"' in wrong.text
    assert 'value="Kari"' in wrong.text
    assert wants(ready).company == "Nordlys AS"
    assert admin.post("/settings", data={"company": " "}).status_code == 422


@pytest.mark.parametrize(
    "phrases", [{"purpose": "training"}, {"recipients": "x" * 201}, {"destination": "y" * 300}]
)
def test_a_phrase_that_cannot_be_said_is_marked_and_not_lost(
    ready: Site, admin: TestClient, phrases: dict[str, str]
) -> None:
    wrong = admin.post("/settings/texts", data={"language": "en", "alternative": "fax", **phrases})

    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    assert 'value="fax"' in wrong.text
    assert wants(ready).texts == {}
    assert admin.post("/settings/texts", data={"language": "da"}).status_code == 422


def test_an_empty_notice_and_the_one_in_force_are_not_published(
    ready: Site, admin: TestClient
) -> None:
    shown = employeenotice.proposed(wants(ready))

    empty = admin.post("/settings/notice", data={"en": "We record.", "nb": ""})
    same = admin.post("/settings/notice", data=shown)

    assert (empty.status_code, same.status_code) == (422, 422)
    assert "We record." in empty.text
    assert wants(ready).notice_version == 1


# What is done


def test_turning_recording_off_asks_first_and_says_how_many_recordings_stop(
    ready: Site, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "?turn=off" in admin.get("/settings/recording").text
    said = {
        None: "Recordings that are running stop at once",
        0: "No recording is running",
        1: "1 recording is running. It stops at once",
        3: "3 recordings are running. They stop at once",
    }
    for number, words in said.items():
        monkeypatch.setattr(Carrier, "running_calls", carries(number))
        asked = admin.get("/settings/recording?turn=off").text
        assert "Turn off recording for everyone?" in asked
        assert words in asked
    assert wants(ready).recording_enabled

    assert admin.post("/settings/recording", data={"recording": "off"}).status_code == 303
    page = admin.get("/settings/recording?turn=off").text
    assert "Recording is switched off for everybody." in page
    assert "Turn off recording for everyone?" not in page
    assert admin.post("/settings/recording", data={"recording": "on"}).status_code == 303
    assert wants(ready).recording_enabled


def test_policies_are_kept_shown_again_and_count(ready: Site, admin: TestClient) -> None:
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"wishes": {"storage_region": "NO"}}, None, utc_now())
    filled = {
        **POLICIES,
        **SHARED,
        "always_ask": "on",
        "announces": "on",
        "beeps": "on",
        "hears_answers": "on",
        "automatic_notice": "on",
        "unknown_location": "forbid",
        "minimum_proof": "4",
        "sector": "finance",
        "first_country": "review",
        "forbid_jurisdictions": ["EEA"],
        "forbid_more": "US-CA",
    }
    done = admin.post("/settings/policies", data=filled)

    assert (done.status_code, done.headers["location"]) == (303, "/settings/policies?saved=1")
    policy = wants(ready).policy()
    assert (policy.always_ask, policy.unknown_location, policy.sector) == (
        True, "forbid", "finance"
    )  # fmt: skip
    assert policy.external_processors == ("Notes GmbH", "Whisper Inc")
    assert policy.forbid_jurisdictions == ("EEA", "US-CA")
    assert (policy.minimum_proof, policy.storage_region) == (4, "NO")
    assert (wants(ready).announces, wants(ready).first_country) == (True, "review")
    assert (wants(ready).beeps, wants(ready).hears_answers) == (True, True)
    page = admin.get("/settings/policies").text
    assert ticked(page, "always_ask")
    assert "Changed" in page
    assert "by Boss." in page

    admin.post("/settings/policies", data={**POLICIES, "automatic_notice": "on"})
    assert wants(ready).policy().forbid_jurisdictions == ()
    # Nobody is told automatically while no announcement is played.
    assert not wants(ready).announces
    assert not wants(ready).beeps
    assert not wants(ready).hears_answers
    assert not wants(ready).policy().automatic_notice


def test_what_would_break_the_guarantee_is_locked_while_it_stands(
    ready: Site, admin: TestClient
) -> None:
    given = {**POLICIES, "no_third_party_guarantee": "on"}
    given.pop("external_processors")
    assert admin.post("/settings/policies", data=given).status_code == 303
    page = admin.get("/settings/policies").text

    assert page.count("Locked: the guarantee above promises") == 2
    assert re.search(r'id="external_share_links"[^>]* disabled', page)
    assert re.search(r'<textarea[^>]* id="external_processors"[^>]* disabled', page)
    assert wants(ready).policy().no_third_party_guarantee

    assert admin.post("/settings/policies", data={**POLICIES, **SHARED}).status_code == 303
    assert wants(ready).policy().external_share_links
    assert "Locked:" not in admin.get("/settings/policies").text


def test_the_profile_of_somebody_else_is_named_with_a_warning(
    ready: Site, admin: TestClient
) -> None:
    assert "is in force" not in admin.get("/settings/policies").text
    admin.post("/settings/policies", data={**POLICIES, "profile": "hubspot-2023"})

    assert wants(ready).policy().profile == "hubspot-2023"
    assert "The profile hubspot-2023 is in force" in admin.get("/settings/policies").text


def test_texts_are_tried_kept_by_language_and_their_versions_are_listed(
    ready: Site, admin: TestClient
) -> None:
    german = {"language": "de", "place": "DE", "recipients": "Sprachdienst GmbH"}
    purpose = "die Schulung unserer Leute an echten Gesprächen"

    tried = admin.post("/settings/texts", data={**german, "purpose": purpose, "do": "preview"})
    assert tried.status_code == 200
    assert "Not saved yet" in tried.text
    assert purpose in tried.text.partition('id="preview"')[2]
    assert wants(ready).texts == {}

    kept = admin.post("/settings/texts", data={**german, "purpose": purpose, "do": "save"})
    assert kept.headers["location"] == "/settings/texts?language=de&place=DE&saved=1"
    assert wants(ready).notice_facts("de").purpose == purpose
    page = admin.get("/settings/texts?language=de&place=DE").text
    assert purpose in page.partition('id="versions"')[2]
    assert "which is an estimate" in page
    assert page.count("missing") == 0
    assert "Nordlys AS would like" in admin.get("/settings/texts?language=en&place=DE").text
    assert purpose not in admin.get("/settings/texts?language=en&place=DE").text


@pytest.mark.parametrize("query", ["?language=xx", "?place=ZZ", "?place=US-CA&language=sv", ""])
def test_the_preview_answers_any_question(admin: TestClient, query: str) -> None:
    assert admin.get(f"/settings/texts{query}").status_code == 200


def test_a_new_notice_is_read_again_before_calls_are_recorded(
    ready: Site, admin: TestClient
) -> None:
    user = add(ready, UserRole.AGENT)
    agent = signed_in(ready, user)
    page = agent.get("/").text
    assert "Nordlys AS records calls for" in page
    assert "Your calls may be recorded and reviewed" in page
    digest = re.search(r'name="digest" value="(\w+)"', page)
    assert digest is not None
    assert agent.post("/notice", data={"version": 1, "digest": "0"}).status_code == 422
    assert agent.post("/notice", data={"version": 2}).status_code == 422
    read = agent.post("/notice", data={"version": 1, "digest": digest[1]})
    assert read.status_code == 303

    text = {"en": "We record your calls.", "nb": "Vi tar opp samtalene dine."}
    assert admin.post("/settings/notice", data=text).status_code == 303

    assert "We record your calls." in agent.get("/").text
    assert "Your calls may be recorded and reviewed" in agent.get("/").text
    with reading(ready.store.engine) as connection:
        noted = accounts.user(connection, user.id).notice_version
        lines = [each.action for each in audit.lines(connection)]
    assert noted != wants(ready).notice_version == 2
    assert "notice.read" in lines
    people = admin.get("/settings/notice").text
    assert "Not read yet" in people
    assert "Nordlys AS records calls for" in people.partition('id="versions"')[2]
    assert agent.post("/notice", data={"version": 2}).status_code == 303
    assert "The employee notice that you have read" in agent.get("/").text


def test_questions_about_the_notice_go_to_whoever_answers_for_it(
    ready: Site, admin: TestClient
) -> None:
    agent = signed_in(ready, add(ready, UserRole.AGENT))
    assert "Admin answers questions" in agent.get("/").text

    admin.post("/settings", data={"purpose_owner": "Nora Lie"})
    assert "Nora Lie answers questions" in agent.get("/").text


def test_a_notice_that_no_longer_fits_the_settings_says_so(ready: Site, admin: TestClient) -> None:
    agent = signed_in(ready, add(ready, UserRole.AGENT))
    agent.post("/notice", data={"version": 1})
    assert "Your settings have changed since" not in admin.get("/settings/notice").text

    admin.post("/settings/retention", data={"retention_days": "30"})

    page = admin.get("/settings/notice?fresh=1").text
    assert "Your settings have changed since" in page
    assert "kept for 90 days" in page
    assert "kept for 30 days" in page.partition("<textarea")[2]


def test_only_recordings_that_run_are_counted_and_only_where_calls_are_carried(
    admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Recordings that are running stop" in admin.get("/settings/recording?turn=off").text

    monkeypatch.setattr(Carrier, "running_calls", carries(2, "waiting", "off"))

    assert "2 recordings are running" in admin.get("/settings/recording?turn=off").text


def test_the_page_of_keys_says_how_they_are_kept_and_shows_none(
    ready: Site, admin: TestClient
) -> None:
    master = (ready.store.folder / "keys" / "master.key").read_bytes()

    page = admin.get("/settings/keys").text

    assert ready.store.keys.wrapped_by() in page
    assert "unreadable in backups by" in page
    assert master.hex() not in page


def test_how_long_backups_of_keys_are_kept_is_set_on_their_page(admin: TestClient) -> None:
    wrong = admin.post("/settings/keys", data={"backup_days": "for ever"})
    assert wrong.status_code == 422
    assert "Write 1 to 3650 days." in wrong.text

    done = admin.post("/settings/keys", data={"backup_days": "30"}, follow_redirects=False)

    assert (done.status_code, done.headers["location"]) == (303, "/settings/keys?saved=1")
    assert 'value="30"' in admin.get("/settings/keys").text
