"""The numbers of a call: worked by hand, and what must hold for every call."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.talking import MODEST, calls, cut, spoken, stretches, swapped, utterance

from askfirst.analysis import PACE_FROM_MS, Analysis, SideAnalysis, analyse, to_json
from askfirst.errors import InvalidInput
from askfirst.model import Role, Utterance, Word
from askfirst.spoken import Span, recorded

MINUTE = recorded(0, 60_000)


def test_a_call_worked_by_hand() -> None:
    """Agent 0–3 s, contact 3.5–5 s, agent 4.7–5.9 s: 0.3 s both, 54.4 s nobody."""
    said = [
        spoken("agent", 0, "Hello. Here is um Kari. Do you have time?", 3_000 // 9),
        spoken("contact", 3_500, "Yes I do now certainly", 300),
        spoken("agent", 4_700, "Good. Let us begin", 300),
    ]
    found = analyse(said, MINUTE, "en")
    assert found.agent.talk_ms == 9 * 333 + 1_200
    assert found.contact.talk_ms == 1_500
    assert found.overlap_ms == 300
    assert found.silence_ms == 60_000 - 2_997 - 1_500 - 900
    assert [(turn.side, turn.start_ms, turn.end_ms) for turn in found.turns] == [
        (Role.AGENT, 0, 2_997),
        (Role.CONTACT, 3_500, 5_000),
        (Role.AGENT, 4_700, 5_900),
    ]
    assert (found.agent.turns, found.contact.turns, found.turns_per_minute) == (2, 1, 3.0)
    assert found.contact.response_ms == 503
    assert found.agent.response_ms == 0  # began before the other had ended
    assert found.agent.longest == found.turns[0]
    assert found.agent.questions is not None
    assert [each.text for each in found.agent.questions] == ["Do you have time?"]
    assert (found.agent.hesitations, found.contact.hesitations) == (1, 0)
    assert (found.agent.words, found.contact.words) == (13, 5)
    assert found.agent.words_per_minute is None
    assert found.talk_share(Role.CONTACT) == pytest.approx(1_500 / (1_500 + 4_197))


def test_a_call_without_words_is_silence() -> None:
    found = analyse([], MINUTE, "en")
    assert (found.silence_ms, found.silence_share, found.overlap_share) == (60_000, 1.0, 0.0)
    assert found.talk_share(Role.AGENT) == found.talk_share(Role.CONTACT) == 0.0
    assert found.turns_per_minute == 0.0
    assert found.agent == SideAnalysis(Role.AGENT, 0, 0, 0, 0, None, None, (), 0)


def test_a_recording_without_length_has_no_shares_and_no_rates() -> None:
    found = analyse([spoken("agent", 0, "hello")], [], "en")
    assert (found.recorded_ms, found.silence_share, found.turns_per_minute) == (0, 0.0, None)
    assert found.agent.words == 0


def test_one_side_alone_has_all_talk_and_answers_nobody() -> None:
    found = analyse([spoken("contact", 0, "just me talking here")], MINUTE, "en")
    assert found.talk_share(Role.CONTACT) == 1.0
    assert found.contact.response_ms is None
    assert len(found.turns) == 1


def test_a_gap_is_no_silence_and_ends_a_turn() -> None:
    said = [spoken("agent", 0, "one two three four"), spoken("agent", 50_000, "five six")]
    held = analyse(said, recorded(0, 60_000, [Span(2_000, 50_000)]), "en")
    assert held.recorded_ms == 12_000
    assert held.silence_ms == 12_000 - 1_800
    assert held.agent.turns == 2
    assert held.agent.longest is not None
    assert held.agent.longest.talk_ms == 1_200
    assert analyse(said, MINUTE, "en").agent.turns == 1


def test_an_answer_across_a_gap_is_not_measured() -> None:
    said = [spoken("agent", 0, "Well then"), spoken("contact", 9_000, "Here again now")]
    assert analyse(said, MINUTE, "en").contact.response_ms == 8_400
    held = recorded(0, 60_000, [Span(1_000, 8_000)])
    assert analyse(said, held, "en").contact.response_ms is None


def test_listening_is_talk_and_no_turn() -> None:
    said = [
        spoken("agent", 0, "First we look at the price"),
        spoken("contact", 1_900, "mhm yeah"),
        spoken("agent", 2_600, "and then at delivery."),
    ]
    found = analyse(said, MINUTE, "en")
    assert len(found.turns) == 1
    assert (found.contact.listening, found.contact.turns, found.contact.talk_ms) == (1, 0, 600)
    assert found.agent.longest is not None
    assert found.agent.longest.talk_ms == found.agent.talk_ms


def test_the_same_word_after_a_question_is_an_answer() -> None:
    said = [spoken("agent", 0, "Shall we go on?"), spoken("contact", 1_500, "Yeah.")]
    found = analyse(said, MINUTE, "en")
    assert (found.contact.turns, found.contact.listening, found.contact.response_ms) == (1, 0, 300)
    unmarked = [spoken("agent", 0, "shall we go on"), spoken("contact", 1_500, "yeah")]
    assert analyse(unmarked, MINUTE, "en").contact.turns == 1


def test_marks_without_any_word_are_no_speech() -> None:
    found = analyse([spoken("agent", 0, "... -")], MINUTE, "en")
    assert (found.agent.talk_ms, found.agent.words, found.turns) == (0, 0, ())


def test_words_wholly_inside_the_others_speech_take_no_turn() -> None:
    said = [
        spoken("agent", 0, "this is one long sentence without any breath at all"),
        spoken("contact", 900, "but wait"),
    ]
    found = analyse(said, MINUTE, "en")
    assert [turn.side for turn in found.turns] == [Role.AGENT]
    assert found.overlap_ms == 600


def test_words_that_end_or_begin_with_the_others_lie_inside_too() -> None:
    agent = Utterance("agent", 1_000, 4_000, "one long stretch")
    for start_ms, end_ms in ((1_000, 2_000), (3_000, 4_000)):
        contact = Utterance("contact", start_ms, end_ms, "but wait")
        assert len(analyse([agent, contact], MINUTE, "en").turns) == 1
    # Whose turn it is when both speak at exactly the same time nobody can tell.
    both = [agent, Utterance("contact", 1_000, 4_000, "but wait")]
    assert analyse(both, MINUTE, "en").turns == ()


def test_holes_of_a_breath_belong_to_talk_and_longer_ones_do_not() -> None:
    close = [spoken("agent", 0, "one"), spoken("agent", 500, "two")]
    assert analyse(close, MINUTE, "en").agent.talk_ms == 800
    apart = [spoken("agent", 0, "one"), spoken("agent", 501, "two")]
    assert analyse(apart, MINUTE, "en").agent.talk_ms == 600


def test_of_two_equal_turns_the_earlier_is_the_longest() -> None:
    said = [
        spoken("agent", 0, "one two three four"),
        spoken("contact", 3_000, "five six"),
        spoken("agent", 6_000, "seven eight nine ten"),
    ]
    longest = analyse(said, MINUTE, "en").agent.longest
    assert longest is not None
    assert longest.start_ms == 0


def test_a_pace_is_given_from_five_seconds_on() -> None:
    just = analyse([Utterance("agent", 0, PACE_FROM_MS, "one two")], MINUTE, "en")
    assert just.agent.words_per_minute == pytest.approx(24.0)
    less = analyse([Utterance("agent", 0, PACE_FROM_MS - 1, "one two")], MINUTE, "en")
    assert less.agent.words_per_minute is None


def test_a_short_word_within_a_long_one_shortens_no_speech() -> None:
    words = (Word("loooong", 0, 2_000, 1.0), Word("in", 100, 200, 1.0), Word("on", 2_100, 2_200, 1))
    found = analyse([Utterance("agent", 0, 2_200, "", words)], MINUTE, "en")
    assert (found.agent.talk_ms, found.agent.turns) == (2_200, 1)


def test_a_pace_needs_some_seconds_of_speech() -> None:
    words = PACE_FROM_MS // 300 + 1
    found = analyse([spoken("agent", 0, "word " * words)], MINUTE, "en")
    assert found.agent.words_per_minute == pytest.approx(200.0)


def test_an_utterance_without_times_counts_from_its_start_to_its_end() -> None:
    found = analyse([Utterance("agent", 1_000, 4_000, "just some words")], MINUTE, "en")
    assert (found.agent.talk_ms, found.agent.words) == (3_000, 3)


def test_what_has_no_lists_is_not_counted_as_none() -> None:
    found = analyse([spoken("agent", 0, "Ça va? euh mhm")], MINUTE, "fr")
    assert found.agent.questions is None
    assert found.agent.hesitations is None
    assert found.agent.turns == 1


def test_a_third_side_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'assistant'"):
        analyse([spoken("assistant", 0, "hello")], MINUTE, "en")


@pytest.mark.parametrize(
    ("language", "text", "hesitations", "questions"),
    [
        ("nb", "Eh, jeg tror øh det går. Kan du sende det?", 2, 1),
        ("de", "Ähm, das ist äh gut. Was kostet das?", 2, 1),
        ("en", "Um, it is uh fine. What does it cost?", 2, 1),
        ("nb", "Hvor er er du", 0, 1),  # "er" hesitates in English alone
    ],
)
def test_hesitations_and_questions_are_of_the_language(
    language: str, text: str, hesitations: int, questions: int
) -> None:
    found = analyse([spoken("contact", 0, text)], MINUTE, language).contact
    assert found.questions is not None
    assert (found.hesitations, len(found.questions)) == (hesitations, questions)


@MODEST
@given(calls, stretches(), st.sampled_from(["en", "nb", "de", "fr"]))
def test_times_and_shares_add_up(said: list[Utterance], open_: list[Span], language: str) -> None:
    found = analyse(said, open_, language)
    talk_ms = found.agent.talk_ms + found.contact.talk_ms
    assert talk_ms - found.overlap_ms + found.silence_ms == found.recorded_ms
    assert 0 <= found.overlap_ms <= min(found.agent.talk_ms, found.contact.talk_ms)
    assert found.silence_ms >= 0
    shares = [found.talk_share(side) for side in Role]
    assert sum(shares) == pytest.approx(1.0 if talk_ms else 0.0)
    assert len(found.turns) == found.agent.turns + found.contact.turns
    for side in (found.agent, found.contact):
        own = [turn.talk_ms for turn in found.turns if turn.side is side.side]
        assert sum(own) <= side.talk_ms
        assert (side.longest.talk_ms if side.longest else 0) == max(own, default=0)
        assert side.response_ms is None or side.response_ms >= 0


@MODEST
@given(calls, stretches())
def test_turns_of_a_stretch_alternate_or_are_its_first(
    said: list[Utterance], open_: list[Span]
) -> None:
    turns = analyse(said, open_, "en").turns
    for before, turn in pairwise(turns):
        assert before.start_ms < turn.start_ms
        assert before.stretch < turn.stretch or before.side is not turn.side


@MODEST
@given(calls, stretches())
def test_the_sides_are_treated_alike(said: list[Utterance], open_: list[Span]) -> None:
    found, other = analyse(said, open_, "en"), analyse(swapped(said), open_, "en")

    def numbers(side: SideAnalysis) -> tuple[object, ...]:
        asked = [each.start_ms for each in side.questions or ()]
        return (side.talk_ms, side.words, side.turns, side.response_ms, side.hesitations, asked)

    assert numbers(found.agent) == numbers(other.contact)
    assert numbers(found.contact) == numbers(other.agent)
    assert (found.overlap_ms, found.silence_ms) == (other.overlap_ms, other.silence_ms)


@MODEST
@given(calls, stretches(), st.randoms(use_true_random=False))
def test_order_does_not_matter(said: list[Utterance], open_: list[Span], dice: Random) -> None:
    mixed = list(said)
    dice.shuffle(mixed)
    assert analyse(mixed, open_, "en") == analyse(said, open_, "en")


@MODEST
@given(calls, utterance(), st.integers(0, 8), stretches())
def test_where_an_utterance_is_cut_does_not_matter(
    said: list[Utterance], one: Utterance, at: int, open_: list[Span]
) -> None:
    parts = cut(one, at) if one.words else [one]
    assert analyse([*said, *parts], open_, "en") == analyse([*said, one], open_, "en")


@MODEST
@given(calls, utterance(), stretches())
def test_more_words_are_never_less_talk(
    said: list[Utterance], more: Utterance, open_: list[Span]
) -> None:
    before, after = analyse(said, open_, "en"), analyse([*said, more], open_, "en")
    assert after.agent.talk_ms >= before.agent.talk_ms
    assert after.contact.talk_ms >= before.contact.talk_ms
    assert after.silence_ms <= before.silence_ms
    assert after.overlap_ms >= before.overlap_ms


@MODEST
@given(calls, st.integers(0, 70_000), st.integers(0, 20_000))
def test_a_gap_never_adds_talk(said: list[Utterance], from_ms: int, length: int) -> None:
    whole = analyse(said, recorded(0, 80_000), "en")
    held = analyse(said, recorded(0, 80_000, [Span(from_ms, from_ms + length)]), "en")
    for one, other in ((whole.agent, held.agent), (whole.contact, held.contact)):
        assert other.talk_ms <= one.talk_ms
        assert other.words <= one.words


@MODEST
@given(calls, stretches(), st.integers(0, 10_000_000))
def test_only_times_between_words_matter(
    said: list[Utterance], open_: list[Span], later: int
) -> None:
    """A call that took place later has the same numbers."""
    found, moved = analyse(said, open_, "en"), analyse(*_moved(said, open_, later), "en")
    assert to_json(moved)["silence_share"] == to_json(found)["silence_share"]
    for name in ("talk_ms", "words", "turns", "response_ms", "listening", "hesitations"):
        assert getattr(found.agent, name) == getattr(moved.agent, name)


def _moved(said: list[Utterance], open_: list[Span], by: int) -> tuple[list[Utterance], list[Span]]:
    return [
        Utterance(
            each.speaker,
            each.start_ms + by,
            each.end_ms + by,
            each.text,
            tuple(
                type(word)(word.text, word.start_ms + by, word.end_ms + by, word.confidence)
                for word in each.words
            ),
        )
        for each in said
    ], [Span(span.from_ms + by, span.to_ms + by) for span in open_]


@MODEST
@given(calls, stretches())
def test_the_document_is_json_and_says_the_same(said: list[Utterance], open_: list[Span]) -> None:
    found: Analysis = analyse(said, open_, "en")
    document = json.loads(json.dumps(to_json(found)))
    assert document["recorded_ms"] == found.recorded_ms
    assert document["sides"]["agent"]["talk_ms"] == found.agent.talk_ms
    assert document["sides"]["contact"]["turns"] == found.contact.turns
