"""Whether rule files say well what they say: small named checks, and the cases of each file.

`rules` refuses what cannot be read; here stands what can be read and is still wrong: a rule
without a case, a treatment that the rules do not give. What must hold before anything is loaded
is `rulesound`, and is reported here as well.
Every check yields lines ``FILE: KEY: what is wrong; mend: ...``; none stops at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources.abc import Traversable

from askfirst import rulesound
from askfirst.decide import decide
from askfirst.errors import InvalidRequest, InvalidRules
from askfirst.model import Decision, Form, Mode, Party, Place, Proof, Role
from askfirst.policy import Policy
from askfirst.ruleform import Reader, plain
from askfirst.rules import (
    CHANNELS,
    FORMS,
    MODES,
    PURPOSES,
    Jurisdiction,
    Rulebook,
    assemble,
    parse_jurisdiction,
    read_files,
)
from askfirst.rulesound import line

WARN_AFTER_MONTHS = 12
STALE_AFTER_MONTHS = 18


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
        faults += rulesound.faults_of(jurisdiction)
        for each in CHECKS:
            faults += each(jurisdiction, cases)
    try:
        rulebook = assemble(directory, *beside)
    except InvalidRules as error:
        return faults + [fault for fault in error.faults if fault not in faults]
    faults += rulesound.lifts_are_allowed(rulebook.jurisdictions)
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
        f"{case.jurisdiction}.toml: case {plain(case.name, 120)!r}: {key}: "
        f"expected {plain(wanted, 200)}, got {got or 'nothing'}; mend: correct the rule or the case"
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


def cases_are_enough(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Two cases at least, one of them at a boundary, no name twice."""
    if len(cases) < 2:
        yield line(jurisdiction, "case", f"{len(cases)} sound cases", "write at least two")
    if not any(case.boundary for case in cases):
        yield line(jurisdiction, "case", "none is a boundary", "add one with boundary = true")
    names = [case.name for case in cases]
    for name in sorted({name for name in names if names.count(name) > 1}):
        what = f"{plain(name, 120)!r} is there twice"
        yield line(jurisdiction, "case", what, "give each its own name")


def every_rule_is_hit(jurisdiction: Jurisdiction, cases: Sequence[Case]) -> Iterator[str]:
    """Every version of every rule is in the because of some case, on a day when it is in force."""
    for rule in jurisdiction.rules:
        if not any(rule.id in case.expect.because and rule.in_force(case.on) for case in cases):
            what = f"no case has the version of {rule.applies_from} as a reason"
            yield line(jurisdiction, rule.id, what, "add a case with it in because")


CHECKS: tuple[Check, ...] = (
    cases_are_enough,
    every_rule_is_hit,
)
"""Checks of one file and its cases; those over the whole rulebook are called by `check`."""


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
            yield line(jurisdiction, "treatment.mode", what, "correct the treatment or the rules")


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
        table.fault(error.key, plain(str(error), 1_000), "use a key and value that a policy knows")
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
            yield line(jurisdiction, "reviewed", what, "read the sources again and date it anew")


def _word(form: Form | None) -> str:
    return form.word if form is not None else ""
