"""Topics: the phrases that a call keeps coming back to, each with the places where it was said.

The measure is the C-value (Frantzi, Ananiadou and Mima 2000, International Journal on Digital
Libraries 3) with log2(words + 1), so that single words count too: a phrase weighs as often as it
was said, longer ones more, less what longer repeated phrases around it were said on average. It
depends on nothing but the words of the call.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2

from askfirst.model import Utterance
from askfirst.spoken import Quotation, Span, SpokenWord, quote, runs
from askfirst.talkwords import TalkWords, sentences, talkwords
from askfirst.trackers import Stem

LONGEST = 4
"""Most words of a topic."""

_SHORTEST_WORD = 3
_PARTING = re.compile(r"[,;:()\"“”„«»]$|^[(\"“„«»]")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """A phrase as it was said most often, its weight, and every place where it was said."""

    text: str
    weight: float
    places: tuple[Quotation, ...]


def topics(
    said: Iterable[Utterance],
    stretches: Sequence[Span],
    language: str,
    stem: Stem | None = None,
    *,
    most: int = 10,
    at_least: int = 2,
) -> tuple[Topic, ...]:
    """The `most` weightiest phrases that were said `at_least` times, heaviest first.

    `stretches` is what was recorded; `stem` makes inflections one word. A phrase is up to
    `LONGEST` words between small words, punctuation and pauses. Equal weights are ordered by
    when they were first said, then by letters. Empty for a language without lists.
    """
    known = talkwords(language)
    if known is None:
        return ()
    found: dict[Key, list[Quotation]] = {}
    for key, quotation in _phrases(said, stretches, known, stem):
        found.setdefault(key, []).append(quotation)
    repeated = {key: places for key, places in found.items() if len(places) >= at_least}
    weighed = [
        (weight, key)
        for key, weight in _weights({key: len(places) for key, places in repeated.items()}).items()
        if weight > 0
    ]
    weighed.sort(key=lambda item: (-item[0], repeated[item[1]][0].start_ms, item[1]))
    return tuple(
        Topic(_commonest(repeated[key]), round(weight, 3), tuple(repeated[key]))
        for weight, key in weighed[:most]
    )


def _phrases(
    said: Iterable[Utterance], stretches: Sequence[Span], known: TalkWords, stem: Stem | None
) -> Iterator[tuple[Key, Quotation]]:
    """Every phrase of one to `LONGEST` words, by time."""
    for run in runs(said, stretches):
        for sentence in sentences(run, known):
            for words in _content(sentence, known):
                for first in range(len(words)):
                    for end in range(first + 1, min(first + LONGEST, len(words)) + 1):
                        part = words[first:end]
                        if len(part) > 1 or len(" ".join(part[0].plain)) >= _SHORTEST_WORD:
                            yield _key(part, stem), quote(run.speaker, part)


def _content(sentence: Sequence[SpokenWord], known: TalkWords) -> list[list[SpokenWord]]:
    """Stretches of words that may be a topic."""
    found: list[list[SpokenWord]] = [[]]
    for word in sentence:
        if _PARTING.search(word.text[:1]):
            found.append([])
        if _is_small(word, known):
            found.append([])
        else:
            found[-1].append(word)
        if _PARTING.search(word.text[-1:]):
            found.append([])
    return [words for words in found if words]


def _is_small(word: SpokenWord, known: TalkWords) -> bool:
    spelled = "".join(word.plain)
    if not any(letter.isalpha() for letter in spelled):
        return True
    return all(part in known.small or part in known.hesitations for part in word.plain)


def _key(words: Sequence[SpokenWord], stem: Stem | None) -> Key:
    parts = (part for word in words for part in word.plain)
    return tuple(stem(part) for part in parts) if stem is not None else tuple(parts)


def _weights(said: Mapping[Key, int]) -> dict[Key, float]:
    """The C-value of each phrase, from how often each was said."""
    around: dict[Key, list[int]] = {}
    for key, times in said.items():
        for part in _within(key):
            if part in said:
                around.setdefault(part, []).append(times)
    return {
        key: log2(len(key) + 1)
        * (times - (sum(around[key]) / len(around[key]) if key in around else 0))
        for key, times in said.items()
    }


def _within(key: Key) -> set[Key]:
    """The shorter phrases that a phrase contains."""
    length = len(key)
    return {
        key[first:end]
        for first in range(length)
        for end in range(first + 1, length + 1)
        if end - first < length
    }


def _commonest(places: Sequence[Quotation]) -> str:
    """The commonest way to say it, without punctuation around; of equals the one said first."""
    ways = [
        " ".join(_EDGES.sub("", word) for word in quotation.text.split()) for quotation in places
    ]
    times = Counter(ways)
    return max(ways, key=lambda way: (times[way], -ways.index(way)))
