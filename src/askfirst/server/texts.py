"""What is said on calls in the account's words: announcements, sentences, answers to a no.

An account gives facts and phrases; which elements are said follows from the decision alone, so
nothing that has to be said can be left out. Here a text is shown before anybody hears it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import sqlalchemy as sa

from askfirst.errors import InvalidInput
from askfirst.explain import notice
from askfirst.model import Decision, Element, Form
from askfirst.notice import LANGUAGES, announcement, lacking
from askfirst.server import account
from askfirst.server.account import Account, Past

LONG_SECONDS = 12
"""Announcements over this are long for whoever has to hear them before a word of greeting."""

LONGEST_SECONDS = 60
"""How long a notice may take on a call; a longer one is cut short and counts as not told."""

WORDS_A_MINUTE = {"en": 150, "nb": 150, "de": 130, "fr": 160, "es": 160, "sv": 150}
"""Usual pace of read speech; an estimate, voices differ."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be said in one language, and whether everything owed is in it.

    `fault` says why there is no text (then `announcement` and `sentence` are empty). `seconds` is
    estimated from the words. `lacking` is what the agent's sentence or the announcement does not
    say: nothing, unless a packaged sentence is wrong.
    """

    language: str
    announcement: str
    sentence: str
    refused: str
    withdrawn: str
    seconds: int
    said: tuple[Element, ...]
    lacking: tuple[Element, ...]
    fault: str | None = None

    @property
    def is_long(self) -> bool:
        """Whether it lasts longer than people like to listen."""
        return self.seconds > LONG_SECONDS

    @property
    def is_too_long(self) -> bool:
        """Whether it would be cut short."""
        return self.seconds > LONGEST_SECONDS


def preview(
    wants: Account, decision: Decision, language: str, *, understands: bool = False
) -> Preview:
    """What the account would say on a call with this decision; raises InvalidInput.

    `understands` is whether a spoken answer in this language would be understood here.
    """
    refused, withdrawn = (reply(kind, language) for kind in ("refused", "withdrawn"))
    elements = tuple(each for each in Element if each in decision.elements)
    facts = wants.notice_facts(language)
    asks = any(owed.form > Form.TOLD for owed in decision.requirements)
    try:
        hears = understands and wants.hears_answers and decision.spoken_answer
        played = announcement(elements, language, facts, keys=asks, spoken=hears)
        spoken = notice(decision, language, facts).text
        left = lacking(played, elements, language, facts) | lacking(
            spoken, elements, language, facts
        )
    except InvalidInput as error:
        return Preview(language, "", "", refused, withdrawn, 0, (), elements, str(error))
    said = tuple(each for each in elements if each not in left)
    missing = tuple(each for each in elements if each in left)
    seconds = estimated_seconds(played, language)
    return Preview(language, played, spoken, refused, withdrawn, seconds, said, missing)


def estimated_seconds(text: str, language: str) -> int:
    """About how long a text takes to be read out, in whole seconds, from its number of words."""
    return round(len(text.split()) * 60 / WORDS_A_MINUTE.get(language, 150))


def reply(kind: str, language: str) -> str:
    """What our side says after a no (`refused`) or a yes taken back (`withdrawn`).

    Raises InvalidInput for a language without notices.
    """
    if language not in LANGUAGES:
        raise InvalidInput(
            f"there is no reply in language {language!r}; use one of {', '.join(LANGUAGES)}"
        )
    return _replies()[kind][language]


def versions(connection: sa.Connection, language: str) -> list[Past]:
    """What the account's own phrases in a language were, the newest first; `value` is a mapping.

    Changes that left this language alone are left out.
    """
    found: list[Past] = []
    before: object = {}
    for past in account.history(connection, ("texts",)):
        every = past.value if isinstance(past.value, dict) else {}
        own = every.get(language, {})
        if own != before:
            found.append(Past(past.key, own, past.by, past.at))
        before = own
    return found[::-1]


@cache
def _replies() -> Mapping[str, Mapping[str, str]]:
    file = resources.files("askfirst") / "texts" / "replies.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
