"""The page of announcements: what is refused, what is kept, who may, and what it warns of."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.web.conftest import add, signed_in

from askfirst.audio.container import decode, encode_wav
from askfirst.audio.tone import tone
from askfirst.decide import decide
from askfirst.model import UNKNOWN, Decision, Mode, Party, Place
from askfirst.notice import LANGUAGES
from askfirst.server import account, accounts, ownprompts
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.neededprompts import needed_prompts
from askfirst.server.ownprompts import LARGEST_BYTES, digest_of
from askfirst.speech import placeholder
from askfirst.web.placewords import ruled_places
from askfirst.web.visit import Site

HOME = {"home_place": "NO", "purpose": "training"}
LONG_S = 30


@pytest.fixture
def boss(ready: Site) -> accounts.User:
    """An administrator of an account in Norway."""
    with transaction(ready.store.engine) as connection:
        account.change(connection, HOME, None, utc_now())
    return add(ready, UserRole.ADMIN, name="boss")


@pytest.fixture
def admin(ready: Site, boss: accounts.User) -> TestClient:
    return signed_in(ready, boss)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without the placeholder's voice."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a program of that name; nobody has to hear it here."""
    program = tmp_path / placeholder.PROGRAM
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def wav(seconds: float) -> bytes:
    return encode_wav(np.atleast_2d(tone((300.0,), round(seconds * 1000))))


def digests(page: str) -> list[str]:
    """The announcements that can be recorded on a page, in order."""
    return re.findall(r'action="/settings/prompts/\w+/([0-9a-f]{64})" enctype', page)


def first(client: TestClient, language: str = "en") -> str:
    return digests(client.get(f"/settings/prompts?language={language}").text)[0]


def send(client: TestClient, digest: str, content: bytes, language: str = "en") -> tuple[int, str]:
    path = f"/settings/prompts/{language}/{digest}"
    answer = client.post(path, files={"file": ("voice.wav", io.BytesIO(content))})
    return answer.status_code, answer.text


def kept(site: Site, language: str = "en") -> list[ownprompts.OwnPrompt]:
    with reading(site.store.engine) as connection:
        return ownprompts.all_of(connection, language)


# What is refused


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "found no file"),
        (b"no sound", "expected Ogg, WAV, FLAC or MP3"),
        (wav(1), "record the whole text"),
        (wav(61), "found 61 seconds"),
    ],
    ids=["empty", "text", "short", "long"],
)
def test_a_file_that_cannot_be_it_is_refused_where_it_was_chosen_and_nothing_is_kept(
    ready: Site, admin: TestClient, content: bytes, why: str
) -> None:
    digest = first(admin)

    status, page = send(admin, digest, content)

    assert (status, kept(ready)) == (422, [])
    assert page.count(why) == 1
    marked = re.search(r'<input[^>]*aria-describedby="([^ "]+-error)', page)
    assert marked is not None
    assert why in page.partition(f'id="{marked[1]}"')[2][:600]


def test_a_file_that_is_too_large_is_not_read_to_its_end(ready: Site, admin: TestClient) -> None:
    status, page = send(admin, first(admin), bytes(LARGEST_BYTES + 100_000))

    assert (status, kept(ready)) == (422, [])
    assert "over 20 MB" in page


@pytest.mark.parametrize("language", ["en", "da", "nb"])
def test_a_text_that_no_call_needs_is_not_recorded(
    ready: Site, admin: TestClient, language: str
) -> None:
    status, page = send(admin, digest_of("Hello."), wav(LONG_S), language)

    assert status == 404
    assert "its text has changed" in page
    assert kept(ready) == []


def test_a_text_is_recorded_in_the_language_that_it_is_listed_in(
    ready: Site, admin: TestClient
) -> None:
    assert send(admin, first(admin), wav(LONG_S), "nb")[0] == 404


@pytest.mark.parametrize("what", ["sound", "remove"])
def test_what_is_not_there_is_said_not_to_be_there(admin: TestClient, what: str) -> None:
    path = f"/settings/prompts/en/{digest_of('Hello.')}/{what}"

    answer = admin.get(path) if what == "sound" else admin.post(path)

    assert answer.status_code == 404


def test_who_may_only_read_listens_and_changes_nothing(ready: Site, admin: TestClient) -> None:
    digest = first(admin)
    send(admin, digest, wav(LONG_S))
    auditor = signed_in(ready, add(ready, UserRole.AUDITOR))

    page = auditor.get("/settings/prompts?language=en").text

    assert 'type="file"' not in page
    assert "/remove" not in page
    assert auditor.get(f"/settings/prompts/en/{digest}/sound").status_code == 200
    assert send(auditor, digest, wav(LONG_S))[0] == 403
    assert auditor.post(f"/settings/prompts/en/{digest}/remove").status_code == 403
    assert len(kept(ready)) == 1


# What is kept


