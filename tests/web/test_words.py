"""Every message of the pages is said in Norwegian as well, with the same things filled in."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from tools import catalogue

from askfirst.web import words

MESSAGES = sorted({message for message, _, _ in catalogue.messages()})
FILLED = re.compile(r"%\((\w+)\)s|\{(\w+)\}")


def test_the_catalogues_are_in_step_with_templates_and_code() -> None:
    for language in catalogue.languages():
        path = catalogue.WEB / "locale" / f"{language}.po"
        assert path.read_text(encoding="utf-8") == catalogue.updated(language)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_said_in_norwegian_with_the_same_values(message: str) -> None:
    said = words.catalogue("nb").get(message, "")

    assert said
    assert sorted(FILLED.findall(said)) == sorted(FILLED.findall(message))
    assert said[-1:] in ".?!:" or message[-1:] not in ".?!:"


@pytest.mark.parametrize(
    ("wanted", "accepted", "language"),
    [
        ("nb", "en", "nb"),
        (None, "no,en;q=0.5", "nb"),
        (None, "nn-NO", "nb"),
        (None, "fr, en-GB;q=0.7, nb;q=0.6", "en"),
        ("xx", "", "nb"),
        (None, ",;,;;q=", "nb"),
    ],
)
def test_the_language_is_what_was_asked_for_or_accepted(
    wanted: str | None, accepted: str, language: str
) -> None:
    assert words.chosen(wanted, accepted, "nb") == language


def test_days_and_moments_are_written_as_people_do() -> None:
    moment = datetime(2026, 11, 26, 18, 5, tzinfo=UTC)

    assert words.day("en", date(2026, 11, 26)) == "Nov 26, 2026"
    assert words.day("nb", date(2026, 11, 26)) == "26. nov. 2026"
    assert words.moment("nb", moment) == "26 nov. 2026 18:05 UTC"
