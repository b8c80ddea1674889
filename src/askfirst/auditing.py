"""What an existing recording shows: whether the notice that was owed is heard, and the answer.

Words come in as utterances in file time. Whose words may be read, and how they were recognised,
is decided elsewhere; here nobody is heard who is not given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from askfirst.decide import decide
from askfirst.explain import to_json as decision_to_json
from askfirst.hearing import LANGUAGES, classify, elements
from askfirst.model import Decision, Element, Mode, Party, Place, Source, Utterance, Verdict
from askfirst.notice import NoticeCheck, check
from askfirst.override import Override
from askfirst.policy import Policy
from askfirst.redaction import card_spans
from askfirst.rules import Rulebook
from askfirst.spoken import Span
from askfirst.spokenplaces import places_named

AGENT, CONTACT, MIXED = "agent", "contact", "mixed"
"""Speakers. A channel with everybody on it is `MIXED`: who said what is not guessed."""

_TURN_MS = 15_000
_PUT_OFF_MS = 60_000
_SENTENCE_ENDS = (".", "?", "!")


@dataclass(frozen=True, slots=True)
class Law:
    """What calls are decided by: rules, the account's policy and overrides, the recorder's place.

    `language` is that of the reasons. The overrides must have been verified.
    """

    rules: Rulebook
    policy: Policy = field(default_factory=Policy)
    overrides: tuple[Override, ...] = ()
    recorder: str | None = None
    language: str = "en"

    def decide(self, parties: Iterable[Party], on: date) -> Decision:
        """What the law asked of recording a call between parties on a day."""
        return decide(
            parties,
            on,
            self.rules,
            self.policy,
            recorder=self.recorder,
            language=self.language,
            overrides=self.overrides,
        )


@dataclass(frozen=True, slots=True)
class Spoken:
    """A place that a speaker says to be in, and when that was said first."""

    code: str
    at_ms: int
    speaker: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What the words of a recording show; every time is file time in milliseconds.

    `required` are the notice elements that were owed. `answer` is ``consent``, ``objection`` or
    ``none``: the first answer after the notice, a consent only where a rule is certain of it.
    `objection_at_ms` is the first objection anywhere, the answer included. `with_places` is the
    decision with the places that were named, where that asks for more.
    """

    check: NoticeCheck
    required: frozenset[Element]
    answer: str
    answer_at_ms: int | None
    objection_at_ms: int | None
    places: tuple[Spoken, ...]
    cards: tuple[Span, ...]
    transcript: tuple[Utterance, ...]
    with_places: Decision | None


@dataclass(frozen=True, slots=True)
class Audited:
    """The result for one file; where `error` says why there is none, `findings` is None.

    `read` are the speakers whose words were read, `basis` is what that rests on.
    """

    file: str
    seconds: float | None = None
    channels: int | None = None
    decision: Decision | None = None
    language: str | None = None
    read: tuple[str, ...] = ()
    basis: str | None = None
    findings: Findings | None = None
    error: str | None = None

    @property
    def is_in_order(self) -> bool:
        """Whether recording was allowed, a notice that was owed is heard, and nobody objected."""
        if self.decision is None or self.findings is None or self.decision.mode is Mode.FORBID:
            return False
        told = self.findings.check.verdict in (Verdict.HEARD, Verdict.NOT_NEEDED)
        return told and self.findings.objection_at_ms is None


def sentences(said: Iterable[Utterance]) -> list[Utterance]:
    """Utterances parted after every sentence, for a channel on which people answer each other."""
    parted: list[Utterance] = []
    for each in said:
        begin = 0
        for index, word in enumerate(each.words):
            if word.text.endswith(_SENTENCE_ENDS) or index + 1 == len(each.words):
                words = each.words[begin : index + 1]
                text = " ".join(one.text for one in words)
                end_ms = max(one.end_ms for one in words)
                parted.append(Utterance(each.speaker, words[0].start_ms, end_ms, text, words))
                begin = index + 1
        if not each.words:
            parted.append(each)
    return parted


def examine(
    said: Sequence[Utterance],
    language: str,
    parties: Sequence[Party],
    decision: Decision,
    law: Law,
) -> Findings:
    """What the words of a recording show, in the language that was spoken.

    `decision` is what `law` asked of the call between `parties`; it decides again with the places
    that are named. Never raises for a language: where it cannot be understood, the verdict is
    ``cannot-tell``.
    """
    own = [each for each in said if each.speaker != CONTACT]
    others = [each for each in said if each.speaker != AGENT]
    required = frozenset(element for owed in decision.requirements for element in owed.elements)
    found = check(
        own,
        others,
        required=required,
        language=language,
        first_contact_frame_ms=None,
        needed=bool(decision.requirements),
    )
    answers = _answers(own, others, language, found.at_ms)
    after = (
        [(at, label) for at, label in answers if at > found.at_ms]
        if found.at_ms is not None
        else []
    )
    answer_at_ms, answer = after[0] if after else (None, "none")
    objections = [at for at, label in answers if label == "objection"]
    places = _places(said, law.rules)
    return Findings(
        check=found,
        required=required,
        answer=answer,
        answer_at_ms=answer_at_ms,
        objection_at_ms=min(objections, default=None),
        places=places,
        cards=card_spans(said, language),
        transcript=tuple(sorted(said, key=lambda each: (each.start_ms, each.end_ms))),
        with_places=_decided_again(decision, places, parties, law),
    )


