"""Whether rule files say well what they say: small named checks, and the cases of each file.

`rules` refuses what cannot be read; here stands what can be read and is still wrong: a rule
without a source or a case, a treatment that the rules do not give, a lift that nobody allowed.
Every check yields lines ``FILE: KEY: what is wrong; mend: ...``; none stops at the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources.abc import Traversable

from askfirst.decide import decide
from askfirst.errors import InvalidRequest, InvalidRules
from askfirst.model import Decision, Form, Mode, Party, Place, Proof, Role
from askfirst.policy import Policy
from askfirst.ruleform import Reader
from askfirst.rules import (
    CHANNELS,
    FORMS,
    MODES,
    PURPOSES,
    ConsentRule,
    Jurisdiction,
    Rulebook,
    load,
    parse_jurisdiction,
    read_files,
)

MAY_LIFT = frozenset({"SE"})
"""Jurisdictions that may switch off a parent's rule; a new one needs a decision record."""

WARN_AFTER_MONTHS = 12
STALE_AFTER_MONTHS = 18

_CODES = {
    "country": re.compile(r"[A-Z]{2}"),
    "state": re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}"),
    "territory": re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?"),
    "layer": re.compile(r"[A-Z]{2,3}"),
    "pseudo": re.compile(r"UNKNOWN"),
}
# Announcements (3) never meet "agreed"; "heard" (2) is only known when the call is over.
_PROOFS = {
    None: {Proof.NONE},
    Form.TOLD: {Proof.AGENT_WORD, Proof.ANNOUNCED},
    Form.AGREED: {Proof.AGENT_WORD, Proof.KEY, Proof.SPOKEN},
    Form.WRITTEN: {Proof.WRITTEN},
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case wants of the decision; None and empty mean: not asked."""

    mode: Mode
    governing: tuple[str, ...]
    because: tuple[str, ...]
    form: Form | None
    proof: Proof | None
    inside_recording: bool | None


@dataclass(frozen=True, slots=True)
class Case:
    """A call whose decision a rule file promises. `recorder` is a place code or None."""

    jurisdiction: str
    name: str
    on: date
    boundary: bool
    parties: tuple[Party, ...]
    policy: Policy
    recorder: str | None
    channel: str
    expect: Expectation

    def decided(self, rules: Rulebook) -> Decision:
        """The decision of this call under a rulebook."""
        return decide(
            self.parties,
            self.on,
            rules,
            self.policy,
            recorder=self.recorder,
            channel=self.channel,
        )


Check = Callable[[Jurisdiction, Sequence[Case]], Iterator[str]]


def check(directory: Traversable, *beside: Traversable, today: date | None = None) -> list[str]:
    """Every fault of every rule file in the directories, which are read as one rulebook.

    `directory` and `beside` together need UNKNOWN.toml and all parents. With `today`, files
    reviewed too long ago are faults as well. An empty list means that all is well.
    """
    faults: list[str] = []
    for name, text in read_files((directory, *beside), faults):
        try:
            jurisdiction = parse_jurisdiction(text, name)
        except InvalidRules as error:
            faults += error.faults
            continue
        cases = read_cases(jurisdiction, faults)
        for each in CHECKS:
            faults += each(jurisdiction, cases)
    try:
        rulebook = load(directory, *beside)
    except InvalidRules as error:
        return faults + [fault for fault in error.faults if fault not in faults]
    faults += lifts_are_allowed(rulebook)
    faults += treatments_hold(rulebook)
    faults += run_cases(rulebook)
    if today is not None:
        faults += review_faults(rulebook, today)
    return faults


def read_cases(jurisdiction: Jurisdiction, faults: list[str]) -> tuple[Case, ...]:
    """The cases of a file; what is wrong with them is added to `faults`, and they are left out."""
    top = Reader(jurisdiction.raw, f"{jurisdiction.code}.toml", faults)
    found = []
    for table in top.tables("case"):
        before = len(faults)
        case = _case(table, jurisdiction.code)
        if len(faults) == before:
            found.append(case)
    return tuple(found)


def cases_of(rulebook: Rulebook) -> tuple[Case, ...]:
    """Every case of a rulebook, in the order of its codes. Raises InvalidRules with all faults."""
    faults: list[str] = []
    found: list[Case] = []
    for jurisdiction in rulebook.jurisdictions.values():
        found += read_cases(jurisdiction, faults)
    if faults:
        raise InvalidRules(faults)
    return tuple(found)


def run_cases(rulebook: Rulebook) -> list[str]:
    """A line for everything in which a decision differs from what its case expects."""
    faults: list[str] = []
    for jurisdiction in rulebook.jurisdictions.values():
        for case in read_cases(jurisdiction, []):
            faults += case_faults(case, case.decided(rulebook))
    return faults


def case_faults(case: Case, decision: Decision) -> list[str]:
    """A line for everything in which the decision differs from what the case expects."""
    expect, requirements = case.expect, decision.requirements
    largest = max((each.form for each in requirements), default=None)
    proof = max((each.proof for each in requirements), default=Proof.NONE)
    missing = set(expect.because) - {reason.rule for reason in decision.reasons}
    compared = [
        ("mode", expect.mode.word, decision.mode.word, True),
        ("form", _word(expect.form), _word(largest), expect.form is not None),
        ("proof", str(int(expect.proof or 0)), str(int(proof)), expect.proof is not None),
        (
            "inside_recording",
            str(expect.inside_recording),
            str(decision.inside_recording),
            expect.inside_recording is not None,
        ),
        (
            "governing",
            ", ".join(sorted(expect.governing)),
            ", ".join(sorted(decision.governing)),
            bool(expect.governing),
        ),
        ("because", ", ".join(sorted(missing)), "", True),
    ]
    return [
        f"{case.jurisdiction}.toml: case {case.name!r}: {key}: expected {wanted}, "
        f"got {got or 'nothing'}; mend: correct the rule or the case"
        for key, wanted, got, asked in compared
        if asked and wanted != got
    ]


def diff(old: Rulebook, new: Rulebook) -> list[str]:
    """One line for each case of either rulebook whose outcome differs between them.

    Raises InvalidRules when a case cannot be read.
    """
    cases = {(case.jurisdiction, case.name): case for case in cases_of(old) + cases_of(new)}
    lines = []
    for _, case in sorted(cases.items()):
        before, after = _outcome(case.decided(old)), _outcome(case.decided(new))
        changes = [
            f"{key} {before[key] or 'nothing'} -> {after[key] or 'nothing'}"
            for key in before
            if before[key] != after[key]
        ]
        if changes:
            lines.append(f"{case.jurisdiction}: {case.name}: {'; '.join(changes)}")
    return lines


def review_warnings(rulebook: Rulebook, today: date) -> list[str]:
    """A line for each file whose review is 12 to 18 months old."""
    return list(_reviewed_between(rulebook, today, WARN_AFTER_MONTHS, STALE_AFTER_MONTHS))


def review_faults(rulebook: Rulebook, today: date) -> list[str]:
    """A line for each file whose review is 18 months old or more."""
    return list(_reviewed_between(rulebook, today, STALE_AFTER_MONTHS, None))


def code_fits_kind(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """A code has the form of its kind, and a state has its country as parent."""
    code, kind = jurisdiction.code, jurisdiction.kind
    if not _CODES[kind].fullmatch(code):
        yield _line(jurisdiction, "kind", f"{code} is no code of a {kind}", "correct either")
    country = code.partition("-")[0]
    if kind == "state" and country not in jurisdiction.parents:
        yield _line(jurisdiction, "parents", f"{country} is missing", f"add {country}")


def dates_in_order(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """A rule ends after it begins, and nothing was read after the review."""
    for rule in jurisdiction.rules:
        if rule.applies_until is not None and rule.applies_until <= rule.applies_from:
            yield _line(jurisdiction, rule.id, "ends before it begins", "correct applies_until")
        for source in rule.sources:
            if source.accessed is not None and source.accessed > jurisdiction.reviewed:
                what = f"{source.title!r} was read after the review"
                yield _line(jurisdiction, rule.id, what, "move reviewed to that day")


def same_rule_never_overlaps(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Versions of one rule follow each other; on each day at most one is in force."""
    for n, rule in enumerate(jurisdiction.rules):
        for other in jurisdiction.rules[n + 1 :]:
            if rule.id == other.id and _overlap(rule, other):
                what = f"two versions are in force on {max(rule.applies_from, other.applies_from)}"
                yield _line(jurisdiction, rule.id, what, "end the earlier one with applies_until")


def rules_have_sources(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """A rule of law rests on law, a regulator or a court; a product rule says where it is from."""
    for rule in jurisdiction.rules:
        kinds = {source.kind for source in rule.sources}
        if not kinds or (rule.layer != "product" and kinds == {"secondary"}):
            what = "no statute, regulation, regulator or case as source"
            yield _line(jurisdiction, rule.id, what, "add a [[rule.source]]")


def owed_fits_mode(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Mode, form, proof and elements of a rule can be true together."""
    for rule in jurisdiction.rules:
        for name, each in ((rule.id, rule), (f"{rule.id}.eased", rule.eased)):
            if each is None:
                continue
            if each.mode is Mode.ASK and each.form is None:
                yield _line(jurisdiction, name, "asks and owes nothing", "add form")
            if each.mode is Mode.AUTO and each.form not in (None, Form.TOLD):
                yield _line(jurisdiction, name, "starts by itself and wants a yes", "use ask")
            if each.proof not in _PROOFS[each.form]:
                known = ", ".join(str(int(proof)) for proof in sorted(_PROOFS[each.form]))
                what = f"proof {int(each.proof)} does not fit form {_word(each.form) or 'nothing'}"
                yield _line(jurisdiction, name, what, f"use {known}")
            if (each.form is None) != (not each.elements):
                yield _line(jurisdiction, name, "form without elements or the reverse", "add both")
        if rule.eased is not None and rule.eased.mode > rule.mode:
            yield _line(jurisdiction, rule.id, "eased is stricter than the rule", "turn them round")


def cases_are_enough(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Two cases at least, one of them at a boundary, no name twice."""
    if len(cases) < 2:
        yield _line(jurisdiction, "case", f"{len(cases)} sound cases", "write at least two")
    if not any(case.boundary for case in cases):
        yield _line(jurisdiction, "case", "none is a boundary", "add one with boundary = true")
    names = [case.name for case in cases]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield _line(jurisdiction, "case", f"{name!r} is there twice", "give each its own name")


def every_rule_is_hit(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Every version of every rule is in the because of some case, on a day when it is in force."""
    for rule in jurisdiction.rules:
        if not any(rule.id in case.expect.because and rule.in_force(case.on) for case in cases):
            what = f"no case has the version of {rule.applies_from} as a reason"
            yield _line(jurisdiction, rule.id, what, "add a case with it in because")


CHECKS: tuple[Check, ...] = (
    code_fits_kind,
    dates_in_order,
    same_rule_never_overlaps,
    rules_have_sources,
    owed_fits_mode,
    cases_are_enough,
    every_rule_is_hit,
)
"""Checks that need one file only; those over the whole rulebook are called by `check`."""


def lifts_are_allowed(rulebook: Rulebook) -> Iterator[str]:
    """Only the places named in this module lift a parent's rule, and only one that exists."""
    for jurisdiction in rulebook.jurisdictions.values():
        for rule in jurisdiction.rules:
            lifted = rule.eased.lifts if rule.eased else frozenset()
            if lifted and jurisdiction.code not in MAY_LIFT:
                what = f"{jurisdiction.code} may not lift a parent's rule"
                yield _line(jurisdiction, f"{rule.id}.eased.lifts", what, "remove lifts")
            for one in sorted(lifted - _rules_above(rulebook, jurisdiction)):
                what = f"{one} is no rule of a parent"
                yield _line(jurisdiction, f"{rule.id}.eased.lifts", what, "name one that is")


def treatments_hold(rulebook: Rulebook) -> Iterator[str]:
    """The treatment is what a call inside the place gets under the default policy.

    Nobody is merely in a layer, so there the strictest rule of the file itself counts.
    """
    for jurisdiction in rulebook.jurisdictions.values():
        if jurisdiction.kind == "layer":
            current = [rule for rule in jurisdiction.rules if rule.in_force(jurisdiction.reviewed)]
            mode = max((rule.mode for rule in current), default=Mode.AUTO)
        else:
            here = () if jurisdiction.kind == "pseudo" else (Place(jurisdiction.code),)
            inside = [Party(Role.AGENT, None, here), Party(Role.CONTACT, None, here)]
            mode = decide(inside, jurisdiction.reviewed, rulebook).mode
        if mode is not jurisdiction.treatment:
            what = f"{jurisdiction.treatment.word}, but a call inside gets {mode.word}"
            yield _line(jurisdiction, "treatment.mode", what, "correct the treatment or the rules")


def _case(table: Reader, code: str) -> Case:
    on, name = table.day("on"), table.text("name")
    parties = tuple(_party(each) for each in table.tables("parties"))
    if not parties:
        table.fault("parties", "nobody is on the call", "name at least one party")
    case = Case(
        jurisdiction=code,
        name=name,
        on=on,
        boundary=table.flag("boundary"),
        parties=parties,
        policy=_policy(table),
        recorder=table.maybe_text("recorder"),
        channel=table.maybe_word("channel", CHANNELS) or CHANNELS[0],
        expect=_expectation(table.table("expect")),
    )
    table.done()
    return case


def _party(table: Reader) -> Party:
    role = Role(table.word("role", [each.value for each in Role]))
    places = tuple(Place(code) for code in table.strings("places"))
    party = Party(role, table.maybe_text("number"), places)
    table.done()
    return party


def _policy(table: Reader) -> Policy:
    stated = dict(table.raw("policy"))
    if purpose := table.maybe_word("purpose", PURPOSES):
        stated.setdefault("purpose", purpose)
    try:
        return Policy.parse(stated)
    except InvalidRequest as error:
        table.fault(error.key, str(error), "use a key and value that a policy knows")
        return Policy()


def _expectation(table: Reader) -> Expectation:
    form, proof = table.maybe_word("form", FORMS), table.number("proof", -1, 0, 6)
    expectation = Expectation(
        mode=MODES[table.word("mode", MODES)],
        governing=table.strings("governing"),
        because=table.strings("because"),
        form=FORMS[form] if form else None,
        proof=Proof(proof) if proof >= 0 else None,
        inside_recording=table.maybe_flag("inside_recording"),
    )
    table.done()
    return expectation


def _outcome(decision: Decision) -> Mapping[str, str]:
    requirements = decision.requirements
    return {
        "mode": decision.mode.word,
        "governing": ", ".join(sorted(decision.governing)),
        "form": _word(max((each.form for each in requirements), default=None)),
        "proof": str(int(max((each.proof for each in requirements), default=Proof.NONE))),
        "elements": ", ".join(each.value for each in decision.elements),
        "inside_recording": str(decision.inside_recording).lower(),
        "spoken_answer": str(decision.spoken_answer).lower(),
    }


def _reviewed_between(
    rulebook: Rulebook, today: date, least: int, limit: int | None
) -> Iterator[str]:
    for jurisdiction in rulebook.jurisdictions.values():
        reviewed = jurisdiction.reviewed
        months = (today.year - reviewed.year) * 12 + today.month - reviewed.month
        months -= today.day < reviewed.day
        if months >= least and (limit is None or months < limit):
            what = f"{reviewed} is {months} months ago"
            yield _line(jurisdiction, "reviewed", what, "read the sources again and date it anew")


def _rules_above(rulebook: Rulebook, jurisdiction: Jurisdiction) -> frozenset[str]:
    found: set[str] = set()
    for parent in jurisdiction.parents:
        above = rulebook.jurisdictions[parent]
        found |= {rule.id for rule in above.rules} | _rules_above(rulebook, above)
    return frozenset(found)


def _overlap(one: ConsentRule, other: ConsentRule) -> bool:
    return (one.applies_until is None or other.applies_from < one.applies_until) and (
        other.applies_until is None or one.applies_from < other.applies_until
    )


def _word(form: Form | None) -> str:
    return form.word if form is not None else ""


def _line(jurisdiction: Jurisdiction, key: str, what: str, mend: str) -> str:
    return f"{jurisdiction.code}.toml: {key}: {what}; mend: {mend}"
