"""Decisions over the packaged rules, under overrides, and asked for by requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lands import LANDS, LAW, ON, frees, judge, policies, signed

from askfirst import Mode, Party, decide
from askfirst.decide import request
from askfirst.errors import InvalidRequest
from askfirst.model import (
    Place,
    Proof,
    Role,
)
from askfirst.override import Replacement
from askfirst.policy import Policy
from askfirst.rules import (
    packaged,
)

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
