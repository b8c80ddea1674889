"""Spoken answers to an announcement: heard in memory for ten seconds, and kept by nobody.

A frame is taken exactly where the facts of the call allow its leg for that at its capture time:
after the whole notice, where the rules and the account want it, and not on hold. Only words that
explicit rules understand count. What is left of an answer is what it meant, in which language, by
which engine and rules, and when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from askfirst import events as ev
from askfirst.gate import Facts
from askfirst.hearing import LANGUAGES, classify, fingerprint
from askfirst.ledger import Datum
from askfirst.model import FRAME_BYTES, Decision, Frame, Proof, Role, Use, Utterance
from askfirst.notice import question
from askfirst.ports import Clock
from askfirst.server.answers import Keys
from askfirst.server.captioning import Captioning
from askfirst.server.captions import TICK_MS, Stretch
from askfirst.speech.phrases import Phrase

log = logging.getLogger(__name__)

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
    source: Stretch
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
        self._clock = clock
        self._keys = keys
        self._facts = Facts()
        self._told_ms: int | None = None
        self._language = ""
        self._stretches: dict[str, Stretch] = {}
        self._listening: asyncio.Task[None] | None = None

    def hears(self, decision: Decision) -> bool:
        """Whether an answer to the notice of a decision may be spoken, and would be understood."""
        facts, language = self._call.facts, decision.language
        allowed = facts.hears_answers and facts.separate_legs and decision.spoken_answer
        return allowed and understands(self._captioning, language)

    def follow(self, facts: Facts, told_by: ev.Teller | None) -> None:
        """Take the newest facts; a permission that ended takes with it what was underway."""
        self._facts = facts
        # What an agent said in person may have asked for something else.
        is_asked = told_by is ev.Teller.ANNOUNCEMENT and facts.decision is not None
        if is_asked and facts.decision is not None and self.hears(facts.decision):
            self._language = facts.decision.language
        else:
            is_asked = False
        for leg in tuple(self._stretches):
            is_same = self._told_ms == facts.told_ms
            if not (is_asked and is_same and _may_answer(facts, leg)):
                self._end(leg)
        self._told_ms = facts.told_ms
        if is_asked:
            self._begin_where_allowed(facts)

    def push(self, frame: Frame) -> bool:
        """Put a frame aside if an answer may be in it; says whether."""
        stretch = self._stretches.get(frame.leg)
        if stretch is None or len(frame.pcm) != FRAME_BYTES:
            return False
        if not self._facts.allows(frame.leg, Use.ANSWER, frame.start_ms):
            return False
        stretch.frames.append(frame)
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

    def _begin_where_allowed(self, facts: Facts) -> None:
        for party in facts.parties:
            is_new = party.role is Role.CONTACT and party.leg not in self._stretches
            if is_new and party.is_present and _may_answer(facts, party.leg):
                using = self._captioning.using
                self._stretches[party.leg] = Stretch(party, facts.told_ms, using)
        if self._stretches and self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    def _end(self, leg: str) -> None:
        stretch = self._stretches.pop(leg)
        stretch.is_over = True
        stretch.frames.clear()

    async def _listen(self) -> None:
        try:
            while self._stretches:
                await self._clock.sleep_until(self._clock.now_ms() + TICK_MS)
                for stretch in tuple(self._stretches.values()):
                    await self._hear(stretch)
        except Exception:
            # There are keys; an ear that fails hears no yes.
            log.exception("answers.failed call=%s", self._call.id)
            for leg in tuple(self._stretches):
                self._end(leg)
        finally:
            self._listening = None

    async def _hear(self, stretch: Stretch) -> None:
        frames = tuple(stretch.frames)
        stretch.frames.clear()
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._captioning.ears, stretch.hear, frames, self._call.now_ms()
        )
        if not stretch.is_over:
            for phrase in found:
                self._captioning.put(_Answer(self, stretch, phrase, self._language))


def understands(captioning: Captioning, language: str) -> bool:
    """Whether there are an engine and rules for spoken answers in a language."""
    return language in LANGUAGES and captioning.knows(language)


def _may_answer(facts: Facts, leg: str) -> bool:
    """Whether an answer on a leg is awaited now, whenever it will have been captured."""
    return facts.told_ms is not None and facts.allows(leg, Use.ANSWER, facts.told_ms)
