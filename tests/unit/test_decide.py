"""What a decision says of places, rules and policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from tests.unit.lands import ASKS_WHEN_UNKNOWN, EASED, LANDS, ON, area, book, judge, rule, words

from askfirst import Mode, Party, decide
from askfirst.errors import InvalidRequest
from askfirst.model import (
    Element,
    Form,
    Place,
    Proof,
    Purpose,
    Use,
)
from askfirst.policy import Policy
from askfirst.rules import (
    Eased,
    RuleDuty,
    RuleSource,
    When,
    Workplace,
    packaged,
)

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


AGENTS_LAND = area(
    "WO",
    rule("WO.free"),
    workplace=Workplace(("notice", "works_agreement"), words("What WO wants for employees.")),
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
        assert [(each.party, each.jurisdiction, each.gate) for each in decision.workplace] == [
            (0, "WO", "notice"),
            (0, "WO", "works_agreement"),
        ]
    needed = decide(parties, ON, lands, Policy(require_works_agreement=True))
    assert needed.mode is Mode.FORBID


def test_a_contact_in_a_place_is_no_site_of_it() -> None:
    own = replace(AGENTS_LAND, duties=(RuleDuty("employee_notice", words("Tell your people.")),))
    lands = book(ASKS_WHEN_UNKNOWN, own, area("FR", rule("FR.free")))

    decision = decide([Party.agent("FR"), Party.contact("WO")], ON, lands, recorder="WO")

    assert (decision.duties, decision.workplace) == ((), ())


def owed_on(day: date, duty: RuleDuty, policy: Policy | None = None) -> list[str]:
    lands = book(ASKS_WHEN_UNKNOWN, area("FR", rule("FR.free"), duties=(duty,)))
    decision = decide([Party.agent("FR"), Party.contact("FR")], day, lands, policy)
    return [each.text for each in decision.duties if each.jurisdiction == "FR"]


def test_a_duty_counts_from_its_first_day_until_its_last() -> None:
    first, last = date(2026, 7, 14), date(2026, 10, 1)
    duty = RuleDuty("notice", words("Say so."), applies_from=first, applies_until=last)

    assert owed_on(date(2026, 7, 13), duty) == []
    assert owed_on(first, duty) == ["Say so."]
    assert owed_on(date(2026, 9, 30), duty) == ["Say so."]
    assert owed_on(last, duty) == []


@pytest.mark.parametrize("policy", [Policy(sector="finance"), Policy(mandatory_recording="fca")])
def test_a_duty_of_a_trade_is_owed_by_that_trade_only(policy: Policy) -> None:
    duty = RuleDuty("retention", words("Keep it."), when=When(sectors=frozenset({"finance"})))

    assert owed_on(ON, duty) == []
    assert owed_on(ON, duty, Policy(sector="bakery")) == []
    assert owed_on(ON, duty, policy) == ["Keep it."]


def test_a_duty_of_a_purpose_is_owed_while_nobody_names_another() -> None:
    duty = RuleDuty("notice", words("Say so."), when=When(purposes=frozenset({"quality"})))

    assert owed_on(ON, duty) == ["Say so."]
    assert owed_on(ON, duty, Policy(purpose=Purpose.QUALITY)) == ["Say so."]
    assert owed_on(ON, duty, Policy(purpose=Purpose.TRAINING)) == []


def test_a_duty_cites_what_it_rests_on() -> None:
    source = RuleSource("statute", "Labour Act § 1", None, None)
    own = RuleDuty("notice", words("Say so."), sources=(source,))
    lands = book(ASKS_WHEN_UNKNOWN, area("FR", rule("FR.free"), duties=(own,)))

    (duty,) = decide([Party.contact("FR")], ON, lands).duties

    assert duty.cites == ("Labour Act § 1",)


def test_a_duty_that_a_file_words_itself_is_not_worded_again() -> None:
    own = replace(AGENTS_LAND, duties=(RuleDuty("works_agreement", words("Agree first.")),))
    decision = decide([Party.agent("WO")], ON, book(ASKS_WHEN_UNKNOWN, own))

    assert [each.text for each in decision.duties if each.kind == "works_agreement"] == [
        "Agree first."
    ]


@pytest.mark.parametrize("code", sorted(packaged().jurisdictions))
def test_every_gate_that_a_packaged_file_names_is_owed_to_agents_there(code: str) -> None:
    workplace = packaged().jurisdictions[code].workplace
    gates = workplace.gates if workplace else ()
    decision = decide([Party.agent(code), Party.contact(code)], ON)
    kinds = {each.kind for each in decision.duties if each.jurisdiction == code}

    named = tuple(each.gate for each in decision.workplace if each.jurisdiction == code)
    assert sorted(named) == sorted(gates)
    assert ("works_agreement" in gates) <= ("works_agreement" in kinds)
    assert bool(set(gates) - {"works_agreement"}) <= ("employee_notice" in kinds)


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
