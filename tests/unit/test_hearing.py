"""Tests of what an utterance means for recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput
from askfirst.hearing import LANGUAGES, classify, elements, understood
from askfirst.model import Element, Purpose
from askfirst.notice import NoticeFacts, announcement, compose

_OWN = json.loads(
    (Path(__file__).parent / "data" / "phrases-own.json").read_text(encoding="utf-8")
)["phrases"]

_ASK = {
    "en": "is it okay if we record this call",
    "nb": "er det greit at vi tar opp samtalen",
    "de": "darf ich das Gespräch aufzeichnen",
}
_MIND = {
    "en": "do you mind if we record this call",
    "nb": "har du noe imot at vi tar opp samtalen",
    "de": "haben Sie etwas dagegen wenn ich das Gespräch aufzeichne",
}
_TOLD = {
    "en": "this call is recorded",
    "nb": "samtalen blir tatt opp",
    "de": "dieses Gespräch wird aufgezeichnet",
}
_REFUSALS = {
    "en": [
        "do not record",
        "don't record me",
        "stop recording",
        "no recording",
        "I do not consent to being recorded",
        "without recording",
        "delete the recording",
    ],
    "nb": ["ikke ta opp", "stopp opptaket", "slett opptaket", "jeg samtykker ikke", "uten opptak"],
    "de": [
        "nicht aufzeichnen",
        "keine Aufzeichnung",
        "löschen Sie die Aufnahme",
        "ich möchte nicht aufgezeichnet werden",
        "ohne Aufnahme",
    ],
}
_ELEMENTS_OF_EU = [
    Element.INTENT_TO_RECORD,
    Element.CONTROLLER_IDENTITY,
    Element.PURPOSE,
    Element.CONSENT_REQUEST,
    Element.RIGHT_TO_OBJECT,
    Element.FULL_NOTICE_POINTER,
]


@pytest.mark.parametrize(
    "phrase", _OWN, ids=lambda p: f"{p['language']}: {p['text']} / {p.get('before', '-')}"
)
def test_an_own_phrase_is_heard_as_written_down(phrase: dict[str, str | bool]) -> None:
    before = phrase.get("before")
    heard = classify(
        str(phrase["text"]), str(phrase["language"]), before=str(before) if before else None
    )
    assert heard.label == phrase["label"]
    assert heard.kind == phrase.get("kind", heard.kind)
    assert heard.certain == phrase.get("certain", heard.certain)


@pytest.mark.parametrize(
    ("language", "no", "yes"), [("en", "no", "yes"), ("nb", "nei", "ja"), ("de", "nein", "ja")]
)
def test_a_bare_answer_means_what_was_asked(language: str, no: str, yes: str) -> None:
    assert classify(yes, language, before=_ASK[language]).label == "consent"
    assert classify(no, language, before=_ASK[language]).label == "objection"
    assert classify(no, language, before=_MIND[language]).label == "consent"
    assert classify(yes, language, before=_MIND[language]).label == "objection"
    assert classify(no, language, before=_TOLD[language]).label == "objection"
    assert not classify(yes, language, before=_TOLD[language]).certain
    assert classify(yes, language).label == classify(no, language).label == "neutral"


@pytest.mark.parametrize(("language", "yes"), [("en", "yes"), ("nb", "ja"), ("de", "ja")])
def test_our_own_announcement_asks_so_that_a_yes_counts(language: str, yes: str) -> None:
    said = announcement(_ELEMENTS_OF_EU, language, NoticeFacts("Nordlys"), keys=True)
    heard = classify(yes, language, before=said)
    assert (heard.label, heard.certain) == ("consent", True)


def test_a_question_that_came_after_the_notice_takes_the_bare_answer() -> None:
    before = "Is it okay if we record? And did you get the letter?"
    assert not classify("yes", "en", before=before).certain
    assert not classify("no", "en", before=before).certain


def test_a_question_asked_both_ways_makes_no_bare_answer_certain() -> None:
    before = "Is it okay if we record, or do you mind if we record?"
    assert not classify("yes", "en", before=before).certain
    assert not classify("no", "en", before=before).certain


def test_a_yes_to_stopping_is_an_objection() -> None:
    assert classify("yes", "en", before="Shall I stop the recording?").label == "objection"
    assert classify("no", "en", before="Shall I stop the recording?").label == "neutral"


def test_asking_whether_to_stop_is_a_question_about_recording() -> None:
    heard = classify("Shall I turn off the recording?", "en")
    assert (heard.label, heard.kind) == ("notice", "ask")


def test_no_thanks_after_do_you_mind_is_never_a_certain_consent() -> None:
    assert not classify("no thanks", "en", before=_MIND["en"]).certain
    assert classify("no thanks", "en", before=_MIND["en"]).label == "objection"


def test_a_yes_with_a_question_mark_is_not_certain() -> None:
    assert not classify("Yes?", "en", before=_ASK["en"]).certain


def test_a_word_of_another_script_is_not_overheard() -> None:
    assert not classify("yes 不", "en", before=_ASK["en"]).certain


@pytest.mark.parametrize("language", ["fr", "es", "sv", "", "EN"])
def test_a_language_that_is_not_understood_is_refused(language: str) -> None:
    with pytest.raises(InvalidInput, match="Use one of en, nb, de"):
        classify("oui", language)


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(max_size=80), before=st.none() | st.text(max_size=80))
def test_any_text_is_judged_without_an_error(language: str, text: str, before: str | None) -> None:
    heard = classify(text, language, before=before)
    assert heard.label in {"notice", "consent", "objection", "neutral"}
    assert heard.kind in {"inform", "ask", "question", "withdraw", None}
    assert 0 <= heard.confidence <= 1


_LOOSE = (
    "yes ok sure fine go ahead no problem that is it please thanks of course but and i you ja det "
    "er greit klart nei kjør på gerne natürlich das ist gut in ordnung bitte mind not"
)
_AROUND = st.lists(st.sampled_from(_LOOSE.split()), max_size=6).map(" ".join)


@given(
    data=st.data(),
    language=st.sampled_from(LANGUAGES),
    first=_AROUND | st.text(max_size=20),
    last=_AROUND,
    asked=st.sampled_from([_ASK, _MIND, _TOLD, None]),
)
def test_an_explicit_refusal_is_never_a_certain_consent(
    data: st.DataObject, language: str, first: str, last: str, asked: dict[str, str] | None
) -> None:
    refusal = data.draw(st.sampled_from(_REFUSALS[language]))
    before = asked[language] if asked else None
    heard = classify(f"{first} {refusal} {last}", language, before=before)
    assert not (heard.label == "consent" and heard.certain)


@given(words=_AROUND, refusal=st.sampled_from(["no", "not", "never", "nei", "ikke", "nein"]))
def test_a_negation_in_a_mixed_answer_is_never_a_certain_consent(words: str, refusal: str) -> None:
    language = {"nei": "nb", "ikke": "nb", "nein": "de"}.get(refusal, "en")
    heard = classify(f"{refusal} {words} {refusal}", language, before=_ASK[language])
    assert not (heard.label == "consent" and heard.certain)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("element", list(Element))
def test_what_a_notice_says_is_heard_in_it(language: str, element: Element) -> None:
    asked = {element, Element.INTENT_TO_RECORD}
    said = compose(asked, language, company="Nordlys", purpose=Purpose.TRAINING)
    assert asked <= elements(said, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_element_is_heard_in_a_notice_of_all_elements(language: str) -> None:
    said = compose(list(Element), language, company="Nordlys", purpose=Purpose.TRAINING)
    assert elements(said, language) == frozenset(Element)


def test_small_talk_holds_no_element() -> None:
    assert elements("Good morning, the weather is lovely today.", "en") == frozenset()


def test_speech_is_told_from_noise() -> None:
    assert understood(["Good morning, how are you", "I am calling about it"], "en")
    assert not understood(["you", "you you you"], "en")
    assert not understood(["Guten Morgen wie geht es Ihnen"], "en")
    assert not understood([], "nb")


def test_a_very_long_text_is_judged_as_a_whole() -> None:
    long = "the weather is nice and we talk about this and that " * 300
    assert classify(long + "please stop recording", "en").kind == "withdraw"


@pytest.mark.parametrize(
    ("text", "before", "label", "certain"),
    [
        ("You can record this call, thank you.", None, "consent", True),
        ("You can record this, but leave it off for now.", _ASK["en"], "objection", False),
        ("You can record this, but never again.", _ASK["en"], "objection", False),
        ("You can record this call while my colleague listens.", None, "consent", False),
        ("I am.", _ASK["en"], "consent", False),
        ("No, yes.", _MIND["en"], "neutral", False),
        ("No, that's fine, my name is Anna.", _MIND["en"], "consent", False),
    ],
)
def test_an_answer_is_certain_only_when_nothing_is_left_over(
    text: str, before: str | None, label: str, certain: bool
) -> None:
    heard = classify(text, "en", before=before)
    assert (heard.label, heard.certain) == (label, certain)
