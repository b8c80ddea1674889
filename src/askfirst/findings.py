"""What each rule says about one call: a finding for every rule at every plausible place.

Findings come from rules, from gaps (a party of unknown place, a place that no file settles, a
file that nobody has reviewed for long) and from the account's policy. Where the policy names a
profile, the profile's answers stand in the place of the rules. Joining is left to `decide`;
nothing here looks at more than one finding at a time, so order cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date

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
    Standing,
)
from askfirst.override import overridden
from askfirst.profile import findings_of_profile, packaged_profile
from askfirst.rules import ConsentRule, Jurisdiction, Rulebook, When
from askfirst.scene import Belief, Finding, Scene, areas, beliefs_of, lineage
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

MANDATORY = frozenset({Element.MANDATORY_RECORDING, Element.RETENTION, Element.COPY_AVAILABLE})
"""What is said when the account has a duty to record."""

_WORKPLACE = {
    "employee_notice": ("notice_required", "acknowledgement", "posting"),
    "works_agreement": ("works_agreement",),
}
"""The kind of duty that stands for each gate of a rule file's [workplace]."""


def findings_of(scene: Scene, rules: Rulebook, language: str) -> list[Finding]:
    """Every finding of a call; never empty for a party that is anywhere or of unknown place."""
    found: list[Finding] = []
    profile = packaged_profile(scene.policy.profile)
    if profile is not None:
        found += findings_of_profile(profile, scene, rules, language)
    else:
        for belief in beliefs_of(scene, rules, language):
            found += _at_place(belief, scene, rules, language)
    return [
        *found,
        *_of_overrides(scene, found, language),
        *_of_policy(scene, found, rules, language),
    ]


def _at_place(belief: Belief, scene: Scene, rules: Rulebook, language: str) -> list[Finding]:
    found = [
        (file, overridden(rule, scene.overrides))
        for file, rule in rules.applicable(belief.code, scene.on)
    ]
    counted = {rule.id: (file, rule) for file, rule in found if _may_speak(rule.when, scene)}
    if not any(_speaks(rule.when, scene) for _, rule in counted.values()):
        # Rules that may not concern this call settle nothing.
        counted |= {rule.id: (file, rule) for file, rule in rules.applicable(UNKNOWN, scene.on)}
    files = {file.code: file for file in lineage(belief.code, rules)}
    files |= {file.code: file for file, _ in counted.values()}
    asserted = frozenset[str]().union(*(each.conditions for each in scene.overrides))
    held = scene.policy.conditions(asserted)
    eased = {rule.id for _, rule in counted.values() if _is_eased(rule, held, scene)}
    lifted = {
        each
        for _, rule in counted.values()
        if rule.eased is not None and rule.id in eased
        for each in rule.eased.lifts
        if each in counted and _is_above(counted[each][0], rule.jurisdiction, rules)
    }
    duties = tuple(
        Duty(file.code, duty.kind, pick(language, duty.text))
        for file in files.values()
        for duty in file.duties
    )
    duties += tuple(_of_workplace(belief, scene, files.values(), language))
    findings = [
        _of_rule(belief, file, rule, rule.id in eased, duties, language)
        for file, rule in counted.values()
        if rule.id not in lifted
    ]
    findings += [
        _of_stale(belief, file, language)
        for file in files.values()
        if _months_after(file.reviewed, STALE_MONTHS) < scene.on
    ]
    gap = not counted or belief.code == UNKNOWN or UNKNOWN in files
    if gap and not any(
        _always_asks(rule) for file, rule in counted.values() if file.code == UNKNOWN
    ):
        findings.append(_floor(belief, language))
    return findings


def _of_workplace(
    belief: Belief, scene: Scene, files: Iterable[Jurisdiction], language: str
) -> Iterator[Duty]:
    """What an agent's place owes its employees, where the file names no such duty of its own.

    It is owed because the rule says so: no setting of the account switches it off.
    """
    if belief.party is None or scene.parties[belief.party].role is not Role.AGENT:
        return
    for file in files:
        workplace = file.raw.get("workplace")
        if not isinstance(workplace, dict):
            continue
        stated = {duty.kind for duty in file.duties}
        for kind, gates in _WORKPLACE.items():
            if kind not in stated and any(workplace[gate] is True for gate in gates):
                yield Duty(file.code, kind, pick(language, workplace["summary"]))


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
        and rule.when == When()
    )


