"""Words on one clock: spans, runs and sentences."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.talking import MODEST, calls, cut, spoken, stretches, utterance

from askfirst.errors import InvalidInput
from askfirst.model import Utterance, Word
from askfirst.spoken import (
    PAUSE_MS,
    Span,
    merged,
    plain,
    quote,
    recorded,
    runs,
    shared_ms,
    total_ms,
    words_of,
)
from askfirst.talkwords import LANGUAGES, is_question, sentences, talkwords

spans = st.lists(st.builds(Span, st.integers(0, 200), st.integers(0, 200)), max_size=6)
WHOLE = (Span(0, 1_000_000),)


def moments(found: list[Span]) -> set[int]:
    return {at for span in found for at in range(span.from_ms, span.to_ms)}


@MODEST
@given(spans, spans)
def test_lengths_are_those_of_the_moments_that_lie_in_spans(
    first: list[Span], second: list[Span]
) -> None:
    assert total_ms(first) == len(moments(first))
    assert shared_ms(first, second) == len(moments(first) & moments(second))
    assert moments(merged(first)) == moments(first)


@MODEST
@given(st.integers(0, 200), st.integers(0, 200), spans)
def test_recorded_is_what_the_gaps_leave(from_ms: int, length: int, gaps: list[Span]) -> None:
    left = recorded(from_ms, from_ms + length, gaps)
    assert moments(list(left)) == moments([Span(from_ms, from_ms + length)]) - moments(gaps)
    assert all(one.to_ms < other.from_ms for one, other in pairwise(left))


def test_a_recording_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidInput, match="ends too early"):
        recorded(5, 4)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello,", ("hello",)),
        ("I’ll", ("i'll",)),
        ("well-known", ("well", "known")),
        ("“STRASSE”", ("strasse",)),
        ("Straße.", ("strasse",)),
        ("A\u030are", ("åre",)),
        ("4711", ("4711",)),
        ("…", ()),
        ("", ()),
        ("'tis'", ("tis",)),
    ],
)
def test_words_are_compared_without_case_and_punctuation(text: str, parts: tuple[str, ...]) -> None:
    assert plain(text) == parts


@MODEST
@given(st.text())
def test_plain_words_stay_as_they_are(text: str) -> None:
    once = plain(text)
    assert plain(" ".join(once)) == once


def test_words_without_times_share_the_time_by_their_letters() -> None:
    found = words_of(Utterance("agent", 1_000, 2_000, "abc  de fghij"))
    assert [(word.text, word.start_ms, word.end_ms) for word in found] == [
        ("abc", 1_000, 1_300),
        ("de", 1_300, 1_500),
        ("fghij", 1_500, 2_000),
    ]
    backwards = words_of(Utterance("agent", 1_000, 900, "ab cd"))
    assert [(word.start_ms, word.end_ms) for word in backwards] == [(1_000, 1_000)] * 2
    assert words_of(Utterance("agent", 0, 10, "  ")) == []


def test_a_pause_parts_runs_and_a_gap_parts_them_without_one() -> None:
    said = [spoken("agent", 0, "one two"), spoken("agent", 600 + PAUSE_MS, "three")]
    assert [len(run.words) for run in runs(said, WHOLE)] == [2, 1]
    close = [spoken("agent", 0, "one two"), spoken("agent", 600 + PAUSE_MS - 1, "three")]
    assert [len(run.words) for run in runs(close, WHOLE)] == [3]
    held = runs([spoken("agent", 0, "one two three")], recorded(0, 900, [Span(300, 600)]))
    assert [(run.stretch, quote("agent", run.words).text) for run in held] == [
        (0, "one"),
        (1, "three"),
    ]


def test_a_pause_is_counted_from_the_end_of_all_words_before() -> None:
    words = (Word("long", 0, 2_000, 1.0), Word("in", 100, 200, 1.0), Word("on", 2_300, 2_400, 1.0))
    (run,) = runs([Utterance("agent", 0, 2_400, "", words)], WHOLE)
    assert (len(run.words), run.end_ms) == (3, 2_400)


def test_stretches_that_touch_are_one_in_any_order() -> None:
    said = [spoken("agent", 0, "one two three")]
    assert runs(said, [Span(400, 900), Span(0, 400)]) == runs(said, [Span(0, 900)])


def test_a_word_across_an_edge_is_cut_to_the_first_stretch_it_touches() -> None:
    (run,) = runs([spoken("agent", 0, "long", 1_000)], recorded(0, 1_000, [Span(400, 600)]))
    assert (run.stretch, run.start_ms, run.end_ms) == (0, 0, 400)
    assert runs([spoken("agent", 0, "outside")], [Span(5_000, 6_000)]) == []


@MODEST
@given(calls, stretches(), st.randoms(use_true_random=False))
def test_runs_do_not_depend_on_order(
    said: list[Utterance], open_: list[Span], dice: Random
) -> None:
    mixed = list(said)
    dice.shuffle(mixed)
    assert runs(mixed, open_) == runs(said, open_)


@MODEST
@given(utterance("agent"), st.integers(0, 8), stretches())
def test_runs_do_not_depend_on_cuts(said: Utterance, at: int, open_: list[Span]) -> None:
    parts = cut(said, at) if said.words else [said]
    assert runs(parts, open_) == runs([said], open_)


@MODEST
@given(calls, stretches())
def test_no_run_has_words_of_two_speakers_or_stretches(
    said: list[Utterance], open_: list[Span]
) -> None:
    for run in runs(said, open_):
        span = open_[run.stretch]
        assert span.from_ms <= run.start_ms <= run.end_ms <= span.to_ms
        own = [word for each in said if each.speaker == run.speaker for word in words_of(each)]
        assert all(any(word.text == mine.text for mine in own) for word in run.words)


def split(text: str, language: str) -> list[str]:
    known = talkwords(language)
    (run,) = runs([spoken("agent", 0, text)], WHOLE)
    return [quote("agent", sentence).text for sentence in sentences(run, known)]


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("Hi. How are you? Fine!", "en", ["Hi.", "How are you?", "Fine!"]),
        ("I met Dr. Who. Yes", "en", ["I met Dr. Who.", "Yes"]),
        ("Det er f.eks. bra. Ja", "nb", ["Det er f.eks. bra.", "Ja"]),
        ("Am 3. Mai. Gut", "de", ["Am 3. Mai.", "Gut"]),
        ("No. Yes", "en", ["No.", "Yes"]),
        ("It is 3. Good", "en", ["It is 3.", "Good"]),
        ("Das kostet 300. Gut", "de", ["Das kostet 300.", "Gut"]),
        ('He said "no." Yes', "en", ['He said "no."', "Yes"]),
        ("no marks at all", "en", ["no marks at all"]),
        ("Bon. Oui", "fr", ["Bon.", "Oui"]),
    ],
)
def test_sentences_end_at_marks_that_end_them(text: str, language: str, found: list[str]) -> None:
    assert split(text, language) == found


@pytest.mark.parametrize(
    ("text", "language", "asks"),
    [
        ("You want it?", "en", True),
        ("Why?", "en", True),
        ("Right?", "en", False),
        ("Hello?", "en", False),
        ("What a day.", "en", False),
        ("so what do you think", "en", True),
        ("when we get it we send it", "en", False),
        ("when do we get it", "en", True),
        ("i think so", "en", False),
        ("kan du sende det", "nb", True),
        ("og hva koster det", "nb", True),
        ("det koster mye", "nb", False),
        ("Ikke sant?", "nb", False),
        ("haben Sie noch Fragen", "de", True),
        ("Wie viel kostet das?", "de", True),
        ("das ist gut", "de", False),
        ("Oder?", "de", False),
        ("...", "en", False),
    ],
)
def test_a_question_is_told_by_its_mark_or_by_how_it_begins(
    text: str, language: str, asks: bool
) -> None:
    known = talkwords(language)
    assert known is not None
    (run,) = runs([spoken("agent", 0, text)], WHOLE)
    assert is_question(run.words, known) is asks


def test_lists_are_found_by_language_and_not_made_up() -> None:
    assert talkwords("en-US") is talkwords("en")
    assert talkwords("no") is talkwords("nb") is talkwords("nn")
    assert talkwords("fr") is None
    for language in LANGUAGES:
        known = talkwords(language)
        assert known is not None
        for word in known.small | known.hesitations | known.leads | known.tags:
            assert plain(word) == (word,), word


def test_a_zero_length_word_keeps_its_place() -> None:
    said = Utterance("agent", 5, 5, "b a", (Word("b", 5, 5, 1.0), Word("a", 5, 5, 1.0)))
    (run,) = runs([said], WHOLE)
    assert [word.text for word in run.words] == ["b", "a"]


@given(st.text(st.characters(max_codepoint=127)))
def test_a_text_of_ascii_is_taken_apart_as_any_other(text: str) -> None:
    assert plain(text) == plain(f"{text} ø")[:-1]
