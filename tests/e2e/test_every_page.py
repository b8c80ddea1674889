"""Every page of the route table, for whoever may see it: it fits, is accessible, speaks Norwegian.

A new route is covered by itself; a new kind of gap in an address is filled in `visits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Literal

import pytest
from playwright.sync_api import Browser
from tests.e2e.browsing import Window, open_window
from tests.e2e.checks import overflows, texts, violations
from tests.e2e.conftest import Open
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone
from tests.e2e.visits import FIRST_RUN, Visit, address, visits

from askfirst.web.words import catalogue

pytestmark = pytest.mark.full

HEIGHT = 667
WIDTHS = {"en": (375, 1280), "nb": (1280, 375, 320)}
"""In which widths a page is looked at in a language; in the last it is checked in every theme."""

THEMES: Mapping[str, Sequence[Literal["light", "dark"]]] = {
    "en": ("dark", "light"),
    "nb": ("light",),
}


@pytest.fixture(scope="module")
def looking(browser: Browser, installation: Installation) -> Iterator[Open]:
    """Windows that stay open for the pages that the same person looks at in the same way.

    They are closed before the installation ends: a server that is gone is no fault of a page.
    """
    opened: list[Window] = []

    @cache
    def make(person: str | None, at: Installation, language: str) -> Window:
        found = open_window(browser, at, person, language=language, height=HEIGHT)
        opened.append(found)
        return found

    yield make
    for each in opened:
        each.context.close()
    assert [fault for each in opened for fault in each.faults()] == []


@pytest.mark.parametrize("language", WIDTHS)
@pytest.mark.parametrize("visit", [pytest.param(each, id=str(each)) for each in visits()])
def test_a_page_fits_is_accessible_and_speaks_its_language(
    visit: Visit,
    language: str,
    looking: Open,
    installation: Installation,
    request: pytest.FixtureRequest,
) -> None:
    is_first = visit.path == FIRST_RUN
    at = request.getfixturevalue("bare") if is_first else installation
    seen = looking(visit.person, at, language)
    page = seen.page
    page.set_viewport_size({"width": WIDTHS[language][0], "height": HEIGHT})
    seen.go(address(visit, at))
    Phone(page).arrive()

    assert page.locator("h1:visible").count() == 1
    assert page.locator("html").get_attribute("lang") == language
    found = [text for text in texts(page) if is_untranslated(text)] if language == "nb" else []
    for width in WIDTHS[language]:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        found += overflows(page)
    for theme in THEMES[language]:
        page.emulate_media(color_scheme=theme)
        found += violations(page)
    found += seen.faults()
    seen.errors.clear()  # told once; what comes later is a fault of the next page, or of the end
    assert found == []


def test_words_left_in_english_are_found() -> None:
    assert is_untranslated("Ask first")
    assert is_untranslated("Contacts found: 12")
    assert not is_untranslated("Spør først")
    assert not is_untranslated("Anna Nilsen")


def is_untranslated(text: str) -> bool:
    return text in CHANGED or any(pattern.fullmatch(text) for pattern in WITH_GAPS)


def _with_gaps(messages: Mapping[str, str]) -> list[re.Pattern[str]]:
    """Patterns of messages with something filled in; those of gaps alone would fit everything."""
    gap = re.compile(r"%\(\w+\)[sd]")
    split = [gap.split(each) for each in messages if gap.search(each)]
    return [
        re.compile(".+".join(re.escape(part) for part in parts))
        for parts in split
        if sum(len(re.findall(r"[A-Za-z]{3,}", part)) for part in parts) >= 2
    ]


CHANGED = {english: other for english, other in catalogue("nb").items() if english != other}
WITH_GAPS = _with_gaps(CHANGED)
