"""Trackers: whole words, inflections, whose words count, and what a hit never does."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.talking import MODEST, WORDS, calls, cut, spoken, stretches, utterance

from askfirst.errors import InvalidInput
from askfirst.model import Utterance
from askfirst.spoken import PAUSE_MS, Span, plain, recorded, words_of
from askfirst.trackers import SaidBy, Tracker, track

WHOLE = recorded(0, 1_000_000)


def english(word: str) -> str:
    """As much of a stemmer as these tests need."""
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)].rstrip("e")
    return word.rstrip("e")


def found(text: str, *phrases: str, between: int = 0, stem: bool = False) -> list[str]:
    tracker = Tracker("t", {"en": phrases}, between=between)
    hits = track([spoken("agent", 0, text)], WHOLE, [tracker], "en", english if stem else None)
    return [hit.quotation.text for hit in hits]


def test_a_phrase_is_found_as_whole_words_with_its_times() -> None:
    tracker = Tracker("money", {"en": ("price",)})
    said = [spoken("agent", 1_000, "the Price, priceless")]
    (hit,) = track(said, WHOLE, [tracker], "en")
    assert (hit.tracker, hit.phrase) == ("money", "price")
    quotation = hit.quotation
    assert (quotation.speaker, quotation.text) == ("agent", "Price,")
    assert (quotation.start_ms, quotation.end_ms) == (1_300, 1_600)


def test_inflections_are_one_word_only_with_a_stem() -> None:
    text = "prices pricing priced the price"
    assert found(text, "price") == ["price"]
    assert found(text, "price", stem=True) == ["prices", "pricing", "priced", "price"]
    assert found("we cancelled contracts", "cancelled contract", stem=True) == [
        "cancelled contracts"
    ]


def test_words_may_stand_between_as_far_as_allowed() -> None:
    text = "please cancel my whole contract today"
    assert found(text, "cancel contract") == []
    assert found(text, "cancel contract", between=1) == []
    assert found(text, "cancel contract", between=2) == ["cancel my whole contract"]
    assert found("contract cancel", "cancel contract", between=5) == []


def test_hyphens_and_apostrophes_make_no_difference() -> None:
    assert found("a follow-up", "follow up") == ["follow-up"]
    assert found("a follow up", "follow-up") == ["follow up"]
    assert found("I’ll see", "i'll see") == ["I’ll see"]


def test_of_overlapping_hits_the_first_and_longest_counts() -> None:
    assert found("money back guarantee", "money", "money back", "back guarantee") == ["money back"]
    assert found("no no no", "no no") == ["no no"]
    assert found("cancel it or cancel contract", "cancel contract", between=5) == [
        "cancel it or cancel contract"
    ]


def test_only_the_words_of_the_wanted_side_count() -> None:
    said = [spoken("agent", 0, "price"), spoken("contact", 5_000, "price")]
    for side, speakers in (
        (SaidBy.AGENT, ["agent"]),
        (SaidBy.CONTACT, ["contact"]),
        (SaidBy.BOTH, ["agent", "contact"]),
    ):
        hits = track(said, WHOLE, [Tracker("t", {"en": ("price",)}, side)], "en")
        assert [hit.quotation.speaker for hit in hits] == speakers


def test_a_phrase_is_not_joined_across_gaps_pauses_or_speakers() -> None:
    tracker = Tracker("t", {"en": ("money back",)}, between=5)
    whole = [spoken("agent", 0, "money back")]
    assert len(track(whole, WHOLE, [tracker], "en")) == 1
    held = recorded(0, 1_000, [Span(299, 301)])
    assert track(whole, held, [tracker], "en") == ()
    apart = [spoken("agent", 0, "money"), spoken("agent", 300 + PAUSE_MS, "back")]
    assert track(apart, WHOLE, [tracker], "en") == ()
    two = [spoken("agent", 0, "money"), spoken("contact", 300, "back")]
    assert track(two, WHOLE, [tracker], "en") == ()


def test_a_tracker_without_phrases_in_the_language_hits_nothing() -> None:
    tracker = Tracker("t", {"nb": ("pris",)})
    said = [spoken("agent", 0, "pris")]
    assert track(said, WHOLE, [tracker], "en") == ()
    assert len(track(said, WHOLE, [tracker], "nb")) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name of 81"),
        ({"between": 6}, "found 6 words between"),
        ({"between": -1}, "found -1 words between"),
        ({"phrases": {}}, "no phrase"),
        ({"phrases": {"en": ()}}, "no phrase"),
        ({"phrases": {"en": ("...",)}}, "found the phrase '...'"),
        ({"phrases": {"en": ("a b c d e f g h i",)}}, "1 to 8 words"),
    ],
)
def test_a_tracker_that_cannot_find_anything_sensible_is_refused(
    arguments: dict[str, object], says: str
) -> None:
    good: dict[str, object] = {"name": "t", "phrases": {"en": ("price",)}, "between": 0}
    with pytest.raises(InvalidInput, match=says):
        Tracker(**(good | arguments))  # type: ignore[arg-type]


phrases = st.lists(
    st.sampled_from([word for word in WORDS if plain(word)]), min_size=1, max_size=3
).map(" ".join)
drawn = st.builds(
    Tracker,
    st.sampled_from(["one", "two"]),
    st.fixed_dictionaries({"en": st.lists(phrases, min_size=1, max_size=4).map(tuple)}),
    st.sampled_from(SaidBy),
    st.integers(0, 5),
)


@MODEST
@given(calls, stretches(), drawn)
def test_a_hit_is_one_speakers_words_in_one_stretch(
    said: list[Utterance], open_: list[Span], tracker: Tracker
) -> None:
    for hit in track(said, open_, [tracker], "en"):
        quotation = hit.quotation
        assert tracker.said_by in (SaidBy.BOTH, quotation.speaker)
        assert any(
            span.from_ms <= quotation.start_ms <= quotation.end_ms <= span.to_ms for span in open_
        )
        spoken_words = {
            word.text
            for each in said
            if each.speaker == quotation.speaker
            for word in words_of(each)
        }
        assert set(quotation.text.split()) <= spoken_words
        wanted, rest = list(plain(hit.phrase)), list(plain(quotation.text))
        while wanted and rest:
            if rest.pop(0) == wanted[0]:
                del wanted[0]
        assert wanted == []


@MODEST
@given(calls, stretches(), st.lists(drawn, max_size=3), st.randoms(use_true_random=False))
def test_order_does_not_matter(
    said: list[Utterance], open_: list[Span], trackers: list[Tracker], dice: Random
) -> None:
    mixed, others = list(said), list(trackers)
    dice.shuffle(mixed)
    dice.shuffle(others)
    assert track(mixed, open_, others, "en") == track(said, open_, trackers, "en")


@MODEST
@given(utterance("agent"), st.integers(0, 8), stretches(), drawn)
def test_where_an_utterance_is_cut_does_not_matter(
    said: Utterance, at: int, open_: list[Span], tracker: Tracker
) -> None:
    parts = cut(said, at) if said.words else [said]
    assert track(parts, open_, [tracker], "en") == track([said], open_, [tracker], "en")


@MODEST
@given(calls, stretches(), drawn)
def test_both_sides_find_what_each_side_finds(
    said: list[Utterance], open_: list[Span], tracker: Tracker
) -> None:
    def by(side: SaidBy) -> set[object]:
        return set(
            track(
                said,
                open_,
                [Tracker(tracker.name, tracker.phrases, side, tracker.between)],
                "en",
            )
        )

    assert by(SaidBy.BOTH) == by(SaidBy.AGENT) | by(SaidBy.CONTACT)
