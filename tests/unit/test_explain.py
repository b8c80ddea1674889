"""A decision as JSON and in words says the same as the decision."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from askfirst import Decision, Party, decide
from askfirst.errors import InvalidInput
from askfirst.explain import notice, text, to_json, to_json_line
from askfirst.model import POLICY, Mode, Proof
from askfirst.notice import NoticeFacts
from askfirst.override import Override, Replacement
from askfirst.places import REASONS
from askfirst.policy import MANDATORY_RECORDING, Policy
from askfirst.rules import packaged
from askfirst.wording import keys, say

ON = date(2026, 11, 23)


def norway_calls_california(language: str = "en", policy: Policy | None = None) -> Decision:
    parties = [Party.agent("NO"), Party.contact("+16285550142")]
    return decide(parties, ON, policy=policy, language=language, id="call-1")


def test_the_document_has_the_documented_fields_in_order() -> None:
    document = to_json(norway_calls_california())

    assert list(document) == [
        "id",
        "mode",
        "governing",
        "primary",
        "parties",
        "requirements",
        "notice",
        "duties",
        "reasons",
        "would_change",
        "rulebook",
        "workplace",
    ]
    assert document["id"] == "call-1"
    assert document["mode"] == "ask"
    assert document["governing"] == ["NO", "US-CA"]


def test_the_document_is_json_and_nothing_else() -> None:
    document = to_json(norway_calls_california(policy=Policy(minimum_proof=Proof.KEY)))

    assert json.loads(json.dumps(document)) == document


def test_parties_requirements_and_reasons_have_the_documented_form() -> None:
    document = json.loads(json.dumps(to_json(norway_calls_california())))

    assert document["parties"][1] == {
        "role": "contact",
        "number": "+16285550142",
        "places": [{"code": "US-CA", "source": "number", "certainty": "likely"}],
        "unknown": None,
    }
    owed = document["requirements"][0]
    assert list(owed) == ["party", "form", "proof", "uses", "elements", "because"]
    assert owed["uses"] == ["record", "transcribe", "analyse"]
    assert owed["elements"] == document["notice"]["elements"]
    reason = next(each for each in document["reasons"] if each["rule"] == "US-CA.632")
    assert list(reason) == [
        "rule",
        "jurisdiction",
        "party",
        "why",
        "cites",
        "since",
        "reviewed",
        "standing",
    ]
    assert reason["party"] == 1
    assert date.fromisoformat(reason["since"]) <= ON
    assert list(document["rulebook"]) == ["version", "fingerprint"]


def test_what_is_unknown_is_said_in_the_language_of_the_decision() -> None:
    parties = [Party.agent("NO"), Party.contact("+18005550142")]

    english = decide(parties, ON).parties[1].unknown
    bokmål = decide(parties, ON, language="nb").parties[1].unknown

    assert english in REASONS
    assert bokmål is not None
    assert "nummeret" in bokmål


def test_a_wish_that_was_not_followed_is_reported() -> None:
    document = to_json(norway_calls_california(policy=Policy(force_auto=True)))

    assert "force_auto was ignored" in str(document["policy_notes"])


def test_the_notice_is_in_its_own_language_or_that_of_the_decision() -> None:
    bokmål = norway_calls_california("nb")

    assert notice(bokmål).language == "nb"
    assert notice(bokmål, "de").language == "de"
    assert notice(bokmål).text != notice(bokmål, "de").text
    assert notice(bokmål).elements == bokmål.elements


def test_a_notice_names_the_company_when_it_is_known() -> None:
    decision = norway_calls_california()

    assert "{company}" in notice(decision).text
    assert "Fjordtel" in notice(decision, facts=NoticeFacts(company="Fjordtel")).text


def test_a_language_without_notices_is_refused() -> None:
    with pytest.raises(InvalidInput):
        notice(norway_calls_california(), "xx")


def test_a_decision_in_a_language_without_sentences_is_worded_in_english() -> None:
    german = norway_calls_california("de")

    assert german.reasons == norway_calls_california().reasons
    assert notice(german).language == "de"


@pytest.mark.parametrize(("language", "caution"), [("en", "not legal"), ("nb", "ikke juridisk")])
def test_the_words_give_mode_places_reasons_and_end_with_a_caution(
    language: str, caution: str
) -> None:
    decision = norway_calls_california(language)
    lines = text(decision).split("\n")

    assert lines[0] == say(language, "mode.ask")
    assert "NO, US-CA" in lines[1]
    assert caution in lines[-1]
    for reason in decision.reasons:
        line = next(each for each in lines if each.startswith(f"{reason.rule}: {reason.why}"))
        assert all(cite in line for cite in reason.cites)
        assert str(reason.since) in line
        assert str(reason.reviewed) in line
        assert say(language, f"standing.{reason.standing.value}") in line


def test_the_words_say_what_would_change_it_and_what_was_ignored() -> None:
    decision = norway_calls_california(policy=Policy(recording_enabled=False, force_auto=True))
    words = text(decision)

    assert words.startswith(say("en", "mode.forbid"))
    assert f"What would change it: {decision.would_change[0]}" in words
    assert "Note: force_auto" in words


def test_the_words_say_where_the_notice_must_stand() -> None:
    decision = decide([Party.agent("US-TX"), Party.contact("US-WA")], ON)

    assert say("en", "explain.inside_recording") in text(decision)


def test_the_words_of_an_unknown_language_are_english() -> None:
    decision = norway_calls_california()

    assert text(decision, "sv") == text(decision, "en")


def test_every_reason_of_places_has_its_sentence_in_both_languages() -> None:
    english = {say("en", key) for key in keys() if key.startswith("unknown.")}

    assert english == set(REASONS)


@pytest.mark.parametrize("language", ["en", "nb"])
def test_every_sentence_is_there_in_every_language(language: str) -> None:
    assert all(say(language, key).strip() for key in keys())
    assert all(say(language, f"duty.{each}") for each in MANDATORY_RECORDING)
    assert all(say(language, f"mode.{mode.word}") for mode in Mode)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "is in force until 2026-12-01"), ("nb", "gjelder til 2026-12-01")]
)
def test_an_override_is_explained_with_its_reason_and_its_note(language: str, said: str) -> None:
    since, until = date(2026, 11, 1), date(2026, 12, 1)
    free = Replacement("US-VT.ask", Mode.AUTO, None, Proof.NONE, frozenset())
    override = Override("desk", "Kari Nordmann", "A letter.", since, until, frozenset(), (free,))
    decision = decide([Party.contact("US-VT")], ON, language=language, overrides=(override,))
    words = text(decision)
    document = json.loads(json.dumps(to_json(decision)))

    assert "OVERRIDE.desk: " in words
    assert said in words
    assert document["policy_notes"] == list(decision.policy_notes)
    assert all(note in words for note in decision.policy_notes)
    assert "OVERRIDE.desk" in {each["rule"] for each in document["reasons"]}


def test_a_policy_that_forbids_is_explained_in_its_own_line() -> None:
    words = text(norway_calls_california(policy=Policy(contact_objected=True)))

    assert f"{POLICY}.contact_objected: The contact has objected" in words


@pytest.mark.parametrize("code", sorted(packaged().jurisdictions))
def test_a_line_says_what_the_document_says(code: str) -> None:
    policy = Policy(force_auto=True, external_processors=("somebody",))
    for wishes in (Policy(), policy):
        decision = decide([Party.agent(code), Party.contact("+16285550142")], ON, policy=wishes)
        other = replace(decision, reasons=decision.reasons[1:], duties=(), id="another")
        for each in (decision, other, decision):
            line = to_json_line(each, "nb")
            assert "\n" not in line
            assert json.loads(line) == to_json(each, "nb")
            assert list(json.loads(line)) == list(to_json(each, "nb"))
