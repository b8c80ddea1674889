"""Languages of the pages: catalogues, dates and the language of a visit.

English stands in the templates and is the key; other languages are catalogues of Babel's kind, read
from their source (`locale/nb.po`) so that nothing has to be compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from importlib import resources

from babel import Locale, dates, numbers
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from askfirst.web import zones

LANGUAGES: Mapping[str, str] = {"en": "English", "nb": "Norsk bokmål"}
"""Languages of the pages, each by its own name."""

DEFAULT = "en"

ERROR = "What an error says."
"""The remark in a catalogue by which messages of errors are told from those of pages."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Messages of a language by their English; empty for English."""
    return {str(message.id): str(message.string) for message in _messages(language)}


@cache
def errors(language: str) -> Mapping[str, str]:
    """Of the messages of a language, those that errors say."""
    return {
        str(message.id): str(message.string)
        for message in _messages(language)
        if ERROR in message.auto_comments
    }


@cache
def _messages(language: str) -> tuple[Message, ...]:
    if language == DEFAULT:
        return ()
    path = resources.files("askfirst") / "web" / "locale" / f"{language}.po"
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    return tuple(each for each in read if each.id and each.string and not each.fuzzy)


def gettext(language: str, message: str) -> str:
    """A message in a language; English where the catalogue has none."""
    return catalogue(language).get(message, message)


def mark(message: str) -> str:
    """A message that is said later; here only so that the catalogues find it."""
    return message


def chosen(wanted: str | None, accepted: str, default: str) -> str:
    """The language of a visit: what was asked for, what the browser accepts, or the default."""
    if wanted in LANGUAGES:
        return str(wanted)
    for part in accepted.split(",")[:10]:
        code = part.partition(";")[0].strip().lower().partition("-")[0]
        # Browsers say no for Norwegian of either kind.
        code = "nb" if code in ("no", "nn") else code
        if code in LANGUAGES:
            return code
    return default if default in LANGUAGES else DEFAULT


def day(language: str, value: date, zone: tzinfo = UTC) -> str:
    """A day as people write it in a language; of a moment, the day that it is in a zone."""
    if isinstance(value, datetime):
        value = value.astimezone(zone)
    return str(dates.format_date(value, "medium", locale=Locale.parse(language)))


def moment(language: str, value: datetime, zone: tzinfo = UTC) -> str:
    """A moment to the minute, in a zone and with the zone's short name."""
    local = value.astimezone(zone)
    shown = dates.format_datetime(local, "d MMM y HH:mm", locale=Locale.parse(language))
    return f"{shown} {zones.short_name(local)}"


def decimal(language: str, value: float) -> str:
    """A number with one decimal, as people write it in a language."""
    return str(numbers.format_decimal(value, "#,##0.0", locale=Locale.parse(language)))
