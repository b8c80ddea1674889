"""What calls to many contacts would be: how many are recorded at once, told, asked, or never.

Pure: contacts come as a stream of what a decision looks at, and only counts are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from askfirst.decide import decide
from askfirst.model import Decision, Form, Mode, Party, Reason
from askfirst.policy import Policy
from askfirst.rules import Rulebook


class Answer(StrEnum):
    """What must happen before a call to a contact can be recorded; from loose to strict."""

    AT_ONCE = "at_once"
    TOLD = "told"
    ASKED = "asked"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Prospect:
    """One contact, or `count` contacts who are alike to every decision."""

    party: Party
    never_record: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whose calls on which day: an agent's place code (None: unknown), policy and rules.

    `language` is that of the reasons.
    """

    agent_place: str | None
    policy: Policy
    on: date
    rules: Rulebook | None = None
    language: str = "en"

    def decision(self, prospect: Prospect) -> Decision:
        """The decision on a call to this contact."""
        agent = Party.agent() if self.agent_place is None else Party.agent(self.agent_place)
        policy = self.policy
        if prospect.never_record and not policy.contact_objected:
            policy = replace(policy, contact_objected=True)
        people = [agent, prospect.party]
        return decide(people, self.on, self.rules, policy, language=self.language)


@dataclass(frozen=True, slots=True)
class PlaceShare:
    """For how many contacts a place, UNKNOWN or POLICY governs, and one reason of it."""

    code: str
    count: int
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class AnswerShare:
    """How many contacts get an answer, and the places that decide so, the commonest first.

    A call may have several governing places, so the counts of places may add up to more.
    """

    count: int = 0
    places: tuple[PlaceShare, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """Contacts counted by answer; every answer is there, if need be with none."""

    total: int
    answers: Mapping[Answer, AnswerShare]


def answer_of(decision: Decision) -> Answer:
    """What a decision means for the agent; in doubt the stricter."""
    if decision.mode is Mode.FORBID:
        return Answer.FORBIDDEN
    if decision.mode is Mode.ASK or any(each.form > Form.TOLD for each in decision.requirements):
        return Answer.ASKED
    return Answer.TOLD if decision.requirements else Answer.AT_ONCE


def forecast(
    contacts: Iterable[Prospect],
    agent_place: str | None,
    policy: Policy,
    rules: Rulebook | None,
    on: date,
    language: str = "en",
) -> Forecast:
    """Contacts counted by what a call to them needs, with the places that decide and why.

    `rules` are the packaged ones where None, `language` that of the reasons. Contacts are read
    once and none is kept: memory grows with the number of places, not of contacts.
    """
    outlook = Outlook(agent_place, policy, on, rules, language)
    counts = dict.fromkeys(Answer, 0)
    places: dict[tuple[Answer, str], int] = {}
    reasons: dict[tuple[Answer, str], Reason | None] = {}
    for each in contacts:
        decision = outlook.decision(each)
        answer = answer_of(decision)
        counts[answer] += each.count
        for code in decision.governing:
            key = (answer, code)
            places[key] = places.get(key, 0) + each.count
            if key not in reasons:
                reasons[key] = _reason(decision, code)
    shares = {
        answer: AnswerShare(
            count,
            tuple(
                PlaceShare(code, places[which, code], reasons[which, code])
                for which, code in sorted(places, key=lambda key: (-places[key], key[1]))
                if which is answer
            ),
        )
        for answer, count in counts.items()
    }
    return Forecast(sum(counts.values()), shares)


def _reason(decision: Decision, code: str) -> Reason | None:
    own = [each for each in decision.reasons if each.jurisdiction == code]
    return next(iter([*own, *decision.reasons]), None)
