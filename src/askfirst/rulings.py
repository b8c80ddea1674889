"""What the rules say at one place: a finding for every rule that applies to somebody there.

A ruling depends on the place, on who is believed to be there and on the circumstances, and on no
other party; so it is worked out once and remembered, and decisions join it with others. Findings
come from rules and from gaps (a place of nobody's knowledge, a place that no file settles, a file
that nobody has reviewed for long).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache

from askfirst.model import (
    UNKNOWN,
    Duty,
    Element,
    Form,
    Mode,
    Proof,
    Reason,
    Role,
    WorkplaceGate,
)
from askfirst.override import overridden
from askfirst.rules import ConsentRule, Jurisdiction, Rulebook, When
from askfirst.scene import Belief, Circumstances, Finding, lineage
from askfirst.wording import pick, say

STALE_MONTHS = 18
ASKING = frozenset(
    {
        Element.INTENT_TO_RECORD,
        Element.PURPOSE,
        Element.CONSENT_REQUEST,
        Element.RIGHT_TO_OBJECT,
    }
)
"""What is said when nothing but a wish or a gap makes the product ask."""

_WORKPLACE = {
    "employee_notice": ("notice", "yearly_notice", "acknowledgement", "posting", "agreement"),
    "works_agreement": ("works_agreement",),
}
"""Kinds of duty that are owed to employees, with the gates that each stands for."""
_ALWAYS = When()
_REMEMBERED = 8_192


@lru_cache(maxsize=_REMEMBERED)
def rulings_at(
    belief: Belief, now: Circumstances, rules: Rulebook, language: str
) -> tuple[Finding, ...]:
    """Every finding for somebody believed to be in a place; never empty."""
    found = [
        (file, overridden(rule, now.overrides))
        for file, rule in rules.applicable(belief.code, now.on)
    ]
    counted = {rule.id: (file, rule) for file, rule in found if _may_speak(rule.when, now)}
    if not any(_speaks(rule.when, now) for _, rule in counted.values()):
        # Rules that may not concern this call settle nothing.
        counted |= {rule.id: (file, rule) for file, rule in rules.applicable(UNKNOWN, now.on)}
    files = {file.code: file for file in lineage(belief.code, rules)}
    files |= {file.code: file for file, _ in counted.values()}
    eased = {rule.id for _, rule in counted.values() if _is_eased(rule, now)}
    lifted = {
        each
        for _, rule in counted.values()
        if rule.eased is not None and rule.id in eased
        for each in rule.eased.lifts
        if each in counted and _is_above(counted[each][0], rule.jurisdiction, rules)
    }
    findings = [
        _of_rule(belief, file, rule, rule.id in eased, language)
        for file, rule in counted.values()
        if rule.id not in lifted
    ]
    findings += [
        _of_stale(belief, file, language)
        for file in files.values()
        if _months_after(file.reviewed, STALE_MONTHS) < now.on
    ]
    gap = not counted or belief.code == UNKNOWN or UNKNOWN in files
    if gap and not any(
        _always_asks(rule) for file, rule in counted.values() if file.code == UNKNOWN
    ):
        findings.append(_floor(belief, language))
    # What is owed besides is owed once for the place, not by each of its rules.
    owing = replace(
        findings[0],
        duties=tuple(_duties(belief, now, files.values(), language)),
        workplace=tuple(_gates(belief, files.values())),
    )
    return (owing, *findings[1:])


def _duties(
    belief: Belief, now: Circumstances, files: Iterable[Jurisdiction], language: str
) -> Iterator[Duty]:
    """What is owed at the place today; what is owed to employees only where an agent is.

    A gate of the workplace for which the file has no duty in words is one with its summary.
    """
    is_agent = belief.role is Role.AGENT
    for file in files:
        for duty in file.duties:
            concerns = duty.kind not in _WORKPLACE or is_agent
            if concerns and duty.in_force(now.on) and _may_speak(duty.when, now):
                cites = tuple(source.title for source in duty.sources)
                yield Duty(file.code, duty.kind, pick(language, duty.text), cites)
        if is_agent and file.workplace is not None:
            stated = {duty.kind for duty in file.duties if duty.in_force(now.on)}
            for kind, gates in _WORKPLACE.items():
                if kind not in stated and any(gate in file.workplace.gates for gate in gates):
                    yield Duty(file.code, kind, pick(language, file.workplace.summary))


def _gates(belief: Belief, files: Iterable[Jurisdiction]) -> Iterator[WorkplaceGate]:
    """What the rule of an agent's place wants settled with the employees first."""
    if belief.party is not None and belief.role is Role.AGENT:
        for file in files:
            for gate in file.workplace.gates if file.workplace else ():
                yield WorkplaceGate(belief.party, file.code, gate)


