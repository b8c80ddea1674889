"""How each setting of the account is read: what it may be, and what is wrong with anything else.

Every reader gives the value as it is kept, or raises InvalidRequest whose `key` is the setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Purpose
from askfirst.notice import LANGUAGES as NOTICE_LANGUAGES
from askfirst.notice import LONGEST_PHRASE, SHORTEST_PURPOSE_WORDS
from askfirst.policy import AREA_CODE, MANDATORY_RECORDING, PLACE_CODE, Policy
from askfirst.retention import LONGEST_YEARS
from askfirst.server.accounts import LANGUAGES

SHORTEST_DAYS, LONGEST_DAYS = 1, 3_650
SHORTEST_YEARS = 5
PURPOSES = tuple(each.value for each in Purpose)
LONGEST_BASIS = 300
"""Characters of the basis of figures about single persons."""

LONGEST_NOTICE = 4_000
MOST_TERMS = 40
LONGEST_TERM = 40
"""Names and terms that a recogniser is told; more of them than it can remember are of no use."""

"""How many characters the employee notice may have in one language."""

PHRASES = ("purpose", "recipients", "destination", "alternative")
"""What an account may put in its own words in each language of a notice."""

FIRST_COUNTRY = WARN, REVIEW = ("warn", "review")
"""Before the first call to a country: a warning, or nothing until somebody reviewed its rules."""

SECOND_PERSON = ("queue-erase", "queue-keep", "settings", "hold-release", "overrides")
"""What may be made to wait for a second person: the kinds of `approvals`."""
SECOND_FACTOR = NOBODY, OFFICERS, EVERYBODY = ("nobody", "officers", "everybody")
"""Who needs a second factor; officers are administrators and compliance."""

_OWN_KEYS = frozenset({"recording_enabled", "lawful_basis", "purpose", "contact_objected"})

Reader = Callable[[str, object], object]


def refuse(key: str, value: object, expected: str) -> InvalidRequest:
    """The error for a value that a setting cannot have."""
    return InvalidRequest(f"{key} is {str(value)[:80]!r}; expected {expected}", key=key)


def _text(most: int) -> Callable[[str, object], str]:
    def read(key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            raise refuse(key, value, f"1 to {most} characters")
        return " ".join(value.split())

    return read


def _maybe(inner: Reader) -> Reader:
    def read(key: str, value: object) -> object:
        return None if value is None or value == "" else inner(key, value)

    return read


def _one_of(*known: str) -> Callable[[str, object], str]:
    def read(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise refuse(key, value, " or ".join(known))
        return value

    return read


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise refuse(key, value, "true or false")
    return value


def _place(key: str, value: object) -> str:
    if not isinstance(value, str) or not PLACE_CODE.fullmatch(value):
        raise refuse(key, value, "a place code such as NO or US-CA")
    return value


def _sentence(key: str, value: object) -> str:
    text = _text(LONGEST_PHRASE)(key, value)
    if len(text.split()) < SHORTEST_PURPOSE_WORDS:
        raise refuse(key, value, f"a sentence of {SHORTEST_PURPOSE_WORDS} words or more")
    return text


def _days(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(key, value, "a whole number of days")
    if not SHORTEST_DAYS <= value <= LONGEST_DAYS:
        raise refuse(key, value, f"{SHORTEST_DAYS} to {LONGEST_DAYS} days")
    return value


def _periods(key: str, value: object) -> dict[str, dict[str, int]]:
    if not isinstance(value, Mapping) or set(value) - {"purposes", "places"}:
        raise refuse(key, value, "purposes and places, each with days by word or code")
    found: dict[str, dict[str, int]] = {}
    for kind, days in value.items():
        if not isinstance(days, Mapping):
            raise refuse(key, days, f"days for each of the {kind}")
        for name in days:
            if kind == "purposes" and name not in PURPOSES:
                raise refuse(key, name, f"a purpose: {', '.join(PURPOSES)}")
            if kind == "places" and not (isinstance(name, str) and AREA_CODE.fullmatch(name)):
                raise refuse(key, name, "a place code such as NO or US-CA")
        found[str(kind)] = {str(name): _days(key, each) for name, each in sorted(days.items())}
    return {kind: days for kind, days in found.items() if days}


def _years(key: str, value: object) -> dict[str, dict[str, object]]:
    if not isinstance(value, Mapping):
        raise refuse(key, value, "years and who asked, by regime")
    found: dict[str, dict[str, object]] = {}
    for regime, asked in value.items():
        if regime not in MANDATORY_RECORDING:
            raise refuse(key, regime, f"a duty to record: {', '.join(MANDATORY_RECORDING)}")
        if not isinstance(asked, Mapping) or set(asked) != {"years", "asked_by"}:
            raise refuse(key, asked, "years and asked_by")
        years = asked["years"]
        if isinstance(years, bool) or not isinstance(years, int):
            raise refuse(key, years, "a whole number of years")
        if not SHORTEST_YEARS <= years <= LONGEST_YEARS:
            raise refuse(key, years, f"{SHORTEST_YEARS} to {LONGEST_YEARS} years")
        who = _text(120)(key, asked["asked_by"])
        found[str(regime)] = {"years": years, "asked_by": who}
    return found


def _version(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse(key, value, "a version of the notice")
    return value


def _kinds(key: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not all(
        isinstance(kind, str) and kind in SECOND_PERSON for kind in value
    ):
        raise refuse(key, value, f"a list of {', '.join(SECOND_PERSON)}")
    return [kind for kind in SECOND_PERSON if kind in value]


def _wishes(key: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise refuse(key, value, "policy keys and their values")
    if own := _OWN_KEYS.intersection(value):
        raise refuse(key, sorted(own), "keys that are no settings of their own")
    try:
        Policy.parse(value)
    except InvalidInput as error:
        raise InvalidRequest(str(error), key=key) from error
    return dict(value)


def _phrases(key: str, value: object) -> dict[str, dict[str, str]]:
    if not isinstance(value, Mapping):
        raise refuse(key, value, "phrases by language")
    found: dict[str, dict[str, str]] = {}
    for language, phrases in value.items():
        if language not in NOTICE_LANGUAGES:
            raise refuse(key, language, f"languages of {', '.join(NOTICE_LANGUAGES)}")
        if not isinstance(phrases, Mapping) or not set(PHRASES).issuperset(phrases):
            raise refuse(key, phrases, f"phrases of {', '.join(PHRASES)}")
        own = {
            name: phrase(key, name, text)
            for name, text in phrases.items()
            if text is not None and text != ""
        }
        if own:
            found[language] = own
    return found


def phrase(key: str, name: str, value: object) -> str:
    """One of `PHRASES` in the account's own words; a purpose has to explain something."""
    return _sentence(key, value) if name == "purpose" else _text(LONGEST_PHRASE)(key, value)


