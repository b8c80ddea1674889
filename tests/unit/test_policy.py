"""Policies: every key is read, nothing unknown passes, and only what holds is a condition."""

from __future__ import annotations

from dataclasses import fields

import pytest

from askfirst.errors import InvalidRequest
from askfirst.model import Proof, Purpose
from askfirst.policy import CONDITIONS, POLICY_KEYS, Policy


def test_an_empty_policy_has_the_documented_defaults() -> None:
    policy = Policy.parse({})

    assert policy == Policy()
    assert policy.recording_enabled is True
    assert policy.lawful_basis == "legitimate_interests"
    assert policy.unknown_location == "ask"
    assert policy.minimum_proof is None


def test_every_key_is_read() -> None:
    given: dict[str, object] = {
        "recording_enabled": False,
        "always_ask": True,
        "unknown_location": "forbid",
        "force_auto": True,
        "automatic_notice": False,
        "lawful_basis": None,
        "purpose": "coaching",
        "sector": "finance",
        "special_category_expected": True,
        "no_third_party_guarantee": True,
        "external_processors": ["Vendor"],
        "external_share_links": True,
        "contact_objected": True,
        "forbid_jurisdictions": ["NO", "US-CA", "EEA"],
        "storage_region": "DE",
        "forbid_if_localisation_violated": True,
        "require_works_agreement": True,
        "works_agreement_on_file": True,
        "mandatory_recording": "cftc",
        "minimum_proof": 5,
        "profile": "hubspot-2023",
    }

    policy = Policy.parse(given)

    assert set(given) == set(POLICY_KEYS)
    changed = {f.name for f in fields(Policy) if getattr(policy, f.name) != f.default}
    assert changed == set(POLICY_KEYS)
    assert policy.purpose is Purpose.COACHING
    assert policy.minimum_proof is Proof.SPOKEN
    assert policy.forbid_jurisdictions == ("EEA", "NO", "US-CA")


def test_an_unknown_key_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"'always_aks'.*always_ask") as error:
        Policy.parse({"always_aks": True})

    assert error.value.key == "policy.always_aks"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recording_enabled", 1),
        ("recording_enabled", "true"),
        ("recording_enabled", None),
        ("unknown_location", "guess"),
        ("unknown_location", None),
        ("lawful_basis", ""),
        ("lawful_basis", 6),
        ("purpose", "fun"),
        ("purpose", ["training"]),
        ("sector", " "),
        ("external_processors", "Vendor"),
        ("external_processors", [1]),
        ("external_processors", [""]),
        ("forbid_jurisdictions", ["Norway"]),
        ("storage_region", "here"),
        ("storage_region", 1),
        ("mandatory_recording", "sec"),
        ("minimum_proof", 2),
        ("minimum_proof", 7),
        ("minimum_proof", True),
        ("minimum_proof", "4"),
        ("profile", "hubspot"),
        ("profile", None),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(InvalidRequest, match="expected") as error:
        Policy.parse({key: value})

    assert error.value.key == f"policy.{key}"


def test_wishes_that_would_loosen_are_read_and_noted() -> None:
    assert Policy().notes() == ()
    assert Policy.parse({"unknown_location": "auto", "force_auto": True}).notes() == (
        "unknown_location",
        "force_auto",
    )


def test_what_somebody_has_signed_holds_like_what_the_account_states() -> None:
    silent = Policy(lawful_basis=None)
    promises = frozenset({"lawful_basis", "no_third_party_guarantee"})

    assert silent.conditions() == CONDITIONS - promises
    assert silent.conditions(promises) == CONDITIONS


def test_no_signature_makes_a_fact_of_the_account_true() -> None:
    policy = Policy(
        automatic_notice=False, special_category_expected=True, external_processors=("Vendor",)
    )

    assert policy.conditions(CONDITIONS) == {"lawful_basis"}


def test_every_condition_can_hold() -> None:
    assert Policy(no_third_party_guarantee=True).conditions() == CONDITIONS


@pytest.mark.parametrize(
    ("policy", "lost"),
    [
        (Policy(no_third_party_guarantee=True, lawful_basis=None), "lawful_basis"),
        (Policy(no_third_party_guarantee=True, automatic_notice=False), "automatic_notice"),
        (Policy(no_third_party_guarantee=True, special_category_expected=True), "ordinary_data"),
        (Policy(), "no_third_party_guarantee"),
        (
            Policy(no_third_party_guarantee=True, external_processors=("Vendor",)),
            "no_third_party_guarantee",
        ),
        (
            Policy(no_third_party_guarantee=True, external_share_links=True),
            "no_third_party_guarantee",
        ),
    ],
)
def test_a_condition_falls_when_its_ground_does(policy: Policy, lost: str) -> None:
    assert policy.conditions() == CONDITIONS - {lost}
