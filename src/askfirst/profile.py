"""Profiles: another product's published behaviour as one data file, instead of the rulebook.

A profile answers from the places of the contacts' numbers and from nothing else. It may be
looser than the law, so it is used only where an account names it, and every decision that it
makes says so. The files stand in `profiles/`; here they are read and asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from importlib import resources

from askfirst.errors import InvalidRules
from askfirst.model import (
    POLICY,
    UNKNOWN,
    Duty,
    Element,
    Form,
    Mode,
    Proof,
    Reason,
    Role,
    Source,
    Standing,
)
from askfirst.ruleform import Reader, parse_toml
from askfirst.rules import FORMS, Rulebook, Text
from askfirst.scene import Finding, Scene, areas, beliefs_of
from askfirst.wording import pick, say

ALL_PARTY, ONE_PARTY, INTERNATIONAL, AUTOMATIC, NO_PLACE = ANSWERS = (
    "all_party",
    "one_party",
    "international",
    "automatic",
    "no_place",
)
"""What a profile says of one number; each has its sentence in the file."""

ASKING_ANSWERS = frozenset({ALL_PARTY, INTERNATIONAL, NO_PLACE})
IN_USE, EMPLOYEES = "profile", "employees"
_DUTIES = ("notice", "lawful_basis")


@dataclass(frozen=True, slots=True)
class Advice:
    """What the source says of some places: told besides, and owed besides. Never a mode."""

    places: frozenset[str]
    kind: str
    elements: frozenset[Element]
    text: Text


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that one profile file says.

    `country` is where the source is at home: only there are calls not international. `form`,
    `proof` and `elements` are owed wherever the profile asks.
    """

    name: str
    source: str
    since: date
    reviewed: date
    country: str
    all_party: frozenset[str]
    international: frozenset[str]
    automatic: tuple[str, ...]
    form: Form
    proof: Proof
    elements: frozenset[Element]
    why: Mapping[str, Text]
    advice: tuple[Advice, ...]

    def answer(self, code: str) -> str:
        """One of `ANSWERS` for the place that a number belongs to."""
        if code in self.all_party:
            return ALL_PARTY
        country = code.partition("-")[0]
        # The country alone says no state, and in doubt the source asks.
        if country == self.country and country != code and code not in self.international:
            return ONE_PARTY
        return AUTOMATIC if country in self.automatic else INTERNATIONAL


@cache
def packaged_profile(name: str) -> Profile | None:
    """The profile of that name, read once; None for the product's own behaviour.

    Raises InvalidRules with every fault when the packaged file is damaged.
    """
    file = resources.files("askfirst") / "profiles" / f"{name}.toml"
    return parse_profile(file.read_text(encoding="utf-8"), file.name) if file.is_file() else None


def parse_profile(text: str, filename: str) -> Profile:
    """One profile file as a value. Raises InvalidRules with every fault of its form."""
    faults: list[str] = []
    top = Reader(parse_toml(text, filename, faults), filename, faults)
    if faults:
        raise InvalidRules(faults)
    words = [each.value for each in Element]
    why = top.table("why")
    profile = Profile(
        name=top.text("profile"),
        source=top.text("source"),
        since=top.day("since"),
        reviewed=top.day("reviewed"),
        country=top.text("country"),
        all_party=frozenset(top.strings("all_party")),
        international=frozenset(top.strings("international")),
        automatic=top.strings("automatic"),
        form=FORMS[top.word("form", FORMS)],
        proof=Proof(top.number("proof", Proof.AGENT_WORD, Proof.AGENT_WORD, Proof.WRITTEN)),
        elements=frozenset(Element(each) for each in top.words("elements", words)),
        why={key: why.texts(key) for key in (*ANSWERS, IN_USE, EMPLOYEES)},
        advice=tuple(_advice(table, words) for table in top.tables("advice")),
    )
    why.done()
    top.done()
    if f"{profile.name}.toml" != filename:
        top.fault("profile", f"{profile.name!r} is not the file's name", "make them one")
    if faults:
        raise InvalidRules(faults)
    return profile


def seen_by_profile(scene: Scene, language: str) -> Scene:
    """The call as a profile looks at it: the places of the contacts' numbers and nothing else.

    Nobody's address, no agent and no recorder counts; a contact whose number has no place is of
    unknown place whatever else is known.
    """
    no_place = say(language, "profile.no_number")
    parties = []
    for party in scene.parties:
        places = tuple(place for place in party.places if place.source is Source.NUMBER)
        if party.role is Role.AGENT:
            parties.append(replace(party, places=(), unknown=None))
        else:
            unknown = party.unknown if places else party.unknown or no_place
            parties.append(replace(party, places=places, unknown=unknown))
    return replace(scene, parties=tuple(parties), recorder=None)


def findings_of_profile(
    profile: Profile, scene: Scene, rules: Rulebook, language: str
) -> Iterator[Finding]:
    """What the profile says of every contact's number, and that it is in use."""
    employees = Duty(POLICY, "employee_notice", pick(language, profile.why[EMPLOYEES]))
    in_use = _of_answer(profile, IN_USE, POLICY, None, "", language)
    yield replace(
        in_use, duties=(employees,), reason=replace(in_use.reason, rule=f"{POLICY}.profile")
    )
    beliefs = list(beliefs_of(seen_by_profile(scene, language), rules, language))
    for belief in beliefs:
        answer = NO_PLACE if belief.code == UNKNOWN else profile.answer(belief.code)
        found = _of_answer(profile, answer, belief.code, belief.party, belief.where, language)
        around = areas(belief.code, rules)
        yield _advised(found, [each for each in profile.advice if each.places & around], language)
    if not beliefs:
        yield _of_answer(profile, NO_PLACE, UNKNOWN, None, "", language)


def _advice(table: Reader, words: list[str]) -> Advice:
    advice = Advice(
        places=frozenset(table.strings("places")),
        kind=table.word("kind", _DUTIES),
        elements=frozenset(Element(each) for each in table.words("elements", words)),
        text=table.texts("text"),
    )
    table.done()
    return advice


def _of_answer(
    profile: Profile, answer: str, code: str, party: int | None, where: str, language: str
) -> Finding:
    said = pick(language, profile.why[answer])
    reason = Reason(
        rule=f"{profile.name}.{answer}",
        jurisdiction=code,
        party=party,
        why=say(language, "why.rule", where=where, summary=said) if where else said,
        cites=(profile.source,),
        since=profile.since,
        reviewed=profile.reviewed,
        standing=Standing.SECONDARY,
    )
    if answer not in ASKING_ANSWERS:
        return Finding(code, reason)
    return Finding(
        code=code,
        reason=reason,
        mode=Mode.ASK,
        form=profile.form,
        proof=profile.proof,
        elements=profile.elements,
    )


def _advised(finding: Finding, advice: list[Advice], language: str) -> Finding:
    """The finding with what the source says of the place, where it asks."""
    if finding.form is None or not advice:
        return finding
    return replace(
        finding,
        elements=finding.elements.union(*(each.elements for each in advice)),
        duties=tuple(Duty(finding.code, each.kind, pick(language, each.text)) for each in advice),
    )
