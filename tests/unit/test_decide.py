"""The join, as laws over random rulebooks, and the meaning of each policy key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst import Decision, Mode, Party, decide
from askfirst.decide import decide_anew, request
from askfirst.errors import InvalidRequest
from askfirst.model import (
    Certainty,
    Element,
    Form,
    LocatedParty,
    Place,
    Proof,
    Purpose,
    Role,
    Source,
    Standing,
    Use,
)
from askfirst.override import Override, Replacement
from askfirst.places import NO_AREA, NO_PLACE, WITHHELD
from askfirst.policy import CONDITIONS, Policy
from askfirst.rules import (
    ConsentRule,
    Eased,
    Jurisdiction,
    Rulebook,
    RuleDuty,
    RuleSource,
    When,
    packaged,
)

ON = date(2026, 11, 23)
REVIEWED = date(2026, 10, 1)
ALWAYS = date(1900, 1, 1)


def words(text: str) -> Mapping[str, str]:
    return {"en": text, "nb": text}


def rule(
    identity: str,
    mode: Mode = Mode.AUTO,
    form: Form | None = None,
    proof: Proof = Proof.NONE,
    *elements: Element,
    layer: str = "secrecy",
    when: When | None = None,
    inside: bool = False,
    spoken: bool = True,
    eased: Eased | None = None,
    start: date = ALWAYS,
    end: date | None = None,
) -> ConsentRule:
    return ConsentRule(
        identity,
        identity.partition(".")[0],
        layer,
        start,
        end,
        when or When(),
        mode,
        form,
        proof,
        frozenset(elements),
        inside,
        spoken,
        words(f"What {identity} says."),
        (RuleSource("statute", f"Act of {identity}", None, None),),
        eased,
    )


def area(
    code: str,
    *rules: ConsentRule,
    parents: tuple[str, ...] = (),
    consent: str = "one_party",
    criminal: bool = False,
    reviewed: date = REVIEWED,
    duties: tuple[RuleDuty, ...] = (),
    kind: str = "country",
) -> Jurisdiction:
    return Jurisdiction(
        code,
        words(f"Land {code}"),
        kind,
        parents,
        reviewed,
        "somebody",
        Standing.SECONDARY,
        Mode.AUTO,
        consent,
        criminal,
        rules,
        duties,
        {},
    )


def book(*areas: Jurisdiction) -> Rulebook:
    return Rulebook({each.code: each for each in areas}, "2026.10.01", "sha256:0")


ASKS_WHEN_UNKNOWN = area(
    "UNKNOWN",
    rule("UNKNOWN.ask", Mode.ASK, Form.AGREED, Proof.AGENT_WORD, Element.INTENT_TO_RECORD),
    consent="all_party",
    criminal=True,
    kind="pseudo",
)
EASED = Eased(
    frozenset({"lawful_basis", "automatic_notice"}),
    Mode.AUTO,
    Form.TOLD,
    Proof.AGENT_WORD,
    frozenset({Element.INTENT_TO_RECORD}),
    frozenset({"LLL.all"}),
    words("Eased."),
)
LANDS = book(
    ASKS_WHEN_UNKNOWN,
    area(
        "LLL",
        rule("LLL.all", Mode.ASK, Form.AGREED, Proof.AGENT_WORD, Element.PURPOSE),
        kind="layer",
    ),
    area("FR", rule("FR.free", start=date(2006, 1, 1))),
    area(
        "AL",
        rule("AL.ask", Mode.ASK, Form.AGREED, Proof.KEY, Element.RIGHT_TO_OBJECT, spoken=False),
        consent="all_party",
        criminal=True,
        duties=(RuleDuty("storage", words("Keep it here.")),),
    ),
    area("TO", rule("TO.tell", Mode.ASK, Form.TOLD, Proof.AGENT_WORD, Element.RIGHTS, inside=True)),
    area("PA", parents=("LLL",), duties=(RuleDuty("notice", words("Say more.")),)),
    area(
        "EA",
        rule(
            "EA.own",
            Mode.ASK,
            Form.AGREED,
            Proof.AGENT_WORD,
            Element.INTENT_TO_RECORD,
            layer="data_protection",
            eased=EASED,
        ),
        parents=("LLL",),
    ),
    area("NO", rule("NO.never", Mode.FORBID)),
    area("OL", rule("OL.free"), reviewed=date(2025, 5, 22)),
    area(
        "PU",
        rule("PU.any"),
        rule(
            "PU.training",
            Mode.ASK,
            Form.WRITTEN,
            Proof.WRITTEN,
            when=When(purposes=frozenset({"training"})),
        ),
        rule("PU.video", Mode.FORBID, when=When(channels=frozenset({"video"}))),
        rule("PU.bank", Mode.FORBID, when=When(sectors=frozenset({"finance"}))),
    ),
    area("FR-1", rule("FR-1.ask", Mode.ASK, Form.TOLD, Proof.AGENT_WORD), parents=("FR",)),
)


def judge(
    agent: str,
    *contacts: str,
    policy: Policy | None = None,
    recorder: str | None = None,
    channel: str = "phone",
    overrides: tuple[Override, ...] = (),
) -> Decision:
    parties = [Party.agent(agent), *(Party.contact(code) for code in contacts)]
    return decide(
        parties, ON, LANDS, policy, recorder=recorder, channel=channel, overrides=overrides
    )


# ---- laws ---------------------------------------------------------------------------------

LAW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CODES = ("AA", "AA-1", "BB", "CC", "DD")
elements = st.frozensets(st.sampled_from(list(Element)[:5]), max_size=3)
forms = st.none() | st.sampled_from(Form)
proofs = st.sampled_from(Proof)
whens = st.builds(
    When,
    st.just(frozenset[str]()) | st.frozensets(st.sampled_from(["training", "quality"]), max_size=1),
    st.just(frozenset[str]()) | st.just(frozenset({"phone"})),
    st.just(frozenset[str]()),
)


@st.composite
def areas(draw: st.DrawFn, code: str, parents: tuple[str, ...]) -> Jurisdiction:
    rules = []
    for number in range(draw(st.integers(0, 2))):
        eased = draw(
            st.none()
            | st.builds(
                Eased,
                st.frozensets(st.sampled_from(sorted(CONDITIONS)), max_size=2),
                st.sampled_from(Mode),
                forms,
                proofs,
                elements,
                st.frozensets(st.sampled_from([f"{each}.0" for each in ("LLL", *CODES)])),
                st.just(words("Eased.")),
            )
        )
        rules.append(
            rule(
                f"{code}.{number}",
                draw(st.sampled_from(Mode)),
                draw(forms),
                draw(proofs),
                *draw(elements),
                layer=draw(st.sampled_from(["secrecy", "data_protection"])),
                when=draw(whens),
                inside=draw(st.booleans()),
                spoken=draw(st.booleans()),
                eased=eased,
                start=draw(st.sampled_from([ALWAYS, date(2027, 1, 1)])),
            )
        )
    return area(
        code,
        *rules,
        parents=parents,
        consent=draw(st.sampled_from(["one_party", "mixed", "all_party"])),
        criminal=draw(st.booleans()),
        reviewed=draw(st.sampled_from([REVIEWED, date(2024, 1, 1)])),
        duties=draw(
            st.sampled_from([(), (RuleDuty("storage", words("Here.")),)]),
        ),
        kind="layer" if code == "LLL" else "country",
    )


@st.composite
def rulebooks(draw: st.DrawFn) -> Rulebook:
    files = [draw(areas("UNKNOWN", ())), draw(areas("LLL", ())), draw(areas("AA", ("LLL",)))]
    files.append(draw(areas("AA-1", ("AA",))))
    files.append(draw(areas("BB", draw(st.sampled_from([(), ("LLL",)])))))
    files.append(draw(areas("CC", ())))
    return book(*draw(st.permutations(files)))


places = st.builds(
    Place, st.sampled_from(CODES), st.sampled_from(Source), st.sampled_from(Certainty)
)
located = st.builds(
    LocatedParty,
    st.sampled_from(Role),
    st.none(),
    st.lists(places, max_size=3).map(tuple),
    st.none() | st.sampled_from([WITHHELD, NO_AREA]),
)
policies = st.builds(
    Policy,
    recording_enabled=st.booleans(),
    always_ask=st.booleans(),
    unknown_location=st.sampled_from(["ask", "forbid", "auto"]),
    automatic_notice=st.booleans(),
    lawful_basis=st.sampled_from([None, "consent"]),
    purpose=st.none() | st.sampled_from([Purpose.TRAINING, Purpose.COACHING]),
    special_category_expected=st.booleans(),
    no_third_party_guarantee=st.booleans(),
    external_processors=st.sampled_from([(), ("Vendor",)]),
    external_share_links=st.booleans(),
    forbid_jurisdictions=st.sampled_from([(), ("AA",), ("LLL",)]),
    storage_region=st.sampled_from([None, "AA-1", "BB"]),
    forbid_if_localisation_violated=st.booleans(),
    require_works_agreement=st.booleans(),
    works_agreement_on_file=st.booleans(),
    mandatory_recording=st.sampled_from([None, "fca"]),
    minimum_proof=st.sampled_from([None, Proof.ANNOUNCED, Proof.SPOKEN]),
)
recorders = st.none() | st.sampled_from(CODES)


def anew(
    parties: list[LocatedParty], rules: Rulebook, policy: Policy, recorder: str | None
) -> Decision:
    return decide_anew(parties, ON, rules, policy, recorder, "phone", "en")


def signed(name: str, *replaces: Replacement, conditions: frozenset[str] = frozenset()) -> Override:
    since, until = date(2026, 11, 1), date(2026, 12, 1)
    return Override(name, "Kari Nordmann", "A reason.", since, until, conditions, replaces)


def frees(identity: str) -> Replacement:
    return Replacement(identity, Mode.AUTO, None, Proof.NONE, frozenset())


signings = st.lists(
    st.builds(
        signed,
        st.sampled_from(["one", "two"]),
        st.builds(
            Replacement,
            st.sampled_from([f"{code}.{n}" for code in CODES for n in (0, 1)]),
            st.sampled_from(Mode),
            forms,
            proofs,
            elements,
        ),
        conditions=st.sampled_from([frozenset[str](), frozenset({"lawful_basis"})]),
    ),
    max_size=2,
    unique_by=lambda each: each.name,
)


def assert_not_looser(before: Decision, after: Decision) -> None:
    assert after.mode >= before.mode
    assert set(after.elements) >= set(before.elements)
    assert after.inside_recording >= before.inside_recording
    assert after.spoken_answer <= before.spoken_answer
    assert {(each.jurisdiction, each.kind) for each in after.duties} >= {
        (each.jurisdiction, each.kind) for each in before.duties if each.jurisdiction != "POLICY"
    }
    owed = {each.party: each for each in after.requirements}
    for each in before.requirements:
        assert owed[each.party].form >= each.form
        assert owed[each.party].proof >= each.proof
        assert owed[each.party].elements >= each.elements


@LAW
@given(
    rulebooks(),
    st.lists(located, min_size=1, max_size=3),
    policies,
    recorders,
    st.randoms(use_true_random=False),
)
def test_the_order_of_parties_places_and_rules_does_not_matter(
    rules: Rulebook,
    parties: list[LocatedParty],
    policy: Policy,
    recorder: str | None,
    random: Random,
) -> None:
    order = list(range(len(parties)))
    random.shuffle(order)
    shuffled = [
        replace(
            parties[index],
            places=tuple(random.sample(parties[index].places, k=len(parties[index].places))),
        )
        for index in order
    ]
    files = list(rules.jurisdictions.values())
    random.shuffle(files)
    turned = book(*(replace(each, rules=each.rules[::-1]) for each in files))

    one = anew(parties, rules, policy, recorder)
    other = anew(shuffled, turned, policy, recorder)

    assert (one.mode, one.governing, one.primary) == (other.mode, other.governing, other.primary)
    assert (one.elements, one.duties) == (other.elements, other.duties)
    assert (one.inside_recording, one.spoken_answer) == (
        other.inside_recording,
        other.spoken_answer,
    )
    assert {replace(each, party=order[each.party]) for each in other.requirements} == set(
        one.requirements
    )
    assert {
        (each.rule, None if each.party is None else order[each.party]) for each in other.reasons
    } == {(each.rule, each.party) for each in one.reasons}
    assert len(one.would_change) == len(other.would_change)


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), policies, recorders)
def test_the_same_place_twice_changes_nothing(
    rules: Rulebook, parties: list[LocatedParty], policy: Policy, recorder: str | None
) -> None:
    twice = [replace(each, places=each.places + each.places) for each in parties]

    one, other = anew(parties, rules, policy, recorder), anew(twice, rules, policy, recorder)

    assert replace(other, parties=one.parties) == one


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), located, policies, recorders)
def test_one_more_party_never_loosens(
    rules: Rulebook,
    parties: list[LocatedParty],
    joining: LocatedParty,
    policy: Policy,
    recorder: str | None,
) -> None:
    assert_not_looser(
        anew(parties, rules, policy, recorder), anew([*parties, joining], rules, policy, recorder)
    )


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), places, policies, recorders)
def test_one_more_place_never_loosens(
    rules: Rulebook,
    parties: list[LocatedParty],
    place: Place,
    policy: Policy,
    recorder: str | None,
) -> None:
    more = [replace(parties[0], places=(*parties[0].places, place)), *parties[1:]]

    assert_not_looser(anew(parties, rules, policy, recorder), anew(more, rules, policy, recorder))


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), policies, st.sampled_from(CODES))
def test_the_place_of_the_recorder_never_loosens(
    rules: Rulebook, parties: list[LocatedParty], policy: Policy, recorder: str
) -> None:
    assert_not_looser(anew(parties, rules, policy, None), anew(parties, rules, policy, recorder))


TIGHTER: tuple[dict[str, object], ...] = (
    {"recording_enabled": False},
    {"always_ask": True},
    {"automatic_notice": False},
    {"lawful_basis": None},
    {"purpose": None},
    {"special_category_expected": True},
    {"no_third_party_guarantee": False},
    {"external_processors": ("Vendor",)},
    {"external_share_links": True},
    {"contact_objected": True},
    {"forbid_jurisdictions": ("AA", "BB", "LLL")},
    {"forbid_if_localisation_violated": True},
    {"require_works_agreement": True},
    {"works_agreement_on_file": False},
    {"mandatory_recording": "fca"},
    {"minimum_proof": Proof.WRITTEN},
    {"force_auto": True},
    {"unknown_location": "forbid"},
)


@LAW
@given(
    rulebooks(),
    st.lists(located, min_size=1, max_size=2),
    policies,
    recorders,
    st.sampled_from(TIGHTER),
)
def test_a_tighter_policy_never_loosens(
    rules: Rulebook,
    parties: list[LocatedParty],
    policy: Policy,
    recorder: str | None,
    change: dict[str, object],
) -> None:
    tighter = replace(policy, **change)  # type: ignore[arg-type]

    assert_not_looser(
        anew(parties, rules, policy, recorder), anew(parties, rules, tighter, recorder)
    )


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), located, policies, signings)
def test_one_more_party_never_loosens_under_the_same_overrides(
    rules: Rulebook,
    parties: list[LocatedParty],
    joining: LocatedParty,
    policy: Policy,
    overrides: list[Override],
) -> None:
    before = decide_anew(parties, ON, rules, policy, None, "phone", "en", overrides)
    after = decide_anew([*parties, joining], ON, rules, policy, None, "phone", "en", overrides)
    turned = decide_anew(parties, ON, rules, policy, None, "phone", "en", overrides[::-1])

    assert_not_looser(before, after)
    assert turned == before


@LAW
@given(rulebooks(), st.lists(located, max_size=2), policies, recorders, signings)
def test_an_unknown_place_asks_at_least(
    rules: Rulebook,
    parties: list[LocatedParty],
    policy: Policy,
    recorder: str | None,
    overrides: list[Override],
) -> None:
    lost = LocatedParty(Role.CONTACT, None, (), WITHHELD)

    decision = decide_anew([*parties, lost], ON, rules, policy, recorder, "phone", "en", overrides)

    assert decision.mode >= Mode.ASK
    assert decision.requirements[-1].form >= Form.AGREED


@LAW
@given(rulebooks(), st.sampled_from(CODES), policies)
def test_a_place_that_no_rule_in_force_settles_asks_at_least(
    rules: Rulebook, code: str, policy: Policy
) -> None:
    contact = LocatedParty(Role.CONTACT, None, (Place(code),))
    bare = replace(rules, jurisdictions={"UNKNOWN": rules.jurisdictions["UNKNOWN"]})

    decision = anew([contact], bare, policy, None)

    assert decision.mode >= Mode.ASK
    assert code in decision.governing or "POLICY" in decision.governing


@LAW
@given(rulebooks(), st.lists(places, min_size=1, max_size=2), policies, recorders)
def test_what_is_remembered_equals_what_is_worked_out(
    rules: Rulebook, where: list[Place], policy: Policy, recorder: str | None
) -> None:
    parties = [Party.agent(), Party.contact(*where)]
    worked_out = decide_anew(
        [
            LocatedParty(Role.AGENT, None, (), NO_PLACE),
            LocatedParty(Role.CONTACT, None, tuple(where)),
        ],
        ON,
        rules,
        policy,
        recorder,
        "phone",
        "en",
    )

    first = decide(parties, ON, rules, policy, recorder=recorder)
    again = decide(parties, ON, rules, policy, recorder=recorder)

    assert first == again == worked_out


@LAW
@given(rulebooks(), st.lists(located, min_size=1, max_size=2), policies)
def test_governing_names_who_forces_the_mode(
    rules: Rulebook, parties: list[LocatedParty], policy: Policy
) -> None:
    decision = anew(parties, rules, policy, None)
    codes = {place.code for party in parties for place in party.places}

    assert set(decision.primary) <= set(decision.governing)
    assert set(decision.governing) <= codes | {"UNKNOWN", "POLICY"}
    if decision.mode is Mode.AUTO:
        assert set(decision.governing) == codes
    else:
        assert decision.governing


# ---- places and rules ---------------------------------------------------------------------


def test_the_strictest_place_decides_and_is_named() -> None:
    decision = judge("FR", "AL", "TO")

    assert decision.mode is Mode.ASK
    assert decision.governing == ("AL", "TO")
    assert decision.primary == ("AL",)


def test_equal_places_are_all_primary() -> None:
    assert judge("FR", "FR-1", "TO").primary == ("FR-1", "TO")


def test_auto_names_every_code_that_was_considered() -> None:
    decision = judge("FR", "FR")

    assert (decision.mode, decision.governing) == (Mode.AUTO, ("FR",))
    assert decision.requirements == ()


def test_every_contact_is_owed_what_any_place_owes_and_agents_nothing() -> None:
    decision = judge("AL", "TO", "FR")

    assert [each.party for each in decision.requirements] == [1, 2]
    for owed in decision.requirements:
        assert (owed.form, owed.proof) == (Form.AGREED, Proof.KEY)
        assert owed.elements == {Element.RIGHT_TO_OBJECT, Element.RIGHTS}
        assert owed.because == ("AL.ask", "TO.tell")
        assert owed.uses == {Use.RECORD, Use.TRANSCRIBE, Use.ANALYSE}


def test_the_notice_stands_inside_the_recording_where_one_place_wants_it() -> None:
    assert judge("FR", "TO").inside_recording
    assert not judge("FR", "AL").inside_recording


def test_a_spoken_answer_is_heard_only_where_every_rule_that_owes_allows_it() -> None:
    assert judge("FR", "TO").spoken_answer
    assert not judge("AL", "TO").spoken_answer


def test_rules_of_a_parent_count_under_the_code_of_the_place() -> None:
    decision = judge("FR", "PA")
    reason = next(each for each in decision.reasons if each.rule == "LLL.all")

    assert decision.governing == ("PA",)
    assert (reason.jurisdiction, reason.party) == ("LLL", 1)
    assert [(each.jurisdiction, each.kind) for each in decision.duties] == [("PA", "notice")]


def test_an_eased_rule_lifts_the_parents_rule_for_its_place_only() -> None:
    alone, beside = judge("FR", "EA"), judge("FR", "EA", "PA")

    assert (alone.mode, alone.requirements[0].form) == (Mode.AUTO, Form.TOLD)
    assert "LLL.all" not in {each.rule for each in alone.reasons}
    assert beside.mode is Mode.ASK
    assert [each.party for each in beside.reasons if each.rule == "LLL.all"] == [2]


def test_a_rule_is_not_eased_when_a_condition_fails() -> None:
    decision = judge("FR", "EA", policy=Policy(automatic_notice=False))

    assert decision.mode is Mode.ASK
    assert decision.requirements[0].elements == {Element.INTENT_TO_RECORD, Element.PURPOSE}


def test_the_largest_proof_is_owed_whoever_brings_it() -> None:
    assert judge("AL", "TO").requirements[0].proof is Proof.KEY
    assert judge("TO", "AL").requirements[0].proof is Proof.KEY


def test_a_rule_that_is_not_eased_owes_at_least_what_it_would_owe_eased() -> None:
    stricter = Eased(
        frozenset({"lawful_basis"}),
        Mode.ASK,
        Form.AGREED,
        Proof.KEY,
        frozenset({Element.BEEP}),
        frozenset(),
        words("Eased."),
    )
    odd = book(ASKS_WHEN_UNKNOWN, area("BE", rule("BE.odd", eased=stricter)))

    for policy in (Policy(), Policy(lawful_basis=None)):
        decision = decide([Party.contact("BE")], ON, odd, policy)
        owed = decision.requirements[0]
        assert (decision.mode, owed.form, owed.proof) == (Mode.ASK, Form.AGREED, Proof.KEY)
        assert owed.elements == {Element.BEEP}


def test_rules_for_the_unknown_that_can_be_eased_still_ask_for_a_yes() -> None:
    weak = area(
        "UNKNOWN",
        rule(
            "UNKNOWN.weak",
            Mode.ASK,
            Form.AGREED,
            Proof.AGENT_WORD,
            eased=replace(EASED, lifts=frozenset()),
        ),
    )

    for policy in (Policy(), Policy(lawful_basis=None)):
        decision = decide([Party.contact()], ON, book(weak), policy)
        assert decision.mode is Mode.ASK
        assert Element.CONSENT_REQUEST in decision.requirements[0].elements


def test_a_rule_for_a_purpose_eases_nothing_while_nobody_names_one() -> None:
    training = When(purposes=frozenset({"training"}))
    proof = (Mode.ASK, Form.AGREED, Proof.KEY)
    lands = book(
        ASKS_WHEN_UNKNOWN,
        area("LLL", rule("LLL.all"), kind="layer"),
        area("BE", rule("BE.one", *proof, when=training, eased=EASED), parents=("LLL",)),
    )
    parties = [Party.contact("BE")]

    assert decide(parties, ON, lands).mode is Mode.ASK
    assert decide(parties, ON, lands, Policy(purpose=Purpose.TRAINING)).mode is Mode.AUTO


def test_a_place_whose_only_rules_are_for_other_purposes_asks() -> None:
    quality = When(purposes=frozenset({"quality"}))
    lands = book(ASKS_WHEN_UNKNOWN, area("BE", rule("BE.free", when=quality)))
    parties = [Party.contact("BE")]

    assert decide(parties, ON, lands, Policy(purpose=Purpose.QUALITY)).mode is Mode.AUTO
    assert decide(parties, ON, lands, Policy(purpose=Purpose.TRAINING)).mode is Mode.ASK
    assert decide(parties, ON, lands).mode is Mode.ASK


def test_a_rule_lifts_only_rules_of_its_parents() -> None:
    greedy = replace(EASED, lifts=frozenset({"BE.strict", "UNKNOWN.ask"}))
    lands = book(
        ASKS_WHEN_UNKNOWN,
        area("LLL", rule("LLL.greedy", eased=greedy), kind="layer"),
        area("BE", rule("BE.strict", Mode.FORBID), parents=("LLL",)),
    )

    assert decide([Party.contact("BE")], ON, lands).mode is Mode.FORBID
    assert decide([Party.contact("LLL")], ON, lands).mode is Mode.ASK


def test_the_surest_of_several_beliefs_in_one_place_is_told_with_all_sources() -> None:
    party = Party.contact("+46812345678", Place("SE"))
    reason = decide([party], ON, packaged()).reasons[0]

    assert "is in Sweden (SE), going by what was given and the number" in reason.why


def test_a_place_without_a_file_asks_under_its_own_name() -> None:
    decision = judge("FR", "XX")
    reason = next(each for each in decision.reasons if each.rule == "UNKNOWN.ask")

    assert (decision.mode, decision.governing) == (Mode.ASK, ("XX",))
    assert "no rule file that settles XX" in reason.why


def test_a_day_before_every_rule_asks() -> None:
    early = date(2005, 12, 31)

    assert decide([Party.contact("FR")], early, LANDS).mode is Mode.ASK
    assert decide([Party.contact("FR")], date(2006, 1, 1), LANDS).mode is Mode.AUTO


def test_a_file_asks_from_eighteen_months_after_its_review() -> None:
    fresh = decide([Party.contact("OL")], date(2026, 11, 22), LANDS)
    stale = decide([Party.contact("OL")], date(2026, 11, 23), LANDS)

    assert fresh.mode is Mode.AUTO
    assert (stale.mode, stale.requirements[0].form) == (Mode.ASK, Form.TOLD)
    assert "OL.stale" in {each.rule for each in stale.reasons}


def test_a_rule_for_a_purpose_counts_for_that_purpose_and_for_none_named() -> None:
    assert judge("FR", "PU", policy=Policy(purpose=Purpose.QUALITY)).mode is Mode.AUTO
    assert judge("FR", "PU", policy=Policy(purpose=Purpose.TRAINING)).mode is Mode.ASK
    assert judge("FR", "PU").requirements[0].form is Form.WRITTEN


def test_a_rule_for_a_channel_or_sector_counts_only_there() -> None:
    quality = Policy(purpose=Purpose.QUALITY)

    assert judge("FR", "PU", policy=quality, channel="video").mode is Mode.FORBID
    assert judge("FR", "PU", policy=replace(quality, sector="finance")).mode is Mode.FORBID
    assert judge("FR", "PU", policy=replace(quality, sector="retail")).mode is Mode.AUTO


def test_the_place_of_the_recorder_counts_and_belongs_to_no_party() -> None:
    decision = judge("FR", "FR", recorder="AL")
    reason = next(each for each in decision.reasons if each.rule == "AL.ask")

    assert (decision.governing, reason.party) == (("AL",), None)
    assert "recorder" in reason.why


def test_an_agent_nobody_can_place_asks() -> None:
    decision = decide([Party.agent(), Party.contact("FR")], ON, LANDS)

    assert (decision.mode, decision.governing) == (Mode.ASK, ("UNKNOWN",))


def test_a_call_without_anybody_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no party"):
        decide([], ON, LANDS)


def test_reasons_name_whose_place_where_from_and_what_the_rule_says() -> None:
    english = decide([Party.agent("FR"), Party.contact("AL")], ON, LANDS)
    bokmål = decide([Party.agent("FR"), Party.contact("AL")], ON, LANDS, language="nb")

    assert english.reasons[0].why == (
        "Party 1 (contact) is in Land AL (AL), going by what was given. What AL.ask says."
    )
    assert bokmål.reasons[0].why.startswith("Part 1 (kontakt) er i Land AL (AL), ut fra")
    assert english.reasons[0].cites == ("Act of AL.ask",)


def test_the_number_stays_with_its_party_and_is_not_mixed_up_by_the_memory() -> None:
    one = decide([Party.contact("+4721234567")], ON, packaged(), id="a")
    other = decide([Party.contact("+4722345678")], ON, packaged(), id="b")

    assert (one.parties[0].number, one.id) == ("+4721234567", "a")
    assert (other.parties[0].number, other.id) == ("+4722345678", "b")
    assert one.reasons is other.reasons


def test_the_packaged_rules_answer_the_first_example() -> None:
    decision = decide([Party.agent("NO"), Party.contact("+16285550142")], on=ON)

    assert decision.mode is Mode.ASK
    assert decision.governing == ("NO", "US-CA")


# ---- policy -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(recording_enabled=False), "recording_enabled"),
        (Policy(contact_objected=True), "contact_objected"),
        (Policy(forbid_jurisdictions=("FR",)), "forbid_jurisdictions"),
        (Policy(require_works_agreement=True), "require_works_agreement"),
    ],
)
def test_a_policy_can_forbid(policy: Policy, key: str) -> None:
    decision = judge("FR", "FR-1", policy=policy)

    assert (decision.mode, decision.governing) == (Mode.FORBID, ("POLICY",))
    assert f"POLICY.{key}" in {each.rule for each in decision.reasons}


@pytest.mark.parametrize(
    "policy", [Policy(always_ask=True), Policy(special_category_expected=True)]
)
def test_a_policy_can_ask(policy: Policy) -> None:
    decision = judge("FR", "FR", policy=policy)

    assert (decision.mode, decision.governing) == (Mode.ASK, ("POLICY",))
    assert decision.requirements[0].form is Form.AGREED
    assert decision.requirements[0].elements == {
        Element.INTENT_TO_RECORD,
        Element.PURPOSE,
        Element.CONSENT_REQUEST,
        Element.RIGHT_TO_OBJECT,
    }


def test_a_forbidden_country_covers_its_subdivisions_and_not_its_namesakes() -> None:
    assert judge("TO", "FR-1", policy=Policy(forbid_jurisdictions=("FR",))).mode is Mode.FORBID
    assert judge("FR", "FR", policy=Policy(forbid_jurisdictions=("FR-1",))).mode is Mode.AUTO


def test_a_policy_can_forbid_unknown_places() -> None:
    parties = [Party.agent("FR"), Party.contact()]

    forbids = decide(parties, ON, LANDS, Policy(unknown_location="forbid"))
    ignores = decide(parties, ON, LANDS, Policy(unknown_location="auto", force_auto=True))

    assert (forbids.mode, forbids.governing) == (Mode.FORBID, ("POLICY",))
    assert ignores.mode is Mode.ASK
    assert len(ignores.policy_notes) == 2


def test_a_minimum_proof_raises_told_requirements_too_and_leaves_the_form() -> None:
    decision = judge("FR", "TO", policy=Policy(minimum_proof=Proof.SPOKEN))

    assert decision.requirements[0].form is Form.TOLD
    assert decision.requirements[0].proof is Proof.SPOKEN
    assert "POLICY.minimum_proof" in decision.requirements[0].because


def test_no_lawful_basis_asks_only_where_data_protection_law_applies() -> None:
    none = Policy(lawful_basis=None)

    assert judge("FR", "FR", policy=none).mode is Mode.AUTO
    assert judge("FR", "EA", policy=none).mode is Mode.ASK
    assert "lawful_basis" in {each.kind for each in judge("FR", "EA", policy=none).duties}


def test_a_duty_to_record_tells_and_keeps_the_rest() -> None:
    decision = judge("FR", "TO", policy=Policy(mandatory_recording="mifid2"))

    assert decision.requirements[0].elements == {
        Element.RIGHTS,
        Element.MANDATORY_RECORDING,
        Element.RETENTION,
        Element.COPY_AVAILABLE,
    }
    assert [each.kind for each in decision.duties] == ["retention"]


def test_outside_processors_are_named_to_everyone() -> None:
    decision = judge("FR", "TO", policy=Policy(external_processors=("Vendor",)))

    assert Element.RECIPIENTS_THIRD_PARTIES in decision.elements
    assert Element.RECIPIENTS_THIRD_PARTIES in decision.requirements[0].elements


@pytest.mark.parametrize(
    ("region", "mode"), [(None, Mode.FORBID), ("FR", Mode.FORBID), ("AL", Mode.ASK)]
)
def test_storage_elsewhere_forbids_where_the_account_wants_it(
    region: str | None, mode: Mode
) -> None:
    policy = Policy(storage_region=region, forbid_if_localisation_violated=True)

    decision = judge("FR", "AL", policy=policy)

    assert decision.mode is mode
    assert "POLICY" in {each.jurisdiction for each in decision.duties if each.kind == "storage"}


def test_a_recorder_elsewhere_is_storage_elsewhere() -> None:
    policy = Policy(storage_region="AL", forbid_if_localisation_violated=True)

    assert judge("FR", "AL", policy=policy, recorder="AL").mode is Mode.ASK
    assert judge("FR", "AL", policy=policy, recorder="FR").mode is Mode.FORBID


AGENTS_LAND = replace(
    area("WO", rule("WO.free")),
    raw={
        "workplace": {
            "notice_required": True,
            "acknowledgement": False,
            "posting": False,
            "works_agreement": True,
            "summary": words("What WO wants for employees."),
        }
    },
)


def test_a_site_owes_what_its_rule_names_whatever_the_account_has_set() -> None:
    lands = book(ASKS_WHEN_UNKNOWN, AGENTS_LAND, area("FR", rule("FR.free")))
    parties = [Party.agent("WO"), Party.contact("FR")]

    for policy in (Policy(), Policy(works_agreement_on_file=True)):
        decision = decide(parties, ON, lands, policy)
        assert decision.mode is Mode.AUTO
        assert {(each.jurisdiction, each.kind) for each in decision.duties} == {
            ("WO", "employee_notice"),
            ("WO", "works_agreement"),
        }
    needed = decide(parties, ON, lands, Policy(require_works_agreement=True))
    assert needed.mode is Mode.FORBID


def test_a_contact_in_a_place_is_no_site_of_it() -> None:
    lands = book(ASKS_WHEN_UNKNOWN, AGENTS_LAND, area("FR", rule("FR.free")))

    assert decide([Party.agent("FR"), Party.contact("WO")], ON, lands, recorder="WO").duties == ()


def test_a_duty_that_a_file_words_itself_is_not_worded_again() -> None:
    own = replace(AGENTS_LAND, duties=(RuleDuty("works_agreement", words("Agree first.")),))
    decision = decide([Party.agent("WO")], ON, book(ASKS_WHEN_UNKNOWN, own))

    assert [each.text for each in decision.duties if each.kind == "works_agreement"] == [
        "Agree first."
    ]


@pytest.mark.parametrize("code", sorted(packaged().jurisdictions))
def test_every_gate_that_a_packaged_file_names_is_owed_to_agents_there(code: str) -> None:
    workplace = packaged().jurisdictions[code].raw.get("workplace", {})
    assert isinstance(workplace, dict)
    decision = decide([Party.agent(code), Party.contact(code)], ON)
    kinds = {each.kind for each in decision.duties if each.jurisdiction == code}

    if workplace.get("works_agreement"):
        assert "works_agreement" in kinds
    if any(workplace.get(gate) for gate in ("notice_required", "acknowledgement", "posting")):
        assert "employee_notice" in kinds


# ---- over the packaged rules --------------------------------------------------------------

numbers = st.none() | st.sampled_from(
    [
        "+16285550142",
        "+12145550142",
        "+4721234567",
        "+46812345678",
        "+6493001234",
        "+493012345678",
        "+442079460123",
        "+18005550142",
        "+870773111632",
        "hello",
    ]
)
known = st.lists(
    st.sampled_from([*sorted(set(packaged().jurisdictions) - {"UNKNOWN", "EEA"}), "AQ"]).map(Place),
    max_size=2,
).map(tuple)
people = st.lists(st.builds(Party, st.sampled_from(Role), numbers, known), min_size=1, max_size=3)


@LAW
@given(people, policies, st.sampled_from(["askfirst", "hubspot-2023"]))
def test_every_decision_names_at_least_one_cited_reason(
    parties: list[Party], policy: Policy, profile: str
) -> None:
    decision = decide(parties, ON, policy=replace(policy, profile=profile))
    named = {each.rule for each in decision.reasons}

    assert any(reason.cites for reason in decision.reasons)
    assert all(owed.because and set(owed.because) <= named for owed in decision.requirements)


@LAW
@given(people, st.none() | st.sampled_from(["", "hello", "+18005550142"]), policies)
def test_a_contact_of_unknown_place_is_never_recorded_without_asking(
    parties: list[Party], number: str | None, policy: Policy
) -> None:
    lost = Party(Role.CONTACT, number)

    for profile in ("askfirst", "hubspot-2023"):
        decision = decide([*parties, lost], ON, policy=replace(policy, profile=profile))
        assert decision.mode >= Mode.ASK
        assert decision.requirements[-1].party == len(parties)


# ---- overrides ----------------------------------------------------------------------------


def test_an_override_stands_in_the_place_of_the_rule_that_it_names() -> None:
    eased = signed("desk", frees("TO.tell"))

    assert judge("FR", "TO", overrides=(eased,)).mode is Mode.AUTO
    assert judge("FR", "TO", "AL", overrides=(eased,)).governing == ("AL",)
    assert judge("FR", "TO").mode is Mode.ASK


def test_an_override_may_tighten_and_the_strictest_of_two_counts() -> None:
    strict = Replacement("TO.tell", Mode.FORBID, None, Proof.NONE, frozenset())
    both = (signed("one", frees("TO.tell")), signed("two", strict))

    assert judge("FR", "TO", overrides=both).mode is Mode.FORBID
    assert judge("FR", "TO", overrides=both[::-1]).mode is Mode.FORBID


def test_what_a_replaced_rule_says_of_the_notice_inside_the_recording_stays() -> None:
    assert judge("FR", "TO", overrides=(signed("desk", frees("TO.tell")),)).inside_recording


def test_an_override_for_the_unknown_still_asks() -> None:
    free = signed("desk", frees("UNKNOWN.ask"))

    assert judge("FR", "XX", overrides=(free,)).mode is Mode.ASK
    assert decide([Party.contact()], ON, LANDS, overrides=(free,)).mode is Mode.ASK


def test_an_override_that_states_a_condition_eases_the_rules_that_want_it() -> None:
    basis = signed("basis", conditions=frozenset({"lawful_basis"}))
    none = Policy(lawful_basis=None)

    assert judge("FR", "EA", policy=none).mode is Mode.ASK
    assert judge("FR", "EA", policy=none, overrides=(basis,)).mode is Mode.AUTO


@pytest.mark.parametrize(
    "broken",
    [Policy(), Policy(external_processors=("Vendor",)), Policy(external_share_links=True)],
)
def test_a_signed_guarantee_is_void_when_a_third_party_gets_the_call(broken: Policy) -> None:
    guarantee = signed("guarantee", conditions=frozenset({"no_third_party_guarantee"}))
    decision = decide([Party.contact("GB")], ON, policy=broken, overrides=(guarantee,))

    assert decision.mode is (Mode.AUTO if broken == Policy() else Mode.ASK)


def test_an_override_is_named_in_every_decision_with_who_why_and_until_when() -> None:
    override = signed("desk", frees("TO.tell"))
    used = judge("FR", "TO", overrides=(override,))
    unused = judge("FR", "AL", overrides=(override,))

    for decision, said in ((used, "in the place of TO.tell"), (unused, "changes nothing")):
        (reason,) = [each for each in decision.reasons if each.rule == "OVERRIDE.desk"]
        assert said in reason.why
        assert "Kari Nordmann" in reason.why
        assert "A reason." in reason.why
        assert "2026-12-01" in reason.why
        assert reason.cites
        assert any("desk" in note and "Kari Nordmann" in note for note in decision.policy_notes)
    assert "OVERRIDE.desk" not in {each.rule for each in judge("FR", "TO").reasons}


@pytest.mark.parametrize("on", [date(2026, 10, 31), date(2026, 12, 1)])
def test_an_override_counts_from_its_first_day_to_the_day_before_its_last(on: date) -> None:
    override = signed("desk", frees("TO.tell"))
    parties = [Party.contact("TO")]
    decision = decide(parties, on, LANDS, overrides=(override,))

    assert decide(parties, date(2026, 11, 1), LANDS, overrides=(override,)).mode is Mode.AUTO
    assert decide(parties, date(2026, 11, 30), LANDS, overrides=(override,)).mode is Mode.AUTO
    assert decision.mode is Mode.ASK
    assert ["not in force" in note for note in decision.policy_notes] == [True]
    assert "OVERRIDE.desk" not in {each.rule for each in decision.reasons}


def test_what_an_override_states_is_not_named_as_a_change() -> None:
    basis = signed("basis", conditions=frozenset({"lawful_basis"}))
    none = Policy(lawful_basis=None, automatic_notice=False)

    assert judge("FR", "EA", policy=none, overrides=(basis,)).would_change == (
        judge("FR", "EA", policy=replace(none, lawful_basis="contract")).would_change
    )


# ---- what would change it -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "policy", "changed", "said"),
    [
        ("EA", Policy(lawful_basis=None), Policy(), "documented lawful basis"),
        ("EA", Policy(automatic_notice=False), Policy(), "automatic notice"),
        ("FR", Policy(always_ask=True), Policy(), "always ask"),
        ("FR", Policy(recording_enabled=False), Policy(), "switched on"),
        ("FR", Policy(special_category_expected=True), Policy(), "special categories"),
        (
            "FR",
            Policy(require_works_agreement=True),
            Policy(require_works_agreement=True, works_agreement_on_file=True),
            "works agreement",
        ),
        ("FR", Policy(forbid_jurisdictions=("FR",)), Policy(), "forbidden places"),
        (
            "AL",
            Policy(forbid_if_localisation_violated=True),
            Policy(storage_region="AL", forbid_if_localisation_violated=True),
            "kept elsewhere",
        ),
    ],
)
def test_a_change_that_is_named_makes_the_decision_looser(
    contact: str, policy: Policy, changed: Policy, said: str
) -> None:
    decision = judge("FR", contact, policy=policy)

    assert [said in each for each in decision.would_change] == [True]
    assert judge("FR", contact, policy=changed).mode < decision.mode


def test_a_known_place_is_named_only_where_it_can_help() -> None:
    helps = decide([Party.agent("FR"), Party.contact()], ON, LANDS)
    cannot = decide([Party.agent("AL"), Party.contact()], ON, LANDS)

    assert "party 1 (contact)" in helps.would_change[0]
    assert decide([Party.agent("FR"), Party.contact("FR")], ON, LANDS).mode < helps.mode
    assert cannot.would_change == ()


def test_the_guarantee_of_no_third_party_is_named_for_the_united_kingdom() -> None:
    parties = [Party.agent("US-TX"), Party.contact("+442071234567")]

    asks = decide(parties, ON, packaged())
    eased = decide(parties, ON, packaged(), Policy(no_third_party_guarantee=True))

    assert any("no third party" in each for each in asks.would_change)
    assert eased.mode < asks.mode


# ---- requests -----------------------------------------------------------------------------


def test_a_request_numbers_its_parties_in_order() -> None:
    decision = request(
        {
            "id": "7",
            "agent_location": "US-TX",
            "agent_number": None,
            "contact_numbers": ["+16285550142", "+12145550142"],
            "purpose": "training",
            "channel": "phone",
            "policy": {},
            "on": "2026-11-01",
            "language": "nb",
        },
        ON,
    )

    assert [each.role for each in decision.parties] == [Role.AGENT, Role.CONTACT, Role.CONTACT]
    assert (decision.id, decision.on, decision.language) == ("7", date(2026, 11, 1), "nb")
    assert decision.governing == ("US-CA",)


def test_known_places_and_the_recorder_of_a_request_count() -> None:
    asked = {"agent_location": "FR", "contact_numbers": [None]}

    one = request(asked | {"contact_known_location": "AL"}, ON, LANDS)
    several = request(asked | {"contact_known_location": ["FR", "TO"]}, ON, LANDS)
    recorder = request(
        asked | {"contact_known_location": "FR", "recording_location": "NO"}, ON, LANDS
    )

    assert one.governing == ("AL",)
    assert several.governing == ("TO",)
    assert recorder.mode is Mode.FORBID


def test_the_purpose_of_the_policy_wins_over_that_of_the_request() -> None:
    asked = {"agent_location": "FR", "contact_known_location": "PU", "purpose": "training"}

    assert request(asked, ON, LANDS).mode is Mode.ASK
    assert request(asked | {"policy": {"purpose": "quality"}}, ON, LANDS).mode is Mode.AUTO


def test_an_empty_request_is_two_people_nobody_can_place() -> None:
    decision = request({}, ON, LANDS)

    assert (decision.mode, decision.on) == (Mode.ASK, ON)
    assert [each.unknown is None for each in decision.parties] == [False, False]


@pytest.mark.parametrize("number", ["", "hello", "+", "911", "+999999999999", "☎", "+1" * 200])
def test_a_bad_number_is_a_party_of_unknown_place(number: str) -> None:
    decision = request({"agent_location": "FR", "contact_numbers": [number]}, ON, LANDS)

    assert (decision.mode, decision.governing) == (Mode.ASK, ("UNKNOWN",))
    assert decision.parties[1].number == number


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        ({"agent_place": "NO"}, "agent_place"),
        ({"agent_location": "Norway"}, "agent_location"),
        ({"agent_location": "no"}, "agent_location"),
        ({"agent_location": 47}, "agent_location"),
        ({"recording_location": "US_CA"}, "recording_location"),
        ({"contact_known_location": ["NO", "nowhere"]}, "contact_known_location"),
        ({"contact_known_location": ["NO", None]}, "contact_known_location"),
        ({"contact_numbers": "+4712345678"}, "contact_numbers"),
        ({"contact_numbers": [4712345678]}, "contact_numbers"),
        ({"purpose": "fun"}, "purpose"),
        ({"channel": "fax"}, "channel"),
        ({"language": "xx"}, "language"),
        ({"default_region": "Norway"}, "default_region"),
        ({"default_region": "US-CA"}, "default_region"),
        ({"on": "yesterday"}, "on"),
        ({"on": 2026}, "on"),
        ({"policy": []}, "policy"),
        ({"policy": {"always_aks": True}}, "policy.always_aks"),
        ({"id": 7}, "id"),
    ],
)
def test_a_request_with_a_wrong_key_or_value_is_refused_by_its_name(
    bad: dict[str, object], key: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        request(bad, ON, LANDS)

    assert error.value.key == key
