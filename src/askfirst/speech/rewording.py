"""Other words for an utterance: those that stayed keep their times, new ones share the rest."""

from __future__ import annotations

from dataclasses import replace
from difflib import SequenceMatcher

from askfirst.model import Utterance, Word
from askfirst.speech.transcribe import spread

VOUCHED = 1.0
"""The confidence of a word that a person wrote."""


def reworded(utterance: Utterance, text: str) -> Utterance:
    """The utterance with another text; when it was said, and by whom, stays.

    A word that stayed keeps time and confidence. Those that a person wrote have confidence 1 and
    lie in the time of the words that they replace, or between their neighbours. An empty text says
    that nothing was said. Spaces are put in order.
    """
    texts = text.split()
    old = utterance.words or tuple(
        spread(utterance.text, utterance.start_ms, utterance.end_ms, VOUCHED)
    )
    words: list[Word] = []
    matcher = SequenceMatcher(None, [word.text for word in old], texts, autojunk=False)
    for what, first, last, begin, end in matcher.get_opcodes():
        if what == "equal":
            words += old[first:last]
        else:
            start_ms, end_ms = _room(utterance, old, first, last)
            words += spread(" ".join(texts[begin:end]), start_ms, end_ms, VOUCHED)
    return replace(utterance, text=" ".join(texts), words=tuple(words))


def _room(utterance: Utterance, old: tuple[Word, ...], first: int, last: int) -> tuple[int, int]:
    """The time of the words from `first` to before `last`; of none, what lies between the others.

    Never ends before it begins, whatever a recogniser gave.
    """
    if first < last:
        start_ms, end_ms = old[first].start_ms, old[last - 1].end_ms
    else:
        start_ms = old[first - 1].end_ms if first else utterance.start_ms
        end_ms = old[first].start_ms if first < len(old) else utterance.end_ms
    return start_ms, max(start_ms, end_ms)
