"""From recognised words to utterances of one speaker. Speakers are channels; nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from askfirst.errors import InvalidInput
from askfirst.model import Utterance, Word


def utterances(
    words: Sequence[Word],
    speaker: str,
    *,
    gap_ms: int = 700,
    at: Callable[[int], int] | None = None,
) -> list[Utterance]:
    """Words of one channel grouped into utterances, parted where nothing is said for `gap_ms`.

    `at` maps a time in milliseconds of what was recognised to the wanted clock, such as file
    time to call time; it must never go back. Gaps are measured after mapping, so a pause of the
    recording parts utterances too. Words without text are left out; the words of a result carry
    the mapped times. Raises InvalidInput for a `gap_ms` below 0.
    """
    if gap_ms < 0:
        raise InvalidInput(f"gap_ms is {gap_ms}; 0 or more milliseconds were expected.")
    groups: list[list[Word]] = []
    for word in sorted(words, key=lambda word: word.start_ms):
        text = word.text.strip()
        if not text:
            continue
        start_ms = at(word.start_ms) if at else word.start_ms
        end_ms = max(start_ms, at(word.end_ms) if at else word.end_ms)
        placed = Word(text, start_ms, end_ms, word.confidence)
        if groups and start_ms - max(known.end_ms for known in groups[-1]) < gap_ms:
            groups[-1].append(placed)
        else:
            groups.append([placed])
    return [
        Utterance(
            speaker=speaker,
            start_ms=group[0].start_ms,
            end_ms=max(word.end_ms for word in group),
            text=" ".join(word.text for word in group),
            words=tuple(group),
        )
        for group in groups
    ]


def spread(text: str, start_ms: int, end_ms: int, confidence: float) -> list[Word]:
    """Words of `text` between two times, each as long as its share of the letters.

    For engines that time whole lines only; good to about a word's length.
    """
    words = text.split()
    letters = sum(len(word) for word in words)
    spread_words, passed = [], 0
    for word in words:
        first = start_ms + (end_ms - start_ms) * passed // letters
        passed += len(word)
        last = start_ms + (end_ms - start_ms) * passed // letters
        spread_words.append(Word(word, first, last, confidence))
    return spread_words
