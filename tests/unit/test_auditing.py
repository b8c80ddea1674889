"""What an existing recording shows, from its words alone."""

from __future__ import annotations

from datetime import date

from askfirst.auditing import (
    AGENT,
    CONTACT,
    MIXED,
    Audited,
    Findings,
    Law,
    examine,
    missing,
    sentences,
    to_json,
)
from askfirst.hearing import classify
from askfirst.model import Element, Mode, Party, Utterance, Verdict, Word
from askfirst.policy import Policy
from askfirst.redaction import card_spans
from askfirst.rules import packaged

DAY = date(2026, 11, 23)
LAW = Law(packaged())
NOTICE = "This call is being recorded and transcribed for training."


def said(*lines: tuple[str, str], seconds: int = 4) -> list[Utterance]:
    """Lines one after the other, each beginning `seconds` after the one before."""
    return [
        Utterance(speaker, index * seconds * 1000, (index * seconds + seconds - 1) * 1000, text)
        for index, (speaker, text) in enumerate(lines)
    ]


def found(
    *lines: tuple[str, str], number: str = "+14155550163", agent: str = "US-TX", law: Law = LAW
) -> Findings:
    parties = (Party.agent(agent), Party.contact(number))
    return examine(said(*lines), "en", parties, law.decide(parties, DAY), law)


def test_a_notice_and_a_yes_are_found_with_their_times() -> None:
    seen = found(
        (CONTACT, "Hello?"),
        (AGENT, "Good morning, this is Sam."),
        (AGENT, NOTICE),
        (CONTACT, "That is fine with me."),
    )
    assert (seen.check.verdict, seen.check.at_ms) == (Verdict.HEARD, 8_000)
    assert (seen.answer, seen.answer_at_ms, seen.objection_at_ms) == ("consent", 12_000, None)


def test_a_yes_before_words_that_agree_does_not_weaken_them() -> None:
    assert classify("Yes, that is fine with me.", "en", before=NOTICE).certain
    assert not classify("Yes, we need forty lamps.", "en", before=NOTICE).certain


def test_a_yes_counts_that_was_put_off_by_a_question_back() -> None:
    seen = found(
        (AGENT, NOTICE),
        (CONTACT, "Why do you record it?"),
        (AGENT, "New colleagues learn from real calls."),
        (CONTACT, "That is fine with me."),
    )
    assert (seen.answer, seen.answer_at_ms) == ("consent", 12_000)


def test_a_doubtful_yes_is_no_consent() -> None:
    seen = found((AGENT, NOTICE), (CONTACT, "Yes, if it does not cost anything."))
    assert seen.answer != "consent"


def test_a_no_is_the_answer_and_the_first_objection() -> None:
    seen = found((AGENT, NOTICE), (CONTACT, "No, please do not record this."))
    assert (seen.answer, seen.answer_at_ms, seen.objection_at_ms) == ("objection", 4_000, 4_000)


def test_an_objection_in_mid_call_does_not_change_the_answer() -> None:
    seen = found(
        (AGENT, NOTICE),
        (CONTACT, "That is fine with me."),
        (AGENT, "You asked about forty lamps."),
        (CONTACT, "Please stop recording now."),
    )
    assert (seen.answer, seen.answer_at_ms, seen.objection_at_ms) == ("consent", 4_000, 12_000)


def test_an_objection_without_any_notice_is_no_answer_but_an_objection() -> None:
    seen = found((AGENT, "How are you today?"), (CONTACT, "Please stop recording now."))
    assert (seen.answer, seen.objection_at_ms) == ("none", 4_000)


def test_on_a_mixed_channel_the_notice_itself_is_no_answer() -> None:
    seen = found(
        (MIXED, NOTICE),
        (MIXED, "You can say no at any time."),
        (MIXED, "Why do you record it?"),
        (MIXED, "Of course."),
        (MIXED, "That is fine with me."),
    )
    assert (seen.answer, seen.answer_at_ms, seen.objection_at_ms) == ("consent", 16_000, None)


