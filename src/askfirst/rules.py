"""The rulebook: read rule files, look rules up, fingerprint what was read.

What a rule file may say is in `jurisdictions/README.md`; whether it says it well is checked in
`rulecheck`. This module only reads: it holds no opinion on the law and knows no jurisdiction
but UNKNOWN, the one that answers where nothing is written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from askfirst.errors import InvalidRules
from askfirst.model import UNKNOWN, Element, Form, Mode, Proof, Purpose, Standing
from askfirst.ruleform import Reader, parse_toml

Text = Mapping[str, str]
"""A sentence by language code; every text has at least ``en`` and ``nb``."""

KINDS = ("country", "state", "territory", "layer", "pseudo")
LAYERS = ("secrecy", "data_protection", "product")
CONSENTS = ("one_party", "mixed", "all_party")
"""What secrecy law asks of the parties, from the loosest to the strictest."""
BASES = (
    "consent",
    "consent_or_li",
    "li_with_notice",
    "consent_implied",
    "notice_only",
    "business_exception",
    "unclear",
)
SOURCE_KINDS = ("statute", "regulation", "regulator", "case", "secondary")
DUTY_KINDS = (
    "notice",
    "lawful_basis",
    "retention",
    "storage",
    "employee_notice",
    "works_agreement",
)
CONDITIONS = ("lawful_basis", "automatic_notice", "no_third_party_guarantee", "ordinary_data")
"""Facts of an account or call that may ease a rule; each is false when nobody states it."""
CHANNELS = ("phone", "video")
SECTORS = ("finance",)
PURPOSES = tuple(purpose.value for purpose in Purpose)
MODES = {mode.word: mode for mode in Mode}
FORMS = {form.word: form for form in Form}
NOT_JURISDICTIONS = frozenset({"template.toml"})
"""Files of a rule directory that are not read as jurisdictions."""

_USUAL_PROOF = {
    None: Proof.NONE,
    Form.TOLD: Proof.AGENT_WORD,
    Form.AGREED: Proof.AGENT_WORD,
    Form.WRITTEN: Proof.WRITTEN,
}


@dataclass(frozen=True, slots=True)
class RuleSource:
    """Where a rule is written. `accessed` is the day it was read, None when it was not."""

    kind: str
    title: str
    url: str | None
    accessed: date | None


@dataclass(frozen=True, slots=True)
class When:
    """Facts of a call that must hold for a rule to apply; empty means any."""

    purposes: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    sectors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Eased:
    """What a rule becomes while every condition holds (conditions are false when absent).

    `lifts` names rules of the parents that then do not apply to this place.
    """

    conditions: frozenset[str]
    mode: Mode
    form: Form | None
    proof: Proof
    elements: frozenset[Element]
    lifts: frozenset[str]
    summary: Text


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """A dated, cited rule of one jurisdiction. `applies_until` is exclusive."""

    id: str
    jurisdiction: str
    layer: str
    applies_from: date
    applies_until: date | None
    when: When
    mode: Mode
    form: Form | None
    proof: Proof
    elements: frozenset[Element]
    inside_recording: bool
    spoken_answer: bool
    summary: Text
    sources: tuple[RuleSource, ...]
    eased: Eased | None

    def in_force(self, on: date) -> bool:
        """Whether the rule applies on a date."""
        return self.applies_from <= on and (self.applies_until is None or on < self.applies_until)


@dataclass(frozen=True, slots=True)
class RuleDuty:
    """Something owed besides the answer on the phone, in one jurisdiction."""

    kind: str
    text: Text


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """Everything one rule file says.

    `consent` (one_party < mixed < all_party) and `criminal` are the secrecy layer's answer as
    the product treats it; they rank jurisdictions of equal mode. `raw` is the whole file as
    parsed, for pages that show the layers; its form has been checked.
    """

    code: str
    name: Text
    kind: str
    parents: tuple[str, ...]
    reviewed: date
    reviewer: str
    standing: Standing
    treatment: Mode
    consent: str
    criminal: bool
    rules: tuple[ConsentRule, ...]
    duties: tuple[RuleDuty, ...]
    raw: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Every jurisdiction by code, with the version and fingerprint that name the set.

    `fingerprint` is ``sha256:`` and the hash of the canonical content: the same rules give the
    same fingerprint whatever the order of keys, files or white space.
    """

    jurisdictions: Mapping[str, Jurisdiction]
    version: str
    fingerprint: str

    def applicable(self, code: str, on: date) -> tuple[tuple[Jurisdiction, ConsentRule], ...]:
        """Rules in force on a date for a place: its own and those of all its parents.

        What nobody has written down asks, so the rules of UNKNOWN are added wherever the
        place's own file does not settle it: no file (a subdivision without one also gets the
        rules of its country), a layer instead of a place, or no rule of its own in force.
        """
        settled = code in self.jurisdictions
        start = code if settled else code.partition("-")[0]
        found: list[tuple[Jurisdiction, ConsentRule]] = []
        for jurisdiction in self._lineage(start):
            current = [rule for rule in jurisdiction.rules if rule.in_force(on)]
            found += [(jurisdiction, rule) for rule in current]
            if jurisdiction.kind == "layer":
                settled = settled and jurisdiction.code != code
            elif jurisdiction.code == code and jurisdiction.rules and not current:
                settled = False
        if not (settled and found):
            unknown = self.jurisdictions[UNKNOWN]
            found += [(unknown, rule) for rule in unknown.rules if start != UNKNOWN]
        return tuple(found)

    def _lineage(self, code: str) -> Iterator[Jurisdiction]:
        """The jurisdiction and all its ancestors, each once, the nearest first."""
        waiting, seen = [code], set[str]()
        while waiting:
            current = waiting.pop(0)
            if current in seen or current not in self.jurisdictions:
                continue
            seen.add(current)
            yield self.jurisdictions[current]
            waiting += self.jurisdictions[current].parents


