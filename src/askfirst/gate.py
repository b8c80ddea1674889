"""The recording gate: facts and events in, permission out. Everything that decides whether one
frame of audio may be kept lives in this file, and nothing else does.

`after(facts, event)` is total: every event is accepted in every state and gives new facts.
`facts.state` follows from the facts and is never assigned; `facts.allows(leg, use, at_ms)` is what
the recorder, the transcriber, live captions and any fork ask. Providers and routes report events;
nobody sets a state. States, the first that fits:

    ENDED     the call is over
    CLOSED    no decision for exactly the parties and places known now, or a failure since
    BLOCKED   private, forbidden, switched off, refused, withdrawn, not acknowledged, or a machine
              answered
    TELLING   something is owed and a notice is being given: our own side only may be kept
    ASKING    something is owed
    SEALING   everything is met, but the evidence is not yet durable
    HELD      paused, or recording is not wanted
    OPEN      none of the above

Times are milliseconds on the call clock (0 = answer). A frame is judged by the start of its
capture: what was captured before the gate opened is never kept, whenever it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import assert_never

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
    Form,
    Mode,
    Proof,
    Requirement,
    Role,
    Use,
)

__all__ = [
    "ANNOUNCEMENT_LEG",
    "ANSWER_LIMIT_MS",
    "NEEDS_SEAL",
    "TELLING_LIMIT_MS",
    "AcknowledgementChanged",
    "Because",
    "Decided",
    "Event",
    "Evidence",
    "Facts",
    "Failed",
    "Fault",
    "Held",
    "HungUp",
    "MadePrivate",
    "Met",
    "PartyFact",
    "PartyJoined",
    "PartyLeft",
    "PlaceLearned",
    "Refused",
    "Released",
    "Sealed",
    "State",
    "SwitchChanged",
    "Teller",
    "Telling",
    "TellingCancelled",
    "TellingEnded",
    "TellingStarted",
    "Unwanted",
    "Wanted",
    "Withdrawn",
    "after",
]

ANNOUNCEMENT_LEG = "announcement"
"""The leg on which our own announcements are played; always our own side."""

TELLING_LIMIT_MS = 60_000
ANSWER_LIMIT_MS = 10_000
_FOREVER_MS = 1 << 62


class State(StrEnum):
    """Name of what follows from the facts."""

    ENDED = "ended"
    CLOSED = "closed"
    BLOCKED = "blocked"
    TELLING = "telling"
    ASKING = "asking"
    SEALING = "sealing"
    HELD = "held"
    OPEN = "open"


class Because(StrEnum):
    """Why the gate is in its state, the first cause that applies."""

    HUNG_UP = "hung-up"
    FAILED = "failed"
    NO_CONTACT = "no-contact"
    NOT_DECIDED = "not-decided"
    PRIVATE = "private"
    FORBIDDEN = "forbidden"
    SWITCHED_OFF = "switched-off"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    MACHINE = "machine"
    TELLING = "telling"
    ASKING = "asking"
    SEALING = "sealing"
    PAUSED = "paused"
    NOT_WANTED = "not-wanted"
    MET = "met"


class Fault(Enum):
    """Whether something failed, and whether an append has succeeded since."""

    NONE = "none"
    BROKEN = "broken"
    HEALED = "healed"


@dataclass(frozen=True, slots=True)
class PartyFact:
    """A party that is or was on the call; `places` holds codes and grows only."""

    index: int
    role: Role
    leg: str
    places: frozenset[str]
    is_machine: bool = False
    is_present: bool = True


@dataclass(frozen=True, slots=True)
class Telling:
    """A notice being given since a moment."""

    by: Teller
    since_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate knows about one call. Made by `Facts()` and changed only by `after`.

    `separate_legs` and `hears_answers` are properties of the provider and the account: whether
    each party has its own audio, and whether a spoken answer may be listened for at all.
    """

    separate_legs: bool = True
    hears_answers: bool = False
    decision: Decision | None = None
    parties: tuple[PartyFact, ...] = ()
    is_wanted: bool = False
    is_private: bool = False
    switch_is_on: bool = False
    acknowledged: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    withdrawn: frozenset[int] = frozenset()
    evidence: frozenset[Evidence] = frozenset()
    telling: Telling | None = None
    told_ms: int | None = None
    holds: frozenset[str] = frozenset()
    serial: int = 0
    unsealed: frozenset[int] = frozenset()
    fault: Fault = Fault.NONE
    has_ended: bool = False
    now_ms: int = 0
    opened_ms: int | None = None
    state: State = field(init=False, compare=False)
    because: Because = field(init=False, compare=False)
    permits: frozenset[tuple[str, Use]] = field(init=False, compare=False)
    _from_ms: int = field(init=False, compare=False, repr=False)
    _until_ms: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Work out, once, everything that follows from the facts."""
        state, because = _state(self)
        permits, from_ms, until_ms = _permits(self, state)
        object.__setattr__(self, "state", state)
        object.__setattr__(self, "because", because)
        object.__setattr__(self, "permits", permits)
        object.__setattr__(self, "_from_ms", from_ms)
        object.__setattr__(self, "_until_ms", until_ms)

    def allows(self, leg: str, use: Use, at_ms: int | None = None) -> bool:
        """Whether a leg's audio may be put to a use now, for audio captured from `at_ms` on.

        Whoever keeps or hears frames passes each frame's capture start. Without `at_ms` the
        answer is about the present state only; use `answer` is never given without it.
        """
        if (leg, use) not in self.permits:
            return False
        if at_ms is None:
            return use is not Use.ANSWER
        return self._from_ms <= at_ms < self._until_ms

    def unmet(self) -> tuple[Requirement, ...]:
        """Requirements of the current decision that no evidence meets; () without a decision."""
        if self.decision is None:
            return ()
        return tuple(
            requirement
            for requirement in self.decision.requirements
            if not any(item.meets(requirement) for item in self.evidence)
        )

    def grants(self, use: Use) -> bool:
        """Whether every contact allows a use, by requirement met, by rule, or by own word."""
        if self.decision is None or self.unmet():
            return False
        owed = {item.party for item in self.decision.requirements}
        given = {item.party for item in self.evidence if use in item.uses}
        return all(
            party.index in given or (party.index not in owed and use in USES_OF_A_RECORDING)
            for party in self.parties
            if party.role is Role.CONTACT
        )

    @property
    def proof(self) -> Proof:
        """The lowest, among the contacts, of the best proof that meets what is owed to each.

        NONE when nothing is owed to anybody, or while something owed is unmet.
        """
        if self.decision is None or not self.decision.requirements:
            return Proof.NONE
        return min(
            max(
                (item.proof for item in self.evidence if item.meets(requirement)),
                default=Proof.NONE,
            )
            for requirement in self.decision.requirements
        )


def after(facts: Facts, event: Event) -> Facts:
    """The facts after an event. Never raises; a report that cannot count changes nothing.

    Time never runs back: an event with an earlier time counts as happening now.
    """
    now_ms = max(facts.now_ms, event.at_ms)
    before = _expired(facts, now_ms)
    changed = _applied(before, event)
    if isinstance(event, NEEDS_SEAL):
        serial = changed.serial + 1
        changed = replace(changed, serial=serial, unsealed=changed.unsealed | {serial})
    if changed.telling is not None and not changed.unmet():
        # What is no longer owed cannot go on being told, or a later change would find a
        # telling that nobody began for it.
        changed = replace(changed, telling=None)
    if changed.state is State.OPEN:
        was_open = before.state is State.OPEN
        opened_ms = before.opened_ms if was_open else now_ms
    else:
        opened_ms = None
    return replace(changed, now_ms=now_ms, opened_ms=opened_ms)


def _expired(facts: Facts, now_ms: int) -> Facts:
    """Facts at a later moment: a telling that lasted too long is over and does not count."""
    if facts.telling is not None and now_ms >= facts.telling.since_ms + TELLING_LIMIT_MS:
        return replace(facts, telling=None, now_ms=now_ms)
    return replace(facts, now_ms=now_ms)


def _applied(facts: Facts, event: Event) -> Facts:
    match event:
        case Decided():
            fault = Fault.NONE if facts.fault is Fault.HEALED else facts.fault
            return _untold(replace(facts, decision=event.decision, fault=fault))
        case PartyJoined():
            # Whoever comes, or comes again, is decided about anew.
            return _untold(replace(facts, parties=_joined(facts, event), decision=None))
        case PlaceLearned():
            return _untold(replace(facts, parties=_placed(facts, event)))
        case PartyLeft():
            return replace(facts, parties=_left(facts, event))
        case Wanted():
            return replace(facts, is_wanted=True)
        case Unwanted():
            return _untold(replace(facts, is_wanted=False))
        case TellingStarted():
            if facts.state is not State.ASKING or not facts.is_wanted or facts.holds:
                return facts
            return replace(facts, telling=Telling(event.by, facts.now_ms), told_ms=None)
        case TellingEnded():
            if facts.telling is None:
                return facts
            return replace(facts, telling=None, told_ms=facts.now_ms)
        case TellingCancelled():
            return _untold(facts)
        case Met():
            return _met(facts, event.evidence)
        case Refused():
            return _untold(
                replace(
                    facts,
                    refused=facts.refused | {event.party},
                    evidence=_without(facts, event.party),
                )
            )
        case Withdrawn():
            return _untold(
                replace(
                    facts,
                    withdrawn=facts.withdrawn | {event.party},
                    evidence=_without(facts, event.party),
                )
            )
        case Held():
            return _untold(replace(facts, holds=facts.holds | {event.hold}))
        case Released():
            return replace(facts, holds=facts.holds - {event.hold})
        case SwitchChanged():
            return _untold(replace(facts, switch_is_on=event.is_on))
        case AcknowledgementChanged():
            return _acknowledged(facts, event)
        case MadePrivate():
            return _untold(replace(facts, is_private=True))
        case Sealed():
            healed = Fault.NONE if facts.fault is Fault.NONE else Fault.HEALED
            return replace(facts, unsealed=facts.unsealed - {event.serial}, fault=healed)
        case Failed():
            return _untold(replace(facts, fault=Fault.BROKEN))
        case HungUp():
            return _untold(replace(facts, has_ended=True))
        case _:
            assert_never(event)


def _untold(facts: Facts) -> Facts:
    """Facts without any notice in progress or answer awaited: it has been overtaken."""
    return replace(facts, telling=None, told_ms=None)


def _without(facts: Facts, party: int) -> frozenset[Evidence]:
    return frozenset(item for item in facts.evidence if item.party != party)


def _joined(facts: Facts, event: PartyJoined) -> tuple[PartyFact, ...]:
    known = {party.index: party for party in facts.parties}
    old = known.get(event.party)
    places = event.places or frozenset({UNKNOWN})
    if old is None:
        joined = PartyFact(event.party, event.role, event.leg, places, event.is_machine)
    else:
        # Somebody who comes back, or speaks on another leg, is a new party of unknown place.
        joined = replace(
            old, places=old.places | places, is_machine=old.is_machine or event.is_machine
        )
    known[event.party] = joined
    return tuple(known[index] for index in sorted(known))


def _placed(facts: Facts, event: PlaceLearned) -> tuple[PartyFact, ...]:
    return tuple(
        replace(party, places=party.places | {event.code}) if party.index == event.party else party
        for party in facts.parties
    )


def _left(facts: Facts, event: PartyLeft) -> tuple[PartyFact, ...]:
    return tuple(
        replace(party, is_present=False) if party.index == event.party else party
        for party in facts.parties
    )


def _met(facts: Facts, evidence: Evidence) -> Facts:
    """Count evidence, unless it cannot be what it says.

    Only a yes of the same person ends that person's no. An announcement does not count while
    the call is on hold, because nobody may have heard it.
    """
    is_contact = any(
        party.index == evidence.party and party.role is Role.CONTACT for party in facts.parties
    )
    has_said_no = evidence.party in facts.refused or evidence.party in facts.withdrawn
    if (
        not is_contact
        or not evidence.is_sound
        or (has_said_no and evidence.form < Form.AGREED)
        or (evidence.proof is Proof.ANNOUNCED and facts.holds)
    ):
        return facts
    return replace(
        facts,
        evidence=facts.evidence | {evidence},
        refused=facts.refused - {evidence.party},
        withdrawn=facts.withdrawn - {evidence.party},
    )


def _acknowledged(facts: Facts, event: AcknowledgementChanged) -> Facts:
    if event.is_given:
        return replace(facts, acknowledged=facts.acknowledged | {event.party})
    return _untold(replace(facts, acknowledged=facts.acknowledged - {event.party}))


def _covers(decision: Decision, parties: tuple[PartyFact, ...]) -> bool:
    """Whether a decision is about exactly these parties in exactly these places."""
    if len(decision.parties) != len(parties):
        return False
    for index, (located, party) in enumerate(zip(decision.parties, parties, strict=True)):
        codes = {place.code for place in located.places}
        if located.unknown is not None:
            codes.add(UNKNOWN)
        if party.index != index or party.role is not located.role or party.places != codes:
            return False
    return True


def _state(facts: Facts) -> tuple[State, Because]:
    if facts.has_ended:
        return State.ENDED, Because.HUNG_UP
    if facts.fault is not Fault.NONE:
        return State.CLOSED, Because.FAILED
    if not any(party.role is Role.CONTACT for party in facts.parties):
        return State.CLOSED, Because.NO_CONTACT
    if facts.decision is None or not _covers(facts.decision, facts.parties):
        return State.CLOSED, Because.NOT_DECIDED
    blocked = _blocked(facts, facts.decision)
    if blocked is not None:
        return State.BLOCKED, blocked
    if facts.unmet():
        if facts.telling is not None:
            return State.TELLING, Because.TELLING
        return State.ASKING, Because.ASKING
    if facts.unsealed:
        return State.SEALING, Because.SEALING
    if facts.holds:
        return State.HELD, Because.PAUSED
    if not facts.is_wanted:
        return State.HELD, Because.NOT_WANTED
    return State.OPEN, Because.MET


def _blocked(facts: Facts, decision: Decision) -> Because | None:
    if facts.is_private:
        return Because.PRIVATE
    if decision.mode is Mode.FORBID:
        return Because.FORBIDDEN
    if not facts.switch_is_on:
        return Because.SWITCHED_OFF
    if facts.withdrawn:
        return Because.WITHDRAWN
    if facts.refused:
        return Because.REFUSED
    agents = {party.index for party in facts.parties if party.role is Role.AGENT}
    if not agents <= facts.acknowledged:
        return Because.NOT_ACKNOWLEDGED
    if any(party.is_machine for party in facts.parties):
        return Because.MACHINE
    return None


def _permits(facts: Facts, state: State) -> tuple[frozenset[tuple[str, Use]], int, int]:
    """Which leg may be put to which use, and the capture times for which that holds."""
    own = [ANNOUNCEMENT_LEG]
    contacts: list[str] = []
    for party in facts.parties:
        if party.is_present:
            (own if party.role is Role.AGENT else contacts).append(party.leg)
    if state is State.OPEN:
        uses = [Use.RECORD, *(use for use in _OTHER_USES if facts.grants(use))]
        opened_ms = facts.now_ms if facts.opened_ms is None else facts.opened_ms
        return (
            frozenset((leg, use) for leg in own + contacts for use in uses),
            opened_ms,
            _FOREVER_MS,
        )
    if state is State.TELLING and facts.telling is not None and facts.separate_legs:
        since_ms = facts.telling.since_ms
        # A leg that a contact speaks on, or spoke on, is not our own side, whatever its name.
        theirs = {party.leg for party in facts.parties if party.role is Role.CONTACT}
        permits = frozenset((leg, Use.RECORD) for leg in own if leg not in theirs)
        return permits, since_ms, since_ms + TELLING_LIMIT_MS
    if state is State.ASKING and _may_listen(facts) and facts.told_ms is not None:
        owing = {requirement.party for requirement in facts.unmet()}
        permits = frozenset(
            (party.leg, Use.ANSWER)
            for party in facts.parties
            if party.is_present and party.index in owing
        )
        return permits, facts.told_ms, facts.told_ms + ANSWER_LIMIT_MS
    return frozenset(), _FOREVER_MS, _FOREVER_MS


_OTHER_USES = (Use.TRANSCRIBE, Use.ANALYSE, Use.LISTEN, Use.SHARE)


def _may_listen(facts: Facts) -> bool:
    return (
        facts.hears_answers
        and facts.separate_legs
        and facts.decision is not None
        and facts.decision.spoken_answer
        and not facts.holds
    )
