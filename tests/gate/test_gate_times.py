"""Capture time: which frames count around an opening, a pause, a notice, and a party that joins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.gate.histories import END, READY, START, TIMED
from tests.gate.worlds import (
    D_THREE,
    D_TOLD,
    LEGS,
    ONE,
    TOLD_BY_AGENT,
    TWO,
    Pair,
    later,
    replay,
    said,
)

from askfirst import gate
from askfirst.events import (
    Decided,
    Event,
    Held,
    PartyLeft,
    Released,
    Sealed,
    Unwanted,
    Wanted,
)
from askfirst.gate import Facts, State, after
from askfirst.model import Form, Proof, Role, Use

OPEN_AT_100 = (*READY, TOLD_BY_AGENT, Sealed(100, 6))


def facts_of(*events: Event, hears_answers: bool = True) -> Facts:
    """The facts after some reports."""
    facts = Facts(hears_answers=hears_answers)
    for event in events:
        facts = after(facts, event)
    return facts


@pytest.mark.parametrize("hears_answers", [True, False])
@pytest.mark.parametrize("separate_legs", [True, False])
@pytest.mark.parametrize("name", TIMED)
def test_the_gate_follows_the_rules_around_every_limit(
    name: str, separate_legs: bool, hears_answers: bool
) -> None:
    replay(gate, TIMED[name], separate_legs=separate_legs, hears_answers=hears_answers)


def test_gate_and_rules_agree_on_every_frame_around_a_call_that_opens_pauses_and_grows() -> None:
    pair = Pair.new(gate)
    for event in TIMED["opened again after a pause"] + TIMED["somebody joins an open call"][13:]:
        pair = pair.told(event)
        assert pair.frames_disagree(range(-40, 700, 20)) is None


def test_a_frame_captured_before_the_opening_is_dropped_even_if_it_arrives_later() -> None:
    facts = facts_of(*OPEN_AT_100, Wanted(5_000))
    assert facts.state is State.OPEN
    assert not facts.allows("one", Use.RECORD, 99)
    assert facts.allows("one", Use.RECORD, 100)


def test_a_frame_captured_while_open_is_dropped_when_it_arrives_after_closing() -> None:
    facts = facts_of(*OPEN_AT_100, Held(200, "card"))
    assert not facts.allows("one", Use.RECORD, 150)


def test_a_frame_from_before_or_during_a_pause_is_dropped_after_it() -> None:
    facts = facts_of(*OPEN_AT_100, Held(200, "card"), Released(300, "card"))
    assert facts.state is State.OPEN
    assert [facts.allows("one", Use.RECORD, at) for at in (150, 250, 299, 300)] == [
        False,
        False,
        False,
        True,
    ]


def test_reopening_renews_the_moment_from_which_frames_count() -> None:
    facts = facts_of(*OPEN_AT_100, Unwanted(200), Wanted(400))
    assert facts.opened_ms == 400
    assert not facts.allows("agent", Use.RECORD, 399)


def test_staying_open_keeps_the_moment_from_which_frames_count() -> None:
    facts = facts_of(*OPEN_AT_100, Wanted(200), PartyLeft(300, 0), Sealed(400, 6))
    assert facts.opened_ms == 100


def test_a_joining_leg_and_all_others_are_dropped_until_the_newcomer_is_covered() -> None:
    joined = facts_of(*OPEN_AT_100, later(TWO, 200))
    assert not any(joined.allows(leg, Use.RECORD, 250) for leg in LEGS)
    covered = facts_of(
        *OPEN_AT_100,
        later(TWO, 200),
        Decided(210, D_THREE),
        later(said(party=2, form=Form.AGREED, proof=Proof.KEY), 220),
        *(Sealed(300, serial) for serial in (7, 8, 9)),
    )
    assert covered.state is State.OPEN
    assert [covered.allows("two", Use.RECORD, at) for at in (150, 250, 299, 300)] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("leg", ["agent", "announcement"])
def test_a_notice_keeps_our_own_side_from_its_start_and_for_sixty_seconds(leg: str) -> None:
    facts = facts_of(*READY, START)
    assert facts.state is State.TELLING
    assert [facts.allows(leg, Use.RECORD, at) for at in (999, 1_000, 60_999, 61_000)] == [
        False,
        True,
        True,
        False,
    ]
    assert not facts.allows("one", Use.RECORD, 2_000)


@pytest.mark.parametrize("leg", ["agent", "announcement"])
def test_a_leg_that_a_contact_speaks_on_is_never_our_own_side(leg: str) -> None:
    joined = (*READY[:-3], replace(TWO, leg=leg, role=Role.CONTACT))
    facts = facts_of(*joined, Wanted(0), Decided(0, D_THREE), START)
    assert facts.state is State.TELLING
    assert not facts.allows(leg, Use.RECORD, 2_000)


def test_an_answer_is_listened_for_at_most_ten_seconds_after_the_notice() -> None:
    facts = facts_of(*READY, START, END)
    assert facts.state is State.ASKING
    assert [facts.allows("one", Use.ANSWER, at) for at in (4_999, 5_000, 14_999, 15_000)] == [
        False,
        True,
        True,
        False,
    ]
    assert not facts.allows("one", Use.ANSWER)
    assert not facts.allows("agent", Use.ANSWER, 6_000)


def test_nobody_listens_for_an_answer_where_the_account_does_not_allow_it() -> None:
    facts = facts_of(*READY, START, END, hears_answers=False)
    assert not facts.allows("one", Use.ANSWER, 6_000)


def test_a_party_that_left_stays_away_when_it_is_reported_again() -> None:
    facts = facts_of(
        *OPEN_AT_100,
        PartyLeft(200, 1),
        later(ONE, 300),
        Decided(310, D_TOLD),
        Sealed(400, 7),
        Sealed(400, 8),
    )
    assert facts.state is State.OPEN
    assert not facts.allows("one", Use.RECORD, 500)
    assert facts.allows("agent", Use.RECORD, 500)
