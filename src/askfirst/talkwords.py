"""Words of a language that analysis looks for: questions, hesitation, listening, small words.

The lists are data in `texts/talkwords.toml`, with what they rest on. They know words, not
meaning: what they find is counted or quoted, never judged.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from askfirst.spoken import Run, SpokenWord, plain

LANGUAGES = ("en", "nb", "de")
"""Languages that have lists."""

_SAME = {"no": "nb", "nn": "nb"}
_END = re.compile(r"[.?!…][\"'”“»«)\]]*$")
_QUESTION = re.compile(r"\?[!?]*[\"'”“»«)\]]*$")


@dataclass(frozen=True, slots=True)
class TalkWords:
    """The lists of one language. Patterns meet plain words with one space between them."""

    openers: re.Pattern[str]
    leads: frozenset[str]
    tags: frozenset[str]
    hesitations: frozenset[str]
    listening: re.Pattern[str]
    abbreviations: frozenset[str]
    dotted_ordinals: bool
    small: frozenset[str]
    promises: re.Pattern[str]
    appointments: re.Pattern[str]
    no_promise: re.Pattern[str]
    doubts: frozenset[str]


def talkwords(language: str) -> TalkWords | None:
    """The lists of a language by its code (`en`, `en-US`, `no`); None where there are none."""
    code = re.split(r"[-_]", language.casefold())[0]
    return _tables().get(_SAME.get(code, code))


def sentences(run: Run, known: TalkWords | None) -> list[tuple[SpokenWord, ...]]:
    """The sentences of a run, parted after a full stop, question or exclamation mark.

    A known abbreviation ends none, nor a number with a dot where the language writes ordinals
    so. Where nothing is punctuated the run is one sentence.
    """
    found: list[list[SpokenWord]] = [[]]
    for word in run.words:
        found[-1].append(word)
        if _END.search(word.text) and not _goes_on(word, known):
            found.append([])
    return [tuple(words) for words in found if words]


def is_question(sentence: Sequence[SpokenWord], known: TalkWords) -> bool:
    """Whether a sentence asks: by its mark, or where it has no mark, by how it begins.

    A tag alone ("right?", "hello?") asks for nothing.
    """
    said = [part for word in sentence for part in word.plain]
    if not said or all(part in known.tags for part in said):
        return False
    if _END.search(sentence[-1].text):
        return _QUESTION.search(sentence[-1].text) is not None
    while len(said) > 1 and said[0] in known.leads:
        del said[0]
    return known.openers.match(" ".join(said)) is not None


def _goes_on(word: SpokenWord, known: TalkWords | None) -> bool:
    if known is None or not word.text.endswith("."):
        return False
    if known.dotted_ordinals and len(word.plain) == 1 and word.plain[0].isdigit():
        return len(word.plain[0]) <= 2
    return " ".join(word.plain) in known.abbreviations


@cache
def _tables() -> Mapping[str, TalkWords]:
    file = resources.files("askfirst") / "texts" / "talkwords.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    return {language: _talkwords(table[language]) for language in LANGUAGES}


def _talkwords(table: Mapping[str, Sequence[str]]) -> TalkWords:
    listening = "|".join(re.escape(" ".join(plain(phrase))) for phrase in table["listening"])
    return TalkWords(
        openers=re.compile(rf"(?:{'|'.join(table['openers'])})\b"),
        leads=_folded(table["leads"]),
        tags=_folded(table["tags"]),
        hesitations=_folded(table["hesitations"]),
        listening=re.compile(rf"(?:{listening})(?: (?:{listening}))*"),
        abbreviations=_folded(table["abbreviations"]),
        dotted_ordinals=bool(table["dotted_ordinals"]),
        small=_folded(" ".join(table["small"]).split()),
        promises=_any_of(table["promises"], table),
        appointments=_any_of(table["appointments"], table),
        no_promise=_any_of(table["no_promise"], table),
        doubts=_folded(table["doubts"]),
    )


def _folded(words: Sequence[str]) -> frozenset[str]:
    return frozenset(" ".join(plain(word)) for word in words)


def _any_of(patterns: Sequence[str], table: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    """Whole words; <DO>, <DAY> and the like stand for the list of that name in lower case."""
    text = "|".join(patterns)
    for name in re.findall(r"<([A-Z]+)>", text):
        text = text.replace(f"<{name}>", f"(?:{'|'.join(table[name.lower()])})")
    return re.compile(rf"\b(?:{text})\b")
