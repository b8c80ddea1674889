"""Spoken answers to an announcement: heard in memory for ten seconds, and kept by nobody.

A frame is taken exactly where the facts of the call allow its leg for that at its capture time:
after the whole notice, where the rules and the account want it, and not on hold. Only words that
explicit rules understand count. What is left of an answer is what it meant, in which language, by
which engine and rules, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from askfirst import events as ev
from askfirst.gate import Facts, PartyFact
from askfirst.hearing import LANGUAGES, classify, fingerprint
from askfirst.ledger import Datum
from askfirst.model import FRAME_BYTES, Decision, Frame, Proof, Role, Use, Utterance
from askfirst.notice import question
from askfirst.ports import Clock
from askfirst.server.answers import Keys
from askfirst.server.captioning import Captioning
from askfirst.server.ear import Ear, HeardLeg
from askfirst.speech.phrases import Phrase

SPOKEN = "spoken"


class Asked(Protocol):
    """The call in which somebody is asked."""

    id: str
    facts: Facts

    def now_ms(self) -> int: ...

    def refused(self, party: int = 1, how: str = "agent") -> None: ...

    def give(
        self, evidence: ev.Evidence, how: str, more: Mapping[str, Datum] | None = None
    ) -> None: ...


@dataclass(slots=True, eq=False)
class _Answer:
    """A phrase between its end and its words."""

    answers: SpokenAnswers
    source: HeardLeg
    phrase: Phrase
    language: str
    speaker: str = Role.CONTACT.value

    @property
    def is_over(self) -> bool:
        return self.source.is_over

    def done(self, heard: Sequence[Utterance]) -> None:
        if not self.is_over:
            self.answers.understand(self.source.party.leg, self.phrase, heard, self.language)

    def failed(self) -> None:
        """Nobody has answered."""


class SpokenAnswers:
    """The ear of one call for answers; the call tells it every change and gives it frames.

    `keys` knows who is asked on a leg, and that one answer is not that of two people. Nothing here
    raises.
    """

    def __init__(
        self, call: Asked, captioning: Captioning | None, clock: Clock, keys: Keys
    ) -> None:
        self._call = call
        self._captioning = captioning or Captioning()
        self._ear = Ear(self._captioning, clock, call.now_ms, self._wait)
        self._keys = keys
        self._facts = Facts()
        self._language = ""

    def hears(self, decision: Decision) -> bool:
        """Whether an answer to the notice of a decision may be spoken, and would be understood."""
        facts, language = self._call.facts, decision.language
        allowed = facts.hears_answers and facts.separate_legs and decision.spoken_answer
        return allowed and understands(self._captioning, language)

    def follow(self, facts: Facts, told_by: ev.Teller | None) -> None:
        """Take the newest facts; a permission that ended takes with it what was underway."""
        self._facts = facts
        decision = facts.decision
        # What an agent said in person may have asked for something else.
        was_played = told_by is ev.Teller.ANNOUNCEMENT
        is_asked = was_played and decision is not None and self.hears(decision)
        if decision is not None:
            self._language = decision.language
        for leg in self._ear.legs():
            is_same = leg.since_ms == facts.told_ms
            if not (is_asked and is_same and _may_answer(facts, leg.party)):
                self._ear.shut(leg)
        for party in facts.parties:
            if is_asked and _may_answer(facts, party):
                self._ear.open(party, facts.told_ms)

    def push(self, frame: Frame) -> bool:
        """Put a frame aside if an answer may be in it; says whether."""
        if not self._facts.allows(frame.leg, Use.ANSWER, frame.start_ms):
            return False
        leg = self._ear.of(frame.leg)
        if leg is None or len(frame.pcm) != FRAME_BYTES:
            return False
        leg.frames.append(frame)
        return True

    def understand(
        self, leg: str, phrase: Phrase, heard: Sequence[Utterance], language: str
    ) -> None:
        """Take the words of a phrase for a yes or a no, where they are certain to be one."""
        meant = classify(" ".join(each.text for each in heard), language, before=question(language))
        person = self._keys.presser(self._call.facts, leg)
        if not meant.certain or person is None:
            return
        if meant.label == "objection":
            self._call.refused(person.index, SPOKEN)
        elif meant.label == "consent":
            how: dict[str, Datum] = {
                "language": language,
                "engine": self._captioning.engine,
                "rules": fingerprint(),
                "from_ms": phrase.start_ms,
                "to_ms": phrase.end_ms,
            }
            for given in self._keys.yes(self._call.facts, leg, person.index, Proof.SPOKEN):
                self._call.give(given, SPOKEN, how)

    def _wait(self, leg: HeardLeg, phrase: Phrase) -> None:
        self._captioning.put(_Answer(self, leg, phrase, self._language))


def understands(captioning: Captioning, language: str) -> bool:
    """Whether there are an engine and rules for spoken answers in a language."""
    return language in LANGUAGES and captioning.knows(language)


def _may_answer(facts: Facts, party: PartyFact) -> bool:
    """Whether an answer of a contact is awaited now, whenever it will have been captured."""
    is_contact = party.role is Role.CONTACT and party.is_present
    told_ms = facts.told_ms
    return is_contact and told_ms is not None and facts.allows(party.leg, Use.ANSWER, told_ms)