def _is_above(file: Jurisdiction, code: str, rules: Rulebook) -> bool:
    """Whether a file is a parent, near or far: only from there can a rule be lifted."""
    return file.code != code and any(each.code == file.code for each in lineage(code, rules))


def _always_asks(rule: ConsentRule) -> bool:
    """Whether a rule asks in every call, whatever the account's policy."""
    return (
        rule.mode >= Mode.ASK
        and rule.form is not None
        and rule.form >= Form.AGREED
        and rule.eased is None
        and rule.when == _ALWAYS
    )


def _of_rule(
    belief: Belief,
    file: Jurisdiction,
    rule: ConsentRule,
    eased: bool,
    language: str,
) -> Finding:
    other = rule.eased
    mode, form, proof, elements = rule.mode, rule.form, rule.proof, rule.elements
    summary = rule.summary
    if other is not None and eased:
        mode, form, proof, elements = other.mode, other.form, other.proof, other.elements
        summary = other.summary
    elif other is not None:
        # A rule that is not eased owes at least what it would owe eased; otherwise a condition
        # that fails could take something away.
        mode, proof = max(mode, other.mode), max(proof, other.proof)
        form = max((each for each in (form, other.form) if each), default=None)
        elements |= other.elements
    unsettled = file.code == UNKNOWN and belief.code != UNKNOWN
    why = say(
        language,
        "why.no_file" if unsettled else "why.rule",
        where=belief.where,
        code=belief.code,
        summary=pick(language, summary),
    )
    return Finding(
        code=belief.code,
        reason=Reason(
            rule=rule.id,
            jurisdiction=file.code,
            party=belief.party,
            why=why,
            cites=tuple(source.title for source in rule.sources),
            since=rule.applies_from,
            reviewed=file.reviewed,
            standing=file.standing,
        ),
        mode=mode,
        form=form,
        proof=proof,
        elements=elements,
        inside_recording=rule.inside_recording,
        spoken_answer=rule.spoken_answer,
        data_protection=rule.layer == "data_protection",
    )


def _of_stale(belief: Belief, file: Jurisdiction, language: str) -> Finding:
    why = say(
        language,
        "why.stale",
        where=belief.where,
        name=pick(language, file.name),
        reviewed=file.reviewed.isoformat(),
    )
    return Finding(
        code=belief.code,
        reason=Reason(
            rule=f"{file.code}.stale",
            jurisdiction=file.code,
            party=belief.party,
            why=why,
            reviewed=file.reviewed,
            standing=file.standing,
        ),
        mode=Mode.ASK,
        form=Form.TOLD,
        proof=Proof.AGENT_WORD,
        elements=frozenset({Element.INTENT_TO_RECORD}),
    )


def _floor(belief: Belief, language: str) -> Finding:
    """What asks when not even the rules of UNKNOWN do."""
    why = say(language, "why.rule", where=belief.where, summary=say(language, "why.floor"))
    return Finding(
        code=belief.code,
        reason=Reason(f"{UNKNOWN}.floor", UNKNOWN, belief.party, why),
        mode=Mode.ASK,
        form=Form.AGREED,
        proof=Proof.AGENT_WORD,
        elements=ASKING,
        spoken_answer=False,
    )


def _speaks(when: When, now: Circumstances) -> bool:
    """Whether a rule certainly concerns this call."""
    return (
        (not when.purposes or now.purpose in when.purposes)
        and (not when.channels or now.channel in when.channels)
        and (not when.sectors or not when.sectors.isdisjoint(now.sectors))
    )


def _may_speak(when: When, now: Circumstances) -> bool:
    """Whether a rule may concern this call: a purpose that nobody named may be any."""
    if now.purpose is None and when.purposes:
        when = replace(when, purposes=frozenset())
    return _speaks(when, now)


def _is_eased(rule: ConsentRule, now: Circumstances) -> bool:
    return (
        rule.eased is not None
        and rule.eased.conditions <= now.held
        and _speaks(rule.when, now)  # what may not concern this call eases nothing
    )


def _months_after(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    # The 28th stands for the days that a shorter month lacks; that only asks a little sooner.
    return date(day.year + years, month + 1, min(day.day, 28))
