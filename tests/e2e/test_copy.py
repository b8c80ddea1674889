"""A copy for a person: ordered and taken on the page, and readable by whoever gets it."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.e2e.checks import overflows, violations
from tests.e2e.conftest import Open

from askfirst.server.copyconcerns import Concern
from askfirst.server.copypage import (
    LANGUAGES,
    Answer,
    CallPart,
    CopyPage,
    Notice,
    Opening,
    Sound,
    page_of,
)

pytestmark = pytest.mark.full

AT = datetime(2026, 11, 24, 10, 5, tzinfo=UTC)
NUMBER = "+4748750101"


def filled(language: str) -> str:
    """A page with everything on it that can be."""
    lines = [
        {"speaker": "agent", "text": "Good morning, this is Nordlys. May I record this call?"},
        {"speaker": "contact", "text": "Yes, that is fine."},
    ]
    part = CallPart(
        call="call_" + "0" * 32,
        at=AT,
        is_inbound=False,
        has_others=True,
        notices=[
            Notice(AT, "announcement", "This call is recorded for training. Press 1.", "ab" * 32),
            Notice(AT, "announcement", None, "ab" * 32),
            Notice(AT, "agent", "May I record this call?", None),
        ],
        answers=[
            Answer(AT, "agreed", "keypad", 4, ["record", "transcribe", "analyse"], [], None),
            Answer(AT, "withdrawn", "spoken", 0, [], [], None),
        ],
        openings=[Opening(AT, "access.played", ["supervisor", "compliance"], "training")],
        decision={
            "mode": "ask",
            "reasons": [{"why": "Everybody has to agree.", "cites": ["Ekomloven § 2-7"]}],
        },
        outcome="recorded",
        sounds=[
            Sound("rec_" + "0" * 32, AT, "a.ogg", "a.txt", lines),
            Sound("rec_" + "1" * 32, left_out=Concern.RESTRICTED),
        ],
        about_file="a.json",
    )
    return page_of(CopyPage(language, "Nordlys AS", AT, True, [part, part]))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_copy_is_accessible_and_fits_a_telephone(
    browser: Browser, language: str, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 375, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
    page.set_content(filled(language))
    page.locator("details").first.evaluate("each => { each.open = true }")

    assert violations(page) == []
    assert overflows(page) == []
    page.close()


def test_a_copy_is_ordered_followed_and_taken_on_the_page(window: Open, tmp_path: Path) -> None:
    found = window("compliance")
    page = found.page
    found.go("/compliance/requests")
    page.get_by_label(re.compile("Number")).fill(NUMBER)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name="Make copy package").click()
    expect(page.get_by_role("heading", name="Request: A copy")).to_be_visible()
    page.get_by_role("button", name="Make copy package").click()

    # A job makes it; the page follows by itself.
    expect(page.get_by_role("heading", name="The copy is ready")).to_be_visible(timeout=30_000)
    assert violations(page) == []
    with page.expect_download() as taken:
        page.get_by_role("link", name="Download").click()
    path = tmp_path / "copy.zip"
    taken.value.save_as(path)
    names = zipfile.ZipFile(io.BytesIO(path.read_bytes())).namelist()
    assert "index.html" in names
    assert any(name.endswith("/call.vcon.json") for name in names)
