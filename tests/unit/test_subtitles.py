"""A transcript as subtitles: what is written, how it is broken, and that it comes back."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.talking import MODEST, spoken, utterance

from askfirst.errors import InvalidInput
from askfirst.model import Utterance, Word
from askfirst.spoken import Span
from askfirst.subtitleread import read_srt, read_webvtt
from askfirst.subtitles import (
    LINE,
    LINES,
    LONGEST_MS,
    LONGEST_NAME,
    cues,
    to_document,
    to_srt,
    to_text,
    to_webvtt,
)
from askfirst.transcriptread import read_document, read_transcript

HOUR_MS = 3_600_000
SAID = [
    Utterance("agent", 1_000, 2_500, "Is 1 < 2 & 3 > 2?"),
    Utterance("contact", 2_600, 3_000, "Yes --> no."),
]
NAMES = {"agent": "Kari", "contact": "Contact: 7 <x>"}


def test_webvtt_as_it_is_written() -> None:
    found = to_webvtt(SAID, [Span(4_000, 9_000)], names=NAMES, language="en")
    assert found == (
        "WEBVTT\nLanguage: en\n\n"
        "00:00:01.000 --> 00:00:02.500\n<v Kari>Is 1 &lt; 2 &amp; 3 &gt; 2?\n\n"
        "00:00:02.600 --> 00:00:03.000\n<v Contact: 7 &lt;x&gt;>Yes --&gt; no.\n\n"
        "00:00:04.000 --> 00:00:09.000\n[not recorded]\n"
    )


def test_srt_as_it_is_written() -> None:
    found = to_srt(SAID, [Span(4_000, 9_000)], names=NAMES, gap_text="pause")
    assert found == (
        "1\n00:00:01,000 --> 00:00:02,500\nKari: Is 1 ‹ 2 & 3 › 2?\n\n"
        "2\n00:00:02,600 --> 00:00:03,000\nContact 7 ‹x›: Yes --› no.\n\n"
        "3\n00:00:04,000 --> 00:00:09,000\n[pause]\n"
    )


def test_text_as_it_is_written() -> None:
    assert to_text(SAID, [Span(4_000, 69_000)], names=NAMES) == (
        "00:00:01 Kari: Is 1 < 2 & 3 > 2?\n"
        "00:00:02 Contact: 7 <x>: Yes --> no.\n"
        "00:00:04 [not recorded, 00:01:05]\n"
    )
    assert to_text([Utterance("", 0, 1, "Hello")]) == "00:00:00 Hello\n"


def test_an_empty_transcript_is_a_file_without_cues() -> None:
    assert to_webvtt([]) == "WEBVTT\n"
    assert to_srt([]) == ""
    assert to_text([]) == ""
    assert read_srt("").utterances == ()
    assert read_webvtt(to_webvtt([])).utterances == ()


def test_hours_go_beyond_ninety_nine() -> None:
    late = [Utterance("agent", 123 * HOUR_MS, 123 * HOUR_MS + 5, "Late")]
    assert "\n123:00:00.000 --> 123:00:00.005\n" in to_webvtt(late)
    assert "\n123:00:00,000 --> 123:00:00,005\n" in to_srt(late)
    assert read_webvtt(to_webvtt(late)).utterances == tuple(late)
    assert read_srt(to_srt(late)).utterances == tuple(late)


def test_a_time_before_the_answer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="found words at -1 ms"):
        to_webvtt([Utterance("agent", -1, 5, "Early")])


def test_a_cue_is_rather_parted_after_a_sentence_that_fills_a_line() -> None:
    first = "This is a sentence that needs more than one line."
    found = cues([spoken("agent", 0, f"{first} And here is more", 100)])
    assert [" ".join(cue.lines) for cue in found] == [first, "And here is more"]
    assert (found[0].start_ms, found[0].end_ms, found[1].start_ms) == (0, 1_000, 1_000)


def test_a_word_longer_than_a_line_is_cut() -> None:
    (cue,) = cues([Utterance("agent", 0, 1_000, "a" * 60)])
    assert cue.lines == ("a" * LINE, "a" * 18)


def test_what_no_subtitle_can_hold_is_left_out() -> None:
    text = "one\ttwo\x00\u2028three\x1b[0m \x07 \ud800"
    found = to_webvtt([Utterance("agent\n\n", 0, 1_000, text)])
    assert found.endswith("<v agent>one two three[0m \ufffd\n")
    found.encode()
    assert to_webvtt([Utterance("agent", 0, 1_000, "\x07")]) == "WEBVTT\n"


def test_a_long_name_is_cut_where_it_takes_room() -> None:
    found = to_srt([Utterance("agent", 0, 1, "Hello")], names={"agent": "N" * 50})
    assert f"\n{'N' * (LONGEST_NAME - 1)}…: Hello\n" in found


texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=60)
names = st.sampled_from(["agent", "contact", "Åse & Co <1>", ""])


@st.composite
def anything_said(draw: st.DrawFn) -> Utterance:
    text = " ".join(draw(st.lists(texts, min_size=1, max_size=6)))
    start_ms = draw(st.integers(0, 500 * HOUR_MS))
    end_ms = start_ms + draw(st.integers(0, 60_000))
    return Utterance(draw(names), start_ms, end_ms, text)


either = st.one_of(utterance(), anything_said())


@MODEST
@given(st.lists(either, max_size=5))
def test_no_cue_is_larger_or_longer_than_allowed(said: list[Utterance]) -> None:
    for cue in cues(said):
        assert 1 <= len(cue.lines) <= LINES
        assert all(0 < len(line) <= LINE for line in cue.lines)
        assert cue.start_ms < cue.end_ms
        one_word = len(" ".join(cue.lines).split()) == 1
        assert one_word or cue.end_ms - cue.start_ms <= LONGEST_MS


@MODEST
@given(st.lists(either, max_size=5))
def test_lines_of_srt_keep_their_width_with_the_speaker(said: list[Utterance]) -> None:
    for block in to_srt(said).split("\n\n"):
        lines = block.strip("\n").split("\n")[2:]
        assert len(lines) <= LINES
        assert all(len(line) <= LINE for line in lines)


def letters(said: list[Utterance], speaker: str) -> str:
    own = sorted(
        (each for each in said if each.speaker == speaker),
        key=lambda each: (each.start_ms, each.end_ms),
    )
    return "".join("".join(each.text.split()) for each in own)


@MODEST
@given(anything_said())
def test_webvtt_comes_back_with_speakers_words_and_times(said: Utterance) -> None:
    found = read_webvtt(to_webvtt([said], language="nb"))
    back = [each for each in found.utterances if each.speaker == said.speaker]
    assert found.language == "nb"
    if not said.speaker:
        return  # without a voice a name before a colon may be one
    assert "".join("".join(each.text.split()) for each in back) == "".join(said.text.split())
    if back:
        assert back[0].start_ms == said.start_ms
        assert back[-1].end_ms == max(said.end_ms, back[-1].start_ms + 1)


@MODEST
@given(st.lists(utterance(), max_size=5, unique_by=lambda each: each.start_ms))
def test_srt_comes_back_with_speakers_words_and_times(said: list[Utterance]) -> None:
    back = read_srt(to_srt(said)).utterances
    for speaker in ("agent", "contact"):
        own = [each for each in back if each.speaker == speaker]
        assert sorted(letters(own, speaker)) == sorted(letters(said, speaker))
        for each in said:
            if each.speaker == speaker:
                assert any(one.start_ms == each.start_ms for one in own)


@MODEST
@given(st.lists(either, max_size=5), st.lists(st.builds(Span, st.integers(0, 9), st.just(10))))
def test_a_gap_is_marked_and_is_no_speech(said: list[Utterance], gaps: list[Span]) -> None:
    with_gaps, without = to_webvtt(said, gaps), to_webvtt(said)
    assert ("[not recorded]" in with_gaps) == bool(gaps)
    assert read_webvtt(with_gaps) == read_webvtt(without)


@MODEST
@given(
    st.lists(either, max_size=5),
    st.lists(st.builds(Span, st.integers(0, 9), st.just(10)), max_size=3),
    st.sampled_from([None, "nb", "en-US"]),
)
def test_the_document_comes_back_as_it_was(
    said: list[Utterance], gaps: list[Span], language: str | None
) -> None:
    raw = json.dumps(to_document(said, gaps, language=language)).encode()
    found = read_transcript(raw)
    assert found.language == language
    assert list(found.utterances) == said
    assert [each.words for each in found.utterances] == [each.words for each in said]
    assert list(found.gaps) == gaps


def test_words_keep_their_confidence_in_the_document() -> None:
    said = [Utterance("agent", 0, 9, "Hi", (Word("Hi", 0, 9, 0.12345),))]
    (back,) = read_document(to_document(said)).utterances
    assert back.words == (Word("Hi", 0, 9, 0.123),)


@settings(MODEST, max_examples=50)
@given(st.lists(either, min_size=1, max_size=3))
def test_no_words_can_forge_a_cue(said: list[Utterance]) -> None:
    """As many times as cues, whatever was said."""
    found = len(cues(said))
    assert len(re.findall(r"^\d{2,}:\d\d:\d\d\.\d{3} --> ", to_webvtt(said), re.M)) == found
    assert to_webvtt(said).count("-->") == found