def _of_rule(
    belief: Belief,
    file: Jurisdiction,
    rule: ConsentRule,
    eased: bool,
    duties: tuple[Duty, ...],
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
        duties=duties,
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


def _of_overrides(scene: Scene, found: list[Finding], language: str) -> Iterator[Finding]:
    """That an override is in force, and what it does to this call; never a mode of its own."""
    rules = {finding.reason.rule for finding in found}
    for each in scene.overrides:
        touched = sorted({one.rule for one in each.replaces} & rules)
        what = [say(language, "override.replaces", rules=", ".join(touched))] if touched else []
        if each.conditions:
            what.append(
                say(language, "override.asserts", conditions=", ".join(sorted(each.conditions)))
            )
        why = say(
            language,
            "override.why",
            name=each.name,
            who=each.who,
            why=each.why,
            until=each.until.isoformat(),
            what=" ".join(what) or say(language, "override.nothing"),
        )
        cite = say(language, "override.cite", name=each.name, who=each.who)
        yield Finding(
            POLICY,
            Reason(
                rule=f"OVERRIDE.{each.name}",
                jurisdiction=POLICY,
                party=None,
                why=why,
                cites=(cite,),
                since=each.since,
                standing=Standing.PRIMARY,
            ),
        )


def _speaks(when: When, scene: Scene) -> bool:
    """Whether a rule certainly concerns this call."""
    policy = scene.policy
    return (
        (not when.purposes or policy.purpose in when.purposes)
        and (not when.channels or scene.channel in when.channels)
        and (not when.sectors or policy.sector in when.sectors)
    )


def _may_speak(when: When, scene: Scene) -> bool:
    """Whether a rule may concern this call: a purpose that nobody named may be any."""
    if scene.policy.purpose is None:
        when = replace(when, purposes=frozenset())
    return _speaks(when, scene)


def _is_eased(rule: ConsentRule, held: frozenset[str], scene: Scene) -> bool:
    return (
        rule.eased is not None
        and rule.eased.conditions <= held
        and _speaks(rule.when, scene)  # what may not concern this call eases nothing
    )


def _of_policy(
    scene: Scene, found: list[Finding], rules: Rulebook, language: str
) -> Iterator[Finding]:
    policy = scene.policy

    def wish(key: str, duties: tuple[Duty, ...] = (), **words: object) -> Finding:
        why = say(language, f"policy.{key}", **words)
        # The account's setting is its own source.
        reason = Reason(f"{POLICY}.{key}", POLICY, None, why, standing=Standing.PRIMARY)
        return Finding(POLICY, reason, duties=duties)

    def duty(kind: str, key: str, **words: object) -> tuple[Duty, ...]:
        return (Duty(POLICY, kind, say(language, f"duty.{key}", **words)),)

    if not policy.recording_enabled:
        yield _forbidding(wish("recording_enabled"))
    if policy.contact_objected:
        yield _forbidding(wish("contact_objected"))
    if policy.require_works_agreement and not policy.works_agreement_on_file:
        owed = duty("works_agreement", "works_agreement")
        yield _forbidding(wish("require_works_agreement", owed))
    if policy.unknown_location == "forbid" and any(each.unknown for each in scene.parties):
        yield _forbidding(wish("unknown_location"))
    if forbidden := _forbidden(scene, rules):
        yield _forbidding(wish("forbid_jurisdictions", codes=", ".join(forbidden)))
    if policy.always_ask:
        yield _asking(wish("always_ask"))
    if policy.special_category_expected:
        yield _asking(wish("special_category_expected"))
    documented = "lawful_basis" in policy.conditions(
        frozenset[str]().union(*(each.conditions for each in scene.overrides))
    )
    if not documented and any(each.data_protection for each in found):
        yield _asking(wish("lawful_basis", duty("lawful_basis", "lawful_basis")))
    if policy.mandatory_recording is not None:
        owed = duty("retention", policy.mandatory_recording)
        yield replace(
            wish("mandatory_recording", owed, duty=policy.mandatory_recording),
            form=Form.TOLD,
            proof=Proof.AGENT_WORD,
            elements=MANDATORY,
        )
    if policy.external_processors:
        yield replace(
            wish("external_processors", names=", ".join(policy.external_processors)),
            elements=frozenset({Element.RECIPIENTS_THIRD_PARTIES}),
        )
    if policy.minimum_proof is not None:
        yield wish("minimum_proof", proof=int(policy.minimum_proof))
    region = policy.storage_region
    if region is not None:
        owed = duty("storage", "storage", region=region)
        yield wish("storage_region", owed, region=region)
    if policy.forbid_if_localisation_violated and (away := _stored_away(scene, found, rules)):
        owed = duty("storage", "storage_unnamed") if region is None else ()
        yield _forbidding(wish("localisation", owed, codes=", ".join(away)))


def _forbidding(finding: Finding) -> Finding:
    return replace(finding, mode=Mode.FORBID)


def _asking(finding: Finding) -> Finding:
    return replace(
        finding, mode=Mode.ASK, form=Form.AGREED, proof=Proof.AGENT_WORD, elements=ASKING
    )


def _forbidden(scene: Scene, rules: Rulebook) -> list[str]:
    """Codes on the account's list that some place of the call is, or lies in."""
    codes = {place.code for party in scene.parties for place in party.places}
    if scene.recorder is not None:
        codes.add(scene.recorder)
    around = {area for code in codes for area in areas(code, rules)}
    return sorted(around.intersection(scene.policy.forbid_jurisdictions))


def _stored_away(scene: Scene, found: list[Finding], rules: Rulebook) -> list[str]:
    """Jurisdictions that want data kept in them while it is, or may be, kept elsewhere."""
    bound = {duty.jurisdiction for each in found for duty in each.duties if duty.kind == "storage"}
    kept = [areas(code, rules) for code in (scene.policy.storage_region, scene.recorder) if code]
    if scene.policy.storage_region is None:
        return sorted(bound)
    return sorted(code for code in bound if not all(code in areas for areas in kept))


def _months_after(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    # The 28th stands for the days that a shorter month lacks; that only asks a little sooner.
    return date(day.year + years, month + 1, min(day.day, 28))
