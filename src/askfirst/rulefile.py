"""One rule file as values: what its tables say, typed, with every fault of its form.

What a rule file may say is in `jurisdictions/README.md`; `schemas/rule-file.json` says the same
to editors. Whether the file says it well is `rulesound` and `rulecheck`; many files together
are `rules`. This module holds no opinion on the law.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from askfirst.errors import InvalidRules
from askfirst.model import Element, Form, Mode, Proof, Purpose, Standing
from askfirst.ruleform import Reader, parse_toml, plain, shown

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
GATES = {
    "notice_required": "notice",
    "acknowledgement": "acknowledgement",
    "posting": "posting",
    "works_agreement": "works_agreement",
}
"""Keys of [workplace] and the gates that they set."""
YEARLY = "yearly_notice"
"""The gate of the key `yearly`, which a file may leave out: the notice is read every year."""
AGREEMENT = "agreement"
"""The gate of the key `agreement`, which a file may leave out: the agent's own words are protected
by secrecy law, so each agent must have agreed."""
CONDITIONS = ("lawful_basis", "automatic_notice", "no_third_party_guarantee", "ordinary_data")
"""Facts of an account or call that may ease a rule; each is false when nobody states it."""
CHANNELS = ("phone", "video")
SECTORS = ("finance", "public_utility")
"""Trades with rules of their own; what else an account calls its sector concerns no rule."""
MAX_PERIOD_DAYS = 3_660
"""How many days a duty may name at most: ten years."""
PURPOSES = tuple(purpose.value for purpose in Purpose)
MODES = {mode.word: mode for mode in Mode}
FORMS = {form.word: form for form in Form}
FILE_NAME = re.compile(r"([A-Z]{2,3}|[A-Z]{2}-[A-Z0-9]{1,3}|UNKNOWN)\.toml", re.ASCII)
"""Names of rule files: a code and ``.toml``; nothing else is opened."""

FAULTS_SHOWN = 100
"""How many faults of one file are told; a file with more is not worth reading to the end."""

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
    """Something owed besides the answer on the phone, in one jurisdiction.

    `applies_from` None: as long as the file's rules; `applies_until` is exclusive. `sources` are
    empty where the duty rests on those of the file's rules. A retention duty with an `id` bounds
    how long recordings are kept, in days; None: it does not on that side.
    """

    kind: str
    text: Text
    when: When = When()
    applies_from: date | None = None
    applies_until: date | None = None
    sources: tuple[RuleSource, ...] = ()
    id: str | None = None
    longest_days: int | None = None
    shortest_days: int | None = None

    def in_force(self, on: date) -> bool:
        """Whether the duty applies on a date."""
        begun = self.applies_from is None or self.applies_from <= on
        return begun and (self.applies_until is None or on < self.applies_until)


@dataclass(frozen=True, slots=True)
class Workplace:
    """What employees of a place are owed before their calls are recorded.

    `gates` in the order of `GATES`, then `YEARLY` and `AGREEMENT`; empty where nothing has to be
    settled first.
    """

    gates: tuple[str, ...]
    summary: Text


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
    workplace: Workplace | None
    raw: Mapping[str, object]


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
        found = f"{shown(jurisdiction.code)} is not the file's name"
        top.fault("jurisdiction", found, "make them one")
    if len(faults) > FAULTS_SHOWN:
        more = f"{filename}: {len(faults) - FAULTS_SHOWN} more faults; mend: begin with these"
        faults = [*faults[:FAULTS_SHOWN], more]
    if faults:
        raise InvalidRules(faults)
    return jurisdiction


def _jurisdiction(top: Reader, raw: Mapping[str, object]) -> Jurisdiction:
    code = top.text("jurisdiction")
    treatment = top.table("treatment")
    mode = MODES[treatment.word("mode", MODES)]
    consent = treatment.word("consent", CONSENTS)
    criminal = treatment.flag("criminal")
    treatment.done()
    _shown_layers(top)
    workplace = _workplace(top)
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
        duties=tuple(_duty(table, code) for table in top.tables("duty")),
        workplace=workplace,
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


def _workplace(top: Reader) -> Workplace | None:
    table = top.maybe_table("workplace")
    if table is None:
        return None
    gates = tuple(gate for key, gate in GATES.items() if table.flag(key))
    gates += (YEARLY,) if table.maybe_flag("yearly") else ()
    gates += (AGREEMENT,) if table.maybe_flag("agreement") else ()
    workplace = Workplace(gates, table.texts("summary"))
    table.done()
    return workplace


def _rule(table: Reader, code: str) -> ConsentRule:
    identity = table.text("id")
    if identity.partition(".")[0] != code or not identity.partition(".")[2]:
        table.fault("id", shown(identity), f"write {plain(code)}. and a short name")
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


def _duty(table: Reader, code: str) -> RuleDuty:
    duty = RuleDuty(
        kind=table.word("kind", DUTY_KINDS),
        text=table.texts("text"),
        when=_when(table),
        applies_from=table.maybe_day("applies_from"),
        applies_until=table.maybe_day("applies_until"),
        sources=tuple(_source(source) for source in table.tables("source")),
        id=table.maybe_text("id"),
        longest_days=table.number("longest_days", 0, 1, MAX_PERIOD_DAYS) or None,
        shortest_days=table.number("shortest_days", 0, 1, MAX_PERIOD_DAYS) or None,
    )
    is_bound = duty.longest_days is not None or duty.shortest_days is not None
    if is_bound and duty.kind != "retention":
        table.fault("kind", "days of a duty that is no retention", "remove the days")
    if is_bound != (duty.id is not None):
        table.fault("id", "an id belongs to days, and days to an id", "give both or neither")
    if duty.id is not None and not re.fullmatch(rf"{re.escape(code)}\.[A-Za-z0-9-]+", duty.id):
        table.fault("id", shown(duty.id), f"write {plain(code)}. and a short name")
    if (duty.shortest_days or 0) > (duty.longest_days or MAX_PERIOD_DAYS):
        table.fault("shortest_days", "longer than longest_days", "put them in order")
    table.done()
    return duty
