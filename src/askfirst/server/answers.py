"""Answers of people on a call as evidence: whose key it was, and what somebody's word covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from askfirst import events as ev
from askfirst.gate import Facts, PartyFact, State
from askfirst.model import (
    USES_OF_A_RECORDING,
    Element,
    Form,
    Proof,
    Requirement,
    Role,
)

YES_KEY, NO_KEY = "1", "2"


class Keys:
    """Which answers count: one yes on a leg for each notice that has ended."""

    def __init__(self) -> None:
        self._answered: dict[str, int | None] = {}

    def presser(self, facts: Facts, leg: str) -> PartyFact | None:
        """Who of the contacts on a leg a key is taken to be of: the first who still owes."""
        here = [
            each
            for each in facts.parties
            if each.leg == leg and each.role is Role.CONTACT and each.is_present
        ]
        owing = {owed.party for owed in facts.unmet()}
        return next((each for each in here if each.index in owing), here[0] if here else None)

    def yes(
        self, facts: Facts, leg: str, party: int, proof: Proof = Proof.KEY
    ) -> tuple[ev.Evidence, ...]:
        """What a yes of a party proves, by key or spoken; nothing before the end of the notice.

        Two people at one telephone are asked twice: one yes is not that of both.
        """
        told_ms, decision = facts.told_ms, facts.decision
        is_new = told_ms is not None and self._answered.get(leg) != told_ms
        if facts.state is not State.ASKING or not is_new or decision is None:
            return ()
        owed = [each for each in facts.unmet() if each.party == party]
        if owed:
            self._answered[leg] = told_ms
        return tuple(covering(each, Form.AGREED, proof, decision.elements) for each in owed)


def by_word(facts: Facts, form: Form) -> Iterator[ev.Evidence]:
    """What an agent's word that everybody was told, or agreed, proves at the lowest level."""
    unmet = facts.unmet()
    for owed in unmet:
        yield covering(owed, form, Proof.AGENT_WORD, owed.elements)
    if form is Form.AGREED:
        yield from _taken_back(facts, {owed.party for owed in unmet})


def _taken_back(facts: Facts, but: Set[int]) -> Iterator[ev.Evidence]:
    """A yes of those who had said no where nothing was owed: only that ends their no."""
    elements = facts.decision.elements if facts.decision is not None else ()
    for party in sorted((facts.refused | facts.withdrawn) - but):
        yield ev.Evidence(
            party,
            Form.AGREED,
            Proof.AGENT_WORD,
            frozenset(USES_OF_A_RECORDING),
            frozenset(elements),
        )


def covering(
    owed: Requirement, form: Form, proof: Proof, elements: Iterable[Element]
) -> ev.Evidence:
    """Evidence that covers what somebody is owed, with the elements that were told."""
    return ev.Evidence(owed.party, form, proof, owed.uses, frozenset(elements))
