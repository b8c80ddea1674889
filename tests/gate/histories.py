"""Fixed histories: around the exact limits, oddities that no bounded world holds, random walks."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.gate.worlds import (
    ACKNOWLEDGED,
    AGENT,
    AGREED_BY_KEY,
    ALL_USES,
    CONNECTED,
    CONNECTED_THREE,
    D_AUTO,
    D_NOWHERE,
    D_RECORD_ONLY,
    D_THREE,
    D_TOLD,
    D_TOLD_QUIET,
    D_WRITTEN,
    LARGE,
    ONE,
    RECORD_ONLY,
    SWITCH_ON,
    TOLD_BY_AGENT,
    TOLD_BY_PLAYER,
    TWO,
    WORLDS,
    later,
    said,
    sealed,
)

from askfirst.events import (
    NEEDS_SEAL,
    AcknowledgementChanged,
    Decided,
    Event,
    Failed,
    Held,
    HungUp,
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
    Wanted,
)
from askfirst.model import Form, Proof, Role

READY = (*CONNECTED, Wanted(0), Decided(0, D_TOLD), Sealed(0, 5))
START, END = TellingStarted(1_000, Teller.AGENT), TellingEnded(5_000)
SEAL_SIX = Sealed(0, 6)

TIMED: dict[str, tuple[Event, ...]] = {
    "a notice just within its time": (*READY, START, TellingEnded(60_999), Wanted(71_000)),
    "a notice past its time": (*READY, START, TellingEnded(61_000), Wanted(71_000)),
    "a notice that nobody ends": (*READY, START, Wanted(60_999), Wanted(61_000)),
    "a notice begun again": (*READY, START, later(START, 30_000), Wanted(61_000), END),
    "a notice begun after the first ran out": (*READY, START, later(START, 60_000), Wanted(0)),
    "an answer in time": (*READY, START, END, Wanted(14_999), AGREED_BY_KEY, SEAL_SIX),
    "a second notice in the answer's time": (*READY, START, END, later(START, 6_000)),
    "time that runs back": (*READY, START, Wanted(-9), END, Wanted(7), later(TOLD_BY_AGENT, 3)),
    "opened, sealed late": (*READY, later(TOLD_BY_AGENT, 500), Sealed(900, 6), Wanted(1_200)),
    "opened again after a pause": (
        *READY,
        TOLD_BY_AGENT,
        Sealed(100, 6),
        Held(200, "card"),
        Held(250, "card"),
        Held(260, "private"),
        Released(300, "card"),
        Released(400, "private"),
        Wanted(500),
    ),
    "somebody joins an open call": (
        *READY,
        TOLD_BY_AGENT,
        Sealed(100, 6),
        later(TWO, 200),
        Decided(210, D_THREE),
        Sealed(220, 7),
        Sealed(230, 8),
        later(said(party=2, form=Form.AGREED, proof=Proof.KEY), 240),
        Sealed(250, 9),
        PartyLeft(300, 2),
        later(TWO, 400),
    ),
    "a contact on a leg of our own name": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, replace(ONE, leg="announcement")),
        Wanted(0),
        Decided(0, D_TOLD),
        START,
        PartyLeft(2_000, 1),
    ),
    "a contact on the agent's leg": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, replace(ONE, leg="agent")),
        Wanted(0),
        Decided(0, D_TOLD),
        START,
        PartyLeft(2_000, 1),
    ),
    "two contacts on one leg, one leaves": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, ONE, replace(TWO, leg="one")),
        Wanted(0),
        Decided(0, D_THREE),
        START,
        END,
        PartyLeft(5_500, 1),
    ),
    "a party of no place": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, replace(ONE, places=frozenset())),
        Wanted(0),
        Decided(0, D_TOLD),
        Decided(0, D_NOWHERE),
        PlaceLearned(0, 1, "NO"),
    ),
    "a party on another leg than before": (
        *READY,
        replace(ONE, leg="two"),
        Decided(0, D_TOLD),
        END,
    ),
    "a second party of another role": (
        *READY,
        replace(ONE, role=Role.AGENT),
        Decided(0, D_TOLD),
        START,
    ),
    "a decision about too few": (*CONNECTED_THREE, Wanted(0), Decided(0, D_TOLD)),
    "a decision about too many": (*CONNECTED, Wanted(0), Decided(0, D_THREE)),
    "a party out of its number": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, replace(ONE, party=2)),
        Wanted(0),
        Decided(0, D_AUTO),
    ),
    "a written agreement": (
        *CONNECTED,
        Wanted(0),
        Decided(0, D_WRITTEN),
        Sealed(0, 5),
        AGREED_BY_KEY,
        SEAL_SIX,
        said(form=Form.WRITTEN, proof=Proof.WRITTEN),
        Sealed(0, 7),
    ),
    "the second of two proofs is the better": (
        *READY,
        TOLD_BY_AGENT,
        TOLD_BY_PLAYER,
        SEAL_SIX,
        Sealed(0, 7),
    ),
    "a notice overtaken by a place known before": (*READY, START, PlaceLearned(2_000, 1, "NO")),
    "a notice broken off": (*READY, START, TellingCancelled(2_000), TellingEnded(2_001)),
    "a notice overtaken by the switch": (*READY, START, SwitchChanged(2_000, True)),
    "a notice overtaken by a failure": (*READY, START, Failed(2_000)),
    "a notice overtaken by the end": (*READY, START, HungUp(2_000)),
    "a notice without acknowledgement": (*READY, START, AcknowledgementChanged(2_000, 0, False)),
    "a second notice that runs out": (
        *READY,
        START,
        END,
        later(START, 5_000),
        Wanted(66_000),
        Wanted(66_001),
    ),
    "whoever left is not listened to": (*READY, START, END, PartyLeft(6_000, 1)),
    "no answer may be listened for": (
        *CONNECTED,
        Wanted(0),
        Decided(0, D_TOLD_QUIET),
        START,
        END,
    ),
    "a party that turns out a machine": (
        *READY,
        replace(ONE, is_machine=True),
        Decided(0, D_TOLD),
        ONE,
        Decided(0, D_TOLD),
    ),
    "a yes of somebody who has not joined": (
        *CONNECTED,
        Wanted(0),
        said(party=2, form=Form.AGREED, proof=Proof.KEY),
        TWO,
        Decided(0, D_THREE),
        TOLD_BY_AGENT,
    ),
    "a no of the agent": (
        *READY,
        Refused(0, 0),
        said(party=0, form=Form.AGREED, proof=Proof.KEY),
    ),
    "a second agent where the decision has a contact": (
        *sealed(SWITCH_ON, ACKNOWLEDGED, AcknowledgementChanged(0, 1, True), AGENT),
        replace(ONE, role=Role.AGENT),
        TWO,
        Decided(0, D_THREE),
    ),
    "every use is granted": (
        *READY,
        said(uses=frozenset(ALL_USES)),
        SEAL_SIX,
        PartyLeft(0, 1),
    ),
    "only recording is agreed to": (
        *CONNECTED,
        Wanted(0),
        Decided(0, D_RECORD_ONLY),
        said(uses=RECORD_ONLY),
        Sealed(0, 5),
        SEAL_SIX,
    ),
    "ended": (*READY, TOLD_BY_AGENT, SEAL_SIX, HungUp(9), Wanted(10), Decided(11, D_AUTO)),
}
"""Histories around the exact limits, and oddities that a bounded world leaves out."""


def walks(number: int, steps: int) -> tuple[tuple[Event, ...], ...]:
    """Random walks, always the same, through the reports of all worlds; often sealed again."""
    random = Random(7)  # noqa: S311 - a fixed choice of tests, no secret
    out = []
    for turn in range(number):
        world = (*WORLDS, LARGE)[turn % (len(WORLDS) + 1)]
        reports = [event for event in world.reports if not isinstance(event, Sealed | HungUp)]
        history = list(world.before)
        serial = sum(isinstance(event, NEEDS_SEAL) for event in history)
        now = 0
        for _ in range(steps):
            now += random.choice((0, 0, 0, 1, 9_999, 10_000, 30_000))
            event = later(random.choice(reports), now)
            history.append(event)
            serial += isinstance(event, NEEDS_SEAL)
            if random.random() < 0.5:
                history.extend(Sealed(now, one) for one in range(1, serial + 1))
            elif random.random() < 0.5:
                history.append(Sealed(now, serial))
        out.append(tuple(history))
    return tuple(out)
