"""Laws of the gate over long random histories, with two agents, three contacts and any time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gate import worlds
from tests.gate.worlds import BOTH, INTENT, RECORD_ONLY, RECORDING, later, replay, ruling, wish

from askfirst import gate
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
    PartyLeft,
    PlaceLearned,
    Refused,
    Released,
    Sealed,
    SwitchChanged,
    Teller,
    TellingCancelled,
    TellingEnded,
    TellingStarted,
    Unwanted,
    Wanted,
    Withdrawn,
)
from askfirst.gate import Facts, Fault, State, after
from askfirst.model import Decision, Form, Mode, Proof, Role, Use

PARTIES = st.integers(0, 3)
CODES = st.sampled_from(["NO", "FR", "UNKNOWN"])
TIMES = st.one_of(st.integers(-5, 5), st.integers(0, 200_000))
EVIDENCE = st.builds(
    Evidence,
    PARTIES,
    st.sampled_from(Form),
    st.sampled_from(Proof),
    st.sampled_from([RECORD_ONLY, RECORDING, RECORDING | {Use.LISTEN}, frozenset(Use)]),
    st.sampled_from([frozenset(), INTENT, BOTH]),
)
WISHES = st.builds(
    wish,
    st.integers(1, 2),
    st.sampled_from(Form),
    st.sampled_from([Proof.AGENT_WORD, Proof.ANNOUNCED, Proof.KEY, Proof.WRITTEN]),
    st.sampled_from([RECORD_ONLY, RECORDING]),
    st.sampled_from([INTENT, BOTH]),
)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    """A decision for one or two contacts in one or two places."""
    codes = st.sampled_from([("NO",), ("NO", "FR"), ("UNKNOWN",)])
    return ruling(
        *draw(st.lists(WISHES, max_size=2)),
        contacts=tuple(draw(st.lists(codes, min_size=1, max_size=2))),
        mode=draw(st.sampled_from([Mode.AUTO, Mode.ASK, Mode.ASK, Mode.FORBID])),
        spoken_answer=draw(st.booleans()),
    )


@st.composite
def joins(draw: st.DrawFn) -> PartyJoined:
    """A party that joins; legs may be shared, and may bear a name of our own."""
    index = draw(PARTIES)
    role = Role.AGENT if index == 0 else draw(st.sampled_from([Role.CONTACT] * 4 + [Role.AGENT]))
    leg = draw(st.sampled_from(["agent", "one", "two", "announcement"]))
    places = frozenset(draw(st.lists(CODES, max_size=2)))
    return PartyJoined(draw(TIMES), index, role, leg, places, draw(st.integers(0, 9)) == 0)


EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Decided, TIMES, decisions()),
    joins(),
    st.builds(PlaceLearned, TIMES, PARTIES, CODES),
    st.builds(PartyLeft, TIMES, PARTIES),
    st.builds(Wanted, TIMES),
    st.builds(Unwanted, TIMES),
    st.builds(TellingStarted, TIMES, st.sampled_from(Teller)),
    st.builds(TellingEnded, TIMES),
    st.builds(TellingCancelled, TIMES),
    st.builds(Met, TIMES, EVIDENCE),
    st.builds(Refused, TIMES, PARTIES),
    st.builds(Withdrawn, TIMES, PARTIES),
    st.builds(Held, TIMES, st.sampled_from(["card", "peer"])),
    st.builds(Released, TIMES, st.sampled_from(["card", "peer"])),
    st.builds(SwitchChanged, TIMES, st.booleans()),
    st.builds(AcknowledgementChanged, TIMES, PARTIES, st.booleans()),
    st.builds(MadePrivate, TIMES),
    st.builds(Sealed, TIMES, st.integers(0, 30)),
    st.builds(Failed, TIMES),
    st.builds(HungUp, TIMES),
)

# Drawn blindly, a call hardly ever opens: begin connected and decided, and seal all again at times.
READY: tuple[Event, ...] = (*worlds.CONNECTED, Wanted(0), Decided(0, worlds.D_TOLD), Sealed(0, 5))
SEAL_ALL: tuple[Event, ...] = tuple(Sealed(0, serial) for serial in range(1, 60))
YES: tuple[Event, ...] = (worlds.AGREED_BY_KEY, *SEAL_ALL)
ANEW: tuple[Event, ...] = (Decided(0, worlds.D_TOLD), *SEAL_ALL)
STEPS: st.SearchStrategy[tuple[Event, ...]] = st.one_of(
    EVENTS.map(lambda event: (event,)), st.sampled_from([SEAL_ALL, YES, ANEW])
)
HISTORIES: st.SearchStrategy[list[Event]] = st.builds(
    lambda start, steps: [*start, *(event for step in steps for event in step)],
    st.sampled_from([(), READY, (*READY, *YES), (*READY, *YES)]),
    st.lists(STEPS, max_size=25),
)
MODEST = settings(max_examples=150, deadline=None)


def facts_after(history: list[Event]) -> Facts:
    """The facts after a history, from the beginning."""
    facts = Facts(hears_answers=True)
    for event in history:
        facts = after(facts, event)
    return facts


@MODEST
@given(HISTORIES, st.booleans(), st.booleans())
def test_gate_and_rules_agree_over_any_history(
    history: list[Event], separate_legs: bool, hears_answers: bool
) -> None:
    replay(gate, history, separate_legs=separate_legs, hears_answers=hears_answers)


@MODEST
@given(HISTORIES)
def test_a_history_told_twice_gives_the_same_facts(history: list[Event]) -> None:
    first, second = facts_after(history), facts_after(history)
    assert first == second
    assert (first.state, first.because, first.permits) == (
        second.state,
        second.because,
        second.permits,
    )


TIGHTENING = st.one_of(
    joins(),
    st.builds(PlaceLearned, TIMES, PARTIES, CODES),
    st.builds(PartyLeft, TIMES, PARTIES),
    st.builds(Unwanted, TIMES),
    st.builds(Refused, TIMES, PARTIES),
    st.builds(Withdrawn, TIMES, PARTIES),
    st.builds(Held, TIMES, st.just("card")),
    st.builds(SwitchChanged, TIMES, st.just(False)),
    st.builds(AcknowledgementChanged, TIMES, PARTIES, st.just(False)),
    st.builds(MadePrivate, TIMES),
    st.builds(Failed, TIMES),
    st.builds(HungUp, TIMES),
    st.builds(TellingStarted, TIMES, st.sampled_from(Teller)),
    st.builds(TellingEnded, TIMES),
    st.builds(TellingCancelled, TIMES),
)


@MODEST
@given(HISTORIES, TIGHTENING)
def test_no_report_that_tightens_opens_the_gate_or_adds_a_use(
    history: list[Event], event: Event
) -> None:
    facts = facts_after(history)
    there = after(facts, event)
    if facts.state is not State.OPEN:
        assert there.state is not State.OPEN
    else:
        assert there.permits <= facts.permits or there.state is not State.OPEN


CLOSING = st.one_of(
    joins(),
    st.builds(Unwanted, TIMES),
    st.builds(Refused, TIMES, PARTIES),
    st.builds(Withdrawn, TIMES, PARTIES),
    st.builds(Held, TIMES, st.just("card")),
    st.builds(SwitchChanged, TIMES, st.just(False)),
    st.builds(AcknowledgementChanged, TIMES, st.just(0), st.just(False)),
    st.builds(MadePrivate, TIMES),
    st.builds(PlaceLearned, TIMES, st.just(1), st.just("SE")),
    st.builds(Failed, TIMES),
    st.builds(HungUp, TIMES),
)


@MODEST
@given(HISTORIES, HISTORIES)
def test_a_call_that_was_made_private_allows_nothing_of_anybody_ever_again(
    history: list[Event], more: list[Event]
) -> None:
    facts = facts_after([*history, MadePrivate(0)])
    for event in more:
        assert facts.permits == frozenset()
        assert facts.state in (State.CLOSED, State.BLOCKED, State.ENDED)
        facts = after(facts, event)
    assert facts.permits == frozenset()


@MODEST
@given(CLOSING, st.integers(-1_000, 300_000))
def test_an_open_gate_closes_with_the_report_itself(event: Event, at_ms: int) -> None:
    is_open = facts_after([*READY, *YES])
    assert is_open.state is State.OPEN
    closed = after(is_open, event)
    assert closed.state is not State.OPEN
    assert not any(
        closed.allows(leg, use, when)
        for leg in worlds.LEGS
        for use in Use
        for when in (None, at_ms)
    )


@MODEST
@given(HISTORIES, st.sampled_from([Refused, Withdrawn]), st.lists(STEPS, max_size=20))
def test_a_no_is_final_until_that_person_says_yes(
    history: list[Event], no: type[Refused] | type[Withdrawn], steps: list[tuple[Event, ...]]
) -> None:
    facts = after(facts_after(history), no(0, 1))
    for event in (event for step in steps for event in step):
        says_yes = isinstance(event, Met) and (
            event.evidence.party == 1 and event.evidence.form is not Form.TOLD
        )
        if says_yes:
            continue
        facts = after(facts, event)
        assert facts.state is not State.OPEN


@MODEST
@given(HISTORIES)
def test_an_open_gate_keeps_every_promise(history: list[Event]) -> None:
    facts = Facts()
    for event in history:
        facts = after(facts, event)
        if facts.state is State.OPEN:
            assert facts.decision is not None
            assert facts.decision.mode is not Mode.FORBID
            for requirement in facts.decision.requirements:
                assert any(
                    item.party == requirement.party
                    and item.form >= requirement.form
                    and item.proof >= requirement.proof
                    and item.uses >= requirement.uses
                    and item.elements >= requirement.elements
                    for item in facts.evidence
                )
            assert not facts.unsealed
            assert not facts.refused | facts.withdrawn
            assert not facts.holds
            assert facts.fault is Fault.NONE
            assert facts.is_wanted
            assert facts.switch_is_on
            assert facts.opened_ms is not None
            for party in facts.parties:
                assert not facts.allows(party.leg, Use.RECORD, facts.opened_ms - 1)
        elif facts.state is not State.ASKING:
            for party in facts.parties:
                if party.role is Role.CONTACT:
                    assert not any(facts.allows(party.leg, use, facts.now_ms) for use in Use)


UNRELATED = st.one_of(
    st.builds(TellingCancelled, TIMES),
    st.builds(TellingEnded, TIMES),
    st.builds(Released, TIMES, st.just("another")),
    st.builds(Wanted, TIMES),
    st.builds(Sealed, TIMES, st.integers(0, 60)),
    st.builds(PartyLeft, TIMES, PARTIES),
    st.builds(Met, TIMES, EVIDENCE),
    st.builds(Decided, TIMES, decisions()),
)


@MODEST
@given(st.lists(UNRELATED, max_size=20))
def test_nothing_but_its_own_release_opens_a_paused_gate(events: list[Event]) -> None:
    facts = facts_after([*READY, *YES, Held(0, "card")])
    for event in events:
        facts = after(facts, event)
        assert facts.state is not State.OPEN


@MODEST
@given(HISTORIES, st.integers(1, 1_000_000))
def test_only_differences_of_time_count(history: list[Event], by_ms: int) -> None:
    plain = [replace(event, at_ms=max(0, event.at_ms)) for event in history]
    here = facts_after(plain)
    there = facts_after([later(event, by_ms) for event in plain])
    assert (here.state, here.because, here.permits) == (there.state, there.because, there.permits)
    for leg, use in here.permits:
        for at_ms in (0, here.now_ms, here.now_ms - 1, (here.opened_ms or 0) - 1):
            assert here.allows(leg, use, at_ms) == there.allows(leg, use, at_ms + by_ms)


SWAPPED = {0: 0, 1: 2, 2: 1, 3: 3}


def swapped(event: Event) -> Event:
    """The same report with the names of contacts 1 and 2 exchanged."""
    if isinstance(event, Met):
        party = SWAPPED[event.evidence.party]
        return replace(event, evidence=replace(event.evidence, party=party))
    if isinstance(event, Decided):
        decision = event.decision
        agent, first, second = decision.parties
        owed = tuple(replace(one, party=SWAPPED[one.party]) for one in decision.requirements)
        return replace(
            event, decision=replace(decision, parties=(agent, second, first), requirements=owed)
        )
    if isinstance(
        event,
        PartyJoined | PlaceLearned | PartyLeft | Refused | Withdrawn | AcknowledgementChanged,
    ):
        return replace(event, party=SWAPPED[event.party])
    return event


THREE = (*worlds.CONNECTED_THREE, Wanted(0), Decided(0, worlds.D_THREE), Sealed(0, 6))
OF_THREE: st.SearchStrategy[tuple[Event, ...]] = st.one_of(
    st.sampled_from(
        [
            (Decided(0, worlds.D_THREE),),
            (Decided(0, worlds.D_THREE_FREE),),
            SEAL_ALL,
            (worlds.said(party=1), worlds.said(party=2, form=Form.AGREED, proof=Proof.KEY)),
        ]
    ),
    EVENTS.filter(lambda event: not isinstance(event, Decided)).map(lambda event: (event,)),
)


@MODEST
@given(st.lists(OF_THREE, max_size=20))
def test_nobody_is_favoured_by_the_order_of_joining(steps: list[tuple[Event, ...]]) -> None:
    history = [*THREE, *(event for step in steps for event in step)]
    here, there = facts_after(history), facts_after([swapped(event) for event in history])
    assert (here.state, here.because, here.permits) == (there.state, there.because, there.permits)
