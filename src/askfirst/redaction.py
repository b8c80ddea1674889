"""Runs of digits that are as long as a card number, written or spoken one by one.

No checksum is asked for: a recogniser drops and adds digits, so that a real number seldom has the
right one. A run may go on over several utterances of one speaker, as people read a card in groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from askfirst.model import Utterance
from askfirst.spoken import Span, words_of

SHORTEST_DIGITS = 10
"""Digits from which a run counts; a recogniser may lose some of the 12 to 19 of a card."""

LONGEST_PAUSE_MS = 5_000
"""A longer silence ends a run."""

_WORDS = {
    "en": "zero/oh/o one two three four five six seven eight nine",
    "nb": "null en/ein/ett to tre fire fem seks sju/syv åtte ni",
    "de": "null eins/ein zwei/zwo drei vier fünf sechs sieben acht neun",
}
_DIGITS = {
    language: frozenset(words.replace("/", " ").split()) for language, words in _WORDS.items()
}


def card_spans(said: Sequence[Utterance], language: str) -> tuple[Span, ...]:
    """When digit runs as long as a card number were said, in the times of the utterances.

    In a language without digit words here only written digits count.
    """
    spans = [
        span
        for speaker in dict.fromkeys(each.speaker for each in said)
        for span in _of_speaker([each for each in said if each.speaker == speaker], language)
    ]
    return tuple(sorted(spans))


def _of_speaker(said: Sequence[Utterance], language: str) -> Iterator[Span]:
    count, from_ms, to_ms = 0, 0, 0
    for each in sorted(said, key=lambda utterance: utterance.start_ms):
        for word in words_of(each):
            digits = _digits(word.plain, language)
            if count and (not digits or word.start_ms - to_ms > LONGEST_PAUSE_MS):
                if count >= SHORTEST_DIGITS:
                    yield Span(from_ms, to_ms)
                count = 0
            if digits:
                from_ms = word.start_ms if not count else from_ms
                count, to_ms = count + digits, word.end_ms
    if count >= SHORTEST_DIGITS:
        yield Span(from_ms, to_ms)


def _digits(plain: Sequence[str], language: str) -> int:
    """How many digits a word is; 0 where any part of it is something else."""
    words = _DIGITS.get(language, frozenset())
    lengths = [len(part) if part.isdecimal() else int(part in words) for part in plain]
    return sum(lengths) if all(lengths) else 0