def _notice(key: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) != set(LANGUAGES):
        raise refuse(key, value, f"a text for each of {', '.join(LANGUAGES)}")
    found = {}
    for language in LANGUAGES:
        text = value[language]
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_NOTICE:
            raise refuse(key, text, f"1 to {LONGEST_NOTICE} characters in {language}")
        lines = (" ".join(line.split()) for line in text.strip().splitlines())
        found[language] = "\n".join(lines)
    return found


def _credentials(key: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"twa_[0-9a-f]{32}", value):
        raise refuse(key, "what it is", "the id of credentials that are kept")
    return value


def _vocabulary(key: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        raise refuse(key, value, "a list of names and terms")
    found = list(dict.fromkeys(_text(LONGEST_TERM)(key, each) for each in value))
    if len(found) > MOST_TERMS:
        raise refuse(key, len(found), f"at most {MOST_TERMS} names and terms")
    return found


READERS: Mapping[str, Reader] = {
    "company": _text(120),
    "home_place": _maybe(_place),
    "language": _one_of(*LANGUAGES),
    "recording_enabled": _flag,
    "lawful_basis": _maybe(_text(60)),
    "lawful_basis_owner": _maybe(_text(120)),
    "purpose": _maybe(_one_of(*Purpose)),
    "purpose_sentence": _maybe(_sentence),
    "purpose_owner": _maybe(_text(120)),
    "retention_days": _maybe(_days),
    "retention": _periods,
    "mandatory_years": _years,
    "backup_days": _days,
    "unverified_days": _maybe(_days),
    "second_person": _kinds,
    "announces": _flag,
    "beeps": _flag,
    "hears_answers": _flag,
    "asks_reason": _flag,
    "checklists": _flag,
    "private_calls": _flag,
    "redacts_cards": _flag,
    "redacts_ids": _flag,
    "redacts_emails": _flag,
    "privacy_url": _maybe(_text(200)),
    "first_country": _one_of(*FIRST_COUNTRY),
    "vocabulary": _vocabulary,
    "twilio": _maybe(_credentials),
    "texts": _phrases,
    "notice_version": _version,
    "notice_text": _notice,
    "second_factor": _one_of(*SECOND_FACTOR),
    "person_figures_basis": _maybe(_text(LONGEST_BASIS)),
    "wishes": _wishes,
}
"""A reader for every setting that may be changed."""
