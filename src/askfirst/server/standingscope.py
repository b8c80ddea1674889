"""What a standing consent covers: whether it meets what is owed to somebody in a call.

Pure: it says what a signed text is worth against a decision, and the gate decides as always.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from askfirst.events import Evidence
from askfirst.model import Decision, Element, Form, Proof, Purpose, Use

PAPER_USES = (Use.RECORD, Use.TRANSCRIBE, Use.ANALYSE, Use.LISTEN, Use.SHARE)
"""Uses that somebody can agree to beforehand; an answer is only ever listened for in a call."""

PAPER_ELEMENTS = tuple(each for each in Element if each not in (Element.BEEP, Element.UNIQUE_ID))
"""Notice elements that a signed text can say; a tone and the id of a call are of the call alone."""


@dataclass(frozen=True, slots=True)
class Scope:
    """To what a signed text agrees, from the first day on which it holds to the last (UTC)."""

    id: str
    purposes: frozenset[Purpose]
    uses: frozenset[Use]
    elements: frozenset[Element]
    given_on: date
    ends_on: date

    def holds(self, on: date) -> bool:
        """Whether the day is one of those for which it was given."""
        return self.given_on <= on <= self.ends_on

    def evidence(self, party: int, decision: Decision, on: date) -> Evidence | None:
        """What it proves of a party on a day; None unless it covers everything owed to them.

        Purpose, uses and every notice element of each requirement must be covered by this one
        text. Where the law wants the notice inside the recording (Connecticut, Washington) paper
        says nothing of that, so it proves nothing there.
        """
        owed = [each for each in decision.requirements if each.party == party]
        if not owed or decision.inside_recording or not self.holds(on):
            return None
        if decision.purpose is None or decision.purpose not in self.purposes:
            return None
        found = Evidence(party, Form.WRITTEN, Proof.WRITTEN, self.uses, self.elements)
        return found if all(found.meets(each) for each in owed) else None


def covering(
    scopes: Collection[Scope], party: int, decision: Decision, on: date
) -> tuple[Scope, Evidence] | None:
    """The scope that covers what a party is owed, the longest first, with what it proves."""
    for scope in sorted(scopes, key=lambda each: (each.ends_on, each.id), reverse=True):
        found = scope.evidence(party, decision, on)
        if found is not None:
            return scope, found
    return None
