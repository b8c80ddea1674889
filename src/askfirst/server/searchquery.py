"""What somebody looks for in transcripts: words, phrases in quotes, and words that must not be.

Words are compared as `askfirst.spoken` compares them: without case and punctuation, with their
accents, in parts where they have a hyphen; their stems decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from askfirst.errors import InvalidRequest
from askfirst.spoken import plain

LONGEST = 200
"""Characters of what may be looked for at once."""

_PART = re.compile(r'(?P<without>(?<!\S)-)?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')

Term = tuple[str, ...]
"""Plain words that stand one behind the other."""


@dataclass(frozen=True, slots=True)
class Query:
    """Every one of `terms` is said in an utterance, and none of `without`; never empty."""

    terms: tuple[Term, ...]
    without: tuple[Term, ...] = ()

    def stemmed(self, stem: Callable[[str], str]) -> Query:
        """The same in stems of a language."""
        return Query(_stems(self.terms, stem), _stems(self.without, stem))


def query_of(text: str) -> Query:
    """The query that a text stands for; a quotation mark that is not closed counts to the end.

    Raises InvalidRequest where there is nothing to look for, or too much.
    """
    if len(text) > LONGEST or "\0" in text:
        raise InvalidRequest(f"q: expected 1 to {LONGEST} characters", key="q")
    terms: dict[Term, None] = {}
    without: dict[Term, None] = {}
    for part in _PART.finditer(text):
        term = plain(part["phrase"] if part["phrase"] is not None else part["word"])
        if term:
            (without if part["without"] else terms)[term] = None
    if not terms:
        raise InvalidRequest("q: expected at least one word to look for", key="q")
    return Query(tuple(terms), tuple(without))


def places_of(term: Term, said: Sequence[str]) -> list[int]:
    """Where in what was said a term begins; both in stems."""
    length = len(term)
    return [
        at
        for at in range(len(said) - length + 1)
        if all(said[at + n] == term[n] for n in range(length))
    ]


def _stems(terms: Sequence[Term], stem: Callable[[str], str]) -> tuple[Term, ...]:
    return tuple(tuple(stem(word) for word in term) for term in terms)
