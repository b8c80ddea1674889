"""Topics: phrases that come back, weighed by a stated measure, linked to where they were said."""

from __future__ import annotations

from math import log2
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.talking import MODEST, calls, cut, spoken, stretches, swapped, utterance

from askfirst.model import Utterance
from askfirst.spoken import Span, plain, recorded, words_of
from askfirst.topics import LONGEST, Topic, topics

WHOLE = recorded(0, 1_000_000)


def found(*texts: str, language: str = "en") -> list[Topic]:
    said = [spoken("agent", at * 20_000, text) for at, text in enumerate(texts)]
    return list(topics(said, WHOLE, language))


def test_weights_worked_by_hand() -> None:
    """ "delivery date" twice; "delivery" 3 times, twice of them in it; "date" only in it."""
    texts = ("the delivery date", "our delivery date is", "a delivery for you")
    assert [(topic.text, topic.weight) for topic in found(*texts)] == [
        ("delivery date", round(log2(3) * 2, 3)),
        ("delivery", round(log2(2) * (3 - 2), 3)),
    ]


def test_every_place_is_linked() -> None:
    said = [spoken("agent", 0, "The invoice,"), spoken("contact", 9_000, "which Invoice")]
    (topic,) = topics(said, WHOLE, "en")
    assert [(at.speaker, at.start_ms, at.text) for at in topic.places] == [
        ("agent", 300, "invoice,"),
        ("contact", 9_300, "Invoice"),
    ]
    assert topic.text == "invoice"


def test_what_is_said_once_is_no_topic() -> None:
    assert found("the invoice", "a contract") == []


def test_small_words_numbers_and_hesitation_are_no_topic() -> None:
    assert found("um yes the 42 42 um yes the", "um yes it 42") == []
    assert found("eh ja det er 42", "eh ja det er 42", language="nb") == []
    assert found("äh ja das ist 42", "äh ja das ist 42", language="de") == []


def test_a_single_word_has_three_letters_and_a_phrase_may_have_shorter_ones() -> None:
    assert found("the tv", "a tv") == []
    assert [topic.text for topic in found("the tv set", "a tv set")] == ["tv set"]


def test_a_phrase_does_not_cross_punctuation_or_small_words() -> None:
    texts = ("invoice, contract", "invoice, contract", "server and router", "server and router")
    assert {topic.text for topic in found(*texts)} == {"invoice", "contract", "server", "router"}


def test_inflections_are_one_topic_only_with_a_stem() -> None:
    said = [spoken("agent", 0, "the invoice"), spoken("agent", 9_000, "two invoices")]
    assert topics(said, WHOLE, "en") == ()
    (topic,) = topics(said, WHOLE, "en", lambda word: word.removesuffix("s"))
    assert (topic.text, len(topic.places)) == ("invoice", 2)


def test_equal_weights_come_in_the_order_in_which_they_were_said() -> None:
    texts = ("the router", "the server", "the router", "the server")
    assert [topic.text for topic in found(*texts)] == ["router", "server"]


def test_no_more_topics_than_wanted() -> None:
    said = [spoken("agent", at * 9_000, f"thing{at // 2}") for at in range(40)]
    assert len(topics(said, WHOLE, "en")) == 10
    assert len(topics(said, WHOLE, "en", most=3)) == 3
    assert topics(said, WHOLE, "en", at_least=3) == ()


def test_a_language_without_lists_has_no_topics() -> None:
    assert found("facture", "facture", language="fr") == []


@MODEST
@given(calls, stretches())
def test_a_topic_is_said_at_each_of_its_places(said: list[Utterance], open_: list[Span]) -> None:
    for topic in topics(said, open_, "en"):
        assert len(topic.places) >= 2
        assert topic.weight > 0
        assert len({place.start_ms for place in topic.places}) >= 1
        for place in topic.places:
            assert 1 <= len(place.text.split()) <= LONGEST
            assert plain(place.text) == plain(topic.places[0].text)
            own = {
                word.text
                for each in said
                if each.speaker == place.speaker
                for word in words_of(each)
            }
            assert set(place.text.split()) <= own


@MODEST
@given(calls, stretches(), st.randoms(use_true_random=False))
def test_order_does_not_matter(said: list[Utterance], open_: list[Span], dice: Random) -> None:
    mixed = list(said)
    dice.shuffle(mixed)
    assert topics(mixed, open_, "en") == topics(said, open_, "en")


@MODEST
@given(utterance("agent"), st.integers(0, 8), stretches())
def test_where_an_utterance_is_cut_does_not_matter(
    said: Utterance, at: int, open_: list[Span]
) -> None:
    parts = cut(said, at) if said.words else [said]
    assert topics(parts, open_, "en") == topics([said], open_, "en")


@MODEST
@given(calls, stretches())
def test_weights_do_not_depend_on_the_side(said: list[Utterance], open_: list[Span]) -> None:
    one = {tuple(plain(topic.text)): topic.weight for topic in topics(said, open_, "en", most=99)}
    other = {
        tuple(plain(topic.text)): topic.weight
        for topic in topics(swapped(said), open_, "en", most=99)
    }
    assert one == pytest.approx(other)
