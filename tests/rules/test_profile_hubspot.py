"""The profile hubspot-2023 does what the article of 10 October 2023 says, and says that it does.

Statements are those of docs/explanation/hubspot.md that a decision can express.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst import Decision, Mode, Party, decide
from askfirst import events as ev
from askfirst.decide import request
from askfirst.errors import InvalidRules
from askfirst.explain import text, to_json
from askfirst.gate import Facts, State, after
from askfirst.model import Element, Form, Place, Proof, Role, Source, Use
from askfirst.policy import OWN_PROFILE, PROFILES, Policy
from askfirst.profile import Profile, packaged_profile, parse_profile
from askfirst.rules import packaged

ON = date(2026, 11, 23)
PROFILE = Policy(profile="hubspot-2023")
ARTICLE = "HubSpot Knowledge Base, article on call recording laws, last updated 10 October 2023"

ALL_PARTY = {
    "US-CA": "+16285550142",
    "US-CT": "+12035550142",
    "US-DE": "+13025550142",
    "US-FL": "+13055550142",
    "US-IL": "+13125550142",
    "US-MD": "+14105550142",
    "US-MA": "+16175550142",
    "US-MI": "+13135550142",
    "US-MT": "+14065550142",
    "US-NV": "+17025550142",
    "US-NH": "+16035550142",
    "US-PA": "+12155550142",
    "US-VT": "+18025550142",
    "US-WA": "+12065550142",
}
ONE_PARTY = {"US-TX": "+12145550142", "US-NY": "+12125550142", "US-OR": "+15035550142"}
ABROAD = {
    "NO": "+4721234567",
    "DE": "+493012345678",
    "GB": "+442079460123",
    "IE": "+35312345678",
    "CA-ON": "+14165550142",
    "JP": "+81312345678",
    "US-PR": "+17875550142",
}
AUTOMATIC = {"SE": "+46812345678", "NZ": "+6493001234"}


def call(
    *numbers: str,
    policy: Policy = PROFILE,
    agent: str = "US-TX",
    recorder: str | None = None,
    language: str = "en",
) -> Decision:
    parties = [Party.agent(agent), *(Party.contact(number) for number in numbers)]
    return decide(parties, ON, policy=policy, recorder=recorder, language=language)


def rules_of(decision: Decision) -> set[str]:
    return {reason.rule for reason in decision.reasons}


def profile() -> Profile:
    found = packaged_profile("hubspot-2023")
    assert found is not None
    return found


# ---- statements ---------------------------------------------------------------------------


def test_1_the_area_code_decides_and_no_address_does() -> None:
    texan_in_california = Party.contact("+12145550142", Place("US-CA", Source.ADDRESS))
    californian_in_texas = Party.contact("+16285550142", Place("US-TX", Source.ADDRESS))

    assert decide([texan_in_california], ON, policy=PROFILE).mode is Mode.AUTO
    assert decide([californian_in_texas], ON, policy=PROFILE).mode is Mode.ASK


@pytest.mark.parametrize(("code", "number"), ALL_PARTY.items())
def test_2_an_area_code_of_an_all_party_state_asks(code: str, number: str) -> None:
    decision = call(number)

    assert (decision.mode, decision.governing) == (Mode.ASK, (code,))
    assert rules_of(decision) == {"POLICY.profile", "hubspot-2023.all_party"}


def test_3_and_4_the_agents_word_that_the_contact_was_informed_opens() -> None:
    (owed,) = call("+16285550142").requirements

    assert (owed.party, owed.form, owed.proof) == (1, Form.TOLD, Proof.AGENT_WORD)
    assert owed.elements == {Element.INTENT_TO_RECORD}
    assert owed.because == ("hubspot-2023.all_party",)


def test_3_and_4_nothing_is_recorded_while_the_dialog_is_open_and_the_click_opens() -> None:
    decision = call("+16285550142")
    (owed,) = decision.requirements
    clicked = ev.Evidence(1, Form.TOLD, Proof.AGENT_WORD, elements=owed.elements)
    asked = Facts()
    for event in (
        ev.SwitchChanged(0, True),
        ev.AcknowledgementChanged(0, 0, True),
        ev.PartyJoined(0, 0, Role.AGENT, "agent", frozenset({"US-TX"})),
        ev.PartyJoined(0, 1, Role.CONTACT, "contact", frozenset({"US-CA"})),
        ev.Decided(0, decision),
        ev.Wanted(0),
    ):
        asked = after(asked, event)
    told = after(asked, ev.Met(0, clicked))
    for serial in sorted(told.unsealed):
        told = after(told, ev.Sealed(0, serial))

    assert asked.state is State.ASKING
    assert not asked.allows("contact", Use.RECORD)
    assert told.state is State.OPEN
    assert told.allows("contact", Use.RECORD)


@pytest.mark.parametrize(("code", "number"), ONE_PARTY.items())
def test_5_a_one_party_state_starts_by_itself(code: str, number: str) -> None:
    decision = call(number)

    assert (decision.mode, decision.governing) == (Mode.AUTO, (code,))
    assert decision.requirements == ()
    assert rules_of(decision) == {"POLICY.profile", "hubspot-2023.one_party"}


@pytest.mark.parametrize(("code", "number"), ABROAD.items())
def test_6_an_international_call_asks(code: str, number: str) -> None:
    decision = call(number)

    assert (decision.mode, decision.governing) == (Mode.ASK, (code,))
    assert decision.requirements[0].form is Form.TOLD
    assert decision.requirements[0].proof is Proof.AGENT_WORD
    assert "hubspot-2023.international" in rules_of(decision)


@pytest.mark.parametrize(("code", "number"), AUTOMATIC.items())
def test_6_sweden_and_new_zealand_start_by_themselves(code: str, number: str) -> None:
    decision = call(number)

    assert (decision.mode, decision.governing) == (Mode.AUTO, (code,))
    assert decision.requirements == ()


def test_6_sweden_and_new_zealand_need_no_announcement_and_no_basis() -> None:
    policy = replace(PROFILE, automatic_notice=False, lawful_basis=None)

    assert call(AUTOMATIC["SE"], policy=policy).mode is Mode.AUTO
    assert call(AUTOMATIC["NZ"], policy=policy).mode is Mode.AUTO


def test_7_the_fourteen_states_are_those_of_the_article() -> None:
    assert profile().all_party == set(ALL_PARTY)
    assert len(profile().all_party) == 14


def test_8_a_contact_who_stays_on_the_line_after_being_told_is_recorded() -> None:
    assert {owed.form for owed in call(*ALL_PARTY.values()).requirements} == {Form.TOLD}


def test_9_an_account_may_choose_to_always_ask() -> None:
    decision = call(ONE_PARTY["US-TX"], policy=replace(PROFILE, always_ask=True))

    assert (decision.mode, decision.governing) == (Mode.ASK, ("POLICY",))


@pytest.mark.parametrize(
    ("code", "told", "said"),
    [
        ("GB", set(), "no third party"),
        ("DE", {Element.RIGHT_TO_OBJECT}, "section 201"),
        ("IE", {Element.RIGHT_TO_OBJECT, Element.PURPOSE, Element.PURPOSE_DETAILED}, "in detail"),
        ("CA-ON", {Element.PURPOSE, Element.CONSENT_EACH_PERSON}, "each person's consent"),
        ("NO", {Element.RIGHT_TO_OBJECT}, "lawful basis"),
    ],
)
def test_10_what_the_article_says_of_single_places_is_told_and_owed(
    code: str, told: set[Element], said: str
) -> None:
    decision = call(ABROAD[code])

    assert set(decision.elements) == {Element.INTENT_TO_RECORD} | told
    assert any(said in duty.text for duty in decision.duties if duty.jurisdiction == code)


def test_10_a_guarantee_changes_nothing_because_every_international_call_asks() -> None:
    guarantee = replace(PROFILE, no_third_party_guarantee=True)

    assert call(ABROAD["GB"], policy=guarantee).mode is Mode.ASK


def test_11_recording_and_transcription_are_ruled_together() -> None:
    assert call("+16285550142").requirements[0].uses >= {Use.RECORD, Use.TRANSCRIBE}


def test_12_employees_should_be_told() -> None:
    kinds = {(duty.jurisdiction, duty.kind) for duty in call(ONE_PARTY["US-TX"]).duties}

    assert ("POLICY", "employee_notice") in kinds


def test_13_and_14_the_place_of_the_recorder_does_not_count() -> None:
    assert call(ONE_PARTY["US-TX"], recorder="DE").mode is Mode.AUTO


def test_15_and_17_without_the_account_switch_nothing_is_recorded() -> None:
    off = replace(PROFILE, recording_enabled=False)

    assert Policy().recording_enabled
    assert call(ONE_PARTY["US-TX"], policy=off).mode is Mode.FORBID


def test_18_where_consent_is_not_needed_nothing_has_to_be_pressed() -> None:
    assert call(ONE_PARTY["US-TX"]).mode is Mode.AUTO
    assert call(ONE_PARTY["US-TX"]).requirements == ()


# ---- what the article leaves open ---------------------------------------------------------


@pytest.mark.parametrize("agent", ["SE", "NO", "US-CA", "GB"])
def test_i_and_ii_international_means_abroad_seen_from_the_united_states(agent: str) -> None:
    assert call(ABROAD["NO"], agent=agent).mode is Mode.ASK
    assert call(AUTOMATIC["SE"], agent=agent).mode is Mode.AUTO
    assert call(ONE_PARTY["US-TX"], agent=agent).mode is Mode.AUTO


@pytest.mark.parametrize(
    "number", ["+18005550142", "+15005550142", "+870773111632", "hello", "sip:a@example.org"]
)
def test_iii_a_number_without_a_place_asks(number: str) -> None:
    decision = call(number)

    assert (decision.mode, decision.governing) == (Mode.ASK, ("UNKNOWN",))
    assert decision.requirements[0].form is Form.TOLD
    assert "hubspot-2023.no_place" in rules_of(decision)


@pytest.mark.parametrize("contact", [Party.contact(), Party.contact("US-TX")])
def test_iii_a_contact_without_a_number_asks_whatever_else_is_known(contact: Party) -> None:
    decision = decide([Party.agent("US-TX"), contact], ON, policy=PROFILE)

    assert (decision.mode, decision.governing) == (Mode.ASK, ("UNKNOWN",))


def test_iii_a_free_phone_number_of_an_automatic_country_asks() -> None:
    assert call("+4620123456").mode is Mode.ASK


def test_iv_who_called_whom_does_not_count() -> None:
    parties = [Party.contact("+16285550142"), Party.agent("US-TX")]

    assert decide(parties, ON, policy=PROFILE).governing == ("US-CA",)


def test_v_a_place_that_is_learned_in_the_call_changes_nothing() -> None:
    moved = Party.contact(ONE_PARTY["US-TX"], Place("FR", Source.STATED))

    assert decide([Party.agent("US-TX"), moved], ON, policy=PROFILE).mode is Mode.AUTO


def test_the_strictest_of_several_contacts_decides_for_all() -> None:
    decision = call(ONE_PARTY["US-TX"], ALL_PARTY["US-CA"])

    assert decision.governing == ("US-CA",)
    assert [owed.party for owed in decision.requirements] == [1, 2]


def test_a_call_without_any_contact_asks() -> None:
    assert decide([Party.agent("US-TX")], ON, policy=PROFILE).mode is Mode.ASK


# ---- visible, and only where it was chosen ------------------------------------------------


@pytest.mark.parametrize("number", [*ALL_PARTY.values(), *ABROAD.values(), *AUTOMATIC.values()])
def test_every_reason_cites_the_article(number: str) -> None:
    for reason in call(number).reasons:
        assert reason.cites == (ARTICLE,)
        assert reason.since == date(2023, 10, 10)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "looser than the law"), ("nb", "mildere enn loven")]
)
def test_a_decision_says_that_the_profile_is_in_use(language: str, said: str) -> None:
    decision = call(ONE_PARTY["US-TX"], language=language)
    (reason,) = [each for each in decision.reasons if each.rule == "POLICY.profile"]

    assert said in reason.why
    assert any("hubspot-2023" in note and said in note for note in decision.policy_notes)
    assert reason.why in text(decision)
    assert decision.policy_notes[0] in text(decision)


def test_the_document_has_no_new_field_besides_the_note() -> None:
    own, other = to_json(call("+16285550142", policy=Policy())), to_json(call("+16285550142"))

    assert set(other) - set(own) == {"policy_notes"}


def test_a_request_may_name_the_profile() -> None:
    decision = request(
        {
            "agent_location": "NO",
            "contact_numbers": ["+12145550142"],
            "policy": {"profile": "hubspot-2023"},
        },
        ON,
    )

    assert (decision.mode, decision.governing) == (Mode.AUTO, ("US-TX",))


def test_wishes_still_join_and_only_tighten() -> None:
    policy = replace(PROFILE, minimum_proof=Proof.KEY, force_auto=True, unknown_location="auto")
    decision = call("+18005550142", policy=policy)

    assert decision.mode is Mode.ASK
    assert decision.requirements[0].proof is Proof.KEY
    assert len(decision.policy_notes) == 3


def test_a_number_that_has_a_place_is_named_as_what_would_change_it() -> None:
    decision = decide([Party.agent(), Party.contact("US-TX")], ON, policy=PROFILE)

    assert ["A number with a place of its own for party 1 (contact)" in each
            for each in decision.would_change] == [True]  # fmt: skip
    assert call(ONE_PARTY["US-TX"]).mode < decision.mode
    assert call("+16285550142").would_change == ()


SOME = st.sampled_from(
    [
        *ALL_PARTY.values(),
        *ONE_PARTY.values(),
        *ABROAD.values(),
        *AUTOMATIC.values(),
        "+18005550142",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(SOME, min_size=1, max_size=3), st.sampled_from(["US-TX", "DE", "SE"]))
def test_the_default_profile_is_never_looser_than_the_article(
    numbers: list[str], agent: str
) -> None:
    own, article = call(*numbers, policy=Policy(), agent=agent), call(*numbers, agent=agent)

    assert own.mode >= article.mode
    for mine, theirs in zip(own.requirements, article.requirements, strict=False):
        assert (mine.form, mine.proof) >= (theirs.form, theirs.proof)
    assert not any("hubspot" in reason.rule for reason in own.reasons)
    assert own.policy_notes == ()


def test_every_code_of_the_rulebook_has_an_answer() -> None:
    asked = {code for code in packaged().jurisdictions if profile().answer(code) != "one_party"}

    assert {"DE", "GB", "CA-ON", "US", "US-PR", "US-CA"} <= asked
    assert "US-DC" not in asked


def test_every_profile_but_our_own_has_a_file() -> None:
    folder = resources.files("askfirst") / "profiles"
    files = {Path(file.name).stem for file in folder.iterdir()}

    assert files == set(PROFILES) - {OWN_PROFILE}
    assert packaged_profile(OWN_PROFILE) is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("proof = 1", "proof = 9", "proof"),
        ('form = "told"', 'form = "guess"', "form"),
        ('country = "US"', 'country = "US"\nhome = "US"', "home: not a key"),
        ('profile = "hubspot-2023"', 'profile = "other"', "not the file's name"),
        ("[why.no_place]", "[why.nowhere]", "no_place"),
        ("[why.profile]", "[why", "not TOML"),
    ],
)
def test_a_damaged_profile_is_refused_with_its_fault(old: str, new: str, fault: str) -> None:
    file = resources.files("askfirst") / "profiles" / "hubspot-2023.toml"
    damaged = file.read_text(encoding="utf-8").replace(old, new, 1)

    with pytest.raises(InvalidRules, match=fault):
        parse_profile(damaged, "hubspot-2023.toml")
