"""The sentences that a decision says of itself, in each language; nothing else is read here.

The sentences stand in `texts/decisions.toml`. A language without sentences of its own gets
English: notices know more languages than explanations do.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

LANGUAGES = ("en", "nb")
"""Languages in which a decision explains itself."""


def say(language: str, key: str, **values: object) -> str:
    """The sentence under a dotted key, filled in; English where the language is not known."""
    sentences = _sentences()[language if language in LANGUAGES else "en"]
    sentence = sentences[key]
    return sentence.format(**values) if values else sentence


def pick(language: str, texts: Mapping[str, str]) -> str:
    """A rule file's text in the language, English where it has none."""
    return texts.get(language) or texts["en"]


def keys() -> frozenset[str]:
    """Every key that `say` knows; the same in every language."""
    return frozenset(_sentences()["en"])


@cache
def _sentences() -> Mapping[str, Mapping[str, str]]:
    source = resources.files("askfirst") / "texts" / "decisions.toml"
    found: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    waiting: list[tuple[str, Mapping[str, object]]] = [
        ("", tomllib.loads(source.read_text(encoding="utf-8")))
    ]
    while waiting:
        path, table = waiting.pop()
        for key, value in table.items():
            if isinstance(value, dict):
                waiting.append((f"{path}.{key}" if path else key, value))
            elif isinstance(value, str):
                found[key][path] = value
    return found
