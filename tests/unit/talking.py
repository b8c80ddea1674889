"""Calls for the tests of what is made out of words: by hand, and drawn."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from askfirst.model import Utterance, Word
from askfirst.spoken import Span

MODEST = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties of a call: a busy machine fails none of them."""

WORDS = (
    *("yes", "no", "hello", "the", "price", "offer", "I'll", "send", "you", "that", "um", "mhm"),
    *("what", "do", "you", "think?", "tomorrow.", "contract", "delivery", "Monday?"),
    *("well-known", "ikke", "ja", "nein", "42", ".", "..."),
)


def spoken(speaker: str, start_ms: int, text: str, word_ms: int = 300) -> Utterance:
    """An utterance whose words follow each other without a hole, each as long as the next."""
    words = tuple(
        Word(word, start_ms + at * word_ms, start_ms + (at + 1) * word_ms, 1.0)
        for at, word in enumerate(text.split())
    )
    return Utterance(speaker, start_ms, words[-1].end_ms, text, words)


@st.composite
def utterance(draw: st.DrawFn, speaker: str | None = None) -> Utterance:
    """Words with increasing starts, holes and overlaps between them; or none with times."""
    who = speaker or draw(st.sampled_from(["agent", "contact"]))
    at = draw(st.integers(0, 60_000))
    texts = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
    words = []
    for text in texts:
        length = draw(st.integers(0, 900))
        words.append(Word(text, at, at + length, 0.9))
        at += draw(st.integers(1, 1_500))
    end_ms = max(word.end_ms for word in words)
    timed = draw(st.booleans())
    return Utterance(who, words[0].start_ms, end_ms, " ".join(texts), tuple(words) if timed else ())


calls = st.lists(utterance(), max_size=8)


@st.composite
def stretches(draw: st.DrawFn) -> list[Span]:
    """What was recorded, in order and apart."""
    edges = draw(st.lists(st.integers(0, 80_000), max_size=8, unique=True))
    ordered = sorted(edges)
    return [Span(*pair) for pair in zip(ordered[::2], ordered[1::2], strict=False)]


def swapped(said: list[Utterance]) -> list[Utterance]:
    """The same call with the sides changed."""
    other = {"agent": "contact", "contact": "agent"}
    return [
        Utterance(other[each.speaker], each.start_ms, each.end_ms, each.text, each.words)
        for each in said
    ]


def cut(said: Utterance, at: int) -> list[Utterance]:
    """An utterance with timed words in two, parted before its word `at`."""
    return [
        Utterance(
            said.speaker,
            part[0].start_ms,
            max(word.end_ms for word in part),
            " ".join(word.text for word in part),
            part,
        )
        for part in (said.words[:at], said.words[at:])
        if part
    ]
