"""Tests of notice texts and of the check whether a notice was said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst import Party, decide, hearing
from askfirst.errors import InvalidInput
from askfirst.model import (
    Element,
    Purpose,
    Utterance,
    Verdict,
)
from askfirst.notice import (
    LANGUAGES,
    LATE_MS,
    LONGEST_PHRASE,
    MESSAGE,
    NoticeCheck,
    NoticeFacts,
    announcement,
    check,
    compose,
    lacking,
)
from askfirst.rules import packaged

_EU = frozenset(
    {
        Element.INTENT_TO_RECORD,
        Element.CONTROLLER_IDENTITY,
        Element.PURPOSE,
        Element.CONSENT_REQUEST,
        Element.RIGHT_TO_OBJECT,
        Element.FULL_NOTICE_POINTER,
    }
)
_INTENT = frozenset({Element.INTENT_TO_RECORD})
_SUBSETS = st.frozensets(st.sampled_from(list(Element)))
_SPOKEN_WORDS_A_SECOND = 2.6


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.?!])\s+", text) if sentence]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("element", list(Element))
def test_every_element_has_a_sentence_of_its_own(language: str, element: Element) -> None:
    text = compose([element], language)
    assert text.endswith((".", "?"))
    assert text == " ".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_elements_differ_in_what_they_say(language: str) -> None:
    texts = [
        compose([element], language)
        for element in Element
        if element is not Element.PURPOSE_DETAILED
    ]
    assert len(set(texts)) == len(texts)


@given(elements=_SUBSETS, language=st.sampled_from(LANGUAGES))
def test_any_set_of_elements_composes_without_doubled_sentences_or_rests(
    elements: frozenset[Element], language: str
) -> None:
    text = compose(elements, language, company="Nordlys", purpose=Purpose.QUALITY)
    sentences = _sentences(text)
    assert len(set(sentences)) == len(sentences)
    assert not re.search(r"[{}\[\]|]|\.\.|\s[.,]|  ", text)
    assert bool(text) == bool(elements)


@given(elements=_SUBSETS, language=st.sampled_from(LANGUAGES), extra=st.sampled_from(list(Element)))
def test_one_more_element_changes_the_text(
    elements: frozenset[Element], language: str, extra: Element
) -> None:
    said_by_another = {
        Element.PURPOSE: Element.PURPOSE_DETAILED,
        Element.COPY_AVAILABLE: Element.RIGHTS,
    }
    swallowed = extra in elements or said_by_another.get(extra) in elements
    purpose = Purpose.TRAINING
    before = compose(elements, language, purpose=purpose)
    after = compose(elements | {extra}, language, purpose=purpose)
    assert (before == after) == swallowed


@given(elements=st.permutations(list(_EU)), language=st.sampled_from(LANGUAGES))
def test_the_order_of_elements_does_not_matter(elements: list[Element], language: str) -> None:
    assert compose(elements, language) == compose(_EU, language)


def test_the_question_comes_last() -> None:
    assert compose(list(Element), "en").endswith("Do you agree?")
    assert compose(_EU, "en").endswith("Do you agree to the recording?")


def test_without_a_question_the_call_is_recorded_and_not_perhaps() -> None:
    text = compose(_EU - {Element.CONSENT_REQUEST}, "en", company="Nordlys", purpose="training")
    assert text.startswith("This call is recorded by Nordlys for training our staff.")


def test_no_english_sentence_says_may_be_recorded() -> None:
    sentences = resources.files("askfirst").joinpath("texts/notices.toml").read_text("utf-8")
    english = [line for line in sentences.splitlines() if line.startswith("en = ")]
    assert len(english) > len(Element)
    assert not [line for line in english if re.search(r"\b(?:may|might|could) be\b", line)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("element", [Element.PURPOSE, Element.PURPOSE_DETAILED])
def test_every_purpose_has_a_phrase(language: str, purpose: Purpose, element: Element) -> None:
    text = compose([element], language, purpose=purpose)
    assert text != compose([element], language)
    assert purpose.value not in text.split(" ") or language == "en"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_notice_for_europe_takes_about_fifteen_seconds(language: str) -> None:
    text = compose(_EU, language, company="Nordlys", purpose=Purpose.TRAINING)
    assert len(text.split()) / _SPOKEN_WORDS_A_SECOND < 16


def test_given_values_are_said() -> None:
    text = compose(
        list(Element),
        "en",
        company="Acme Inc.",
        purpose="checking orders when somebody disputes them",
        retention=90,
        url="acme.example/privacy",
        unique_id="four seven one",
        recipients="Cloudy Ltd.",
        destination="in Canada",
        alternative="at the front desk",
        basis="contract",
    )
    for words in (
        "Acme Inc.",
        "checking orders",
        "for 90 days",
        "at acme.example/privacy",
        "is four seven one",
        "by Cloudy Ltd.",
        "in Canada",
        "at the front desk",
        "our contract with you",
    ):
        assert words in text
    assert ".." not in text


def test_one_day_is_not_said_as_days() -> None:
    assert compose([Element.RETENTION], "en", retention=1) == "We keep the recording for one day."
    assert "in two years" in compose([Element.RETENTION], "en", retention="in two years")


def test_a_missing_company_stays_visible_and_other_values_turn_neutral() -> None:
    text = compose(_EU, "en")
    assert "{company}" in text
    assert "on our privacy page" in text
    assert text.count("{") == 1


def test_a_value_with_braces_is_not_filled_again() -> None:
    assert "{url}" in compose([Element.CONTROLLER_IDENTITY], "en", company="{url}")


def test_a_strange_language_or_element_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no notice in language 'it'"):
        compose(_EU, "it")
    with pytest.raises(InvalidInput, match="no notice in language 'it'"):
        announcement(_EU, "it", NoticeFacts("Nordlys"), keys=False)
    with pytest.raises(InvalidInput, match="no sentence for weather"):
        compose(["weather"], "en")  # type: ignore[list-item]  # what a careless caller gives


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_announcement_starts_with_words_that_may_be_lost(language: str) -> None:
    facts = NoticeFacts("Nordlys", Purpose.TRAINING, retention=30, url="nordlys.example")
    plain = announcement(_EU, language, facts, keys=False)
    asked = announcement(_EU, language, facts, keys=True)
    body = compose(
        _EU,
        language,
        company="Nordlys",
        purpose=Purpose.TRAINING,
        retention=30,
        url="nordlys.example",
    )
    assert plain.endswith(body)
    assert len(plain.removesuffix(body).split()) >= 4
    assert asked.startswith(plain)
    assert "1" in asked.removeprefix(plain)
    assert "2" in asked.removeprefix(plain)


@pytest.mark.parametrize(
    "element", [Element.PURPOSE_DETAILED, Element.CONSENT_EACH_PERSON], ids=["Ireland", "Canada"]
)
@pytest.mark.parametrize("purpose", ["training", "quality", "Training.", "for quality purposes"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_purpose_in_a_word_is_refused_where_it_must_be_explained(
    language: str, purpose: str, element: Element
) -> None:
    asked = _EU | {element}

    with pytest.raises(InvalidInput, match=r"is no explanation.*Say in a sentence"):
        announcement(asked, language, NoticeFacts("Nordlys", purpose), keys=False)
    with pytest.raises(InvalidInput, match=r"is no explanation.*Say in a sentence"):
        compose(asked, language, purpose=purpose)
    assert purpose in compose(_EU, language, purpose=purpose) or purpose in set(Purpose)


@pytest.mark.parametrize("purpose", [*Purpose, "settling what we agreed with you"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_purpose_of_ours_or_a_sentence_is_said(language: str, purpose: Purpose | str) -> None:
    asked = _EU | {Element.PURPOSE_DETAILED, Element.CONSENT_EACH_PERSON}
    facts = NoticeFacts("Nordlys", purpose)

    assert lacking(announcement(asked, language, facts, keys=True), asked, language, facts) == set()


@pytest.mark.parametrize("code", ["IE", "CA"])
def test_the_places_that_want_the_purpose_explained_refuse_a_word(code: str) -> None:
    elements = decide([Party.contact(code)], date(2026, 11, 23)).elements

    with pytest.raises(InvalidInput, match="is no explanation"):
        compose(elements, "en", purpose="training")


def test_nobody_hears_an_announcement_that_owes_a_purpose_and_has_none() -> None:
    asked = _EU | {Element.PURPOSE_DETAILED}

    with pytest.raises(InvalidInput, match="none is given"):
        announcement(asked, "en", NoticeFacts("Nordlys"), keys=True)
    assert "privacy page" in compose(asked, "en")


def test_a_phrase_that_nobody_could_listen_to_is_refused_by_name() -> None:
    longest = "x" * LONGEST_PHRASE

    assert longest in compose([Element.RECIPIENTS_THIRD_PARTIES], "en", recipients=longest)
    with pytest.raises(InvalidInput, match=r"recipients.*201 characters.*Shorten"):
        compose([Element.RECIPIENTS_THIRD_PARTIES], "en", recipients=longest + "x")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_announcement_of_every_place_fits_into_a_minute(language: str) -> None:
    places = sorted(packaged().jurisdictions)
    decisions = [decide([Party.contact(code)], date(2026, 11, 23)) for code in places]
    for elements in {decision.elements for decision in decisions}:
        for purpose in Purpose:
            facts = NoticeFacts("Nordlys", purpose)
            text = announcement(elements, language, facts, keys=True)
            assert len(text.split()) / _SPOKEN_WORDS_A_SECOND < 60


@given(elements=_SUBSETS, language=st.sampled_from(LANGUAGES))
def test_a_composed_text_lacks_nothing(elements: frozenset[Element], language: str) -> None:
    facts = NoticeFacts("Nordlys", Purpose.QUALITY)
    text = compose(elements, language, company="Nordlys", purpose=Purpose.QUALITY)

    assert lacking(text, elements, language, facts) == set()


@pytest.mark.parametrize("code", sorted(packaged().jurisdictions))
@pytest.mark.parametrize("language", ["en", "nb", "de"])
def test_every_element_that_a_place_wants_is_heard_in_its_notice(language: str, code: str) -> None:
    elements = decide([Party.contact(code)], date(2026, 11, 23)).elements
    text = compose(elements, language, company="Nordlys", purpose=Purpose.QUALITY)

    assert set(elements) <= hearing.elements(text, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("element", list(Element))
def test_a_text_without_an_element_lacks_it(language: str, element: Element) -> None:
    facts = NoticeFacts("Nordlys", Purpose.QUALITY)
    text = compose({Element.BEEP} - {element}, language, company="Nordlys")

    assert lacking(text, {element}, language, facts) == {element}


def test_other_words_for_an_element_are_enough_where_they_are_understood() -> None:
    facts = NoticeFacts("Nordlys", Purpose.QUALITY)

    assert lacking("This call is being recorded.", _INTENT, "en", facts) == set()
    assert lacking("Cet appel va être enregistré.", _INTENT, "fr", facts) == _INTENT


@pytest.mark.parametrize("language", LANGUAGES)
def test_whoever_may_leave_a_message_is_told_who_records_why_and_all_that_their_place_wants(
    language: str,
) -> None:
    facts = NoticeFacts(company="Nordlys", purpose="training our staff on real calls")
    message = replace(facts, purpose=MESSAGE)
    places = sorted(packaged().jurisdictions)
    decisions = [decide([Party.contact(code)], date(2026, 11, 23)) for code in places]
    always = {Element.INTENT_TO_RECORD, Element.CONTROLLER_IDENTITY}
    nothing: frozenset[Element] = frozenset()
    for elements in {frozenset(decision.elements) for decision in decisions} | {nothing}:
        for asks in (True, False):
            text = announcement(elements, language, facts, keys=asks, message=True)

            assert "Nordlys" in text
            assert "training" not in text
            purpose = set() if Element.PURPOSE_DETAILED in elements else {Element.PURPOSE}
            assert lacking(text, elements | always | purpose, language, message) == frozenset()
            assert len(text.split()) / _SPOKEN_WORDS_A_SECOND < 60


@pytest.mark.parametrize("company", ["", "  ", "{company}"])
def test_an_announcement_without_a_company_is_refused(company: str) -> None:
    with pytest.raises(InvalidInput, match="no company name"):
        announcement(_EU, "en", NoticeFacts(company), keys=True)


def _said(*lines: tuple[int, str], speaker: str = "agent") -> list[Utterance]:
    return [Utterance(speaker, at, at + 2_000, text) for at, text in lines]


def _check(
    own: list[Utterance],
    others: list[Utterance] | None = None,
    *,
    required: frozenset[Element] = _INTENT,
    language: str = "en",
    first: int | None = None,
    needed: bool = True,
) -> NoticeCheck:
    return check(
        own,
        others or [],
        required=required,
        language=language,
        first_contact_frame_ms=first,
        needed=needed,
    )


def test_a_notice_before_the_first_contact_audio_is_heard() -> None:
    own = _said((0, "Hello, how are you?"), (3_000, "This call is recorded."), (9_000, "Right."))
    result = _check(own, first=6_000)
    assert result == NoticeCheck(
        Verdict.HEARD, 3_000, "agent", "This call is recorded.", _INTENT, ()
    )


def test_a_late_notice_is_only_partly_one() -> None:
    own = _said((10_000, "This call is recorded."))
    assert _check(own, first=10_000 - LATE_MS).verdict is Verdict.HEARD
    assert _check(own, first=10_000 - LATE_MS - 1).verdict is Verdict.PARTLY
    assert _check(own, first=None).verdict is Verdict.HEARD


def test_a_notice_without_what_it_has_to_say_is_only_partly_one() -> None:
    own = _said((0, "Hi, this is Anna from Nordlys."), (3_000, "This call is recorded."))
    result = _check(own, required=_EU)
    assert result.verdict is Verdict.PARTLY
    assert result.elements_heard == {Element.INTENT_TO_RECORD, Element.CONTROLLER_IDENTITY}


@pytest.mark.parametrize("language", ["en", "nb", "de"])
def test_our_own_announcement_is_heard_with_every_element(language: str) -> None:
    facts = NoticeFacts("Nordlys", Purpose.QUALITY)
    own = _said((0, announcement(_EU, language, facts, keys=True)))
    result = _check(own, required=_EU, language=language)
    assert result.verdict is Verdict.HEARD
    assert result.elements_heard == _EU


def test_a_notice_cut_in_two_by_a_breath_is_heard() -> None:
    own = _said((0, "By the way our conversation is"), (2_500, "also recorded so that we learn"))
    result = _check(own)
    assert (result.verdict, result.at_ms) == (Verdict.HEARD, 0)


def test_two_halves_far_apart_or_of_two_people_are_no_notice() -> None:
    far = _said((0, "I should say that this call"), (9_000, "was hard to set up for us recorded"))
    assert _check(far).verdict is Verdict.NOT_HEARD
    two = [*_said((0, "I should say that this call")), *_said((2_500, "is loud"), speaker="x")]
    assert _check(two).verdict is Verdict.NOT_HEARD


@pytest.mark.parametrize(
    "text",
    [
        "this call is being recorded",
        "this call is been recorded for training",
        "this call is being recorded and transcribe",
        "you're on a recorded lime",
        "the call is being reported for quality and training purposes",
    ],
)
def test_a_notice_with_recogniser_errors_is_heard(text: str) -> None:
    assert _check(_said((0, text))).verdict is Verdict.HEARD


def test_a_doubtful_notice_with_nothing_to_support_it_is_only_partly_one() -> None:
    assert _check(_said((0, "so this call recorded then i think"))).verdict is Verdict.PARTLY


@pytest.mark.parametrize(
    "text",
    [
        "The incident is being reported to the police and we have to wait for it.",
        "I am calling about the order and what you said to me.",
        "This call is not recorded, and that is all I can do for you.",
        "Is this call being recorded, do you know that?",
    ],
)
def test_other_speech_is_no_notice(text: str) -> None:
    result = _check(_said((0, text)))
    assert result.verdict is Verdict.NOT_HEARD
    assert (result.at_ms, result.speaker, result.words) == (None, None, None)


@pytest.mark.parametrize(
    "own", [[], _said((0, "")), _said((0, "you you you")), _said((0, "Merci beaucoup monsieur"))]
)
def test_speech_that_was_not_understood_cannot_tell(own: list[Utterance]) -> None:
    assert _check(own).verdict is Verdict.CANNOT_TELL


def test_a_language_that_is_not_understood_cannot_tell() -> None:
    own = _said((0, "Cet appel est enregistré."))
    assert _check(own, language="fr").verdict is Verdict.CANNOT_TELL
    assert _check(own, language="fr", needed=False).verdict is Verdict.NOT_NEEDED


def test_a_notice_that_nobody_owed_is_still_reported() -> None:
    result = _check(_said((0, "This call is recorded.")), needed=False)
    assert (result.verdict, result.at_ms) == (Verdict.NOT_NEEDED, 0)


def test_objections_are_reported_with_their_times() -> None:
    own = _said((0, "Is it okay if I record this call?"), (30_000, "So you owe us nothing."))
    others = _said((3_000, "No."), (20_000, "no"), (40_000, "Stop recording!"), speaker="contact")
    assert _check(own, others).objections == ((3_000, "refuse"), (40_000, "withdraw"))


def test_what_the_other_side_says_is_never_our_notice() -> None:
    others = _said((0, "This call is recorded on my side, by the way."), speaker="contact")
    own = _said((4_000, "All right, that is fine with me and how can I help you."))
    assert _check(own, others).verdict is Verdict.NOT_HEARD


def test_times_do_not_go_back_in_the_order_of_sentences() -> None:
    order = [Element.INTENT_TO_RECORD, Element.RETENTION, Element.RIGHTS, Element.CONSENT_REQUEST]
    text = compose(order, "en")
    places = [text.index(word) for word in ("would like", "We keep", "You can ask", "Do you")]
    assert all(first < second for first, second in pairwise(places))


def test_every_element_and_verdict_is_explained_in_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "notice-elements.md"
    explained = re.findall(r"^\| `([a-z_-]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(Element) | set(Verdict) <= set(explained)
    assert explained[: len(Element)] == [str(element) for element in Element]
