"""The rules of the recording gate once more, read straight from the promise, for comparison.

Shares only the words (`askfirst.model`) and the reports (`askfirst.events`) with the gate. It
keeps one entry for each person with what that person said, and asks every rule anew each time;
nothing is prepared in advance. `tell(world, event)` gives the next world, `state_of(world)` the
name of the state, `may(world, leg, use, at_ms)` whether a leg may be put to a use. Slow and flat on
purpose: a sentence of the rules is one line here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, assert_never

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
    TellingCancelled,
    TellingEnded,
    TellingStarted,
    Unwanted,
    Wanted,
    Withdrawn,
)
from askfirst.model import Decision, Mode, Requirement, Role, Use

LONGEST_NOTICE_MS = 60_000
LONGEST_ANSWER_MS = 10_000
ANNOUNCER = "announcement"

SOUND = {(1, 1), (1, 3), (2, 1), (2, 4), (2, 5), (3, 6)}
"""Which form (told, agreed, written) may rest on which proof."""

TAKES_A_SERIAL = {
    "Decided",
    "PartyJoined",
    "PlaceLearned",
    "Met",
    "Refused",
    "Withdrawn",
    "SwitchChanged",
    "AcknowledgementChanged",
}


class Person(NamedTuple):
    """One index: what is known of it, and what it said. `role` is None until it joins."""

    number: int
    role: Role | None = None
    leg: str = ""
    places: frozenset[str] = frozenset()
    is_machine: bool = False
    is_here: bool = False
    has_acknowledged: bool = False
    noes: frozenset[str] = frozenset()
    words: frozenset[Evidence] = frozenset()


class Ruling(NamedTuple):
    """What of a decision concerns the gate."""

    people: frozenset[tuple[int, Role, frozenset[str]]]
    is_forbidden: bool
    owed: tuple[Requirement, ...]
    spoken_answer: bool


class World(NamedTuple):
    """Everything told so far, with no conclusion drawn.

    `notice` is ("", 0), ("given", start) or ("answered", end). `trouble` is "", "broken", or
    "written" once something became durable after the failure.
    """

    separate_legs: bool = True
    hears_answers: bool = False
    people: tuple[Person, ...] = ()
    ruling: Ruling | None = None
    is_wanted: bool = False
    is_private: bool = False
    is_on: bool = False
    pauses: frozenset[str] = frozenset()
    serial: int = 0
    not_durable: frozenset[int] = frozenset()
    trouble: str = ""
    notice: tuple[str, int] = ("", 0)
    is_over: bool = False
    now_ms: int = 0
    open_since_ms: int | None = None


@lru_cache(maxsize=4096)
def ruling_of(decision: Decision) -> Ruling:
    """What of a decision concerns the gate, read from the decision."""
    people = frozenset(
        (
            index,
            party.role,
            frozenset(
                [place.code for place in party.places]
                + ([] if party.unknown is None else ["UNKNOWN"])
            ),
        )
        for index, party in enumerate(decision.parties)
    )
    return Ruling(
        people, decision.mode is Mode.FORBID, decision.requirements, decision.spoken_answer
    )


def known(world: World) -> list[Person]:
    """Everybody who is or was on the call."""
    return [person for person in world.people if person.role is not None]


def contacts(world: World) -> list[Person]:
    """Everybody who is or was on the other side."""
    return [person for person in world.people if person.role is Role.CONTACT]


def agents(world: World) -> list[Person]:
    """Everybody who is or was on our side."""
    return [person for person in world.people if person.role is Role.AGENT]


def is_decided(world: World) -> bool:
    """Whether the decision speaks of exactly these people in exactly these places."""
    if world.ruling is None:
        return False
    return world.ruling.people == {(p.number, p.role, p.places) for p in known(world)}


def owed(world: World) -> list[Requirement]:
    """What is still owed: no single piece of evidence covers it whole."""
    if world.ruling is None:
        return []
    words = {person.number: person.words for person in contacts(world)}
    return [
        wish
        for wish in world.ruling.owed
        if not any(is_enough(word, wish) for word in words.get(wish.party, ()))
    ]


def is_enough(word: Evidence, wish: Requirement) -> bool:
    """Whether one piece of evidence covers one requirement in every respect."""
    return (
        word.form.value >= wish.form.value
        and word.proof.value >= wish.proof.value
        and not wish.uses - word.uses
        and not wish.elements - word.elements
    )


def state_of(world: World) -> str:
    """The first of the states, in their order, that fits."""
    return state_and_cause(world)[0]


def state_and_cause(world: World) -> tuple[str, str]:
    """The first of the states that fits, and the first cause of it, both in their order."""
    if world.is_over:
        return "ended", "hung-up"
    if world.trouble:
        return "closed", "failed"
    if not contacts(world):
        return "closed", "no-contact"
    if world.ruling is None or not is_decided(world):
        return "closed", "not-decided"
    if world.is_private:
        return "blocked", "private"
    if world.ruling.is_forbidden:
        return "blocked", "forbidden"
    if not world.is_on:
        return "blocked", "switched-off"
    for no in ("withdrawn", "refused"):
        if any(no in person.noes for person in world.people):
            return "blocked", no
    if not all(person.has_acknowledged for person in agents(world)):
        return "blocked", "not-acknowledged"
    if any(person.is_machine for person in world.people):
        return "blocked", "machine"
    if owed(world):
        return ("telling", "telling") if world.notice[0] == "given" else ("asking", "asking")
    if world.not_durable:
        return "sealing", "sealing"
    if world.pauses:
        return "held", "paused"
    if not world.is_wanted:
        return "held", "not-wanted"
    return "open", "met"


def may(world: World, leg: str, use: Use, at_ms: int | None = None) -> bool:
    """Whether a leg may be put to a use, for audio captured from `at_ms` on."""
    here = [person for person in known(world) if person.is_here]
    began, since = world.notice
    match state_of(world):
        case "open":
            if leg != ANNOUNCER and all(person.leg != leg for person in here):
                return False
            if at_ms is not None and (world.open_since_ms is None or at_ms < world.open_since_ms):
                return False
            return use is Use.RECORD or (use is not Use.ANSWER and all_grant(world, use))
        case "telling":
            ours = leg == ANNOUNCER or any(
                person.leg == leg and person.role is Role.AGENT for person in here
            )
            ours = ours and all(person.leg != leg for person in contacts(world))
            in_time = at_ms is None or since <= at_ms < since + LONGEST_NOTICE_MS
            return ours and use is Use.RECORD and world.separate_legs and in_time
        case "asking":
            if use is not Use.ANSWER or began != "answered" or at_ms is None:
                return False
            if not since <= at_ms < since + LONGEST_ANSWER_MS or world.pauses:
                return False
            if not world.hears_answers or not world.separate_legs:
                return False
            if world.ruling is None or not world.ruling.spoken_answer:
                return False
            return any(
                person.leg == leg and person.is_here and wish.party == person.number
                for person in contacts(world)
                for wish in owed(world)
            )
    return False


def grants(world: World, contact: Person, use: Use) -> bool:
    """Whether one contact lets its voice be put to a use, by own word or because none is owed."""
    if any(use in word.uses for word in contact.words):
        return True
    owes_nothing = world.ruling is not None and all(
        wish.party != contact.number for wish in world.ruling.owed
    )
    return owes_nothing and use in (Use.RECORD, Use.TRANSCRIBE, Use.ANALYSE)


def proof_of(world: World) -> int:
    """What the consent rests on: the weakest of the best proofs; 0 if unmet or nothing is owed."""
    if world.ruling is None or not world.ruling.owed or owed(world):
        return 0
    words = {person.number: person.words for person in contacts(world)}
    return min(
        max(word.proof.value for word in words[wish.party] if is_enough(word, wish))
        for wish in world.ruling.owed
    )


def all_grant(world: World, use: Use) -> bool:
    """Whether every contact lets its voice be put to a use, with nothing still owed."""
    if world.ruling is None or owed(world):
        return False
    return all(grants(world, one, use) for one in contacts(world))


def tell(world: World, event: Event) -> World:
    """The world after one more report."""
    before = state_of(world)
    now = event.at_ms if event.at_ms > world.now_ms else world.now_ms
    world = world._replace(now_ms=now)
    began, since = world.notice
    if began == "given" and now - since >= LONGEST_NOTICE_MS:
        world = world._replace(notice=("", 0))
    if not world.is_over:
        if type(event).__name__ in TAKES_A_SERIAL:
            serial = world.serial + 1
            world = world._replace(serial=serial, not_durable=world.not_durable | {serial})
        if breaks_off(event):
            world = world._replace(notice=("", 0))
        world = reported(world, event)
        if world.notice[0] == "given" and not owed(world):
            world = world._replace(notice=("", 0))
    if state_of(world) != "open":
        return world._replace(open_since_ms=None)
    return world if before == "open" else world._replace(open_since_ms=now)


def breaks_off(event: Event) -> bool:
    """Whether a notice, and the wait for an answer to it, ends with this report."""
    match event:
        case Decided() | PartyJoined() | PlaceLearned() | Unwanted() | Held() | SwitchChanged():
            return True
        case Refused() | Withdrawn() | Failed() | HungUp() | TellingCancelled() | MadePrivate():
            return True
        case AcknowledgementChanged(is_given=is_given):
            return not is_given
        case _:
            return False


def changed(world: World, person: Person) -> World:
    """The world with something new about one person, known or not."""
    others = {other.number: other for other in world.people}
    others[person.number] = person
    return world._replace(people=tuple(others[key] for key in sorted(others)))


def found(world: World, index: int) -> Person:
    """One person; an empty entry when nothing was said of that index."""
    return next((p for p in world.people if p.number == index), Person(index))


def reported(world: World, event: Event) -> World:
    """The world with what one report says; serials, times and broken-off notices are done."""
    match event:
        case Decided(decision=decision):
            healed = world.trouble == "written"
            return world._replace(
                ruling=ruling_of(decision), trouble="" if healed else world.trouble
            )
        case PartyJoined():
            old = found(world, event.party)
            places = event.places if event.places else frozenset({"UNKNOWN"})
            new = world._replace(ruling=None)
            if old.role is not None:
                machine = old.is_machine or event.is_machine
                again = old._replace(places=old.places | places, is_machine=machine)
                return changed(new, again)
            joined = old._replace(
                role=event.role,
                leg=event.leg,
                places=places,
                is_machine=event.is_machine,
                is_here=True,
            )
            return changed(new, joined)
        case PlaceLearned(party=index, code=code):
            person = found(world, index)
            if person.role is None:
                return world
            return changed(world, person._replace(places=person.places | {code}))
        case PartyLeft(party=index):
            person = found(world, index)
            return changed(world, person._replace(is_here=False)) if person.role else world
        case Wanted():
            return world._replace(is_wanted=True)
        case Unwanted():
            return world._replace(is_wanted=False)
        case TellingStarted():
            # A second start while a notice is being given adds nothing to it.
            if world.notice[0] == "given":
                return world
            world = world._replace(notice=("", 0))
            if state_of(world) == "asking" and world.is_wanted and not world.pauses:
                return world._replace(notice=("given", world.now_ms))
            return world
        case TellingEnded():
            if world.notice[0] == "given":
                return world._replace(notice=("answered", world.now_ms))
            return world
        case TellingCancelled():
            return world
        case Met(evidence=word):
            return heard(world, word)
        case Refused(party=index):
            person = found(world, index)
            noes = person.noes | {"refused"}
            return changed(world, person._replace(noes=noes, words=frozenset()))
        case Withdrawn(party=index):
            person = found(world, index)
            noes = person.noes | {"withdrawn"}
            return changed(world, person._replace(noes=noes, words=frozenset()))
        case Held(hold=hold):
            return world._replace(pauses=world.pauses | {hold})
        case Released(hold=hold):
            return world._replace(pauses=world.pauses - {hold})
        case SwitchChanged(is_on=is_on):
            return world._replace(is_on=is_on)
        case AcknowledgementChanged(party=index, is_given=is_given):
            return changed(world, found(world, index)._replace(has_acknowledged=is_given))
        case MadePrivate():
            return world._replace(is_private=True)
        case Sealed(serial=serial):
            trouble = "written" if world.trouble else ""
            return world._replace(not_durable=world.not_durable - {serial}, trouble=trouble)
        case Failed():
            return world._replace(trouble="broken")
        case HungUp():
            return world._replace(is_over=True)
        case _:
            assert_never(event)


def heard(world: World, word: Evidence) -> World:
    """The world after a piece of evidence: kept, kept as an own yes after a no, or ignored."""
    person = found(world, word.party)
    if person.role is not Role.CONTACT:
        return world
    if (word.form.value, word.proof.value) not in SOUND:
        return world
    if word.proof.value == 3 and world.pauses:
        return world
    if word.form.value == 1 and person.noes:
        return world
    return changed(world, person._replace(noes=frozenset(), words=person.words | {word}))
