"""What an error says in another language: its English is known again by the catalogue's templates.

The program raises plain English. `tools/raised.py` reads its source for what it raises and keeps
each message in the catalogue with names for its values; here a message is compared with these
templates, and the translation is filled with the values that were found. What fits none is shown
as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from askfirst.web import words

LONGEST = 2_000
"""Characters of a message that is looked at; a longer one quotes something and stays English."""

NESTED = frozenset({"error"})
"""Values that are messages themselves, and are said in the language too."""

NAMING = frozenset(
    {"key", "name", "what", "kind", "field_name", "state", "row_state", "column_value", "where"}
)
"""Values that are names of the program's own, and are said in words where `NAMES` has them."""

NAMES: Mapping[str, str] = {
    "agent": words.mark("the agent"),
    "between": words.mark("the words between"),
    "company": words.mark("the company"),
    "contact": words.mark("the contact"),
    "email": words.mark("the e-mail address"),
    "erased": words.mark("erased (state)"),
    "first_country": words.mark("the first call to a country"),
    "hold": words.mark("the hold"),
    "home_place": words.mark("the home place"),
    "language": words.mark("the language"),
    "lawful_basis": words.mark("the lawful basis (setting)"),
    "lawful_basis_owner": words.mark("who answers for the basis"),
    "mode": words.mark("the rule"),
    "name": words.mark("the name"),
    "notes": words.mark("the notes"),
    "numbers": words.mark("the numbers"),
    "outcome": words.mark("the outcome"),
    "privacy_url": words.mark("the address of the privacy page"),
    "proof": words.mark("the proof"),
    "objected": words.mark("an objection"),
    "purpose": words.mark("the purpose"),
    "purpose_owner": words.mark("who answers for the purpose"),
    "purpose_sentence": words.mark("the purpose in a sentence"),
    "quarantined": words.mark("held back for a check (state)"),
    "recorded": words.mark("whether it was recorded"),
    "restricted": words.mark("restricted (state)"),
    "retention_days": words.mark("days that recordings are kept"),
    "since": words.mark("the first day"),
    "talk_from": words.mark("the share of talk, from"),
    "talk_to": words.mark("the share of talk, to"),
    "texts": words.mark("your own words"),
    "unfinished": words.mark("being checked anew (state)"),
    "until": words.mark("the last day"),
    "verdict": words.mark("the check of the notice"),
    "why": words.mark("the reason"),
}
"""Names of settings, fields and states as a sentence says them."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """A message between its values, and its translation."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    said: str

    @classmethod
    def of(cls, message: str, said: str) -> Template:
        """The template that a message of the catalogue is."""
        parts = _PLACEHOLDER.split(message)
        return cls(tuple(parts[::2]), tuple(parts[1::2]), said)

    def values(self, text: str) -> Mapping[str, str] | None:
        """What stands in the places of the values; None where the text is of another template.

        Every literal counts where it first comes, so that this takes one pass and no text of
        anybody's can make it take more.
        """
        first, *middle, last = self.literals if self.names else (*self.literals, "")
        position, end = len(first), len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < position:
            return None
        if not self.names:
            return {} if end == position else None
        found = []
        for literal in middle:
            at = text.find(literal, position, end)
            if at < 0:
                return None
            found.append(text[position:at])
            position = at + len(literal)
        found.append(text[position:end])
        values = dict(zip(self.names, found, strict=True))
        # A name that stands twice has one value.
        return values if [values[name] for name in self.names] == found else None


def in_words(error: Exception | str, language: str) -> str:
    """What an error or a text of one says in a language; English where the catalogue lacks it."""
    text = str(error)
    return _said(text, language, is_nested=False) if len(text) <= LONGEST else text


def _said(text: str, language: str, *, is_nested: bool) -> str:
    for template in _templates(language):
        found = template.values(text)
        if found is not None:
            return _filled(template.said, found, language, is_nested=is_nested)
    return text


def _filled(said: str, found: Mapping[str, str], language: str, *, is_nested: bool) -> str:
    def value(name: re.Match[str]) -> str:
        return _value(name[1], found[name[1]], language, is_nested=is_nested)

    return _PLACEHOLDER.sub(value, said)


def _value(name: str, value: str, language: str, *, is_nested: bool) -> str:
    if name in NESTED and not is_nested:
        return _said(value, language, is_nested=True)
    if name in NAMING and value in NAMES:
        return words.gettext(language, NAMES[value])
    return value


@cache
def _templates(language: str) -> tuple[Template, ...]:
    """Templates of a language, most literal text first: a general one never beats a specific."""
    found = (Template.of(message, said) for message, said in words.errors(language).items())
    return tuple(sorted(found, key=lambda each: (-sum(map(len, each.literals)), each.literals)))
