"""Everything that has a say in one call: the rules of every place, overrides, and the policy.

What the rules say at a place is `rulings`; where the policy names a profile, the profile's
answers stand in their place. Joining is left to `decide`; nothing here looks at more than one
finding at a time, so order cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from askfirst.model import POLICY, Duty, Element, Form, Mode, Proof, Reason, Standing
from askfirst.override import REASON
from askfirst.profile import findings_of_profile, packaged_profile
from askfirst.rules import Rulebook
from askfirst.rulings import ASKING, rulings_at
from askfirst.scene import Finding, Scene, areas, beliefs_of
from askfirst.wording import say

MANDATORY = frozenset({Element.MANDATORY_RECORDING, Element.RETENTION, Element.COPY_AVAILABLE})
"""What is said when the account has a duty to record."""


def findings_of(scene: Scene, rules: Rulebook, language: str) -> list[Finding]:
    """Every finding of a call; never empty for a party that is anywhere or of unknown place."""
    found: list[Finding] = []
    profile = packaged_profile(scene.policy.profile)
    if profile is not None:
        found += findings_of_profile(profile, scene, rules, language)
    else:
        for belief in beliefs_of(scene, rules, language):
            found += rulings_at(belief, scene.circumstances, rules, language)
    return [
        *found,
        *_of_overrides(scene, found, language),
        *_of_policy(scene, found, rules, language),
    ]


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
                rule=f"{REASON}{each.name}",
                jurisdiction=POLICY,
                party=None,
                why=why,
                cites=(cite,),
                since=each.since,
                standing=Standing.PRIMARY,
            ),
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
    documented = "lawful_basis" in scene.circumstances.held
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
    if not scene.policy.forbid_jurisdictions:
        return []
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