def packaged_directory() -> Traversable:
    """Where the rule files that come with this version are."""
    return resources.files("askfirst") / "jurisdictions"


@cache
def packaged() -> Rulebook:
    """The rules that come with this version, read once for each process."""
    return load(packaged_directory())


def template(code: str) -> str:
    """The text of a new rule file for a code, sound in form and to be filled in."""
    text = (packaged_directory() / "template.toml").read_text(encoding="utf-8")
    return text.replace("XX", code)


def load(directory: Traversable, *extra: Traversable) -> Rulebook:
    """A rulebook of every ``CODE.toml`` in the directories, subdirectories left out.

    A code may stand in one directory only: rules are never replaced by a later file. Raises
    InvalidRules with every fault of every file; then nothing is loaded.
    """
    faults: list[str] = []
    read: dict[str, Jurisdiction] = {}
    for name, text in read_files((directory, *extra), faults):
        try:
            jurisdiction = parse_jurisdiction(text, name)
        except InvalidRules as error:
            faults += error.faults
            continue
        if jurisdiction.code in read:
            faults.append(
                f"{name}: jurisdiction: {jurisdiction.code} is written twice; mend: keep one file"
            )
        read[jurisdiction.code] = jurisdiction
    if not faults:
        faults += _faults_between(read)
    if faults:
        raise InvalidRules(faults)
    ordered = {code: read[code] for code in sorted(read)}
    return Rulebook(ordered, _version(ordered.values()), fingerprint(ordered.values()))


def read_files(directories: Iterable[Traversable], faults: list[str]) -> Iterator[tuple[str, str]]:
    """Name and text of every rule file, by name; what cannot be read is added to `faults`."""
    for directory in directories:
        try:
            files = sorted(directory.iterdir(), key=lambda file: file.name)
        except OSError:
            faults.append(f"{directory.name}: no such directory; mend: name a directory of rules")
            continue
        for file in files:
            if not file.name.endswith(".toml") or file.name in NOT_JURISDICTIONS:
                continue
            try:
                yield file.name, file.read_text(encoding="utf-8")
            except (OSError, UnicodeError):
                faults.append(f"{file.name}: cannot be read; mend: save it as UTF-8 text")


def parse_jurisdiction(text: str, filename: str) -> Jurisdiction:
    """One rule file as a value; `filename` must be the code and ``.toml``.

    Raises InvalidRules with every fault of the file's form.
    """
    faults: list[str] = []
    raw = parse_toml(text, filename, faults)
    top = Reader(raw, filename, faults)
    if faults:
        raise InvalidRules(faults)
    jurisdiction = _jurisdiction(top, raw)
    if f"{jurisdiction.code}.toml" != filename:
        top.fault("jurisdiction", f"{jurisdiction.code!r} is not the file's name", "make them one")
    if faults:
        raise InvalidRules(faults)
    return jurisdiction


