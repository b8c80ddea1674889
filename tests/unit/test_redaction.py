"""What must not be kept of what was said is found, and ordinary numbers are let be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.readingout import conversation, sentence, spoken, written

from askfirst.model import Utterance
from askfirst.redaction import MASK, PADDING_MS, FindingKind, card_spans, find, redacted
from askfirst.spoken import Span, words_of

LANGUAGES = ("en", "nb", "de")
VALUES = (
    {"a": "1,200", "b": "1,450.50", "y": "2019", "d": "3", "t": "10:30", "n": "24", "m": "7"},
    {"a": "90", "b": "240", "y": "2025", "d": "17", "t": "14.15", "n": "12", "m": "36"},
    {"a": "99", "b": "12 500", "y": "2021", "d": "28", "t": "9", "n": "85", "m": "40"},
    {"a": "4.000", "b": "15,000", "y": "2016", "d": "11", "t": "16:05", "n": "31", "m": "18"},
)


def ordinary(language: str) -> list[str]:
    file = Path(__file__).parent / "data" / f"ordinary_{language}.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        line.format(**values, e=f"{4 + number}17{number}")
        for line in lines
        for number, values in enumerate(VALUES)
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=60, deadline=None)
@given(number=st.text("0123456789", min_size=10, max_size=19), seed=st.integers(0, 10**9))
def test_every_long_number_is_found_however_it_is_said(
    language: str, number: str, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311 - chooses how a number is said in a test
    is_written = chance.random() < 0.3
    parts = written(number, chance) if is_written else spoken(number, language, chance)
    said, meant = conversation(parts, language, chance)

    found = find(said, language)

    hidden = {
        (each.utterance, at)
        for each in found
        for at in range(each.first_word, each.last_word + 1)
        if each.kind is FindingKind.CARD
    }
    assert meant <= hidden
    spans = card_spans(said, language)
    for utterance, at in meant:
        word = words_of(said[utterance])[at]
        assert any(
            span.from_ms <= max(0, word.start_ms - PADDING_MS)
            and word.end_ms + PADDING_MS <= span.to_ms
            for span in spans
        )
    once = redacted(said, language)
    assert redacted(once, language) == once
    assert [line.words for line in redacted(once, language)] == [line.words for line in once]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_found_in_ordinary_sentences(language: str) -> None:
    sentences = ordinary(language)
    assert len(set(sentences)) >= 150

    found = [text for text in sentences if find([sentence(text)], language)]

    assert found == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_talk_of_ordinary_sentences_holds_nothing_either(language: str) -> None:
    said, at_ms = list[Utterance](), 0
    for number, text in enumerate(ordinary(language)):
        said.append(sentence(text, ("agent", "contact")[number % 2], at_ms))
        at_ms = said[-1].end_ms + 400

    assert find(said, language) == ()
    assert redacted(said, language) == said


CARD, IDENTITY, IBAN, EMAIL = (
    FindingKind.CARD,
    FindingKind.NATIONAL_ID,
    FindingKind.IBAN,
    FindingKind.EMAIL,
)


@pytest.mark.parametrize(
    ("language", "text", "shown", "kind"),
    [
        ("en", "it is 4242-4242,4242 4242. Thanks", f"it is {MASK} Thanks", CARD),
        ("en", "it is 4,2,4,2,4,2,4,2,4,2,4,2 thanks", f"it is {MASK} thanks", CARD),
        ("en", "it is four to four to double four three zeros six sir", f"it is {MASK} sir", CARD),
        (
            "en",
            "four two four two and double four forty-two double oh triple nine",
            f"{MASK} and {MASK}",
            CARD,
        ),
        ("en", "one hundred and five two hundred and ten four hundred oh one two", MASK, CARD),
        ("nb", "kortet er toogtyve tjueto to og tyve null null åtte syv takk", None, CARD),
        ("de", "zweiundvierzig zwo und vierzig null acht zweimal die fünf elf", MASK, CARD),
        ("de", "zweihundertfünf dreihundertelf vierhundert null", MASK, CARD),
        ("fr", "mon numéro est 4242 4242 4242 oui", f"mon numéro est {MASK} oui", CARD),
        ("nb", "it is four two four two double four two two nine one", f"it is {MASK}", CARD),
        ("en", "to NO93 8601 1117 947 please", f"to {MASK} please", IBAN),
        ("de", "auf DE89 3704 0044 0532 0130 00 bitte", f"auf {MASK} bitte", IBAN),
        (
            "en",
            "to n o nine three eight six oh one triple one seven nine four seven please",
            None,
            IBAN,
        ),
        ("en", "mine is QQ 12 34 56 C okay", f"mine is {MASK} okay", IDENTITY),
        ("en", "it is 123-45-6789 okay", f"it is {MASK} okay", IDENTITY),
        (
            "en",
            "my social security number is one two three four five six seven eight nine",
            None,
            IDENTITY,
        ),
        (
            "nb",
            "fødselsnummeret er 010190 12345 altså",
            f"fødselsnummeret er {MASK} altså",
            IDENTITY,
        ),
        ("nb", "personnummeret er 1 2 3 4 5", f"personnummeret er {MASK}", IDENTITY),
        ("de", "die Nummer ist 65 170839 J 003 ja", f"die Nummer ist {MASK} ja", IDENTITY),
        ("en", "write to kari.olsen@example.no please", f"write to {MASK} please", EMAIL),
        ("en", "write to kari at example dot no please", f"write to {MASK} please", EMAIL),
        ("en", "k a r i at example dot co dot uk please", f"{MASK} please", EMAIL),
        (
            "nb",
            "skriv til kari punktum olsen krøllalfa eksempel punktum no takk",
            f"skriv til {MASK} takk",
            EMAIL,
        ),
        (
            "de",
            "an max Punkt muster Klammeraffe beispiel Punkt de bitte",
            f"an {MASK} bitte",
            EMAIL,
        ),
        ("de", "an max ät beispiel Punkt de bitte", f"an {MASK} bitte", EMAIL),
    ],
)
def test_it_is_found_as_what_it_is(
    language: str, text: str, shown: str | None, kind: FindingKind
) -> None:
    said = [sentence(text)]

    assert kind in {each.kind for each in find(said, language)}
    (line,) = redacted(said, language)
    assert not any(letter.isdigit() for letter in line.text)
    if shown is not None:
        assert line.text == shown
    assert " ".join(word.text for word in line.words) == line.text
    assert redacted([line], language) == [line]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("nb", "nummeret mitt er 22 33 44 55"),
        ("nb", "ring meg på +47 22 33 44 55"),
        ("nb", "det er tjueto tretti tre førtifire femtifem"),
        ("en", "call +44 20 7946 0018 for it"),
        ("en", "it was good in 2019, 2020, 2021 and 2022"),
        ("en", "from 01.02.2026 05.03.2026 it was closed"),
    ],
)
def test_a_telephone_number_years_and_dates_are_no_card(language: str, text: str) -> None:
    assert find([sentence(text)], language) == ()


def test_a_number_read_back_in_groups_is_found_on_both_sides() -> None:
    said, at_ms = list[Utterance](), 0
    for group in ("four two four two", "four two four two", "one one one one", "nine nine nine oh"):
        said.append(sentence(group, "contact", at_ms))
        said.append(sentence(f"{group} yes", "agent", said[-1].end_ms + 800))
        at_ms = said[-1].end_ms + 800

    shown = redacted(said, "en")

    assert [line.text for line in shown] == [MASK] * 7 + [f"{MASK} yes"]


def test_an_interruption_does_not_hide_a_number_that_was_asked_for() -> None:
    said = [
        sentence("can I have the card number please", "agent", 0),
        sentence("4242 4242", "contact", 5_000),
        sentence("wait I have to turn the card around", "contact", 8_000),
        sentence("4242 1", "contact", 14_000),
    ]

    shown = redacted(said, "en")

    assert [shown[1].text, shown[3].text] == [MASK, MASK]
    assert shown[2].text == said[2].text


def test_code_and_expiry_go_with_a_card_and_stay_without_one() -> None:
    asked = [
        sentence("and the three digits on the back", "agent", 10_000),
        sentence("one two three", "contact", 14_000),
        sentence("it expires 04/27", "contact", 18_000),
    ]

    shown = redacted([sentence("4242 4242 4242 4242", "contact", 1_000), *asked], "en")

    assert [line.text for line in shown[2:]] == [MASK, f"it expires {MASK}"]
    assert redacted(asked, "en") == asked


def test_words_without_times_of_their_own_mute_their_whole_utterance() -> None:
    said = [replace(sentence("it is 4242 4242 4242 4242"), words=())]

    assert card_spans(said, "en") == (Span(said[0].start_ms - 200, said[0].end_ms + 200),)
    assert redacted(said, "en")[0].text == f"it is {MASK}"


def test_words_that_are_not_what_the_text_says_give_nothing_away() -> None:
    line = sentence("it is 4242 4242 4242 4242")

    (from_text,) = redacted([replace(line, text="it is 4111 1111 1111 1111")], "en")
    (from_words,) = redacted([replace(line, text="it is what it is")], "en")

    assert (from_text.text, from_text.words) == (f"it is {MASK}", ())
    assert (from_words.text, from_words.words) == ("it is what it is", ())


def test_only_the_wanted_kinds_are_masked() -> None:
    said = [sentence("kari@example.no has 4242 4242 4242 4242")]

    (line,) = redacted(said, "en", {FindingKind.CARD})

    assert line.text == f"kari@example.no has {MASK}"


SNIPPETS = (
    *("4242", "4242-42", "12", "10:30", "2019", "+47", "•", "••••", "four", "two", "double", "oh"),
    *("og", "und", "to", "eh", "yes", "plus", "hundre", "tausend", "no", "at", "dot", "krøllalfa"),
    *("kari@a.no", "card", "number", "expires", "cvc", "three", "digits"),
)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(
        st.lists(
            st.sampled_from(SNIPPETS),
            min_size=1,
            max_size=12,
        ),
        min_size=1,
        max_size=8,
    ),
    language=st.sampled_from([*LANGUAGES, "sv"]),
)
def test_redacting_twice_is_as_once_whatever_was_said(
    texts: list[list[str]], language: str
) -> None:
    said = [
        sentence(" ".join(words), ("agent", "contact")[number % 2], 4_000 * number)
        for number, words in enumerate(texts)
    ]

    once = redacted(said, language)

    assert find(once, language) == ()
