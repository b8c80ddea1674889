"""Tests of how much of real talk is heard, and of what must never be taken for a consent."""

from __future__ import annotations

import re

import pytest
from bench.hearing import CONSENT_PRECISION, GOALS, PARTS, Said, phrases, scores
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.hearing import LANGUAGES, classify

_FRESH = [*phrases("held-out"), *phrases("last")]
_DEVELOPED = phrases("development")
_EVERY = [*_DEVELOPED, *_FRESH]
_CONSENTS = [
    said
    for said in _EVERY
    if said.label == "consent" and (said.heard().label, said.heard().certain) == ("consent", True)
]
_WORRIES = re.compile(
    r"mind|object|problem|bother|imot|innvending|noe om|plaget|dagegen|einw|stör|aus wenn", re.I
)
_ASKS = {
    "en": "is it okay if we record this call",
    "nb": "er det greit at vi tar opp samtalen",
    "de": "darf ich das Gespräch aufzeichnen",
}
_NOT = {"en": ["not", "never", "don't"], "nb": ["ikke", "aldri"], "de": ["nicht", "nie", "kein"]}
_NO = {"en": "no", "nb": "nei", "de": "nein"}
_BUT_NOT = {
    "en": ["but don't record", "but without recording", "I'd rather you didn't"],
    "nb": ["men ikke ta opp", "men uten opptak", "men helst ikke"],
    "de": ["aber nicht aufzeichnen", "aber ohne Aufnahme", "aber lieber nicht"],
}
_FILLERS = {"en": ["um", "uh", "er"], "nb": ["eh", "øh"], "de": ["äh", "ähm"]}


_ALONE = {
    (language, label): [
        said.text
        for said in _DEVELOPED
        if (said.language, said.label) == (language, label)
        and said.before is not None
        # What agrees or refuses where another question was asked may be the opposite here.
        and classify(said.text, language, before=_ASKS[language]).label == label
    ][::4]
    for language in LANGUAGES
    for label in ("consent", "objection")
}
"""Answers that agree, or refuse, to the question of `_ASKS`."""


def _id(said: Said) -> str:
    return f"{said.language}: {said.text} / {said.before or '-'}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("label", list(GOALS))
def test_most_of_what_is_said_is_heard_in_each_language(language: str, label: str) -> None:
    fresh = [said for said in _FRESH if said.language == language]
    last = phrases("last", [language])
    assert scores(fresh)[label].recall >= GOALS[label]
    assert scores(last)[label].recall >= 0.7


@pytest.mark.parametrize("label", list(GOALS))
def test_most_of_what_was_written_last_is_heard(label: str) -> None:
    assert scores(phrases("last"))[label].recall >= GOALS[label]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_consent_that_is_heard_is_one(part: str, language: str) -> None:
    assert scores(phrases(part, [language]))["consent"].precision >= CONSENT_PRECISION


def test_no_objection_is_ever_taken_for_a_consent() -> None:
    taken = [s for s in _EVERY if s.label == "objection" and s.heard().label == "consent"]
    assert taken == []


def test_no_certain_consent_is_none() -> None:
    certain = [said for said in _EVERY if said.heard().certain]
    assert [s for s in certain if s.heard().label == "consent" and s.label != "consent"] == []


@pytest.mark.parametrize("label", list(GOALS))
def test_the_phrases_that_the_rules_were_written_for_are_heard(label: str) -> None:
    score = scores(_DEVELOPED)[label]
    assert score.recall >= 0.98
    assert score.precision >= 0.98


@pytest.mark.parametrize("said", _CONSENTS[::3], ids=_id)
def test_a_negation_in_a_certain_consent_leaves_no_certain_consent(said: Said) -> None:
    """A second no after "do you mind" agrees all the more; there only refusals count."""
    words = said.text.split()
    worries = said.before is not None and _WORRIES.search(said.before)
    turns = [] if worries else [*_NOT[said.language], _NO[said.language]]
    for turn in turns:
        for at in range(len(words) + 1):
            text = " ".join([*words[:at], turn, *words[at:]])
            heard = classify(text, said.language, before=said.before)
            # "nothing against it, no no" still agrees
            twice = turn == _NO[said.language] and turn in said.text.split()
            assert twice or not (heard.label == "consent" and heard.certain), text


@pytest.mark.parametrize("said", _CONSENTS, ids=_id)
def test_a_refusal_after_a_certain_consent_leaves_no_consent(said: Said) -> None:
    for refusal in _BUT_NOT[said.language]:
        text = f"{said.text} {refusal}"
        assert classify(text, said.language, before=said.before).label != "consent", text


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=60)
@given(data=st.data())
def test_words_of_consent_and_refusal_together_are_never_a_certain_consent(
    language: str, data: st.DataObject
) -> None:
    before = _ASKS[language]
    consents, objections = _ALONE[language, "consent"], _ALONE[language, "objection"]
    parts = [
        *data.draw(st.lists(st.sampled_from(consents), max_size=3)),
        data.draw(st.sampled_from(objections)),
    ]
    text = " ".join(data.draw(st.permutations(parts)))
    heard = classify(text, language, before=before)
    assert not (heard.label == "consent" and heard.certain), text


@settings(max_examples=60)
@given(said=st.sampled_from(_EVERY), end=st.sampled_from(["", ".", "!", " …"]))
def test_case_and_a_mark_at_the_end_change_nothing(said: Said, end: str) -> None:
    for text in (said.text.upper(), said.text.capitalize(), said.text.lower()):
        # A German capital is only a letter too, but a sharp s has none.
        if text.lower() == said.text.lower():
            assert classify(text + end, said.language, before=said.before) == said.heard()


@settings(max_examples=60)
@given(said=st.sampled_from(_CONSENTS), data=st.data())
def test_a_filler_before_a_consent_changes_nothing(said: Said, data: st.DataObject) -> None:
    filler = data.draw(st.sampled_from(_FILLERS[said.language]))
    heard = classify(f"{filler}, {said.text}", said.language, before=said.before)
    assert (heard.label, heard.certain) == ("consent", True)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_line_of_a_hundred_thousand_letters_is_judged(language: str) -> None:
    said = next(s for s in _DEVELOPED if s.language == language and s.label == "objection")
    once = f"{said.text} "
    heard = classify(once * (100_000 // len(once)), language, before=said.before)
    assert heard.label != "consent"
