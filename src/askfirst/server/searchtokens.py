"""Words as they stand in the search index: keyed, so that the index alone tells no word.

A token is the beginning of an HMAC-SHA256 over a language and the stem of a word. Without the key,
which is in the key store, nobody learns a word from it, not even by trying every word there is.
The same word is another token in another language, so that nothing is found across languages.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from askfirst.server.stemming import stemmer

TOKEN_BYTES = 6
"""Of 100,000 words two share a token with a chance of 1 in 50,000; a snippet would show it."""

SPEAKERS = ("agent", "contact")
"""The columns of the index, and who may be asked for; everybody but the agent is a contact."""

_KEPT = 200_000


class Tokens:
    """Makes tokens under the 32 bytes of `KeyStore.search_key`; safe for threads."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._stemmed = lru_cache(_KEPT)(self._of_word)

    @property
    def fitting(self) -> str:
        """Tells whether an index was written under this key; says nothing about the key."""
        return hmac.digest(self._key, b"\0fits", sha256).hex()

    def said(self, language: str, words: Sequence[str]) -> bytes:
        """The tokens of plain words in a row."""
        return b"".join([self._stemmed(language, word) for word in words])

    def whose(self, agent: str | None) -> str:
        """The token of whoever has made a call; of nobody, too."""
        return self._digest(f"\1{agent or ''}").hex()

    def _of_word(self, language: str, word: str) -> bytes:
        return self._digest(f"{language}\0{stemmer(language)(word)}")

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), sha256)[:TOKEN_BYTES]


def spelled(tokens: bytes) -> str:
    """Tokens in a row as text, which is what the index is given."""
    return tokens.hex(" ", TOKEN_BYTES)
