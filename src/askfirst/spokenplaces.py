"""Where somebody says that they are: "I'm in Paris", "jeg er i Sverige", "ich bin in Wien".

Only plain statements about now count; a place that is wished for, put off or asked about does not.
Patterns and names are data in `texts/spokenplaces.toml`, joined by the names that the rulebook has
for its places. A name of several places is all of them: places only add.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from askfirst.model import Utterance
from askfirst.rules import Rulebook

_PUNCTUATION = re.compile(r"[\s.,;:!?…\"“”„‚‘«»()\[\]/–—\-]+")
_SENTENCE = re.compile(r"[^.?!;]+[.?!;]?")
_SHORTEST_NAME = 4
"""Letters of a name that the rulebook adds; shorter ones are words of every day too."""


@dataclass(frozen=True, slots=True)
class Named:
    """A statement of a place: its code, and from when to when it was said, in call time."""

    code: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class _Patterns:
    names: Mapping[str, tuple[str, ...]]
    here: tuple[re.Pattern[str], ...]


def codes_said(text: str, rules: Rulebook) -> tuple[str, ...]:
    """The codes of every place that the speaker of a text says to be in now; often none."""
    patterns = _patterns(rules)
    found: dict[str, None] = {}
    for sentence in _SENTENCE.findall(text.replace("’", "'")):
        asks = sentence.rstrip().endswith("?")
        said = " ".join(_PUNCTUATION.sub(" ", sentence.casefold()).split())
        for pattern in patterns.here:
            for match in pattern.finditer(said):
                if asks and match.end() == len(said):
                    continue
                found.update(dict.fromkeys(patterns.names[match["name"]]))
    return tuple(found)


def places_named(said: Sequence[Utterance], speaker: str, rules: Rulebook) -> list[Named]:
    """The places that one speaker says to be in, each code once, when it was first said."""
    found: dict[str, Named] = {}
    for each in said:
        if each.speaker == speaker:
            for code in codes_said(each.text, rules):
                found.setdefault(code, Named(code, each.start_ms, each.end_ms))
    return list(found.values())


@lru_cache(maxsize=4)
def _patterns(rules: Rulebook) -> _Patterns:
    table = _table()
    names: dict[str, set[str]] = {}
    for code, own in table["names"].items():
        for name in own:
            names.setdefault(name, set()).add(code)
    for code, file in rules.jurisdictions.items():
        if file.kind == "layer":
            continue
        for name in file.name.values():
            plain = " ".join(_PUNCTUATION.sub(" ", name.casefold()).split())
            if len(plain) >= _SHORTEST_NAME:
                names.setdefault(plain, set()).add(code)
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    any_name = f"(?P<name>{'|'.join(map(re.escape, longest_first))})"
    here = tuple(
        re.compile(
            "".join(rf"(?<!\b{re.escape(word)} )" for word in table[language]["unsure"])
            + rf"\b{sentence.replace('<NAME>', any_name)}\b"
            + rf"(?! (?:{'|'.join(map(re.escape, table[language]['later']))})\b)"
        )
        for language in ("en", "nb", "de")
        for sentence in table[language]["here"]
    )
    return _Patterns({name: tuple(sorted(codes)) for name, codes in names.items()}, here)


@cache
def _table() -> Mapping[str, Mapping[str, Sequence[str]]]:
    file = resources.files("askfirst") / "texts" / "spokenplaces.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