def to_json(audited: Audited) -> dict[str, object]:
    """The document of one file; every key is there, null where nothing is known."""
    found = audited.findings
    noticed = None if found is None else found.check
    again = None if found is None else found.with_places
    return {
        "file": audited.file,
        "seconds": None if audited.seconds is None else round(audited.seconds, 3),
        "channels": audited.channels,
        "language": audited.language,
        "decision": None if audited.decision is None else decision_to_json(audited.decision),
        "read": list(audited.read),
        "basis": audited.basis,
        "notice_check": None
        if found is None or noticed is None
        else {
            "verdict": noticed.verdict.value,
            "at_ms": noticed.at_ms,
            "words": noticed.words,
            "required": _in_order(found.required),
            "heard": _in_order(noticed.elements_heard),
        },
        "answer": "none" if found is None else found.answer,
        "answer_at_ms": None if found is None else found.answer_at_ms,
        "objection_at_ms": None if found is None else found.objection_at_ms,
        "places_named": []
        if found is None
        else [{"code": e.code, "at_ms": e.at_ms, "speaker": e.speaker} for e in found.places],
        "with_places": None
        if again is None
        else {"mode": again.mode.word, "governing": list(again.governing)},
        "cards": []
        if found is None
        else [{"start_ms": span.from_ms, "end_ms": span.to_ms} for span in found.cards],
        "transcript": []
        if found is None
        else [
            {
                "speaker": each.speaker,
                "start_ms": each.start_ms,
                "end_ms": each.end_ms,
                "text": each.text,
            }
            for each in found.transcript
        ],
        "error": audited.error,
    }


def missing(found: Findings) -> list[str]:
    """The required elements whose words were not heard, by their names, in their order."""
    return _in_order(found.required - found.check.elements_heard)


def _answers(
    own: Sequence[Utterance], others: Sequence[Utterance], language: str, told_ms: int | None
) -> list[tuple[int, str]]:
    """When somebody who is not the agent consents or objects, each against what was said before.

    Who asks back why they are recorded, or what for, has put the answer off: then what was said
    since the notice, at `told_ms`, counts as before it.
    """
    if language not in LANGUAGES:
        return []
    mine = sorted(own, key=lambda one: one.start_ms)
    answers: list[tuple[int, str]] = []
    question: Utterance | None = None
    is_reply = False
    for each in sorted(others, key=lambda other: other.start_ms):
        if each.speaker == MIXED and _is_of_notice(each, language):
            is_reply = each.text.rstrip().endswith("?")
            continue
        heard = classify(each.text, language, before=_before(mine, each, _TURN_MS))
        waits = question is not None and each.start_ms - question.start_ms <= _PUT_OFF_MS
        if heard.label == "neutral" and waits and told_ms is not None:
            since_ms = each.start_ms - told_ms
            heard = classify(each.text, language, before=_before(mine, each, since_ms, most=None))
        # On a mixed channel what follows a question is the agent's reply, and no consent.
        is_agents = is_reply and each.speaker == MIXED
        asks_back = heard.kind in ("question", "ask")
        is_reply = asks_back
        if asks_back:
            question = each
        elif heard.label == "objection" or (
            heard.label == "consent" and heard.certain and not is_agents
        ):
            answers.append((each.start_ms, heard.label))
            question = None
    return answers


def _is_of_notice(said: Utterance, language: str) -> bool:
    """Whether what stands on a mixed channel is a part of the notice, such as "you can say no"."""
    is_plain = classify(said.text, language).label != "objection"
    return is_plain and bool(elements(said.text, language))


def _before(
    mine: Sequence[Utterance], each: Utterance, reach_ms: int, most: int | None = 3
) -> str | None:
    """What our side said in the time before an utterance, or the last few of it."""
    said = [
        earlier.text
        for earlier in mine
        if each.start_ms - reach_ms <= earlier.end_ms and earlier.start_ms < each.start_ms
    ]
    return " ".join(said if most is None else said[-most:]) or None


def _places(said: Sequence[Utterance], rules: Rulebook) -> tuple[Spoken, ...]:
    named = [
        Spoken(each.code, each.from_ms, speaker)
        for speaker in dict.fromkeys(each.speaker for each in said)
        for each in places_named(said, speaker, rules)
    ]
    return tuple(sorted(named, key=lambda each: (each.at_ms, each.code)))


def _decided_again(
    decision: Decision,
    places: Sequence[Spoken],
    parties: Sequence[Party],
    law: Law,
) -> Decision | None:
    """The decision with the places that were named, where its mode or its duties grow.

    Of a place on a mixed channel nobody knows whose it is, so it counts for everybody.
    """
    moved = [
        replace(
            party,
            places=party.places
            + tuple(
                Place(each.code, Source.STATED)
                for each in places
                if each.speaker in (party.role.value, MIXED)
            ),
        )
        for party in parties
    ]
    again = law.decide(moved, decision.on)
    same = (again.mode, again.requirements) == (decision.mode, decision.requirements)
    return None if same else again


def _in_order(elements: Iterable[Element]) -> list[str]:
    wanted = frozenset(elements)
    return [element.value for element in Element if element in wanted]
