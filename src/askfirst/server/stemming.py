"""The stem of a word, so that its inflections count as one; the same in trackers and in search.

Snowball's stemmers, in Python, so that every database finds the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import snowballstemmer

_ALGORITHMS = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fr": "french",
    "nb": "norwegian",
    "nl": "dutch",
    "sv": "swedish",
}
LANGUAGES = tuple(_ALGORITHMS)
"""Languages whose inflections count as one word, as codes."""

_KEPT = 50_000
"""Words of a language whose stems are remembered."""


@lru_cache(maxsize=len(_ALGORITHMS) + 1)
def stemmer(language: str) -> Callable[[str], str]:
    """What gives the stem of a plain word (lower case) of a language; the word itself where the
    language has no stemmer here.
    """
    name = _ALGORITHMS.get(language)
    if name is None:
        return str

    @lru_cache(maxsize=_KEPT)
    def stem(word: str) -> str:
        # Made anew for each word that is not remembered: a stemmer holds what it works on, and
        # threads share this function.
        return str(snowballstemmer.stemmer(name).stemWord(word))

    return stem
