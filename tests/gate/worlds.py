"""Small bounded worlds, and the walk through all of their situations beside the oracle.

A situation is a pair: what the gate knows, what the oracle was told. Pairs are relabelled before
they are compared with the ones already seen, so that a world with growing times and serials is
finite. Why nothing is lost by that:

* Time. The rules speak of differences only (since the start of a notice, since its end, since the
  opening), never of a date, so a whole situation may be moved along the call clock. `moved` moves
  it to now = 0. That both sides are indeed indifferent to such a move is a test of its own. The
  age of an opening only meets capture times, which are asked for on both sides of the opening, so
  an age above one tick is cut to one tick.
* Serials. The rules ask of a serial only whether it was given and not yet sealed; the next one is
  always larger than all before. Sealed serials may be forgotten and the others renumbered in
  order; a seal for a serial that is not outstanding is reported as number 99 (not given yet).
* At most `most_unsealed` serials are outstanding at once: what needs a seal is not reported
  further until one was sealed. Outstanding serials differ in nothing but their number.
* After the end every report is tried and compared once more, but what follows is not walked on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from types import ModuleType
from typing import Any

from tests.gate import oracle

from askfirst.events import (
    NEEDS_SEAL,
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
from askfirst.model import (
    UNKNOWN,
    USES_OF_A_RECORDING,
    Decision,
    Element,
    Form,
    LocatedParty,
    Mode,
    Place,
    Proof,
    Requirement,
    Role,
    Use,
)

TICK_MS = 30_000
ALL_USES = tuple(Use)
RECORDING = frozenset(USES_OF_A_RECORDING)
RECORD_ONLY = frozenset({Use.RECORD})
INTENT = frozenset({Element.INTENT_TO_RECORD})
PURPOSE = frozenset({Element.PURPOSE})
BOTH = INTENT | PURPOSE
LEGS = ("agent", "one", "two", "announcement", "elsewhere")


class Disagreement(AssertionError):
    """The gate and the oracle do not say the same after the same reports."""


def wish(
    party: int = 1,
    form: Form = Form.TOLD,
    proof: Proof = Proof.AGENT_WORD,
    uses: frozenset[Use] = RECORDING,
    elements: frozenset[Element] = INTENT,
) -> Requirement:
    """A requirement."""
    return Requirement(party, form, proof, uses, elements, ("XX.rule",))


def ruling(
    *owed: Requirement,
    contacts: tuple[tuple[str, ...], ...] = (("NO",),),
    agent: tuple[str, ...] = ("NO",),
    mode: Mode = Mode.ASK,
    spoken_answer: bool = True,
) -> Decision:
    """A decision for an agent and contacts in given places; `UNKNOWN` is a place like another."""
    parties = [_located(Role.AGENT, agent), *(_located(Role.CONTACT, codes) for codes in contacts)]
    return Decision(
        mode=mode,
        governing=("NO",),
        primary=("NO",),
        parties=tuple(parties),
        requirements=owed,
        elements=tuple(sorted({element for one in owed for element in one.elements})),
        inside_recording=False,
        spoken_answer=spoken_answer,
        duties=(),
        reasons=(),
        would_change=(),
        on=date(2026, 11, 23),
        rulebook_version="1",
        rulebook_fingerprint="sha256:0",
    )


def _located(role: Role, codes: tuple[str, ...]) -> LocatedParty:
    unknown = "withheld" if UNKNOWN in codes else None
    return LocatedParty(role, None, tuple(Place(c) for c in codes if c != UNKNOWN), unknown)


def said(
    party: int = 1,
    form: Form = Form.TOLD,
    proof: Proof = Proof.AGENT_WORD,
    uses: frozenset[Use] = RECORDING,
    elements: frozenset[Element] = INTENT,
) -> Met:
    """A report of evidence."""
    return Met(0, Evidence(party, form, proof, uses, elements))


AGENT = PartyJoined(0, 0, Role.AGENT, "agent", frozenset({"NO"}))
ONE = PartyJoined(0, 1, Role.CONTACT, "one", frozenset({"NO"}))
TWO = PartyJoined(0, 2, Role.CONTACT, "two", frozenset({"NO"}))
SWITCH_ON = SwitchChanged(0, True)
ACKNOWLEDGED = AcknowledgementChanged(0, 0, True)
PAUSED, RESUMED = Held(0, "card"), Released(0, "card")
TOLD_BY_AGENT = said()
TOLD_BY_PLAYER = said(proof=Proof.ANNOUNCED)
AGREED_BY_KEY = said(form=Form.AGREED, proof=Proof.KEY)
SEALS: tuple[Event, ...] = (Sealed(0, 1), Sealed(0, 2))
NEVER_GIVEN = Sealed(0, 99)
NOTICE: tuple[Event, ...] = (TellingStarted(0, Teller.AGENT), TellingEnded(0), TellingCancelled(0))


@dataclass(frozen=True)
class Bounded:
    """A bounded world: where it begins, and everything that may be reported in it.

    `late` reports are also tried `late_ms` after the last one.
    """

    name: str
    reports: tuple[Event, ...]
    before: tuple[Event, ...] = ()
    late: tuple[Event, ...] = ()
    late_ms: tuple[int, ...] = (TICK_MS,)
    most_unsealed: int = 2
    separate_legs: bool = True
    hears_answers: bool = False


@dataclass(frozen=True)
class Count:
    """How many different situations were met and how many steps were compared."""

    situations: int
    steps: int


def later(event: Event, by_ms: int) -> Event:
    """The same report at a later time."""
    return replace(event, at_ms=event.at_ms + by_ms)


def sealed(*events: Event) -> tuple[Event, ...]:
    """Reports, each that takes a serial followed by its seal; serials begin with 1."""
    out: list[Event] = []
    serial = 0
    for event in events:
        out.append(event)
        if isinstance(event, NEEDS_SEAL):
            serial += 1
            out.append(Sealed(event.at_ms, serial))
    return tuple(out)


CONNECTED = sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, ONE)
CONNECTED_THREE = sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, ONE, TWO)


class Pair:
    """A gate and the oracle, told the same. The facts may be those of a faulty gate: any type."""

    __slots__ = ("facts", "gate", "world")

    def __init__(self, gate: ModuleType, facts: Any, world: oracle.World) -> None:
        self.gate = gate
        self.facts = facts
        self.world = world

    @classmethod
    def new(
        cls, gate: ModuleType, *, separate_legs: bool = True, hears_answers: bool = False
    ) -> Pair:
        """Both at the beginning of a call."""
        return cls(
            gate,
            gate.Facts(separate_legs=separate_legs, hears_answers=hears_answers),
            oracle.World(separate_legs=separate_legs, hears_answers=hears_answers),
        )

    def told(self, event: Event) -> Pair:
        """Both after one more report."""
        return Pair(self.gate, self.gate.after(self.facts, event), oracle.tell(self.world, event))

    def disagreement(self) -> str | None:
        """What the two say differently of the present, or None."""
        return self.frames_disagree(capture_times(self.world))

    def frames_disagree(self, times: Iterable[int | None]) -> str | None:
        """What the two say differently, with frames captured at some times; or None."""
        asked = tuple(times)
        gate, rules = gate_says(self.facts, asked), rules_say(self.world, asked)
        if gate == rules:
            return None
        return "; ".join(
            f"the gate says {one}, the rules {other}"
            for one, other in zip(gate, rules, strict=False)
            if one != other
        )


Answers = tuple[object, ...]


def gate_says(facts: Any, times: tuple[int | None, ...]) -> Answers:
    """Everything that a gate answers, frames captured at some times included."""
    allowed = [(a, b, c) for a in LEGS for b in ALL_USES for c in times if facts.allows(a, b, c)]
    telling_ms = None if facts.telling is None else facts.telling.since_ms
    present = (facts.state.value, facts.because.value, facts.opened_ms, telling_ms, allowed)
    if facts.has_ended:
        return present
    granted = [use for use in ALL_USES if facts.grants(use)]
    proof = int(facts.proof)
    return *present, frozenset(facts.unmet()), proof, granted, facts.serial, facts.unsealed


def rules_say(world: oracle.World, times: tuple[int | None, ...]) -> Answers:
    """The same answers by the rules."""
    allowed = [
        (a, b, c) for a in LEGS for b in ALL_USES for c in times if oracle.may(world, a, b, c)
    ]
    began, since = world.notice
    telling_ms = since if began == "given" else None
    present = (*oracle.state_and_cause(world), world.open_since_ms, telling_ms, allowed)
    if world.is_over:
        return present
    granted = [use for use in ALL_USES if oracle.all_grant(world, use)]
    proof = oracle.proof_of(world)
    return *present, frozenset(oracle.owed(world)), proof, granted, world.serial, world.not_durable


def capture_times(world: oracle.World) -> Iterator[int | None]:
    """Capture times on both sides of everything that the rules measure from."""
    yield None
    yield world.now_ms
    if world.open_since_ms is not None:
        yield world.open_since_ms - 1
        yield world.open_since_ms
    began, since = world.notice
    if began:
        length = oracle.LONGEST_NOTICE_MS if began == "given" else oracle.LONGEST_ANSWER_MS
        yield since - 1
        yield since
        yield since + length - 1
        yield since + length


_FIELDS: dict[type, tuple[str, ...]] = {}


def key_of(pair: Pair) -> tuple[object, ...]:
    """What tells two situations apart: every given field of the facts, and the world.

    Decisions of a bounded world are few and never made anew, so their identity will do.
    """
    kind = type(pair.facts)
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(one.name for one in fields(pair.facts) if one.init)
    known = [getattr(pair.facts, name) for name in _FIELDS[kind]]
    return tuple(id(one) if isinstance(one, Decision) else one for one in known), pair.world


def moved(pair: Pair) -> Pair:
    """The same situation with now = 0 and outstanding serials 1, 2, … (see above)."""
    facts, world = pair.facts, pair.world
    now = world.now_ms
    open_since = world.open_since_ms
    opened = None if open_since is None else max(open_since - now, -TICK_MS)
    began, since = world.notice
    # A notice is over at a certain age; the wait for an answer only meets capture times.
    age = since - now
    since_ms = {"": 0, "given": age, "answered": max(age, -TICK_MS)}[began]
    numbers = frozenset(range(1, len(world.not_durable) + 1))
    world = world._replace(
        now_ms=0,
        notice=(began, since_ms),
        open_since_ms=opened,
        serial=len(numbers),
        not_durable=numbers,
    )
    telling = facts.telling
    if telling is not None:
        telling = replace(telling, since_ms=telling.since_ms - now)
    facts = replace(
        facts,
        now_ms=0,
        telling=telling,
        told_ms=None if facts.told_ms is None else max(facts.told_ms - now, -TICK_MS),
        opened_ms=opened,
        serial=len(numbers),
        unsealed=numbers,
    )
    return Pair(pair.gate, facts, world)


def explore(gate: ModuleType, bounded: Bounded, *, at_most: int = 100_000) -> Count:
    """Every situation of a bounded world, each step compared; raises `Disagreement`.

    More than `at_most` situations are a disagreement too: some fact grows that should not.
    """
    pair = Pair.new(gate, separate_legs=bounded.separate_legs, hears_answers=bounded.hears_answers)
    for event in bounded.before:
        pair = pair.told(event)
    reports = (
        *bounded.reports,
        *(later(event, by_ms) for event in bounded.late for by_ms in bounded.late_ms),
    )
    start = moved(pair)
    came_from: dict[tuple[object, ...], tuple[tuple[object, ...], Event] | None]
    came_from = {key_of(start): None}
    compared: set[tuple[object, ...]] = set()
    waiting = deque([start])
    steps = 0
    while waiting:
        here = waiting.popleft()
        full = len(here.world.not_durable) >= bounded.most_unsealed
        for event in reports:
            if full and isinstance(event, NEEDS_SEAL):
                continue
            there = here.told(event)
            steps += 1
            seen = key_of(there)
            if seen in compared:
                continue
            compared.add(seen)
            fault = there.disagreement()
            if fault:
                raise Disagreement(f"{fault} after {_path(came_from, key_of(here))} then {event}")
            if here.world.is_over:
                continue
            there = moved(there)
            name = key_of(there)
            if name not in came_from:
                if len(came_from) >= at_most:
                    raise Disagreement(f"more than {at_most} situations")
                came_from[name] = (key_of(here), event)
                waiting.append(there)
    return Count(len(came_from), steps)


def _path(
    came_from: dict[tuple[object, ...], tuple[tuple[object, ...], Event] | None],
    key: tuple[object, ...],
) -> list[Event]:
    path: list[Event] = []
    step = came_from[key]
    while step is not None:
        path.append(step[1])
        step = came_from[step[0]]
    return path[::-1]


def replay(gate: ModuleType, history: Iterable[Event], **given: bool) -> Pair:
    """A pair after a history, each step compared; raises `Disagreement`."""
    pair = Pair.new(gate, **given)
    told: list[Event] = []
    for event in history:
        told.append(event)
        pair = pair.told(event)
        fault = pair.disagreement()
        if fault:
            raise Disagreement(f"{fault} after {told}")
    return pair


D_AUTO = ruling(mode=Mode.AUTO)
D_FORBID = ruling(mode=Mode.FORBID)
D_TOLD = ruling(wish())
D_TOLD_QUIET = ruling(wish(), spoken_answer=False)
D_RECORD_ONLY = ruling(wish(uses=RECORD_ONLY))
D_KEY = ruling(wish(form=Form.AGREED, proof=Proof.KEY))
D_TWO_THINGS = ruling(wish(), wish(form=Form.AGREED, elements=PURPOSE, uses=RECORD_ONLY))
D_WRITTEN = ruling(wish(form=Form.WRITTEN, proof=Proof.WRITTEN))
D_TWO_PLACES = ruling(wish(elements=BOTH), contacts=(("NO", "FR"),))
D_NOWHERE = ruling(wish(), contacts=((UNKNOWN,),))
D_THREE = ruling(
    wish(party=1),
    wish(party=2, form=Form.AGREED, proof=Proof.KEY, uses=RECORD_ONLY),
    contacts=(("NO",), ("NO",)),
)
D_THREE_FREE = ruling(wish(party=2), contacts=(("NO",), ("NO",)), mode=Mode.AUTO)
D_AGENT_FR = ruling(wish(), agent=("NO", "FR"))

WORLDS = (
    Bounded(
        "consent",
        before=CONNECTED,
        reports=(
            *(Decided(0, one) for one in (D_TOLD, D_KEY, D_TWO_THINGS)),
            TOLD_BY_AGENT,
            TOLD_BY_PLAYER,
            AGREED_BY_KEY,
            said(form=Form.AGREED, elements=BOTH, uses=RECORD_ONLY),
            said(form=Form.AGREED, proof=Proof.ANNOUNCED),
            Refused(0, 1),
            Withdrawn(0, 1),
            Wanted(0),
            Unwanted(0),
            PAUSED,
            RESUMED,
            TellingStarted(0, Teller.AGENT),
            TellingEnded(0),
            *SEALS,
        ),
        most_unsealed=1,
    ),
    Bounded(
        "who and where",
        before=sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, Wanted(0)),
        reports=(
            *(Decided(0, one) for one in (D_AUTO, D_TOLD, D_TWO_PLACES, D_AGENT_FR)),
            AGENT,
            ONE,
            replace(ONE, is_machine=True),
            replace(ONE, places=frozenset({"FR"})),
            PlaceLearned(0, 1, "FR"),
            PlaceLearned(0, 1, "NO"),
            PlaceLearned(0, 0, "FR"),
            PlaceLearned(0, 7, "FR"),
            PartyLeft(0, 0),
            PartyLeft(0, 1),
            PartyLeft(0, 7),
            said(elements=BOTH),
            TellingStarted(0, Teller.ANNOUNCEMENT),
            *SEALS,
            NEVER_GIVEN,
        ),
        most_unsealed=2,
    ),
    Bounded(
        "switches and failures",
        before=sealed(AGENT, ONE, AcknowledgementChanged(0, 1, True)),
        reports=(
            *(Decided(0, one) for one in (D_AUTO, D_FORBID, D_TOLD)),
            SWITCH_ON,
            SwitchChanged(0, False),
            ACKNOWLEDGED,
            AcknowledgementChanged(0, 0, False),
            AcknowledgementChanged(0, 1, False),
            Wanted(0),
            Unwanted(0),
            TOLD_BY_AGENT,
            TellingStarted(0, Teller.AGENT),
            MadePrivate(0),
            Failed(0),
            HungUp(0),
            *SEALS,
            NEVER_GIVEN,
        ),
    ),
    Bounded(
        "two contacts",
        before=(*CONNECTED_THREE, Wanted(0)),
        reports=(
            *(Decided(0, one) for one in (D_THREE, D_THREE_FREE)),
            TOLD_BY_AGENT,
            said(party=1, uses=RECORDING | {Use.LISTEN}),
            said(party=2, form=Form.AGREED, proof=Proof.KEY, uses=RECORD_ONLY),
            said(
                party=2,
                form=Form.AGREED,
                proof=Proof.SPOKEN,
                uses=RECORDING | {Use.LISTEN, Use.SHARE},
            ),
            said(party=0),
            said(party=7),
            Refused(0, 1),
            Refused(0, 2),
            Refused(0, 7),
            Withdrawn(0, 2),
            PartyLeft(0, 1),
            PartyLeft(0, 2),
            TellingStarted(0, Teller.AGENT),
            TellingEnded(0),
            *SEALS,
        ),
        most_unsealed=1,
        hears_answers=True,
    ),
    *(
        Bounded(
            f"notices {'apart' if apart else 'mixed'} {'heard' if hears else 'unheard'}",
            before=CONNECTED,
            reports=(
                *(Decided(0, one) for one in (D_TOLD, D_TOLD_QUIET)),
                *NOTICE,
                Wanted(0),
                Unwanted(0),
                PAUSED,
                RESUMED,
                TOLD_BY_AGENT,
                TOLD_BY_PLAYER,
                PlaceLearned(0, 1, "NO"),
                PartyLeft(0, 1),
                SWITCH_ON,
                AcknowledgementChanged(0, 0, False),
                ACKNOWLEDGED,
                Refused(0, 1),
                AGREED_BY_KEY,
                Sealed(0, 1),
            ),
            late=(Released(0, "nobody"), *NOTICE),
            most_unsealed=1,
            separate_legs=apart,
            hears_answers=hears,
        )
        for apart in (True, False)
        for hears in (True, False)
    ),
)

LARGE = Bounded(
    "everything at once",
    before=sealed(SWITCH_ON, ACKNOWLEDGED, AGENT, ONE),
    reports=(
        *(Decided(0, one) for one in (D_TOLD, D_TWO_PLACES, D_FORBID)),
        ONE,
        PlaceLearned(0, 1, "FR"),
        PartyLeft(0, 0),
        Wanted(0),
        Unwanted(0),
        *NOTICE,
        TOLD_BY_PLAYER,
        said(form=Form.AGREED, proof=Proof.KEY, elements=BOTH),
        Refused(0, 1),
        Withdrawn(0, 1),
        PAUSED,
        RESUMED,
        SwitchChanged(0, False),
        SWITCH_ON,
        AcknowledgementChanged(0, 0, False),
        ACKNOWLEDGED,
        Sealed(0, 1),
        Failed(0),
        HungUp(0),
    ),
    most_unsealed=1,
)
