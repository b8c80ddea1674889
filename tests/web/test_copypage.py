"""What a person reads in their copy: notices, answers, proof, accesses and sound, in words."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from html import unescape
from importlib import resources

import numpy as np
import pytest
from tests.server import rig
from tests.web.conftest import add
from tests.web.test_copies import carrying as carrying
from tests.web.test_copies import made, opened
from tests.web.test_rights_of_people import Office
from tests.web.test_rights_of_people import office as office

from askfirst.audio.container import decode
from askfirst.ledger import Kind
from askfirst.model import OutcomeCode, Proof, Use
from askfirst.server import account
from askfirst.server.access import UserRole
from askfirst.server.clock import utc_now
from askfirst.server.copyconcerns import Concern
from askfirst.server.copypage import LANGUAGES, CallPart, CopyPage, Notice, Sound, page_of
from askfirst.server.database import transaction
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.simulation import DEMO_FACTS

AT = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)


def words_of(page: bytes | str) -> str:
    """What a page says, without its tags."""
    text = page.decode() if isinstance(page, bytes) else page
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_page_has_the_words_of_the_notice_and_every_answer_with_its_proof(
    carrying: Office,
) -> None:
    store = carrying.site.store
    began = rig.call_row(store, carrying.recorded.call).created_at
    facts = {
        "company": DEMO_FACTS.company,
        "purpose": DEMO_FACTS.purpose,
        "retention_days": DEMO_FACTS.retention,
        "privacy_url": DEMO_FACTS.url,
    }
    with transaction(store.engine) as connection:
        account.change(connection, facts, None, began - timedelta(minutes=1))
        # The settings of today are others: what was said then is made again from those of then.
        account.change(connection, {"company": "Other AS"}, None, utc_now())

    files = opened(carrying, made(carrying))

    said, about = words_of(files["index.html"]), json.loads(files["about.json"])
    (notice,) = about["notices"]
    assert notice["by"] == "announcement"
    assert "record" in notice["text"]
    assert " ".join(notice["text"].split()) in said
    assert "You agreed" in said
    assert "a key that was pressed" in said
    assert "a key was pressed" in said
    assert "recording, transcription" in said
    assert re.search(r"\d{1,2} \w{3} 20\d\d \d\d:\d\d UTC", said)


def test_an_access_is_told_by_role_and_purpose_and_names_nobody(carrying: Office) -> None:
    store = carrying.site.store
    who = add(carrying.site, UserRole.SUPERVISOR, "north", name="liv.moe")
    with transaction(store.engine) as connection:
        for person in (who.id, "usr_" + "0" * 32, "operator"):
            store.ledger.append(
                connection,
                Kind.ACCESS_PLAYED,
                utc_now(),
                call=carrying.recorded.call,
                recording=carrying.recorded.id,
                data={"person": person, "purpose": "training"},
            )

    files = opened(carrying, made(carrying))

    said = words_of(files["index.html"])
    for expected in ("supervisor listened training of staff", "somebody who has left listened"):
        assert expected in said
    for content in files.values():
        assert b"liv.moe" not in content
        assert who.id.encode() not in content


@pytest.mark.parametrize("mask", [True, False])
def test_the_vcon_has_the_sound_and_the_words_that_the_copy_has(
    carrying: Office, mask: bool
) -> None:
    files = opened(carrying, made(carrying, mask=mask))

    document = json.loads(files["call.vcon.json"])
    (dialog,) = (each for each in document["dialog"] if each["type"] == "recording")
    body = base64.urlsafe_b64decode(dialog["body"] + "==")
    assert body == files[f"{carrying.recorded.id}.ogg"]
    samples, _ = decode(body, 16_000)
    assert (int(np.abs(samples[0].astype(int)).max()) < 100) is mask


def test_a_page_says_why_its_vcon_is_silent(carrying: Office) -> None:
    rig.change(carrying.site.store, carrying.recorded.id, state="quarantined")

    files = opened(carrying, made(carrying))

    assert "The vCon holds no sound, because" in words_of(files["index.html"])
    assert "body" not in json.dumps(json.loads(files["call.vcon.json"])["dialog"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_made_in_the_language_that_is_asked_for(
    carrying: Office, language: str
) -> None:
    page = opened(carrying, made(carrying, language=language))["index.html"].decode()

    titles = {"en": "What you were told", "nb": "Det du fikk vite", "de": "Was Ihnen gesagt wurde"}
    assert f'<html lang="{language}">' in page
    assert titles[language] in page
    for forbidden in ("<script", "http", "//", "onclick", "{", "@import"):
        assert forbidden not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL), forbidden


def test_what_came_from_outside_is_text_on_the_page() -> None:
    bad = '<img src=x onerror="alert(1)">'
    line = {"speaker": "contact", "text": bad}
    notice = Notice(AT, "announcement", bad, None)
    part = CallPart(
        "call_1", AT, False, False, [notice], [], [],
        {"mode": "ask", "reasons": [{"why": bad, "cites": [bad]}]},
        "recorded", [Sound("rec_1", None, "a.ogg", "a.txt", [line])], about_file="a.json",
    )  # fmt: skip

    page = page_of(CopyPage("en", bad, AT, True, [part]))

    assert bad not in page
    assert words_of(page).count(bad) == 5


def test_a_notice_whose_words_are_not_kept_says_so() -> None:
    notices = [Notice(AT, "announcement", None, "ab" * 32), Notice(AT, "agent", None, None)]
    part = CallPart("call_1", AT, True, False, notices, [], [], {}, "refused", about_file="a")

    said = words_of(page_of(CopyPage("en", "", AT, False, [part])))

    assert "ab" * 32 in said
    assert "Which words were used is not kept." in said
    assert "No answer about recording is kept for this call." in said


def test_a_page_without_calls_says_so() -> None:
    assert "No call is kept." in words_of(page_of(CopyPage("en", "", AT, True)))


def test_every_code_has_words_in_every_language() -> None:
    file = resources.files("askfirst") / "texts" / "copy.toml"
    texts = tomllib.loads(file.read_text(encoding="utf-8"))

    for group, entries in texts.items():
        for key, found in entries.items():
            assert set(found) == set(LANGUAGES), (group, key)
    codes = {
        "outcome": {each.value for each in OutcomeCode},
        "use": {each.value for each in Use},
        "concern": {each.value for each in Concern},
        "role": {each.value for each in UserRole},
        "proof": {str(int(each)) for each in Proof},
        "opening": {each.value for each in Kind if each.value.startswith("access.")},
        "mode": {"auto", "ask", "forbid"},
    }
    for group, wanted in codes.items():
        assert set(texts[group]) == wanted, group
    assert {each.value for each in ListeningPurpose} <= set(texts["purpose"])
