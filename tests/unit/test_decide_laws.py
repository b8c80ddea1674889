"""The join as laws: over random rulebooks, places, policies and overrides."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.lands import (
    CODES,
    LAW,
    ON,
    anew,
    assert_not_looser,
    book,
    located,
    places,
    policies,
    recorders,
    rulebooks,
    signings,
)

from askfirst import Mode, Party, decide
from askfirst.decide import decide_anew
from askfirst.model import (
    Form,
    LocatedParty,
    Place,
    Proof,
    Role,
)
from askfirst.override import Override
from askfirst.places import NO_PLACE, WITHHELD
from askfirst.policy import Policy
from askfirst.rules import (
    Rulebook,
)


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
