"""Whether rule files hold together: what can be read and cannot be true all the same.

A rulebook is only loaded when these checks are silent, so they cover what a decision relies on:
codes, dates, sources, and who may switch a parent's rule off. Whether the answers are the right
ones is asked by `rulecheck`, with the cases. Every check yields lines
``FILE: KEY: what is wrong; mend: ...``; none stops at the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from askfirst.model import Form, Mode, Proof
from askfirst.rulefile import ConsentRule, Jurisdiction
from askfirst.ruleform import plain, shown

MAY_LIFT = frozenset({"SE"})
"""Jurisdictions that may switch off a parent's rule; a new one needs a decision record."""

_CODES = {
    "country": re.compile(r"[A-Z]{2}", re.ASCII),
    "state": re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII),
    "territory": re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII),
    "layer": re.compile(r"[A-Z]{2,3}", re.ASCII),
    "pseudo": re.compile(r"UNKNOWN"),
}
# Announcements (3) never meet "agreed"; "heard" (2) is only known when the call is over.
_PROOFS = {
    None: {Proof.NONE},
    Form.TOLD: {Proof.AGENT_WORD, Proof.ANNOUNCED},
    Form.AGREED: {Proof.AGENT_WORD, Proof.KEY, Proof.SPOKEN},
    Form.WRITTEN: {Proof.WRITTEN},
}

Check = Callable[[Jurisdiction], Iterator[str]]


def unsound(jurisdictions: Mapping[str, Jurisdiction]) -> Iterator[str]:
    """A line for everything that does not hold together, by code. Parents must all be there."""
    for jurisdiction in jurisdictions.values():
        yield from faults_of(jurisdiction)
    yield from lifts_are_allowed(jurisdictions)


def faults_of(jurisdiction: Jurisdiction) -> Iterator[str]:
    """A line for everything in one file that does not hold together."""
    for check in CHECKS:
        yield from check(jurisdiction)


def ancestors(code: str, jurisdictions: Mapping[str, Jurisdiction]) -> set[str]:
    """Parents of a code, their parents and so on; the code itself where they lead in a circle."""
    waiting, found = list(jurisdictions[code].parents), set[str]()
    while waiting:
        current = waiting.pop()
        if current not in found and current in jurisdictions:
            found.add(current)
            waiting += jurisdictions[current].parents
    return found


def line(jurisdiction: Jurisdiction, key: str, what: str, mend: str) -> str:
    """A fault as everybody writes it; `key` may come from the file and is made plain."""
    return f"{jurisdiction.code}.toml: {plain(key)}: {what}; mend: {mend}"


def code_fits_kind(jurisdiction: Jurisdiction) -> Iterator[str]:
    """A code has the form of its kind, and a state has its country as parent."""
    code, kind = jurisdiction.code, jurisdiction.kind
    if not _CODES[kind].fullmatch(code):
        yield line(jurisdiction, "kind", f"{code} is no code of a {kind}", "correct either")
    country = code.partition("-")[0]
    if kind == "state" and country not in jurisdiction.parents:
        yield line(jurisdiction, "parents", f"{country} is missing", f"add {country}")


def dates_in_order(jurisdiction: Jurisdiction) -> Iterator[str]:
    """A rule ends after it begins, and nothing was read after the review."""
    for rule in jurisdiction.rules:
        if rule.applies_until is not None and rule.applies_until <= rule.applies_from:
            yield line(jurisdiction, rule.id, "ends before it begins", "correct applies_until")
        for source in rule.sources:
            if source.accessed is not None and source.accessed > jurisdiction.reviewed:
                what = f"{shown(source.title)} was read after the review"
                yield line(jurisdiction, rule.id, what, "move reviewed to that day")


