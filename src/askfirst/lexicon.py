"""The words of hearing: what utterances are brought to, and the patterns they are asked against.

Read from `texts/hearing.toml`, by language. What a match means is decided in `askfirst.hearing`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from askfirst.errors import InvalidInput
from askfirst.model import Element

LANGUAGES = ("en", "nb", "de")
"""Languages that can be understood."""

VERSION = 2
"""How often what is heard has changed; recordings that an older one checked are checked again.

Whoever changes the words or the order in which they are asked raises it.
"""

USED = "|"
"""Stands for words that a pattern has used up."""

_PUNCTUATION = re.compile(r"[\s.,;:!?…\"“”„‚‘«»‹›()\[\]/–—―\-¿¡]+")
_SENTENCE_END = re.compile(r"[.?!;](?=\s|$)")
_FRAGMENT = re.compile(r"<([A-Z]+)>")
_STOP = "¶"
_ANY = r"\w+"
_AGREEING = frozenset({"agree", "agree_after", "yes", "echo", "soft"})
_USED_UP = _AGREEING | {"no", "polite", "loose"}


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one language.

    `rewrite` brings spellings to one form; `patterns` are the lists of the file by their names;
    `elements` find what a notice says; `common` are frequent words.
    """

    rewrite: tuple[tuple[re.Pattern[str], str], ...]
    patterns: Mapping[str, re.Pattern[str]]
    elements: Mapping[Element, re.Pattern[str]]
    common: frozenset[str]

    def has(self, name: str, text: str) -> bool:
        """Say whether anything of a list is in a text that was made by `words`."""
        return self.patterns[name].search(text) is not None

    def use(self, text: str, *names: str) -> str:
        """Put `USED` for what the lists match, one list after the other."""
        for name in names:
            text = self.patterns[name].sub(USED, text)
        return text

    def left(self, text: str, *names: str) -> str:
        """Give the words that the lists do not use up."""
        return " ".join(self.use(text, *names).replace(USED, " ").split())

    def end(self, name: str, text: str) -> int:
        """Give where the last match of a list ends, 0 when there is none."""
        return max((match.end() for match in self.patterns[name].finditer(text)), default=0)

    def sentences(self, text: str) -> str:
        """Give a text in the form that the lists are written for, with a mark after each sentence.

        Letters of any script are kept.
        """
        plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'").replace(USED, " ")
        said = _PUNCTUATION.sub(" ", _SENTENCE_END.sub(f" {_STOP} ", plain.replace(_STOP, " ")))
        for pattern, replacement in self.rewrite:
            said = pattern.sub(replacement, said)
        return " ".join(said.replace("'", " ").split())

    def words(self, text: str) -> str:
        """Give the same without the marks."""
        return flat(self.sentences(text))


def flat(sentences: str) -> str:
    """Take the marks of sentences out."""
    return " ".join(sentences.replace(_STOP, " ").split())


@cache
def fingerprint() -> str:
    """Give what tells these words from others: ``sha256:`` and the digest of their file."""
    return f"sha256:{sha256(_packaged()).hexdigest()}"


@cache
def lexicon(language: str) -> Lexicon:
    """Give the words of a language; raises InvalidInput where there are none."""
    if language not in LANGUAGES:
        raise InvalidInput(
            f"Speech in language {language!r} cannot be understood. Use one of "
            f"{', '.join(LANGUAGES)}."
        )
    read = _tables()[language]
    fragments, lists = read["fragments"], read["rules"]
    after = rf"(?! (?:{'|'.join(lists['turn'])})\b)"
    before = "".join(rf"(?<!\b{word} )" for word in lists["turn"])
    # What uses words up for a yes must not take a negation for any word.
    harmless = rf"(?!(?:{'|'.join(lists['negator'])})\b){_ANY}"
    patterns = {}
    for name, phrases in lists.items():
        words = [each.replace(_ANY, harmless) for each in phrases] if name in _USED_UP else phrases
        around = (before, after) if name in _AGREEING else ("", "")
        patterns[name] = _pattern(words, fragments, *around)
    found = {}
    for name, words in read["elements"].items():
        spread: list[str] = []
        for word in words:
            spread += lists[word[2:-2]] if word.startswith("<<") else [word]
        found[Element(name)] = re.compile(rf"(?<!\w)(?:{_either(spread, fragments)})")
    return Lexicon(
        rewrite=tuple((re.compile(old), new) for old, new in read["rewrite"]),
        patterns=patterns,
        elements=found,
        common=frozenset(lists["common"]),
    )


def _packaged() -> bytes:
    return resources.files("askfirst").joinpath("texts/hearing.toml").read_bytes()


@cache
def _tables() -> Mapping[str, Any]:
    return tomllib.loads(_packaged().decode())


def _pattern(
    words: Iterable[str], fragments: Mapping[str, str], before: str, after: str
) -> re.Pattern[str]:
    """One pattern for a list, on whole words; longer phrases are tried first."""
    return re.compile(rf"(?<!\w){before}(?:{_either(words, fragments)})(?!\w){after}")


def _either(words: Iterable[str], fragments: Mapping[str, str]) -> str:
    joined = "|".join(sorted(words, key=len, reverse=True))
    while _FRAGMENT.search(joined):
        joined = _FRAGMENT.sub(lambda name: fragments[name.group(1)], joined)
    return joined
