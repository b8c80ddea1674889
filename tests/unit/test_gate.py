"""The gate by example: one sentence of its promise, one short call."""

from __future__ import annotations

from datetime import date

import pytest

from askfirst import Party, decide
from askfirst.events import (
    AcknowledgementChanged,
    Decided,
    Event,
    Evidence,
    Failed,
    Held,
    HungUp,
    MadePrivate,
    Met,
    PartyJoined,
    PlaceLearned,
    Refused,
    Released,
    Sealed,
    SwitchChanged,
    Teller,
    TellingStarted,
    Wanted,
    Withdrawn,
)
from askfirst.gate import Because, Facts, State, after
from askfirst.model import UNKNOWN, Decision, Element, Form, Proof, Role, Use

NORWAY = decide([Party.agent("NO"), Party.contact("NO")], on=date(2026, 11, 23))
EVERYTHING = frozenset(Element)


def codes(decision: Decision, index: int) -> frozenset[str]:
    """The places of one party of a decision, as the gate is told them."""
    party = decision.parties[index]
    unknown = [] if party.unknown is None else [UNKNOWN]
    return frozenset([*(place.code for place in party.places), *unknown])


CONNECTED: tuple[Event, ...] = (
    SwitchChanged(0, True),
    AcknowledgementChanged(0, 0, True),
    PartyJoined(0, 0, Role.AGENT, "agent", codes(NORWAY, 0)),
    PartyJoined(0, 1, Role.CONTACT, "contact", codes(NORWAY, 1)),
    Decided(0, NORWAY),
    *(Sealed(0, serial) for serial in range(1, 6)),
    Wanted(0),
)


def yes(at_ms: int) -> Met:
    """The contact agrees by key, after having been told everything."""
    uses = frozenset({Use.RECORD, Use.TRANSCRIBE, Use.ANALYSE})
    return Met(at_ms, Evidence(1, Form.AGREED, Proof.KEY, uses, EVERYTHING))


OPENED = (*CONNECTED, yes(8_000), Sealed(8_050, 6))


def facts_of(*events: Event) -> Facts:
    """The facts after some reports."""
    facts = Facts()
    for event in events:
        facts = after(facts, event)
    return facts


def test_a_new_gate_is_closed() -> None:
    assert Facts().state is State.CLOSED
    assert not Facts().allows("contact", Use.RECORD)


def test_a_call_that_owes_something_asks_first() -> None:
    facts = facts_of(*CONNECTED)
    assert (facts.state, facts.because) == (State.ASKING, Because.ASKING)
    assert facts.unmet() == NORWAY.requirements
    assert not facts.allows("contact", Use.RECORD, 100)


def test_a_notice_keeps_our_own_side_only() -> None:
    facts = facts_of(*CONNECTED, TellingStarted(1_000, Teller.ANNOUNCEMENT))
    assert facts.state is State.TELLING
    assert facts.allows("agent", Use.RECORD, 1_000)
    assert facts.allows("announcement", Use.RECORD, 1_000)
    assert not facts.allows("contact", Use.RECORD, 1_000)
    assert not facts.allows("agent", Use.TRANSCRIBE, 1_000)


def test_a_yes_opens_the_gate_only_once_it_is_durable() -> None:
    assert facts_of(*CONNECTED, yes(8_000)).state is State.SEALING
    facts = facts_of(*OPENED)
    assert (facts.state, facts.opened_ms) == (State.OPEN, 8_050)
    assert not facts.allows("contact", Use.RECORD, 8_049)
    assert facts.allows("contact", Use.RECORD, 8_050)


def test_a_use_that_the_contact_did_not_grant_stays_forbidden() -> None:
    facts = facts_of(*OPENED)
    assert facts.allows("contact", Use.TRANSCRIBE)
    assert not facts.allows("contact", Use.LISTEN)
    assert not facts.allows("contact", Use.SHARE)


