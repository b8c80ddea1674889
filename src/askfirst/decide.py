"""The decision: the strictest of all rules over all parties and all their plausible places.

Each rule in force at each place gives a finding; the account's policy and every gap in what is
known give findings too. The decision is their join: highest mode, largest form and proof, union
of everything owed. A join cannot loosen, whatever is added and in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from askfirst.errors import InvalidRequest
from askfirst.findings import findings_of
from askfirst.model import (
    POLICY,
    USES_OF_A_RECORDING,
    Decision,
    Element,
    Form,
    LocatedParty,
    Mode,
    Party,
    Place,
    Proof,
    Purpose,
    Reason,
    Requirement,
    Role,
    Source,
)
from askfirst.override import Override
from askfirst.places import locate
from askfirst.policy import OWN_PROFILE, PLACE_CODE, Policy
from askfirst.profile import packaged_profile, seen_by_profile
from askfirst.rules import Rulebook, packaged
from askfirst.scene import (
    Circumstances,
    Finding,
    Scene,
    circumstances,
    file_of,
    party_words,
    unknown_words,
)
from askfirst.wording import say

_ORDER = {element: place for place, element in enumerate(Element)}
_CONSENTS = {"one_party": 0, "mixed": 1, "all_party": 2}
_REMEMBERED = 16_384
_DEFAULT_POLICY = Policy()


def decide(
    parties: Iterable[Party],
    on: date,
    rules: Rulebook | None = None,
    policy: Policy | None = None,
    *,
    recorder: str | None = None,
    channel: str = "phone",
    language: str = "en",
    default_region: str | None = None,
    id: str | None = None,
    overrides: tuple[Override, ...] = (),
) -> Decision:
    """What the law of every party's place on a day and the policy say together.

    Parties are numbered in the given order. `rules` are the packaged ones, `policy` the default
    one where None. `recorder` is the place code of the recorder, `channel` phone or video,
    `default_region` the country of numbers without +. `overrides` must have been verified; one
    that is not in force on the day does not count and is reported. Decisions are remembered by
    places, never by numbers. Raises InvalidRequest when there is no party.
    """
    located = [locate(party, default_region) for party in parties]
    if not located:
        raise InvalidRequest("no party; expected at least one person on the call", key="parties")
    known = _remembered(
        tuple([(party.role, party.places, party.unknown) for party in located]),
        on,
        rules if rules is not None else packaged(),
        policy if policy is not None else _DEFAULT_POLICY,
        recorder,
        channel,
        language,
        overrides,
    )
    return Decision(
        mode=known.mode,
        governing=known.governing,
        primary=known.primary,
        parties=tuple(
            [
                same
                if party.number is None
                else LocatedParty(party.role, party.number, same.places, same.unknown)
                for party, same in zip(located, known.parties, strict=True)
            ]
        ),
        requirements=known.requirements,
        elements=known.elements,
        inside_recording=known.inside_recording,
        spoken_answer=known.spoken_answer,
        duties=known.duties,
        workplace=known.workplace,
        reasons=known.reasons,
        would_change=known.would_change,
        on=on,
        rulebook_version=known.rulebook_version,
        rulebook_fingerprint=known.rulebook_fingerprint,
        language=language,
        policy_notes=known.policy_notes,
        purpose=known.purpose,
        id=id,
    )


def decide_anew(
    parties: Sequence[LocatedParty],
    on: date,
    rules: Rulebook,
    policy: Policy,
    recorder: str | None,
    channel: str,
    language: str,
    overrides: Sequence[Override] = (),
) -> Decision:
    """The decision worked out from the rules, with nothing remembered; `decide` gives the same."""
    current = sorted((each for each in overrides if each.in_force(on)), key=lambda one: one.name)
    # Nothing that is remembered may tell who was called, so nobody here has a number.
    nameless = tuple(LocatedParty(each.role, None, each.places, each.unknown) for each in parties)
    now = circumstances(policy, on, channel, tuple(current))
    scene = Scene(nameless, policy, recorder, now)
    findings = findings_of(scene, rules, language)
    mode = _mode(findings)
    governing = _governing(findings, mode)
    owed = _owed(findings, policy)
    duties = {duty for finding in findings for duty in finding.duties}
    workplace = {each for finding in findings for each in finding.workplace}
    return Decision(
        mode=mode,
        governing=governing,
        primary=_primary(governing, rules),
        parties=tuple(
            LocatedParty(party.role, None, party.places, unknown_words(party.unknown, language))
            for party in parties
        ),
        requirements=_requirements(scene, owed),
        elements=tuple(
            sorted(
                {each for finding in findings for each in finding.elements}, key=_ORDER.__getitem__
            )
        ),
        inside_recording=any(finding.inside_recording for finding in findings),
        spoken_answer=all(finding.spoken_answer for finding in findings if finding.form),
        duties=tuple(sorted(duties, key=lambda duty: (duty.jurisdiction, duty.kind, duty.text))),
        workplace=tuple(
            sorted(workplace, key=lambda each: (each.party, each.jurisdiction, each.gate))
        ),
        reasons=_reasons(findings),
        would_change=_would_change(scene, _weight(findings, policy), rules, language),
        on=on,
        rulebook_version=rules.version,
        rulebook_fingerprint=rules.fingerprint,
        language=language,
        policy_notes=tuple(_notes(scene, overrides, language)),
        purpose=policy.purpose,
    )


@lru_cache(maxsize=_REMEMBERED)
def _remembered(
    seats: tuple[tuple[Role, tuple[Place, ...], str | None], ...],
    on: date,
    rules: Rulebook,
    policy: Policy,
    recorder: str | None,
    channel: str,
    language: str,
    overrides: tuple[Override, ...],
) -> Decision:
    parties = [LocatedParty(role, None, places, unknown) for role, places, unknown in seats]
    return decide_anew(parties, on, rules, policy, recorder, channel, language, overrides)


@dataclass(frozen=True, slots=True)
class _Owed:
    """What all findings together owe to every contact."""

    form: Form
    proof: Proof
    elements: frozenset[Element]
    because: tuple[str, ...]


def _owed(findings: Sequence[Finding], policy: Policy) -> _Owed | None:
    owing = [finding for finding in findings if finding.form is not None]
    forms = [finding.form for finding in owing if finding.form is not None]
    if not forms:
        return None
    elements = {element for finding in owing for element in finding.elements}
    because = {finding.reason.rule for finding in owing}
    if policy.external_processors:
        elements.add(Element.RECIPIENTS_THIRD_PARTIES)
        because.add(f"{POLICY}.external_processors")
    proof = max(finding.proof for finding in owing)
    if policy.minimum_proof is not None:
        proof = max(proof, policy.minimum_proof)
        because.add(f"{POLICY}.minimum_proof")
    return _Owed(max(forms), proof, frozenset(elements), tuple(sorted(because)))


def _requirements(scene: Scene, owed: _Owed | None) -> tuple[Requirement, ...]:
    # Agents are covered by the acknowledgement that their employer keeps, not by the call.
    if owed is None:
        return ()
    uses = frozenset(USES_OF_A_RECORDING)
    return tuple(
        Requirement(index, owed.form, owed.proof, uses, owed.elements, owed.because)
        for index, party in enumerate(scene.parties)
        if party.role is Role.CONTACT
    )


def _governing(findings: Sequence[Finding], mode: Mode) -> tuple[str, ...]:
    if mode is Mode.AUTO:
        return tuple(sorted({finding.code for finding in findings} - {POLICY}))
    return tuple(sorted({finding.code for finding in findings if finding.mode is mode}))


def _primary(governing: Sequence[str], rules: Rulebook) -> tuple[str, ...]:
    """The strictest of codes of equal mode, by consent and crime; all of them in a tie."""
    ranks = {code: _rank(code, rules) for code in governing}
    highest = max(ranks.values(), default=None)
    return tuple(code for code in governing if ranks[code] == highest)


def _rank(code: str, rules: Rulebook) -> tuple[int, bool]:
    if code == POLICY:
        return -1, False
    file = file_of(code, rules)
    return (_CONSENTS[file.consent], file.criminal) if file else (max(_CONSENTS.values()), True)


def _reasons(findings: Sequence[Finding]) -> tuple[Reason, ...]:
    def order(reason: Reason) -> tuple[str, str, int, str]:
        party = -1 if reason.party is None else reason.party
        return reason.rule, reason.jurisdiction, party, reason.why

    return tuple(sorted({finding.reason for finding in findings}, key=order))


_Weight = tuple[Mode, int, int]
_LIGHTEST: _Weight = (Mode.AUTO, 0, 0)


def _mode(findings: Iterable[Finding]) -> Mode:
    return max((finding.mode for finding in findings), default=Mode.AUTO)


def _weight(findings: Sequence[Finding], policy: Policy) -> _Weight:
    """How much a decision asks for: mode, form and proof, the last two 0 where nothing is owed."""
    forms = [finding.form for finding in findings if finding.form is not None]
    if not forms:
        return _mode(findings), 0, 0
    proof = max(finding.proof for finding in findings if finding.form is not None)
    return _mode(findings), max(forms), max(proof, policy.minimum_proof or Proof.NONE)


def _would_change(scene: Scene, weight: _Weight, rules: Rulebook, language: str) -> tuple[str, ...]:
    """Every single change that would make the decision looser, each tried before it is named."""
    if weight == _LIGHTEST:
        return ()
    changes: list[str] = []
    for key, words, changed in _changes(scene, language):
        if _weight(findings_of(changed, rules, language), changed.policy) < weight:
            changes.append(say(language, f"change.{key}", **words))
    return tuple(changes)


def _notes(scene: Scene, overrides: Iterable[Override], language: str) -> Iterator[str]:
    """What a reader must know of the policy: wishes not followed, a profile, every override."""
    for key in scene.policy.notes():
        yield say(language, f"note.{key}")
    if scene.policy.profile != OWN_PROFILE:
        yield say(language, "note.profile", name=scene.policy.profile)
    for each in sorted(overrides, key=lambda one: one.name):
        key = "note.override" if each.in_force(scene.on) else "note.override_void"
        days = {"since": each.since.isoformat(), "until": each.until.isoformat()}
        yield say(language, key, name=each.name, who=each.who, **days)


def _changes(scene: Scene, language: str) -> Iterator[tuple[str, dict[str, str], Scene]]:
    policy = scene.policy
    profile = packaged_profile(policy.profile)
    looked_at = scene if profile is None else seen_by_profile(scene, language)
    lost = [
        party_words(index, party.role, language)
        for index, party in enumerate(looked_at.parties)
        if party.unknown is not None
    ]
    if lost:
        # Where only numbers count, a place that is looser than asking stands for a better number.
        loosest = () if profile is None else (Place(profile.automatic[0], Source.NUMBER),)
        found = tuple(
            LocatedParty(
                party.role, None, party.places + loosest if party.unknown else party.places, None
            )
            for party in looked_at.parties
        )
        words = {"parties": say(language, "and").join(lost)}
        yield ("unknown" if profile is None else "number"), words, replace(scene, parties=found)
    for key, wish, then in _other_wishes(policy, scene.circumstances):
        yield key, {}, Scene(scene.parties, wish, scene.recorder, then)


@lru_cache(maxsize=1_024)
def _other_wishes(
    policy: Policy, now: Circumstances
) -> tuple[tuple[str, Policy, Circumstances], ...]:
    """Policies that differ from this one in a single wish which may be what makes it strict."""
    guaranteed = replace(
        policy,
        no_third_party_guarantee=True,
        external_processors=(),
        external_share_links=False,
    )
    return tuple(
        (key, wish, circumstances(wish, now.on, now.channel, now.overrides))
        for key, wish in (
            ("recording_enabled", replace(policy, recording_enabled=True)),
            ("always_ask", replace(policy, always_ask=False)),
            ("lawful_basis", replace(policy, lawful_basis=policy.lawful_basis or "documented")),
            ("automatic_notice", replace(policy, automatic_notice=True)),
            ("special_category_expected", replace(policy, special_category_expected=False)),
            ("no_third_party_guarantee", guaranteed),
            (
                "works_agreement_on_file",
                replace(
                    policy,
                    works_agreement_on_file=policy.works_agreement_on_file
                    or policy.require_works_agreement,
                ),
            ),
            ("forbid_jurisdictions", replace(policy, forbid_jurisdictions=())),
            ("unknown_location", replace(policy, unknown_location="ask")),
            ("storage", replace(policy, forbid_if_localisation_violated=False)),
        )
        if wish != policy
    )


REQUEST_KEYS = (
    "id",
    "agent_location",
    "agent_number",
    "contact_numbers",
    "contact_known_location",
    "recording_location",
    "purpose",
    "channel",
    "default_region",
    "policy",
    "on",
    "language",
)
_REQUEST_KEYS = frozenset(REQUEST_KEYS)
CHANNELS = ("phone", "video")
LANGUAGES = ("en", "nb", "de", "fr", "es", "sv")
"""Languages of a request; reasons are English where they have none, notices have them all."""


def request(
    mapping: Mapping[str, object],
    on_default: date,
    rules: Rulebook | None = None,
    overrides: tuple[Override, ...] = (),
) -> Decision:
    """The decision that a request object asks for; missing keys have their defaults.

    `on_default` is the day where the request names none, `overrides` as for `decide`. Without
    contact numbers there is one contact whose number is withheld. Raises InvalidRequest naming
    the key that is unknown or has a value of the wrong kind; a bad number is a party of unknown
    place instead.
    """
    if unknown := mapping.keys() - _REQUEST_KEYS:
        key = next(key for key in mapping if key in unknown)
        raise InvalidRequest(
            f"unknown key {key!r}; known keys: {', '.join(REQUEST_KEYS)}", key=str(key)
        )
    known = tuple(Place(code) for code in _places(mapping, "contact_known_location"))
    numbers = mapping.get("contact_numbers")
    if numbers is None:
        numbers = []
    if not isinstance(numbers, list | tuple):
        raise _refuse("contact_numbers", numbers, "a list of telephone numbers")
    for number in numbers:
        if number is not None and not isinstance(number, str):
            raise _refuse("contact_numbers", number, "telephone numbers as text, or null")
    agent = Party(
        Role.AGENT,
        _text(mapping, "agent_number"),
        tuple(Place(code) for code in _place(mapping, "agent_location")),
    )
    recorder = _place(mapping, "recording_location")
    return decide(
        [agent, *(Party(Role.CONTACT, number, known) for number in numbers or (None,))],
        _day(mapping, on_default),
        rules,
        _policy(mapping),
        recorder=recorder[0] if recorder else None,
        channel=_word(mapping, "channel", CHANNELS) or CHANNELS[0],
        language=_word(mapping, "language", LANGUAGES) or LANGUAGES[0],
        default_region=_region(mapping),
        id=_text(mapping, "id"),
        overrides=overrides,
    )


def _refuse(key: str, value: object, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{key!r} is {value!r}; expected {expected}", key=key)


def _text(mapping: Mapping[str, object], key: str) -> str | None:
    value = mapping.get(key)
    if value is not None and not isinstance(value, str):
        raise _refuse(key, value, "text or null")
    return value


def _word(mapping: Mapping[str, object], key: str, known: Sequence[str]) -> str | None:
    value = _text(mapping, key)
    if value is not None and value not in known:
        raise _refuse(key, value, " or ".join(known))
    return value


def _place(mapping: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = _text(mapping, key)
    if value is None:
        return ()
    if not PLACE_CODE.fullmatch(value):
        raise _refuse(key, value, "an ISO 3166 code such as NO or US-CA, or null")
    return (value,)


def _places(mapping: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = mapping.get(key)
    if not isinstance(value, list | tuple):
        return _place(mapping, key)
    codes = [code for each in value for code in _place({key: each}, key)]
    if len(codes) != len(value):
        raise _refuse(key, value, "a list of ISO 3166 codes such as NO or US-CA")
    return tuple(codes)


def _region(mapping: Mapping[str, object]) -> str | None:
    value = _text(mapping, "default_region")
    if value is not None and not (PLACE_CODE.fullmatch(value) and len(value) == 2):
        raise _refuse("default_region", value, "an ISO 3166-1 country code such as NO, or null")
    return value


def _day(mapping: Mapping[str, object], default: date) -> date:
    value = _text(mapping, "on")
    if value is None:
        return default
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _refuse("on", value, "a date such as 2026-11-23") from None


def _policy(mapping: Mapping[str, object]) -> Policy:
    given = mapping.get("policy")
    if given is not None and not isinstance(given, Mapping):
        raise _refuse("policy", given, "an object with policy keys")
    purpose = _word(mapping, "purpose", tuple(Purpose))
    # Many requests have the same few policies. Types are part of the key, for 1 is not true.
    stated = tuple((key, type(value), value) for key, value in (given or {}).items())
    try:
        return _policy_of(stated, purpose)
    except TypeError:  # a list cannot be a key
        return _policy_of.__wrapped__(stated, purpose)


@lru_cache(maxsize=512)
def _policy_of(stated: tuple[tuple[str, type, object], ...], purpose: str | None) -> Policy:
    policy = Policy.parse({key: value for key, _, value in stated})
    if policy.purpose is None and purpose is not None:
        policy = replace(policy, purpose=Purpose(purpose))
    return policy
