"""Who of us is on a call, and whether everything is settled with each of them.

The rules of an agent's place name what has to be settled before the agent's words are recorded
(`askfirst.model.WorkplaceGate`). During a call that is only taken away: what somebody settles
meanwhile counts from the next call on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from askfirst import events as ev
from askfirst.model import Decision
from askfirst.rulefile import AGREEMENT
from askfirst.server.request import CallRequest
from askfirst.server.sites import GATES

if TYPE_CHECKING:
    from askfirst.server.accounts import User
    from askfirst.server.call import Call

NOTICE, SITE = "notice", "site"


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody has settled: the employee notice read, the agreement to be recorded given."""

    has_read: bool
    has_agreed: bool


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who works here, as a call takes them in: codes of their place, their standing."""

    user: User
    places: tuple[str, ...]
    standing: Standing


def lacking(
    request: CallRequest, standing: Standing, decision: Decision, party: int
) -> tuple[str, ...]:
    """What is not settled with an agent who is a party of a decision, () where all is.

    Codes are `NOTICE`, `AGREEMENT` and `SITE`.
    """
    wanted = {(each.jurisdiction, each.gate) for each in decision.workplace if each.gate in GATES}
    own = {each.gate for each in decision.workplace if each.party == party}
    lacks = {
        NOTICE: not standing.has_read,
        AGREEMENT: AGREEMENT in own and not standing.has_agreed,
        SITE: request.settled is not None and not wanted <= request.settled,
    }
    return tuple(code for code, is_so in lacks.items() if is_so)


def first_standing(request: CallRequest) -> Standing:
    """What the agent has settled with whom a call begins."""
    return Standing(request.is_acknowledged, request.has_agreed)


class OurSide:
    """Our people of one call, by party; what is taken away is reported to it at once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._standings = {0: first_standing(call.request)}

    def lacks(self, party: int) -> tuple[str, ...]:
        """What is not settled with one of us, as `lacking`; () before anything is decided."""
        decision = self._call.facts.decision
        return () if decision is None else self._lacks(party, decision)

    def lacking_people(self) -> frozenset[int]:
        """The parties of us who are there and with whom something is not settled."""
        present = {each.index for each in self._call.facts.parties if each.is_present}
        return frozenset(each for each in self._standings if each in present and self.lacks(each))

    def greet(self, party: int, decision: Decision, standing: Standing | None = None) -> None:
        """Somebody of us is on the call under a decision: report whether all is settled."""
        if standing is not None:
            self._standings[party] = standing
        self._report(party, not self._lacks(party, decision))

    def follow(self, decision: Decision) -> None:
        """Under another decision more may be wanted of those who are there."""
        facts = self._call.facts
        present = {each.index for each in facts.parties if each.is_present}
        for party in sorted(facts.acknowledged & present & self._standings.keys()):
            if self._lacks(party, decision):
                self._report(party, False)

    def disagree(self, party: int) -> None:
        """Somebody of us takes their agreement back: from now on, also before the answer."""
        standing = self._standings.get(party)
        if standing is None:
            return
        self._standings[party] = Standing(standing.has_read, has_agreed=False)
        decision = self._call.facts.decision
        if decision is not None and not self._call.facts.has_ended:
            self.follow(decision)

    def _lacks(self, party: int, decision: Decision) -> tuple[str, ...]:
        return lacking(self._call.request, self._standings[party], decision, party)

    def _report(self, party: int, given: bool) -> None:
        event = ev.AcknowledgementChanged(self._call.now_ms(), party, given)
        self._call.report(event, data={"given": given})
