"""Passwords that are tried first, because many people had them and lists of them leaked.

The list is that of zxcvbn (MIT License; see NOTICE): the 30,000 most frequent of ten million. Most
are shorter than is asked for here, so what is made of one by hand is looked for, too. Nothing is
asked of the internet.
"""

from __future__ import annotations

import gzip
import unicodedata
from functools import cache
from importlib import resources

FEWEST_LETTERS = 5
"""Different characters in a password; fewer are a pattern."""


def is_common(password: str) -> bool:
    """Whether a password is on the list, or one of the list that was repeated or added to.

    Upper and lower case are the same; digits and signs at either end count as added.
    """
    folded = unicodedata.normalize("NFKC", password).casefold()
    if len(set(folded)) < FEWEST_LETTERS:
        return True
    known = _known()
    return bool({folded, _without_ends(folded), _repeated(folded)} & known)


def _without_ends(text: str) -> str:
    """What is between the first letter and the last one."""
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    return text[letters[0] : letters[-1] + 1] if letters else ""


def _repeated(text: str) -> str:
    """The shortest beginning that, again and again, is the text; the text itself otherwise."""
    for length in range(1, len(text) // 2 + 1):
        part = text[:length]
        if (part * (len(text) // length + 1))[: len(text)] == text:
            return part
    return text


@cache
def _known() -> frozenset[str]:
    packed = (resources.files("askfirst.server") / "passwords.txt.gz").read_bytes()
    return frozenset(gzip.decompress(packed).decode().split())