def test_a_no_on_a_mixed_channel_is_heard() -> None:
    seen = found((MIXED, NOTICE), (MIXED, "I do not want to be recorded."))
    assert (seen.answer, seen.objection_at_ms) == ("objection", 4_000)


def test_a_place_that_is_named_and_asks_for_more_is_told() -> None:
    seen = found((CONTACT, "I am in Germany today."), number="+64209001234", agent="NZ")
    assert [(each.code, each.at_ms) for each in seen.places] == [("DE", 0)]
    assert seen.with_places is not None
    assert "DE" in seen.with_places.governing
    # The contact's place is not the agent's.
    assert [place.code for place in seen.with_places.parties[0].places] == ["NZ"]


def test_a_call_is_in_order_only_with_everything_that_was_owed() -> None:
    parties = (Party.agent("US-TX"), Party.contact("+14155550163"))
    decision = LAW.decide(parties, DAY)

    def result(*lines: tuple[str, str]) -> Audited:
        seen = examine(said(*lines), "en", parties, decision, LAW)
        return Audited("a.wav", decision=decision, findings=seen)

    assert result((AGENT, NOTICE)).is_in_order
    assert not result((AGENT, "Hello, how are you today? I am calling for you.")).is_in_order
    assert not result((AGENT, NOTICE), (CONTACT, "Please do not record this.")).is_in_order
    assert not Audited("a.wav", decision=decision, error="gone").is_in_order


def test_a_recording_that_was_forbidden_is_never_in_order() -> None:
    law = Law(packaged(), Policy(forbid_jurisdictions=("US-CA",)))
    parties = (Party.agent("US-TX"), Party.contact("+14155550163"))
    decision = law.decide(parties, DAY)
    assert decision.mode is Mode.FORBID
    seen = examine(said((AGENT, NOTICE)), "en", parties, decision, law)
    assert not Audited("a.wav", decision=decision, findings=seen).is_in_order


def test_what_was_owed_and_is_not_heard_is_named() -> None:
    seen = found((AGENT, "This call is being recorded."))
    assert seen.check.verdict is Verdict.PARTLY
    assert missing(seen) == [Element.TRANSCRIPTION_AI.value]


def test_the_document_of_an_error_has_every_key_of_a_result() -> None:
    parties = (Party.agent("US-TX"), Party.contact("+14155550163"))
    decision = LAW.decide(parties, DAY)
    seen = examine(said((AGENT, NOTICE)), "en", parties, decision, LAW)
    whole = to_json(Audited("a.wav", 4.0, 2, decision, "en", (AGENT,), None, seen))
    failed = to_json(Audited("b.wav", error="the file is empty"))
    assert list(whole) == list(failed)
    assert failed["error"] == "the file is empty"
    assert (failed["decision"], failed["answer"], failed["transcript"]) == (None, "none", [])


def test_sentences_are_parted_with_the_times_of_their_words() -> None:
    words = tuple(
        Word(text, at, at + 400, 1.0)
        for text, at in (("Recorded.", 0), ("No,", 500), ("please.", 1_000), ("And", 1_500))
    )
    parted = sentences([Utterance(MIXED, 0, 1_900, "Recorded. No, please. And", words)])
    assert [(each.text, each.start_ms, each.end_ms) for each in parted] == [
        ("Recorded.", 0, 400), ("No, please.", 500, 1_400), ("And", 1_500, 1_900),
    ]  # fmt: skip


def test_fewer_digits_and_digits_of_two_people_are_no_card() -> None:
    lines = [
        Utterance(CONTACT, 0, 2_000, "4111 1111"),
        Utterance(AGENT, 2_000, 4_000, "1111 1111"),
        Utterance(CONTACT, 20_000, 22_000, "forty lamps in 2026"),
    ]
    assert card_spans(lines, "en") == ()