def test_the_proof_of_a_call_is_what_its_consent_rests_on() -> None:
    assert facts_of(*CONNECTED).proof is Proof.NONE
    assert facts_of(*OPENED).proof is Proof.KEY


@pytest.mark.parametrize(
    ("event", "state", "because"),
    [
        (Refused(9_000, 1), State.BLOCKED, Because.REFUSED),
        (Withdrawn(9_000, 1), State.BLOCKED, Because.WITHDRAWN),
        (SwitchChanged(9_000, False), State.BLOCKED, Because.SWITCHED_OFF),
        (AcknowledgementChanged(9_000, 0, False), State.BLOCKED, Because.NOT_ACKNOWLEDGED),
        (MadePrivate(9_000), State.BLOCKED, Because.PRIVATE),
        (Held(9_000, "card"), State.HELD, Because.PAUSED),
        (PlaceLearned(9_000, 1, "FR"), State.CLOSED, Because.NOT_DECIDED),
        (PartyJoined(9_000, 2, Role.CONTACT, "two"), State.CLOSED, Because.NOT_DECIDED),
        (Failed(9_000), State.CLOSED, Because.FAILED),
        (HungUp(9_000), State.ENDED, Because.HUNG_UP),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_what_tightens_closes_at_once_and_says_why(
    event: Event, state: State, because: Because
) -> None:
    facts = facts_of(*OPENED, event)
    assert (facts.state, facts.because) == (state, because)
    assert not facts.allows("contact", Use.RECORD, 9_500)


def test_a_withdrawal_stands_until_the_same_person_says_yes_again() -> None:
    withdrawn = (*OPENED, Withdrawn(9_000, 1), Sealed(9_010, 7))
    told = Met(9_500, Evidence(1, Form.TOLD, Proof.AGENT_WORD, elements=EVERYTHING))
    assert facts_of(*withdrawn, told, Sealed(9_600, 8)).state is State.BLOCKED
    assert facts_of(*withdrawn, yes(9_500), Sealed(9_600, 8)).state is State.OPEN


def test_a_withdrawal_that_was_never_written_keeps_the_gate_closed() -> None:
    facts = facts_of(*OPENED, Withdrawn(9_000, 1), yes(9_500), Sealed(9_600, 8))
    assert facts.state is State.SEALING


def test_a_failure_stands_until_something_was_written_and_decided_after_it() -> None:
    failed = (*OPENED, Failed(9_000))
    decided, seal = Decided(9_100, NORWAY), Sealed(9_200, 7)
    assert facts_of(*failed, decided, seal).state is State.CLOSED
    assert facts_of(*failed, decided, seal, Decided(9_300, NORWAY)).state is State.SEALING


def test_the_gate_reopens_after_a_pause_for_new_frames_only() -> None:
    facts = facts_of(*OPENED, Held(9_000, "card"), Released(9_900, "card"))
    assert facts.state is State.OPEN
    assert not facts.allows("contact", Use.RECORD, 9_899)
    assert facts.allows("contact", Use.RECORD, 9_900)


def test_an_announcement_is_not_an_agreement() -> None:
    unsound = Met(8_000, Evidence(1, Form.AGREED, Proof.ANNOUNCED, elements=EVERYTHING))
    assert facts_of(*CONNECTED, unsound).unmet() == NORWAY.requirements


def test_an_announcement_during_a_pause_does_not_count() -> None:
    announced = Met(8_000, Evidence(1, Form.TOLD, Proof.ANNOUNCED, elements=EVERYTHING))
    assert not facts_of(*CONNECTED, Held(7_000, "peer"), announced).evidence


def test_a_machine_is_never_recorded() -> None:
    machine = PartyJoined(9_000, 1, Role.CONTACT, "contact", codes(NORWAY, 1), True)
    facts = facts_of(*OPENED, machine, Decided(9_010, NORWAY))
    assert (facts.state, facts.because) == (State.BLOCKED, Because.MACHINE)
