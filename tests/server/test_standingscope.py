"""What somebody signed opens a gate for exactly what it covers, whatever is combined."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst import decide
from askfirst import events as ev
from askfirst.gate import Facts, State, after
from askfirst.model import Element, Form, Party, Proof, Purpose, Use
from askfirst.policy import Policy
from askfirst.server.callpeople import joining
from askfirst.server.standingscope import PAPER_ELEMENTS, PAPER_USES, Scope, covering

ON = date(2026, 11, 28)
Word = TypeVar("Word", bound=str)
NUMBERS = ("+16285550142", "+493023125017", "+12065550142", "+4748750103", "+442079460018")
DAYS = st.integers(-3, 3).map(lambda days: ON + timedelta(days=days))


def some(every: Iterable[Word]) -> st.SearchStrategy[frozenset[Word]]:
    """Any subset, and often nearly everything."""
    whole = frozenset(every)
    few = st.frozensets(st.sampled_from(sorted(whole)))
    return few | few.map(lambda left: whole - frozenset(sorted(left)[:2]))


SCOPES = st.builds(
    Scope,
    st.just("stc_" + "0" * 32),
    some(Purpose),
    some(PAPER_USES),
    some(PAPER_ELEMENTS),
    DAYS,
    DAYS,
)


@settings(deadline=None)
@given(
    st.sampled_from(NUMBERS),
    st.sampled_from(["US-TX", "NO", "DE"]),
    st.none() | st.sampled_from(Purpose),
    SCOPES,
)
def test_a_consent_opens_the_gate_only_for_what_it_covers(
    number: str, place: str, purpose: Purpose | None, scope: Scope
) -> None:
    policy = Policy(purpose=purpose)
    decision = decide([Party.agent(place), Party.contact(number)], ON, policy=policy)
    facts = Facts()
    for event in (
        ev.SwitchChanged(0, True),
        ev.AcknowledgementChanged(0, 0, True),
        joining(0, "agent", decision.parties[0], 0),
        joining(1, "contact", decision.parties[1], 0),
        ev.Decided(0, decision),
        ev.Wanted(0),
    ):
        facts = after(facts, event)
    found = covering([scope], 1, decision, ON)
    owed = [each for each in decision.requirements if each.party == 1]
    # The oracle: each thing that has to be covered, by itself.
    covers = (
        bool(owed)
        and not decision.inside_recording
        and scope.given_on <= ON <= scope.ends_on
        and purpose in scope.purposes
        and all(each.uses <= scope.uses for each in owed)
        and all(each.elements <= scope.elements for each in owed)
    )
    assert (found is not None) is covers
    if found is not None:
        facts = after(facts, ev.Met(0, found[1]))
        assert facts.proof is Proof.WRITTEN
    for serial in facts.unsealed:
        facts = after(facts, ev.Sealed(0, serial))
    owes_us = any(each.party != 1 for each in decision.requirements)
    is_free = not decision.requirements
    if facts.state is State.OPEN:
        assert covers or is_free
        for use in (Use.LISTEN, Use.SHARE):
            assert not facts.allows("contact", use) or use in scope.uses
    elif covers and not owes_us:
        assert facts.state is State.BLOCKED  # forbidden, whatever was signed


@settings(deadline=None)
@given(SCOPES, st.sampled_from(NUMBERS))
def test_what_a_consent_says_is_written_and_of_the_party_alone(scope: Scope, number: str) -> None:
    policy = Policy(purpose=Purpose.TRAINING)
    decision = decide([Party.agent("NO"), Party.contact(number)], ON, policy=policy)
    evidence = scope.evidence(1, decision, ON)
    if evidence is not None:
        assert (evidence.party, evidence.form, evidence.proof) == (1, Form.WRITTEN, Proof.WRITTEN)
        assert (evidence.uses, evidence.elements) == (scope.uses, scope.elements)
    assert scope.evidence(0, decision, ON) is None
    assert scope.evidence(2, decision, ON) is None


def test_paper_can_neither_beep_nor_name_a_call() -> None:
    assert {*Element} - {*PAPER_ELEMENTS} == {Element.BEEP, Element.UNIQUE_ID}
    assert Use.ANSWER not in PAPER_USES
