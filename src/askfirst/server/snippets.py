"""Some words around what a search has found, read from the transcript when they are shown.

Whoever calls this has written the access down before. What the transcript does not say any more is
not shown, whatever the index says.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from askfirst.errors import AskfirstError
from askfirst.model import Utterance
from askfirst.server import transcripts
from askfirst.server.searchquery import Query, places_of
from askfirst.server.stemming import stemmer
from askfirst.server.store import Store
from askfirst.server.transcriptsearch import FoundCall
from askfirst.spoken import words_of

log = logging.getLogger(__name__)

AROUND = 12
"""Words that are shown before the first and behind the last that was found, at most."""

_LONGEST = 3 * AROUND


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what was said; `is_found`: it was looked for."""

    text: str
    is_found: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """What somebody said, in pieces that make the text when they are joined; call time in ms."""

    speaker: str
    at_ms: int
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The words as one text."""
        return "".join(each.text for each in self.pieces)

    @property
    def marks(self) -> list[list[int]]:
        """Where in the text the words that were looked for begin and end, in characters."""
        found, at = [], 0
        for each in self.pieces:
            if each.is_found:
                found.append([at, at + len(each.text)])
            at += len(each.text)
        return found


def snippets_of(store: Store, found: FoundCall, query: Query) -> list[Snippet]:
    """A snippet for each hit that the transcript bears out; none where it cannot be read."""
    try:
        said = transcripts.current(store, found.recording) or []
    except AskfirstError as error:
        log.warning(
            "search.unreadable recording=%s error=%s", found.recording, type(error).__name__
        )
        return []
    hits = {(hit.speaker, hit.start_ms) for hit in found.hits}
    stemmed = query.stemmed(stemmer(found.language))
    shown = [
        _snippet(each, stemmed, found.language)
        for each in said
        if (each.speaker, each.start_ms) in hits
    ]
    return sorted((each for each in shown if each is not None), key=lambda one: one.at_ms)


def _snippet(said: Utterance, query: Query, language: str) -> Snippet | None:
    """The snippet of an utterance; None where it does not say what is looked for."""
    words, stem = words_of(said), stemmer(language)
    stems: list[str] = []
    spoken_in: list[int] = []  # the word that each stem is of
    for at, word in enumerate(words):
        stems += [stem(part) for part in word.plain]
        spoken_in += [at] * len(word.plain)
    marked: set[int] = set()
    for term in query.terms:
        begins = places_of(term, stems)
        if not begins:
            return None
        marked |= {spoken_in[at + n] for at in begins for n in range(len(term))}
    if any(places_of(term, stems) for term in query.without):
        return None
    first, last = _cut(marked, len(words))
    texts = [word.text for word in words]
    return Snippet(said.speaker, said.start_ms, _pieces(texts, marked, first, last))


def _cut(marked: set[int], count: int) -> tuple[int, int]:
    """The first word to show and the one behind the last."""
    first = max(0, min(marked) - AROUND)
    return first, min(count, max(marked) + AROUND + 1, min(marked) + _LONGEST)


def _pieces(texts: Sequence[str], marked: set[int], first: int, last: int) -> tuple[Piece, ...]:
    pieces = [Piece("… ", is_found=False)] if first else []
    for at in range(first, last):
        if at > first:
            pieces.append(Piece(" ", is_found=False))
        pieces.append(Piece(texts[at], is_found=at in marked))
    if last < len(texts):
        pieces.append(Piece(" …", is_found=False))
    joined: list[Piece] = []
    for each in pieces:
        if joined and not each.is_found and not joined[-1].is_found:
            joined[-1] = Piece(joined[-1].text + each.text, is_found=False)
        else:
            joined.append(each)
    return tuple(joined)
