"""The call that is judged, and what a rule may say of it: the words that findings are made of.

A scene holds everything that a decision depends on besides the rulebook; a belief is that
somebody is in a place; a finding is what one rule, gap or wish asks for. What they say together
is `decide`'s concern, where they come from that of `findings` and `profile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from askfirst.model import (
    UNKNOWN,
    Certainty,
    Duty,
    Element,
    Form,
    LocatedParty,
    Mode,
    Proof,
    Purpose,
    Reason,
    Role,
    WorkplaceGate,
)
from askfirst.override import Override
from askfirst.places import REASONS
from askfirst.policy import Policy
from askfirst.rules import Jurisdiction, Rulebook
from askfirst.wording import pick, say

_CERTAINTIES = (Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE)
_NOTHING: frozenset[Element] = frozenset()
_UNKNOWN_KEYS = dict(
    zip(
        REASONS,
        ("withheld", "not_a_number", "invalid", "global", "no_area", "special", "no_place"),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a rule may ask about a call besides who is where.

    `sectors` are those of the account, `held` the conditions that hold; everything else is false.
    """

    on: date
    channel: str
    purpose: Purpose | None
    sectors: frozenset[str]
    held: frozenset[str]
    overrides: tuple[Override, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a decision depends on besides the rulebook; parties have no number."""

    parties: tuple[LocatedParty, ...]
    policy: Policy
    recorder: str | None
    circumstances: Circumstances

    @property
    def on(self) -> date:
        """The day whose rules count."""
        return self.circumstances.on

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The overrides in force."""
        return self.circumstances.overrides


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule, gap or wish asks for; `code` is the place that answers for it."""

    code: str
    reason: Reason
    mode: Mode = Mode.AUTO
    form: Form | None = None
    proof: Proof = Proof.NONE
    elements: frozenset[Element] = _NOTHING
    inside_recording: bool = False
    spoken_answer: bool = True
    data_protection: bool = False
    duties: tuple[Duty, ...] = ()
    workplace: tuple[WorkplaceGate, ...] = ()


@dataclass(frozen=True, slots=True)
class Belief:
    """That somebody is in a place: `where` in words; no party and no role for the recorder."""

    code: str
    party: int | None
    role: Role | None
    where: str


def circumstances(
    policy: Policy, on: date, channel: str, overrides: tuple[Override, ...] = ()
) -> Circumstances:
    """What an account's policy and the overrides in force make of a call on a day."""
    asserted = frozenset[str]().union(*(each.conditions for each in overrides))
    held = policy.conditions(asserted)
    return Circumstances(on, channel, policy.purpose, policy.sectors, held, overrides)


def beliefs_of(scene: Scene, rules: Rulebook, language: str) -> Iterator[Belief]:
    """Every place that somebody on the call, or the recorder, is believed to be in."""
    for index, party in enumerate(scene.parties):
        yield from _beliefs(index, party, rules, language)
    if scene.recorder is not None:
        place = _place_words(scene.recorder, rules, language)
        where = _capital(say(language, "why.recorder", place=place))
        yield Belief(scene.recorder, None, None, where)


@lru_cache(maxsize=4_096)
def _beliefs(index: int, party: LocatedParty, rules: Rulebook, language: str) -> tuple[Belief, ...]:
    name = party_words(index, party.role, language)
    found = []
    for code in sorted({place.code for place in party.places}):
        held = [place for place in party.places if place.code == code]
        certainty = min((place.certainty for place in held), key=_CERTAINTIES.index)
        sources = sorted({place.source.value for place in held})
        where = say(
            language,
            "why.place",
            party=name,
            certainty=say(language, f"certainty.{certainty.value}"),
            place=_place_words(code, rules, language),
            sources=say(language, "and").join(
                say(language, f"source.{source}") for source in sources
            ),
        )
        found.append(Belief(code, index, party.role, _capital(where)))
    if party.unknown is not None:
        words = unknown_words(party.unknown, language)
        where = say(language, "why.unknown", party=name, unknown=words)
        found.append(Belief(UNKNOWN, index, party.role, _capital(where)))
    return tuple(found)


def unknown_words(unknown: str | None, language: str) -> str | None:
    """Why a party is of unknown place, in the language; other words stay as they are."""
    key = _UNKNOWN_KEYS.get(unknown) if unknown else None
    return say(language, f"unknown.{key}") if key else unknown


def party_words(index: int, role: Role, language: str) -> str:
    """A party as a sentence names it: its number in the call and its role."""
    return say(language, "party", index=index, role=say(language, f"role.{role.value}"))


def file_of(code: str, rules: Rulebook) -> Jurisdiction | None:
    """The rule file that answers for a place: its own, its country's, or that of UNKNOWN."""
    files = rules.jurisdictions
    return files.get(code) or files.get(code.partition("-")[0]) or files.get(UNKNOWN)


def areas(code: str, rules: Rulebook) -> frozenset[str]:
    """A place, its country and every area around it, such as US-CA, US or NO, EEA."""
    around = {file.code for file in lineage(code, rules)}
    return frozenset(around | {code, code.partition("-")[0]})


def lineage(code: str, rules: Rulebook) -> list[Jurisdiction]:
    """The files of a place and all its parents, each once; without UNKNOWN."""
    files = rules.jurisdictions
    found: dict[str, Jurisdiction] = {}
    waiting = [code if code in files else code.partition("-")[0]]
    while waiting:
        current = waiting.pop()
        if current in files and current not in found:
            found[current] = files[current]
            waiting += files[current].parents
    return list(found.values())


def _place_words(code: str, rules: Rulebook, language: str) -> str:
    file = rules.jurisdictions.get(code)
    return f"{pick(language, file.name)} ({code})" if file is not None else code


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
