"""Next steps: what people take on, in their own words, and what only looks like it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.talking import MODEST, calls, cut, spoken, stretches, swapped, utterance

from askfirst.model import Utterance
from askfirst.nextsteps import NextStep, StepKind, next_steps
from askfirst.spoken import Span, recorded, words_of

WHOLE = recorded(0, 1_000_000)
PROMISE, APPOINTMENT = StepKind.PROMISE, StepKind.APPOINTMENT


def kinds(text: str, language: str) -> list[StepKind]:
    return [step.kind for step in next_steps([spoken("agent", 0, text)], WHOLE, language)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I'll send you the offer on Friday.", PROMISE),
        ("I’ll send you the offer", PROMISE),
        ("Okay, I will definitely check that.", PROMISE),
        ("We're going to call you back tomorrow.", PROMISE),
        ("I'm gonna ask my colleague.", PROMISE),
        ("Let me quickly find out for you.", PROMISE),
        ("You'll get the papers from us by Monday.", PROMISE),
        ("I'll get back to you.", PROMISE),
        ("I'll make sure it is there.", PROMISE),
        ("We'll talk on Tuesday.", APPOINTMENT),
        ("Let's catch up next week.", APPOINTMENT),
        ("Talk to you tomorrow.", APPOINTMENT),
    ],
)
def test_english_next_steps_are_found(text: str, kind: StepKind) -> None:
    assert kinds(text, "en") == [kind]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Jeg sender deg tilbudet på fredag.", PROMISE),
        ("Da sender jeg deg en e-post.", PROMISE),
        ("Jeg skal sjekke det med sjefen.", PROMISE),
        ("Vi kommer til å ordne det.", PROMISE),
        ("Så ringer jeg deg tilbake i morgen.", PROMISE),
        ("Jeg ringer deg i morgen.", PROMISE),
        ("Vi tar kontakt neste uke.", PROMISE),
        ("La meg sjekke det.", PROMISE),
        ("Du får den fra meg i dag.", PROMISE),
        ("Vi snakkes på tirsdag.", APPOINTMENT),
        ("Høres på torsdag.", APPOINTMENT),
        ("Da sier vi mandag.", APPOINTMENT),
    ],
)
def test_norwegian_next_steps_are_found(text: str, kind: StepKind) -> None:
    assert kinds(text, "nb") == [kind]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Ich schicke Ihnen das Angebot am Freitag.", PROMISE),
        ("Dann schicke ich Ihnen eine E-Mail.", PROMISE),
        ("Ich rufe Sie morgen wieder an.", PROMISE),
        ("Ich werde das mit meiner Kollegin klären.", PROMISE),
        ("Wir melden uns nächste Woche.", PROMISE),
        ("Ich gebe Ihnen morgen Bescheid.", PROMISE),
        ("Das leite ich gerne weiter.", PROMISE),
        ("Sie bekommen die Unterlagen von mir.", PROMISE),
        ("Wir sprechen uns am Dienstag.", APPOINTMENT),
        ("Dann telefonieren wir nächste Woche.", APPOINTMENT),
        ("Bis Donnerstag.", APPOINTMENT),
    ],
)
def test_german_next_steps_are_found(text: str, kind: StepKind) -> None:
    assert kinds(text, "de") == [kind]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I won't send it.", "en"),
        ("I'll never call them again.", "en"),
        ("If I'll send it, who pays?", "en"),
        ("Will you send me the offer?", "en"),
        ("I sent you the offer.", "en"),
        ("I would send it but I cannot.", "en"),
        ("Maybe we'll talk on Tuesday.", "en"),
        ("I'll be honest.", "en"),
        ("We'll see.", "en"),
        ("Let's see.", "en"),
        ("Kan du sende meg tilbudet?", "nb"),
        ("Jeg sender ikke noe.", "nb"),
        ("Jeg skal ikke sende noe.", "nb"),
        ("Hvis jeg sender det, hva da?", "nb"),
        ("Jeg ringer fra Eksempel AS.", "nb"),
        ("Jeg sendte deg tilbudet.", "nb"),
        ("Vi betaler for mye.", "nb"),
        ("Schicken Sie mir das Angebot?", "de"),
        ("Ich schicke Ihnen das nicht.", "de"),
        ("Wenn ich Ihnen das schicke, was dann?", "de"),
        ("Ich rufe aus Hamburg an wegen Ihrer Frage?", "de"),
        ("Ich habe Ihnen das Angebot geschickt.", "de"),
        ("Das ist gut.", "de"),
        ("Je vous envoie le devis.", "fr"),
    ],
)
def test_questions_doubts_refusals_and_the_past_are_no_next_steps(text: str, language: str) -> None:
    assert kinds(text, language) == []


def test_the_sentence_is_quoted_as_it_was_said() -> None:
    said = [spoken("contact", 1_000, "Fine. Then I'll, uh, I'll send you the list. Bye.")]
    (step,) = next_steps(said, WHOLE, "en")
    assert step.quotation.text == "Then I'll, uh, I'll send you the list."
    assert step.quotation.speaker == "contact"
    assert (step.quotation.start_ms, step.quotation.end_ms) == (1_300, 3_700)


@MODEST
@given(calls, stretches(), st.sampled_from(["en", "nb", "de"]))
def test_only_what_one_person_said_is_quoted(
    said: list[Utterance], open_: list[Span], language: str
) -> None:
    for step in next_steps(said, open_, language):
        own = {
            word.text
            for each in said
            if each.speaker == step.quotation.speaker
            for word in words_of(each)
        }
        assert set(step.quotation.text.split()) <= own


@MODEST
@given(calls, stretches(), st.randoms(use_true_random=False))
def test_order_does_not_matter(said: list[Utterance], open_: list[Span], dice: Random) -> None:
    mixed = list(said)
    dice.shuffle(mixed)
    assert next_steps(mixed, open_, "en") == next_steps(said, open_, "en")


@MODEST
@given(utterance("agent"), st.integers(0, 8), stretches())
def test_where_an_utterance_is_cut_does_not_matter(
    said: Utterance, at: int, open_: list[Span]
) -> None:
    parts = cut(said, at) if said.words else [said]
    assert next_steps(parts, open_, "en") == next_steps([said], open_, "en")


@MODEST
@given(calls, stretches())
def test_the_sides_are_treated_alike(said: list[Utterance], open_: list[Span]) -> None:
    def heard(steps: tuple[NextStep, ...], side: str) -> list[tuple[object, ...]]:
        return [
            (step.kind, step.quotation.start_ms, step.quotation.text)
            for step in steps
            if step.quotation.speaker == side
        ]

    found, other = next_steps(said, open_, "en"), next_steps(swapped(said), open_, "en")
    assert heard(found, "agent") == heard(other, "contact")
    assert heard(found, "contact") == heard(other, "agent")
