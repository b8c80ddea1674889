"""What is known of one contact, as values: tidied, checked, and folded for search.

Nothing here reads or writes; the rows are `contacts`, looking for them is `contactsearch`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from babel import Locale

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Party, Place, Source
from askfirst.notice import LANGUAGES
from askfirst.places import e164, locate
from askfirst.policy import PLACE_CODE
from askfirst.rules import packaged

LONGEST_NAME = 200
LONGEST_EMAIL = 254
LONGEST_NOTES = 10_000
LONGEST_LABEL = 40
LONGEST_REASON = 200
MOST_NUMBERS = 20
MOST_PLACES = 20
SOURCES = (Source.ADDRESS, Source.STATED, Source.GIVEN)
"""Where a contact's own places may come from; those of the number are not written down."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "đ": "d", "ł": "l", "ð": "d", "þ": "th"})
# Territories of Unicode that are no country: test codes, unions, remnants and the unknown.
_NO_COUNTRY = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ")
)


@dataclass(frozen=True, slots=True)
class Number:
    """A telephone number of a contact; E.164 once checked. The primary one is dialled."""

    number: str
    label: str = ""
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place that a contact was said to be in: when that was learned, and by which user."""

    code: str
    source: Source
    since: datetime
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Everything about a contact that people may write; `owner` is a user's id.

    `language` is one that notices are written in, empty where nobody knows it.
    """

    name: str = ""
    company: str = ""
    email: str = ""
    owner: str | None = None
    notes: str = ""
    numbers: tuple[Number, ...] = ()
    places: tuple[KnownPlace, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it stands; `never_record_at` and `_by` tell of the newest change of the flag."""

    id: str
    name: str
    company: str
    email: str
    owner: str | None
    notes: str
    language: str
    numbers: tuple[Number, ...]
    places: tuple[KnownPlace, ...]
    never_record: bool
    never_record_at: datetime | None
    never_record_by: str | None
    never_record_why: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None

    @property
    def draft(self) -> Draft:
        """What can be written about the contact, to be changed with `dataclasses.replace`."""
        return Draft(
            name=self.name,
            company=self.company,
            email=self.email,
            owner=self.owner,
            notes=self.notes,
            numbers=self.numbers,
            places=self.places,
            language=self.language,
        )

    @property
    def party(self) -> Party:
        """The contact as a decision sees it when its primary number is called."""
        return party_of(self.draft)


def checked(draft: Draft, default_region: str | None = None) -> Draft:
    """The draft tidied, its numbers in E.164, exactly one of them primary where there are any.

    `default_region` (ISO 3166-1) is used for numbers without +. Raises InvalidRequest, whose
    `key` is the field, for what cannot be kept; messages hold no number and no name.
    """
    tidied = Draft(
        name=_line("name", draft.name, LONGEST_NAME),
        company=_line("company", draft.company, LONGEST_NAME),
        email=_email(draft.email),
        owner=draft.owner,
        notes=_text("notes", draft.notes.strip(), LONGEST_NOTES),
        numbers=_numbers(draft.numbers, default_region),
        places=_places(draft.places),
        language=_language(draft.language),
    )
    if not (tidied.name or tidied.company or tidied.email or tidied.numbers):
        raise InvalidRequest(
            "a contact without name, company, e-mail and number; give at least one", key="name"
        )
    return tidied


def standard(text: str, default_region: str | None = None) -> str | None:
    """A number in any usual spelling as E.164, None for what is no telephone number.

    Odd blanks, dashes, full-width digits and marks of writing direction, as programs leave them
    in copied text, do not count.
    """
    return e164(plain(text), default_region)


def plain(text: str) -> str:
    """Text without what copying leaves in it: odd blanks and dashes, marks of direction."""
    kept = "".join(each for each in text if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFKC", kept).translate(_DASHES).strip()


def place_code(code: str) -> str:
    """The code of a place that there is; raises InvalidRequest, key ``places``, for others."""
    known = PLACE_CODE.fullmatch(code) and (
        code in packaged().jurisdictions or code.partition("-")[0] in countries()
    )
    if not known:
        shown = code if len(code) <= 8 and code.isascii() and code.isprintable() else "another text"
        raise InvalidRequest(
            f"found {shown!r}; expected the code of a place, such as NO, GB or US-CA", key="places"
        )
    return code


@cache
def countries() -> frozenset[str]:
    """Every ISO 3166-1 alpha-2 code, and XK, whether or not a rule file has it."""
    found = {str(code) for code in Locale("en").territories}
    found = {code for code in found if len(code) == 2 and code.isalpha()}
    return frozenset(found - _NO_COUNTRY)


def party_of(draft: Draft) -> Party:
    """The party of a call to the primary number, with the places that were written down."""
    number = next((each.number for each in draft.numbers if each.is_primary), None)
    where = tuple(Place(each.code, each.source) for each in draft.places)
    return Party.contact(*((number,) if number else ()), *where)


def seat(draft: Draft) -> str:
    """Everything that a decision looks at in a contact, without its number.

    Contacts of one seat get one answer, so that a list of many needs few decisions. `codes_of`
    reads the places out of it.
    """
    located = locate(party_of(draft))
    held = {f"{each.code}/{each.source}/{each.certainty}" for each in located.places}
    return "|".join(sorted(held)) + (f"?{located.unknown}" if located.unknown else "")


def codes_of(seated: str) -> tuple[frozenset[str], bool]:
    """Place codes of a seat, and whether its contacts may be anywhere else as well."""
    known, unknown, _ = seated.partition("?")
    return frozenset(each.partition("/")[0] for each in known.split("|") if each), bool(unknown)


def folded(text: str) -> str:
    """Text as search compares it: no case, no accents, Nordic letters by their base."""
    bare = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    return "".join(each for each in bare if not unicodedata.combining(each))


def sort_key(draft: Draft) -> str:
    """What lists are ordered by; a contact without a name by whatever else there is."""
    first = draft.name or draft.company or draft.email
    return folded(first)[:LONGEST_NAME] or next((each.number for each in draft.numbers), "")


def searched(draft: Draft) -> str:
    """What a search looks through: words folded, numbers as digits, one thing a line."""
    words = (draft.name, draft.company, draft.email)
    digits = (each.number.removeprefix("+") for each in draft.numbers)
    return "\n".join([*(folded(each) for each in words), *digits])


def aware(at: datetime) -> datetime:
    """The time as it is; raises InvalidInput for one without a zone."""
    if at.tzinfo is None:
        raise InvalidInput("found a naive time; expected one with a time zone")
    return at


def _numbers(numbers: tuple[Number, ...], default_region: str | None) -> tuple[Number, ...]:
    if len(numbers) > MOST_NUMBERS:
        raise _wrong("numbers", f"{len(numbers)} numbers", f"at most {MOST_NUMBERS}")
    found: dict[str, Number] = {}
    for position, each in enumerate(numbers, 1):
        number = standard(each.number, default_region)
        if number is None:
            raise _wrong(
                "numbers",
                f"number {position} is no telephone number",
                "+ and 7 to 15 digits, or a number of the default country",
            )
        label = _line("numbers", each.label, LONGEST_LABEL)
        if number in found:
            raise _wrong("numbers", f"number {position} stands twice", "each number once")
        found[number] = Number(number, label, each.is_primary)
    primary = [each for each in found.values() if each.is_primary]
    if len(primary) > 1:
        raise _wrong("numbers", f"{len(primary)} primary numbers", "one")
    if not primary and found:
        first = next(iter(found))
        found[first] = replace(found[first], is_primary=True)
    return tuple(found.values())


def _places(places: tuple[KnownPlace, ...]) -> tuple[KnownPlace, ...]:
    if len(places) > MOST_PLACES:
        raise _wrong("places", f"{len(places)} places", f"at most {MOST_PLACES}")
    found: dict[tuple[str, Source], KnownPlace] = {}
    for each in places:
        if each.source not in SOURCES:
            raise _wrong("places", f"source {each.source!r}", "address, stated or given")
        aware(each.since)
        found.setdefault((place_code(each.code), each.source), each)
    return tuple(found[key] for key in sorted(found))


def checked_reason(text: str) -> str:
    """Why a contact is never recorded, in one line; raises InvalidRequest, key ``why``."""
    return _line("why", text, LONGEST_REASON)


def _language(code: str) -> str:
    if code and code not in LANGUAGES:
        raise _wrong("language", "another language", f"one of {', '.join(LANGUAGES)}, or none")
    return code


def _email(text: str) -> str:
    email = _line("email", text, LONGEST_EMAIL)
    if email and not _EMAIL.fullmatch(email):
        raise _wrong("email", "something else", "an address such as kari@example.org")
    return email


def _line(key: str, text: str, longest: int) -> str:
    return _text(key, " ".join(text.split()), longest)


def _text(key: str, text: str, longest: int) -> str:
    if len(text) > longest:
        raise _wrong(key, f"{len(text)} characters", f"at most {longest}")
    for each in text:
        # Cc are control characters, NUL among them; Cs are halves of characters.
        if each not in "\n\t" and unicodedata.category(each) in ("Cc", "Cs"):
            raise _wrong(key, "a control character", "plain text")
    return text


def _wrong(key: str, found: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{key}: found {found}; expected {expected}", key=key)