def fingerprint(jurisdictions: Iterable[Jurisdiction]) -> str:
    """``sha256:`` and the hash of the content as JSON with sorted keys and ISO dates.

    Cases are left out: they test the rules and decide nothing.
    """
    content = {
        jurisdiction.code: {key: jurisdiction.raw[key] for key in jurisdiction.raw if key != "case"}
        for jurisdiction in jurisdictions
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return "sha256:" + hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _version(jurisdictions: Iterable[Jurisdiction]) -> str:
    return max(each.reviewed for each in jurisdictions).strftime("%Y.%m.%d")


def _faults_between(read: Mapping[str, Jurisdiction]) -> list[str]:
    """What no file can show alone: missing parents, circles, no answer for the unknown."""
    faults: list[str] = []
    if UNKNOWN not in read or not read[UNKNOWN].rules:
        faults.append(f"{UNKNOWN}.toml: missing or without rules; mend: add it, or load it beside")
    for code, jurisdiction in read.items():
        for parent in jurisdiction.parents:
            if parent not in read:
                faults.append(
                    f"{code}.toml: parents: {parent} has no file; mend: add {parent}.toml"
                )
        if code in _ancestors(code, read):
            faults.append(f"{code}.toml: parents: lead back to {code}; mend: break the circle")
    return faults


def _ancestors(code: str, read: Mapping[str, Jurisdiction]) -> set[str]:
    waiting, found = list(read[code].parents), set[str]()
    while waiting:
        current = waiting.pop()
        if current not in found and current in read:
            found.add(current)
            waiting += read[current].parents
    return found


def _jurisdiction(top: Reader, raw: Mapping[str, object]) -> Jurisdiction:
    code = top.text("jurisdiction")
    treatment = top.table("treatment")
    mode = MODES[treatment.word("mode", MODES)]
    consent = treatment.word("consent", CONSENTS)
    criminal = treatment.flag("criminal")
    treatment.done()
    _shown_layers(top)
    jurisdiction = Jurisdiction(
        code=code,
        name=top.texts("name"),
        kind=top.word("kind", KINDS),
        parents=top.strings("parents"),
        reviewed=top.day("reviewed"),
        reviewer=top.text("reviewer"),
        standing=Standing(top.word("standing", [each.value for each in Standing])),
        treatment=mode,
        consent=consent,
        criminal=criminal,
        rules=tuple(_rule(table, code) for table in top.tables("rule")),
        duties=tuple(_duty(table) for table in top.tables("duty")),
        raw=raw,
    )
    top.tables("case")  # read by rulecheck; a rulebook decides without them
    top.done()
    return jurisdiction


def _shown_layers(top: Reader) -> None:
    """Read what only people look at, so that a page can rely on its form."""
    if secrecy := top.maybe_table("secrecy"):
        secrecy.word("consent", CONSENTS)
        secrecy.flag("criminal")
        secrecy.texts("summary")
        secrecy.maybe_texts("penalties")
        secrecy.done()
    if protection := top.maybe_table("data_protection"):
        protection.word("basis", BASES)
        protection.words("notice_second_layer", [each.value for each in Element])
        for key in ("retention", "storage"):
            protection.maybe_texts(key)
        protection.texts("summary")
        protection.done()
    if workplace := top.maybe_table("workplace"):
        for key in ("notice_required", "acknowledgement", "posting", "works_agreement"):
            workplace.flag(key)
        workplace.texts("summary")
        workplace.done()


def _rule(table: Reader, code: str) -> ConsentRule:
    identity = table.text("id")
    if identity.partition(".")[0] != code or not identity.partition(".")[2]:
        table.fault("id", f"{identity!r}", f"write {code}. and a short name")
    form, proof, elements = _owed(table)
    eased = table.maybe_table("eased")
    rule = ConsentRule(
        id=identity,
        jurisdiction=code,
        layer=table.word("layer", LAYERS),
        applies_from=table.day("applies_from"),
        applies_until=table.maybe_day("applies_until"),
        when=_when(table),
        mode=MODES[table.word("mode", MODES)],
        form=form,
        proof=proof,
        elements=elements,
        inside_recording=table.flag("inside_recording"),
        spoken_answer=table.flag("spoken_answer"),
        summary=table.texts("summary"),
        sources=tuple(_source(source) for source in table.tables("source")),
        eased=_eased(eased) if eased else None,
    )
    table.done()
    return rule


def _owed(table: Reader) -> tuple[Form | None, Proof, frozenset[Element]]:
    word = table.maybe_word("form", FORMS)
    form = FORMS[word] if word else None
    proof = Proof(table.number("proof", _USUAL_PROOF[form], 0, 6))
    words = table.words("elements", [each.value for each in Element])
    return form, proof, frozenset(Element(each) for each in words)


def _when(table: Reader) -> When:
    when = table.maybe_table("when")
    if when is None:
        return When()
    facts = When(
        purposes=frozenset(when.words("purpose", PURPOSES)),
        channels=frozenset(when.words("channel", CHANNELS)),
        sectors=frozenset(when.words("sector", SECTORS)),
    )
    when.done()
    return facts


def _source(table: Reader) -> RuleSource:
    source = RuleSource(
        kind=table.word("kind", SOURCE_KINDS),
        title=table.text("title"),
        url=table.maybe_text("url"),
        accessed=table.maybe_day("accessed"),
    )
    table.done()
    return source


def _eased(table: Reader) -> Eased:
    form, proof, elements = _owed(table)
    eased = Eased(
        conditions=frozenset(table.words("conditions", CONDITIONS)),
        mode=MODES[table.word("mode", MODES)],
        form=form,
        proof=proof,
        elements=elements,
        lifts=frozenset(table.strings("lifts")),
        summary=table.texts("summary"),
    )
    if not eased.conditions:
        table.fault("conditions", "nothing eases the rule", "name at least one condition")
    table.done()
    return eased


def _duty(table: Reader) -> RuleDuty:
    duty = RuleDuty(kind=table.word("kind", DUTY_KINDS), text=table.texts("text"))
    table.done()
    return duty