def duties_are_dated_and_sourced(jurisdiction: Jurisdiction) -> Iterator[str]:
    """A duty ends after it begins, and one that begins or ends on a day says where that stands."""
    for n, duty in enumerate(jurisdiction.duties):
        key, first, last = f"duty[{n}]", duty.applies_from, duty.applies_until
        if first is not None and last is not None and last <= first:
            yield line(jurisdiction, key, "ends before it begins", "correct applies_until")
        if (first or last) and not duty.sources:
            yield line(jurisdiction, key, "dated and without a source", "add a [[duty.source]]")
        for source in duty.sources:
            if source.accessed is not None and source.accessed > jurisdiction.reviewed:
                what = f"{shown(source.title)} was read after the review"
                yield line(jurisdiction, key, what, "move reviewed to that day")


def same_rule_never_overlaps(jurisdiction: Jurisdiction) -> Iterator[str]:
    """Versions of one rule follow each other; on each day at most one is in force."""
    for n, rule in enumerate(jurisdiction.rules):
        for other in jurisdiction.rules[n + 1 :]:
            if rule.id == other.id and _overlap(rule, other):
                what = f"two versions are in force on {max(rule.applies_from, other.applies_from)}"
                yield line(jurisdiction, rule.id, what, "end the earlier one with applies_until")


def rules_have_sources(jurisdiction: Jurisdiction) -> Iterator[str]:
    """A rule of law rests on law, a regulator or a court; a product rule says where it is from."""
    for rule in jurisdiction.rules:
        kinds = {source.kind for source in rule.sources}
        if not kinds or (rule.layer != "product" and kinds == {"secondary"}):
            what = "no statute, regulation, regulator or case as source"
            yield line(jurisdiction, rule.id, what, "add a [[rule.source]]")


def owed_fits_mode(jurisdiction: Jurisdiction) -> Iterator[str]:
    """Mode, form, proof and elements of a rule can be true together."""
    for rule in jurisdiction.rules:
        for name, each in ((rule.id, rule), (f"{rule.id}.eased", rule.eased)):
            if each is None:
                continue
            if each.mode is Mode.ASK and each.form is None:
                yield line(jurisdiction, name, "asks and owes nothing", "add form")
            if each.mode is Mode.AUTO and each.form not in (None, Form.TOLD):
                yield line(jurisdiction, name, "starts by itself and wants a yes", "use ask")
            if each.proof not in _PROOFS[each.form]:
                known = ", ".join(str(int(proof)) for proof in sorted(_PROOFS[each.form]))
                form = each.form.word if each.form else "nothing"
                what = f"proof {int(each.proof)} does not fit form {form}"
                yield line(jurisdiction, name, what, f"use {known}")
            if (each.form is None) != (not each.elements):
                yield line(jurisdiction, name, "form without elements or the reverse", "add both")
        if rule.eased is not None and rule.eased.mode > rule.mode:
            yield line(jurisdiction, rule.id, "eased is stricter than the rule", "turn them round")


CHECKS: tuple[Check, ...] = (
    code_fits_kind,
    dates_in_order,
    duties_are_dated_and_sourced,
    same_rule_never_overlaps,
    rules_have_sources,
    owed_fits_mode,
)
"""Checks that need one file only."""


def lifts_are_allowed(jurisdictions: Mapping[str, Jurisdiction]) -> Iterator[str]:
    """Only the places named in this module lift a parent's rule, and only one that exists."""
    for jurisdiction in jurisdictions.values():
        for rule in jurisdiction.rules:
            lifted = rule.eased.lifts if rule.eased else frozenset()
            if not lifted:
                continue
            if jurisdiction.code not in MAY_LIFT:
                what = f"{jurisdiction.code} may not lift a parent's rule"
                yield line(jurisdiction, f"{rule.id}.eased.lifts", what, "remove lifts")
            above = ancestors(jurisdiction.code, jurisdictions)
            there = {each.id for code in above for each in jurisdictions[code].rules}
            for one in sorted(lifted - there):
                what = f"{plain(one)} is no rule of a parent"
                yield line(jurisdiction, f"{rule.id}.eased.lifts", what, "name one that is")


def _overlap(one: ConsentRule, other: ConsentRule) -> bool:
    return (one.applies_until is None or other.applies_from < one.applies_until) and (
        other.applies_until is None or one.applies_from < other.applies_until
    )
