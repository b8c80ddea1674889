"""Overrides: what an account does differently from named rules, by whom, why and until when.

The only way to loosen. An override is a file that somebody signs; whether the signature holds is
checked at the edge (`askfirst.server.overrides`), and only then may its value be given to
`askfirst.decide.decide`. Here are its form, the content that is signed, and how it takes the
place of a rule before the decision is joined. Everything else about the law stays as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from askfirst.canonical import canonical
from askfirst.errors import InvalidInput, InvalidRules
from askfirst.model import UNKNOWN, Decision, Element, Form, Mode, Proof
from askfirst.ruleform import Reader, parse_toml
from askfirst.rules import FORMS, MODES, ConsentRule, Rulebook

MAX_BYTES = 64 * 1024
"""Largest override file that is read."""

ASSERTABLE = ("lawful_basis", "no_third_party_guarantee")
"""Conditions that somebody can answer for. Whether a notice is played or ordinary data is
expected are facts of the account, and a signature does not make them true."""

SIGNATURE = "signature"
REASON = "OVERRIDE."
"""How the reason that names an override begins."""
_DOMAIN = b"askfirst override v1\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_PROOFS = {
    None: {Proof.NONE},
    Form.TOLD: {Proof.AGENT_WORD, Proof.ANNOUNCED},
    Form.AGREED: {Proof.AGENT_WORD, Proof.KEY, Proof.SPOKEN},
    Form.WRITTEN: {Proof.WRITTEN},
}


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a named rule asks for while the override is in force; its summary stays."""

    rule: str
    mode: Mode
    form: Form | None
    proof: Proof
    elements: frozenset[Element]


@dataclass(frozen=True, slots=True)
class Override:
    """A verified deviation: `who` answers for it, from `since` until the day before `until`.

    Only a checked signature makes one; whoever builds it by hand answers for that.
    """

    name: str
    who: str
    why: str
    since: date
    until: date
    conditions: frozenset[str]
    replaces: tuple[Replacement, ...]

    def in_force(self, on: date) -> bool:
        """Whether the override counts on a day."""
        return self.since <= on < self.until


@dataclass(frozen=True, slots=True)
class SignedOverride:
    """An override as a file states it: not yet verified. `content` is what was signed."""

    override: Override
    content: bytes
    signature: str | None


def parse_override(text: str, filename: str) -> SignedOverride:
    """An override file as a value that still has to be verified.

    Raises InvalidRules with every fault of the file, each with its key and what to do.
    """
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise InvalidRules([f"{filename}: larger than {MAX_BYTES} bytes; mend: write a short one"])
    faults: list[str] = []
    raw = parse_toml(text, filename, faults)
    if faults:
        raise InvalidRules(faults)
    top = Reader(raw, filename, faults)
    override = Override(
        name=top.text("name"),
        who=top.text("who"),
        why=top.text("why"),
        since=top.day("since"),
        until=top.day("until"),
        conditions=frozenset(top.words("conditions", ASSERTABLE)),
        replaces=tuple(_replacement(table) for table in top.tables("replace")),
    )
    signature = top.maybe_text(SIGNATURE)
    top.done()
    if not faults:
        _check(override, top)
    if faults:
        raise InvalidRules(faults)
    return SignedOverride(override, _signed_content(override), signature)


def ensure_rules_exist(override: Override, rules: Rulebook) -> None:
    """Raise InvalidInput when the override names a rule that the rulebook does not have."""
    known = {rule.id for file in rules.jurisdictions.values() for rule in file.rules}
    if lost := sorted({each.rule for each in override.replaces} - known):
        raise InvalidInput(
            f"override {override.name!r} replaces {', '.join(lost)}, which no rule file has; "
            "name rules as `askfirst rules show CODE` lists them and sign the file again"
        )


def used_in(decision: Decision, overrides: Iterable[Override]) -> tuple[Override, ...]:
    """Those overrides that a decision was made under, by name."""
    rules = {reason.rule for reason in decision.reasons}
    used = (each for each in overrides if f"{REASON}{each.name}" in rules)
    return tuple(sorted(used, key=lambda each: each.name))


def digest(override: Override) -> str:
    """``sha256:`` and the hash of what was signed, by which the file can be told later."""
    return "sha256:" + hashlib.sha256(_signed_content(override)).hexdigest()


def overridden(rule: ConsentRule, overrides: Iterable[Override]) -> ConsentRule:
    """The rule as the overrides leave it; the strictest counts where two name the same rule.

    What a replaced rule says about the place of the notice and about spoken answers stays.
    """
    named = [one for each in overrides for one in each.replaces if one.rule == rule.id]
    if not named:
        return rule
    return replace(
        rule,
        mode=max(each.mode for each in named),
        form=max((each.form for each in named if each.form), default=None),
        proof=max(each.proof for each in named),
        elements=frozenset[Element]().union(*(each.elements for each in named)),
        eased=None,
    )


def _replacement(table: Reader) -> Replacement:
    word = table.maybe_word("form", FORMS)
    form = FORMS[word] if word else None
    words = [each.value for each in Element]
    usual = Proof.WRITTEN if form is Form.WRITTEN else Proof.AGENT_WORD if form else Proof.NONE
    found = Replacement(
        rule=table.text("rule"),
        mode=MODES[table.word("mode", MODES)],
        form=form,
        proof=Proof(table.number("proof", usual, Proof.NONE, Proof.WRITTEN)),
        elements=frozenset(Element(each) for each in table.words("elements", words)),
    )
    table.done()
    if found.rule.partition(".")[0] == UNKNOWN:
        table.fault("rule", f"{found.rule} is for unknown places", "leave it: they always ask")
    if found.mode is Mode.ASK and form is None:
        table.fault("form", "asks and owes nothing", "add form")
    if found.mode is Mode.AUTO and form not in (None, Form.TOLD):
        table.fault("form", "starts by itself and wants a yes", "use told, or mode ask")
    if found.proof not in _PROOFS[form]:
        known = ", ".join(str(int(proof)) for proof in sorted(_PROOFS[form]))
        table.fault("proof", f"{int(found.proof)} does not fit the form", f"use {known}")
    if (form is None) != (not found.elements):
        table.fault("elements", "form without elements or the reverse", "add both")
    return found


def _check(override: Override, top: Reader) -> None:
    if not _NAME.fullmatch(override.name):
        top.fault("name", f"{override.name[:40]!r}", "use up to 40 of a-z, 0-9 and -")
    if override.until <= override.since:
        top.fault("until", "ends before it begins", "name a later day")
    if not override.conditions and not override.replaces:
        top.fault("replace", "changes nothing", "name rules to replace or conditions that hold")
    named = [each.rule for each in override.replaces]
    if twice := sorted({rule for rule in named if named.count(rule) > 1}):
        top.fault("replace", f"{', '.join(twice)} is there twice", "name each rule once")


def _signed_content(override: Override) -> bytes:
    """The bytes that are signed: the whole meaning as canonical JSON, in one domain.

    The order of keys, lists, comments and white space is free.
    """
    return _DOMAIN + canonical(
        {
            "name": override.name,
            "who": override.who,
            "why": override.why,
            "since": override.since.isoformat(),
            "until": override.until.isoformat(),
            "conditions": sorted(override.conditions),
            "replace": [
                {
                    "rule": each.rule,
                    "mode": each.mode.word,
                    "form": each.form.word if each.form else None,
                    "proof": int(each.proof),
                    "elements": sorted(element.value for element in each.elements),
                }
                for each in sorted(override.replaces, key=lambda one: one.rule)
            ],
        }
    )
