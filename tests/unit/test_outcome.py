from __future__ import annotations

from dataclasses import replace

import pytest

from askfirst.gate import Because
from askfirst.model import Mode, OutcomeCode, Verdict
from askfirst.outcome import (
    CallSummary,
    Fault,
    cut_off,
    erased,
    failed,
    in_language,
    quarantined,
    settle,
)
from askfirst.wording import LANGUAGES, keys, say

KEPT = CallSummary(
    was_answered=True,
    has_audio=True,
    mode=Mode.ASK,
    was_wanted=True,
    last_because=Because.MET,
    was_told=True,
    kept_frames=1000,
)
NOTHING = replace(KEPT, has_audio=False, kept_frames=0, last_because=Because.ASKING)


def code(summary: CallSummary) -> str:
    return settle(summary).code.value


def test_a_call_that_kept_audio_is_recorded() -> None:
    assert code(KEPT) == "recorded"


@pytest.mark.parametrize(
    ("because", "expected"),
    [
        (Because.REFUSED, "refused"),
        (Because.WITHDRAWN, "refused"),
        (Because.FORBIDDEN, "blocked"),
        (Because.SWITCHED_OFF, "blocked"),
        (Because.NOT_ACKNOWLEDGED, "blocked"),
        (Because.MACHINE, "blocked"),
    ],
)
def test_a_shut_gate_names_what_shut_it(because: Because, expected: str) -> None:
    assert code(replace(NOTHING, last_because=because)) == expected


def test_reasons_of_a_blocked_call_differ() -> None:
    becauses = (
        Because.FORBIDDEN,
        Because.SWITCHED_OFF,
        Because.NOT_ACKNOWLEDGED,
        Because.MACHINE,
    )

    reasons = {settle(replace(NOTHING, last_because=item)).reason for item in becauses}

    assert len(reasons) == 4


def test_a_notice_that_was_cut_is_no_notice_even_when_another_was_whole() -> None:
    assert code(replace(NOTHING, notice_was_cut=True)) == "notice-cut"


def test_who_was_told_and_says_nothing_is_silent() -> None:
    assert code(NOTHING) == "silent"


def test_who_was_never_told_was_not_asked() -> None:
    assert code(replace(NOTHING, was_told=False)) == "not-asked"


def test_wanting_without_telling_reads_differently_from_not_wanting() -> None:
    wanted = settle(replace(NOTHING, was_told=False))
    unwanted = settle(replace(NOTHING, was_told=False, was_wanted=False))

    assert wanted.code is unwanted.code is OutcomeCode.NOT_ASKED
    assert wanted.reason != unwanted.reason


def test_a_call_nobody_answered_was_not_asked() -> None:
    outcome = settle(replace(NOTHING, was_answered=False, was_told=False, was_wanted=False))

    assert outcome.code is OutcomeCode.NOT_ASKED
    assert "answered" in outcome.reason


def test_a_missing_prompt_failed_unless_the_notice_was_given_another_way() -> None:
    missing = replace(NOTHING, is_prompt_missing=True, was_told=False)

    assert code(missing) == "failed"
    assert code(replace(missing, was_told=True)) == "silent"
    assert code(replace(KEPT, is_prompt_missing=True)) == "recorded"


@pytest.mark.parametrize(
    ("lost", "expected"), [(0, "recorded"), (9, "recorded"), (11, "degraded"), (500, "degraded")]
)
def test_a_hundredth_of_lost_frames_degrades(lost: int, expected: str) -> None:
    outcome = settle(replace(KEPT, kept_frames=1000 - lost, lost_frames=lost))

    assert outcome.code.value == expected
    assert (str(lost) in outcome.reason) == (expected == "degraded")


def test_a_call_whose_every_frame_was_lost_is_degraded() -> None:
    assert code(replace(KEPT, kept_frames=0, lost_frames=50)) == "degraded"


def test_precedence_is_erased_quarantined_failed_degraded_recorded() -> None:
    everything = replace(KEPT, lost_frames=500, fault=Fault.SPOOL, is_withheld=True, is_erased=True)

    found = [code(everything)]
    for change in ({"is_erased": False}, {"is_withheld": False}):
        everything = replace(everything, **change)  # type: ignore[arg-type]
        found.append(code(everything))
    found.append(code(replace(everything, fault=None)))
    found.append(code(replace(everything, fault=None, lost_frames=0)))

    assert found == ["erased", "quarantined", "failed", "degraded", "recorded"]


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("language", ["en", "nb"])
def test_every_fault_has_a_sentence_of_its_own(fault: Fault, language: str) -> None:
    outcome = failed(fault, language)

    assert outcome.code is OutcomeCode.FAILED
    assert outcome.reason.endswith(".")
    others = {failed(other, language).reason for other in Fault if other is not fault}
    assert outcome.reason not in others
    assert settle(replace(KEPT, fault=fault), language) == outcome


def test_what_a_crash_left_is_degraded_and_nothing_is_failed() -> None:
    assert cut_off(True).code is OutcomeCode.DEGRADED
    assert cut_off(False).code is OutcomeCode.FAILED


def test_later_outcomes_are_said_in_the_language_of_the_call() -> None:
    assert erased("nb").reason != erased("en").reason
    assert erased().code is OutcomeCode.ERASED
    assert quarantined(Verdict.NOT_HEARD, "nb").reason != quarantined(Verdict.NOT_HEARD).reason
    assert quarantined(Verdict.CANNOT_TELL) != quarantined(Verdict.NOT_HEARD)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_can_be_read_in_another_language(language: str) -> None:
    for key in keys():
        if key.startswith("outcome.") and key != "outcome.degraded":
            assert in_language(say("en", key), language) == say(language, key)
    counts = {"lost": 3, "expected": 100}
    lost = say("nb", "outcome.degraded", **counts)
    assert in_language(lost, language) == say(language, "outcome.degraded", **counts)


def test_a_reason_that_is_none_of_ours_stays_as_it_is() -> None:
    assert in_language("Somebody said so.", "nb") == "Somebody said so."
    assert in_language("", "nb") == ""
