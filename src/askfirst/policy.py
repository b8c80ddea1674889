"""The account's own wishes: everything that an organisation may say about its calls.

A policy joins a decision like one more rule, so it can only tighten; the one exception is
`profile`, which puts another product's published behaviour in the place of the rulebook and is
named in every decision. What each key does is in `findings`; this module knows the keys, their
types and their defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from askfirst.errors import InvalidRequest
from askfirst.model import Proof, Purpose

PLACE_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
"""An ISO 3166-1 alpha-2 or ISO 3166-2 code, by its form."""

AREA_CODE = re.compile(r"[A-Z]{2,3}(-[A-Z0-9]{1,3})?")
"""A place code or a legal area such as EEA."""

CONDITIONS = frozenset(
    {"lawful_basis", "automatic_notice", "no_third_party_guarantee", "ordinary_data"}
)
"""Every word that a rule may name as a condition; a condition that nobody states is false."""

UNKNOWN_LOCATION = ("ask", "forbid", "auto")
MANDATORY_RECORDING = ("mifid2", "fca", "cftc")
FINANCE = "finance"
"""The sector that every duty to record belongs to."""
OWN_PROFILE = "askfirst"
PROFILES = (OWN_PROFILE, "hubspot-2023")
"""Whose behaviour decides: ours from the rulebook, or a file of `profiles/`."""
LOWEST_MINIMUM_PROOF = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """What an account wants beyond the law; the defaults are the library's.

    `unknown_location` "auto" and `force_auto` are accepted, change nothing and are reported in
    `Decision.policy_notes`. `purpose` None means that nobody said why: then every rule counts
    that speaks of some purpose. `minimum_proof` is None or a proof from 3 to 6.
    """

    recording_enabled: bool = True
    always_ask: bool = False
    unknown_location: str = "ask"
    force_auto: bool = False
    automatic_notice: bool = True
    lawful_basis: str | None = "legitimate_interests"
    purpose: Purpose | None = None
    sector: str | None = None
    special_category_expected: bool = False
    no_third_party_guarantee: bool = False
    external_processors: tuple[str, ...] = ()
    external_share_links: bool = False
    contact_objected: bool = False
    forbid_jurisdictions: tuple[str, ...] = ()
    storage_region: str | None = None
    forbid_if_localisation_violated: bool = False
    require_works_agreement: bool = False
    works_agreement_on_file: bool = False
    mandatory_recording: str | None = None
    minimum_proof: Proof | None = None
    profile: str = OWN_PROFILE

    @classmethod
    def parse(cls, mapping: Mapping[str, object]) -> Policy:
        """The policy that a request or file states; missing keys have their defaults.

        Raises InvalidRequest naming the first key that is unknown or has a wrong value.
        """
        values: dict[str, object] = {}
        for key, value in mapping.items():
            read = _READERS.get(key)
            if read is None:
                raise InvalidRequest(
                    f"unknown policy key {key!r}; known keys: {', '.join(sorted(_READERS))}",
                    key=f"policy.{key}",
                )
            values[key] = read(key, value)
        return cls(**values)  # type: ignore[arg-type]  # every reader gives its field's type

    @property
    def sectors(self) -> frozenset[str]:
        """The account's sector; a duty to record makes it a financial firm besides."""
        words = {self.sector} if self.sector is not None else set()
        if self.mandatory_recording is not None:
            words.add(FINANCE)
        return frozenset(words)

    def conditions(self, asserted: frozenset[str] = frozenset()) -> frozenset[str]:
        """The condition words that hold for this account; everything else is false.

        `asserted` are promises that somebody has signed (`askfirst.override`).
        """
        held = {
            "lawful_basis": self.lawful_basis is not None or "lawful_basis" in asserted,
            "automatic_notice": self.automatic_notice,
            # A vendor or a shared link is a third party whatever anybody has promised.
            "no_third_party_guarantee": (
                self.no_third_party_guarantee or "no_third_party_guarantee" in asserted
            )
            and not self.external_processors
            and not self.external_share_links,
            "ordinary_data": not self.special_category_expected,
        }
        return frozenset(word for word, holds in held.items() if holds)

    def notes(self) -> tuple[str, ...]:
        """Keys of wishes that were read and not followed because they would loosen."""
        ignored = []
        if self.unknown_location == "auto":
            ignored.append("unknown_location")
        if self.force_auto:
            ignored.append("force_auto")
        return tuple(ignored)


def _refuse(key: str, value: object, expected: str) -> InvalidRequest:
    return InvalidRequest(
        f"policy key {key!r} is {value!r}; expected {expected}", key=f"policy.{key}"
    )


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse(key, value, "true or false")
    return value


def _words(key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _refuse(key, value, "a word or null")
    return value


def _list(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise _refuse(key, value, "a list of words")
    for item in value:
        if not isinstance(item, str) or not item.strip():
            raise _refuse(key, value, "a list of words")
    return tuple(sorted(set(value)))


def _areas(key: str, value: object) -> tuple[str, ...]:
    codes = _list(key, value)
    for code in codes:
        if not AREA_CODE.fullmatch(code):
            raise _refuse(key, code, "place codes such as NO or US-CA")
    return codes


def _area(key: str, value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and AREA_CODE.fullmatch(value)):
        raise _refuse(key, value, "a place code such as NO or US-CA, or null")
    return value


def _one_of(*known: str) -> Callable[[str, object], str]:
    def read(key: str, value: object) -> str:
        if not isinstance(value, str) or value not in known:
            raise _refuse(key, value, " or ".join(known))
        return value

    return read


def _mandatory(key: str, value: object) -> str | None:
    return None if value is None else _one_of(*MANDATORY_RECORDING)(key, value)


def _purpose(key: str, value: object) -> Purpose | None:
    return None if value is None else Purpose(_one_of(*Purpose)(key, value))


def _proof(key: str, value: object) -> Proof | None:
    if value is None:
        return None
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not LOWEST_MINIMUM_PROOF <= value <= Proof.WRITTEN
    ):
        raise _refuse(key, value, "a proof from 3 to 6, or null")
    return Proof(value)


_READERS: dict[str, Callable[[str, object], object]] = {
    "recording_enabled": _flag,
    "always_ask": _flag,
    "unknown_location": _one_of(*UNKNOWN_LOCATION),
    "force_auto": _flag,
    "automatic_notice": _flag,
    "lawful_basis": _words,
    "purpose": _purpose,
    "sector": _words,
    "special_category_expected": _flag,
    "no_third_party_guarantee": _flag,
    "external_processors": _list,
    "external_share_links": _flag,
    "contact_objected": _flag,
    "forbid_jurisdictions": _areas,
    "storage_region": _area,
    "forbid_if_localisation_violated": _flag,
    "require_works_agreement": _flag,
    "works_agreement_on_file": _flag,
    "mandatory_recording": _mandatory,
    "minimum_proof": _proof,
    "profile": _one_of(*PROFILES),
}

POLICY_KEYS = tuple(field.name for field in fields(Policy))
"""Every key of a policy, in the order in which documents list them."""
