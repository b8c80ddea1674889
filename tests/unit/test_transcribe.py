"""Grouping recognised words into utterances."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.model import Word
from askfirst.speech.transcribe import spread, utterances

some_words = st.lists(
    st.builds(
        lambda text, start, length: Word(text, start, start + length, 0.9),
        st.text("ab", min_size=1, max_size=3),
        st.integers(0, 20_000),
        st.integers(0, 900),
    )
)


def test_words_close_together_are_one_utterance_and_a_pause_begins_the_next() -> None:
    words = [Word("yes,", 0, 300, 0.9), Word("fine", 900, 1200, 0.8), Word("bye", 1900, 2100, 0.7)]
    first, second = utterances(words, "contact")
    assert (first.speaker, first.start_ms, first.end_ms, first.text) == (
        "contact",
        0,
        1200,
        "yes, fine",
    )
    assert (second.start_ms, second.end_ms, second.text) == (1900, 2100, "bye")
    assert second.words == (words[2],)


def test_the_gap_is_an_argument() -> None:
    words = [Word("yes", 0, 300, 0.9), Word("fine", 500, 700, 0.9)]
    assert len(utterances(words, "agent", gap_ms=200)) == 2
    assert len(utterances(words, "agent", gap_ms=201)) == 1


def test_times_are_mapped_before_gaps_are_measured() -> None:
    words = [Word("before", 0, 900, 0.9), Word("after", 1000, 1400, 0.9)]
    first, second = utterances(words, "agent", at=lambda ms: ms if ms < 1000 else ms + 20_000)
    assert (first.end_ms, second.start_ms, second.end_ms) == (900, 21_000, 21_400)
    assert second.words[0].start_ms == 21_000


def test_words_without_text_are_left_out() -> None:
    assert utterances([Word("  ", 0, 100, 0.9)], "agent") == []
    assert utterances([], "agent") == []


def test_a_gap_below_zero_is_refused() -> None:
    with pytest.raises(InvalidInput, match="gap_ms is -1"):
        utterances([], "agent", gap_ms=-1)


@given(some_words, st.integers(0, 3000))
def test_no_word_is_lost_and_utterances_are_apart(words: list[Word], gap_ms: int) -> None:
    found = utterances(words, "agent", gap_ms=gap_ms)
    kept = [word for utterance in found for word in utterance.words]
    assert kept == sorted(words, key=lambda word: word.start_ms)
    for before, after in pairwise(found):
        assert after.start_ms - before.end_ms >= gap_ms


@given(st.text("ab ", max_size=30), st.integers(0, 5000), st.integers(0, 5000))
def test_spread_words_fill_the_time_in_order(text: str, start_ms: int, length_ms: int) -> None:
    words = spread(text, start_ms, start_ms + length_ms, 0.5)
    assert [word.text for word in words] == text.split()
    if words:
        assert words[0].start_ms == start_ms
        assert words[-1].end_ms == start_ms + length_ms
    for before, after in pairwise(words):
        assert before.end_ms == after.start_ms