def test_a_recording_can_be_heard_replaced_and_removed(ready: Site, admin: TestClient) -> None:
    digest = first(admin)
    assert send(admin, digest, wav(LONG_S))[0] == 303
    assert send(admin, digest, wav(LONG_S + 5))[0] == 303
    (mine,) = kept(ready)
    assert mine.length_ms == (LONG_S + 5) * 1000

    page = admin.get("/settings/prompts?language=en").text
    assert f'src="/settings/prompts/en/{digest}/sound"' in page
    assert "by Boss" in page
    assert "35 seconds" in page
    heard = admin.get(f"/settings/prompts/en/{digest}/sound")
    assert (heard.headers["content-type"], heard.headers["cache-control"]) == (
        "audio/ogg",
        "no-store",
    )
    assert decode(heard.content)[0].shape[0] == 1
    part = admin.get(f"/settings/prompts/en/{digest}/sound", headers={"range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"OggS")

    assert admin.post(f"/settings/prompts/en/{digest}/remove").status_code == 303
    assert kept(ready) == []


def test_a_recording_whose_text_has_changed_stands_apart_and_can_be_removed(
    ready: Site, admin: TestClient
) -> None:
    digest = first(admin)
    send(admin, digest, wav(LONG_S))
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"company": "Harbor Supply"}, None, utc_now())

    page = admin.get("/settings/prompts?language=en").text

    needed, _, unused = page.partition("No longer played")
    assert digest not in needed
    assert f"/settings/prompts/en/{digest}/remove" in unused
    assert "Nordlys AS" in unused


# What is shown


def test_every_place_has_the_text_that_a_call_there_would_begin_with(
    ready: Site, admin: TestClient
) -> None:
    wants = kept_account(ready)
    places = (*ruled_places(ready.rules, "en"), UNKNOWN)
    today = utc_now().date()

    found, unsayable = needed_prompts(wants, "NO", "en", places, ready.rules, today)

    assert unsayable == []
    assert len({each.text for each in found}) == len(found)
    assert {code for each in found for code in each.places} == set(places)
    page = admin.get("/settings/prompts?language=en").text
    assert digests(page) == [each.digest for each in found]
    assert "<h2>Norway, " in page


def test_where_nothing_is_owed_or_allowed_nothing_has_to_be_recorded(ready: Site) -> None:
    today = utc_now().date()
    basis = {
        "lawful_basis": "legitimate_interests",
        "lawful_basis_owner": "Ada Holm",
        "purpose": "training",
        "purpose_sentence": "training our staff on real calls",
        "purpose_owner": "Ada Holm",
        "home_place": "US-TX",
    }
    with transaction(ready.store.engine) as connection:
        account.change(connection, basis, None, utc_now())
    wants = kept_account(ready)
    decision = decide_for(wants, "US-TX", "US-NY", ready)
    assert (decision.mode, decision.requirements) == (Mode.AUTO, ())

    found, _ = needed_prompts(wants, "US-TX", "en", ["US-NY"], ready.rules, today)

    assert found == []


def decide_for(wants: account.Account, home: str, place: str, site: Site) -> Decision:
    people = [Party.agent(home), Party.contact(Place(place))]
    return decide(people, utc_now().date(), site.rules, wants.policy())


def test_a_company_without_a_name_is_told_what_is_missing(ready: Site) -> None:
    found, unsayable = needed_prompts(
        account.Account(), "NO", "en", ["DE", "NO"], ready.rules, utc_now().date()
    )

    assert found == []
    assert [each.places for each in unsayable] == [("DE", "NO")]
    assert "no company name" in unsayable[0].fault


@pytest.mark.usefixtures("speaking")
def test_a_computer_voice_is_warned_of_until_everything_is_recorded(
    ready: Site, admin: TestClient
) -> None:
    page = admin.get("/settings/prompts?language=en").text
    number = len(digests(page))
    assert f"A computer voice speaks in {number} of these announcements" in page
    assert page.count("<span>Computer voice</span>") == number

    for digest in digests(page):
        assert send(admin, digest, wav(55))[0] == 303

    page = admin.get("/settings/prompts?language=en").text
    assert page.count("<span>Recorded</span>") == number
    assert "omputer voice" not in page


@pytest.mark.usefixtures("silent")
def test_what_nobody_speaks_is_warned_of(admin: TestClient) -> None:
    page = admin.get("/settings/prompts?language=en").text

    assert "of these announcements cannot be played" in page
    assert page.count("<span>No announcement</span>") == len(digests(page))


@pytest.mark.parametrize("change", [{"announces": False}, {"wishes": {"profile": "hubspot-2023"}}])
def test_an_account_that_plays_none_by_itself_is_told_so(
    ready: Site, admin: TestClient, change: dict[str, object]
) -> None:
    assert "no announcement begins by itself" not in admin.get("/settings/prompts").text
    with transaction(ready.store.engine) as connection:
        account.change(connection, change, None, utc_now())

    assert "no announcement begins by itself" in admin.get("/settings/prompts").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_a_tab_with_its_own_texts(admin: TestClient, language: str) -> None:
    page = admin.get(f"/settings/prompts?language={language}").text

    assert f'lang="{language}"' in page
    assert digests(page)


def test_the_page_speaks_norwegian(admin: TestClient) -> None:
    admin.post("/look", data={"language": "nb"})

    page = admin.get("/settings/prompts?language=nb").text

    assert "<h1>Meldinger</h1>" in page
    assert "les den opp ord for ord" in page
    for english in ("Your recording", "These are the texts", "Computer voice", "Use this"):
        assert f">{english}" not in page


@pytest.mark.slow
def test_the_page_is_quick_though_it_decides_about_every_place(admin: TestClient) -> None:
    admin.get("/settings/prompts")
    began = time.perf_counter()

    admin.get("/settings/prompts")

    assert time.perf_counter() - began < 1


def kept_account(site: Site) -> account.Account:
    with reading(site.store.engine) as connection:
        return account.account(connection)
