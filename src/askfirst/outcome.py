"""The recording outcome of a call: what became of recording, and why, for every call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from askfirst.gate import Because
from askfirst.model import Mode, Outcome, OutcomeCode, Verdict
from askfirst.wording import LANGUAGES, keys, say

DEGRADED_PERMILLE = 10
"""From this share of missing contact frames on, a recording is called degraded."""


class Fault(StrEnum):
    """What can fail in a recording, by the part that failed."""

    LEDGER = "ledger"
    SPOOL = "spool"
    MEDIA = "media"
    PROVIDER = "provider"
    PROMPT = "prompt"
    KEY = "key"
    RECOGNISER = "recogniser"
    LANGUAGE = "language"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class CallSummary:
    """What happened to recording in one call, as far as the outcome needs it.

    `last_because` is why the gate was shut last, before the call ended. `fault` says what
    failed; frames are of contacts, while the gate was open.
    """

    was_answered: bool
    has_audio: bool
    mode: Mode | None
    was_wanted: bool
    last_because: Because
    notice_was_cut: bool = False
    was_told: bool = False
    fault: Fault | None = None
    kept_frames: int = 0
    lost_frames: int = 0
    is_erased: bool = False
    is_withheld: bool = False
    is_prompt_missing: bool = False


_BLOCKS = {
    Because.PRIVATE: "private",
    Because.FORBIDDEN: "forbidden",
    Because.SWITCHED_OFF: "switched_off",
    Because.NOT_ACKNOWLEDGED: "not_acknowledged",
    Because.MACHINE: "machine",
}


def settle(summary: CallSummary, language: str = "en") -> Outcome:
    """The outcome of a call, the first that fits, its reason in a language.

    Erased, quarantined, failed, degraded, recorded; and where nothing was kept: failed, refused,
    blocked, notice-cut, silent, not-asked.
    """
    code, key, values = _outcome(summary)
    return Outcome(code, say(language, f"outcome.{key}", **values))


def erased(language: str = "en") -> Outcome:
    """The outcome of a call whose recording was erased later."""
    return Outcome(OutcomeCode.ERASED, say(language, "outcome.erased"))


def quarantined(verdict: Verdict, language: str = "en") -> Outcome:
    """The outcome of a call whose notice was attested and is not heard, or cannot be told."""
    key = "not_heard" if verdict is Verdict.NOT_HEARD else "cannot_tell"
    return Outcome(OutcomeCode.QUARANTINED, say(language, f"outcome.{key}"))


def to_check(language: str = "en") -> Outcome:
    """The outcome of a call whose recording somebody has to check before it is heard."""
    return Outcome(OutcomeCode.QUARANTINED, say(language, "outcome.to_check"))


def released(language: str = "en") -> Outcome:
    """The outcome of a call whose recording somebody has checked and let go."""
    return Outcome(OutcomeCode.RECORDED, say(language, "outcome.released"))


def cut_off(was_kept: bool, language: str = "en") -> Outcome:
    """The outcome of a call that a crash of the system ended."""
    if was_kept:
        return Outcome(OutcomeCode.DEGRADED, say(language, "outcome.recovered"))
    return Outcome(OutcomeCode.FAILED, say(language, "outcome.cut_off"))


def failed(fault: Fault, language: str = "en") -> Outcome:
    """The outcome of a call whose recording met a fault."""
    return Outcome(OutcomeCode.FAILED, say(language, f"outcome.fault.{fault.value}"))


def in_language(reason: str, language: str) -> str:
    """A reason that `settle` or another of these gave, in another language; itself otherwise."""
    for key in sorted(keys()):
        if key.startswith("outcome."):
            for spoken in LANGUAGES:
                if (found := _read(say(spoken, key), reason)) is not None:
                    return say(language, key, **found)
    return reason


def _read(sentence: str, reason: str) -> dict[str, str] | None:
    """The numbers of a filled sentence, None where it is another one."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", re.escape(sentence))
    found = re.fullmatch(pattern, reason)
    return None if found is None else found.groupdict()


_Told = tuple[OutcomeCode, str, dict[str, int]]


def _outcome(summary: CallSummary) -> _Told:
    if summary.is_erased:
        return OutcomeCode.ERASED, "erased", {}
    if summary.is_withheld:
        return OutcomeCode.QUARANTINED, "withheld", {}
    if summary.fault is not None:
        return OutcomeCode.FAILED, f"fault.{summary.fault.value}", {}
    if summary.has_audio:
        return _kept(summary)
    return _nothing_kept(summary)


def _kept(summary: CallSummary) -> _Told:
    expected = summary.kept_frames + summary.lost_frames
    if summary.lost_frames > 0 and summary.lost_frames * 1000 >= expected * DEGRADED_PERMILLE:
        counts = {"lost": summary.lost_frames, "expected": expected}
        return OutcomeCode.DEGRADED, "degraded", counts
    return OutcomeCode.RECORDED, "recorded", {}


def _nothing_kept(summary: CallSummary) -> _Told:
    because = summary.last_because
    if because in (Because.REFUSED, Because.WITHDRAWN):
        return OutcomeCode.REFUSED, "refused", {}
    if because in _BLOCKS:
        return OutcomeCode.BLOCKED, _BLOCKS[because], {}
    if summary.is_prompt_missing and not summary.was_told:
        return OutcomeCode.FAILED, f"fault.{Fault.PROMPT.value}", {}
    if summary.notice_was_cut:
        return OutcomeCode.NOTICE_CUT, "notice_cut", {}
    if summary.was_told:
        return OutcomeCode.SILENT, "silent", {}
    if not summary.was_answered:
        return OutcomeCode.NOT_ASKED, "unanswered", {}
    if summary.was_wanted and summary.mode is not Mode.AUTO:
        return OutcomeCode.NOT_ASKED, "not_told", {}
    return OutcomeCode.NOT_ASKED, "not_wanted", {}
