"""From a party to its plausible places: what was given, and what the number adds.

A number tells where it was issued, never where a person is, so nothing here is certain except
what was given, and a given place never takes away what the number says. Which prefix belongs to
which place is data (`jurisdictions/numbers`); this module only looks it up. No number is kept.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from askfirst.model import Certainty, LocatedParty, Party, Place, Role, Source
from askfirst.rules import packaged_directory

# The number library takes longer to import than all the rest of the core, and who asks for no
# decision needs none of it: it is imported where it is used.
if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

WITHHELD = "the number is withheld and no place is known"
NOT_A_NUMBER = "this is not a telephone number in international form (+ and 7 to 15 digits)"
INVALID = "no numbering plan that is known here has such a number"
GLOBAL = "the number belongs to a satellite or global service, which is in no country"
NO_AREA = "the number is toll-free, premium or personal and says nothing about a place"
SPECIAL = "the number is a special service that may be answered from anywhere"
NO_PLACE = "neither a place nor a number is known"

REASONS = (WITHHELD, NOT_A_NUMBER, INVALID, GLOBAL, NO_AREA, SPECIAL, NO_PLACE)
"""Every reason why a party is of unknown place; none of them holds the number."""

_NORTH_AMERICA = 1
_WORLD = "001"
# Letters, extensions and URIs are refused rather than guessed at; so is anything overlong.
_SHAPE = re.compile(r"\+?[0-9(][0-9 ().\-/]{1,38}", re.ASCII)

_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)

_Places = tuple[Place, ...]
_Found = tuple[_Places, str | None]


@dataclass(frozen=True, slots=True)
class _Tables:
    """The number tables, ready for look-up; `prefixes` by country code, longest prefix first."""

    areas: dict[str, _Places]
    placeless: frozenset[str]
    not_in_library: frozenset[str]
    prefixes: dict[int, tuple[tuple[str, _Places], ...]]
    regions: dict[str, str]


def locate(party: Party, default_region: str | None = None) -> LocatedParty:
    """Every place that a party plausibly is in: the given ones, then those of its number.

    `default_region` (ISO 3166-1) is used for numbers without +. No number raises: one that says
    nothing gives no place and a sentence in `unknown`. An agent whose place was given stays
    known beside such a number; a contact does not, because given places add and never replace.
    """
    given = party.places
    if given:
        aliases = _tables().regions
        if any(place.code in aliases for place in given):
            given = tuple(
                Place(aliases.get(place.code, place.code), place.source, place.certainty)
                for place in given
            )
    if party.number is None:
        unknown = None if given else NO_PLACE if party.role is Role.AGENT else WITHHELD
        return LocatedParty(party.role, None, given, unknown)
    found, unknown = _places_of(party.number, default_region)
    if given and party.role is Role.AGENT and not found:
        unknown = None
    return LocatedParty(party.role, party.number, given + found if given else found, unknown)


def e164(text: str, default_region: str | None = None) -> str | None:
    """A telephone number as + and 7 to 15 digits (ITU-T E.164); None for what is not one.

    `default_region` (ISO 3166-1) is used for numbers without +. A number that no plan has is
    kept where it is written with +, because its owner's place is then unknown and no more; one
    that was only completed with a region is not, because it may be somebody else's.
    """
    import phonenumbers

    if not _SHAPE.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        return None
    if not text.startswith("+") and _places_of(text, default_region)[1] == INVALID:
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return written if _E164.fullmatch(written) else None


def is_premium(number: str) -> bool:
    """Whether a call to a number in E.164 costs extra by its country's numbering plan.

    False for what no plan has.
    """
    import phonenumbers

    try:
        found = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(found) == phonenumbers.PhoneNumberType.PREMIUM_RATE


def _places_of(text: str, default_region: str | None) -> _Found:
    import phonenumbers

    if not _SHAPE.fullmatch(text):
        return (), NOT_A_NUMBER
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        return (), NOT_A_NUMBER
    code = number.country_code or 0
    digits = str(number.national_number)
    if number.italian_leading_zero:
        digits = "0" * (number.number_of_leading_zeros or 1) + digits
    tables = _tables()
    if code == _NORTH_AMERICA:
        area = digits[:3]
        if area in tables.placeless:
            return (), NO_AREA
        if area in tables.not_in_library:
            # The exchange starts with 2 to 9: the only check left without the library.
            return (tables.areas[area], None) if _is_whole(digits) else ((), INVALID)
        region = phonenumbers.region_code_for_number(number)
        if region == "US" or region == "CA":
            places = tables.areas.get(area)
            return (places, None) if places else ((), INVALID)
    else:
        region = phonenumbers.region_code_for_number(number)
    if region is None:
        return (), INVALID
    if region == _WORLD:
        return (), GLOBAL
    if not _ordinary(region).fullmatch(digits):
        return _unusual(number, region)
    shared = tables.prefixes.get(code)
    if shared:
        for prefix, places in shared:
            if digits.startswith(prefix):
                return places, None
    return _of_region(region, Certainty.LIKELY), None


def _is_whole(digits: str) -> bool:
    return len(digits) == 10 and digits[3] in "23456789"


def _unusual(number: PhoneNumber, region: str) -> _Found:
    """A number that is neither a fixed line nor a mobile: invalid, or answered from anywhere."""
    import phonenumbers

    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return (), INVALID
    return _of_region(
        region, Certainty.POSSIBLE
    ), None if kind == phonenumbers.PhoneNumberType.VOIP else SPECIAL


@cache
def _ordinary(region: str) -> re.Pattern[str]:
    """What fixed lines and mobiles of a region look like; one pattern for each region."""
    import phonenumbers

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    kinds = (metadata.fixed_line, metadata.mobile) if metadata else ()
    patterns = [
        f"(?:{kind.national_number_pattern})"
        for kind in kinds
        if kind is not None and kind.national_number_pattern
    ]
    return re.compile("|".join(patterns) or "(?!)", re.ASCII)


@cache
def _of_region(region: str, certainty: Certainty) -> _Places:
    return (Place(_tables().regions.get(region, region), Source.NUMBER, certainty),)


@cache
def _tables() -> _Tables:
    folder = packaged_directory() / "numbers"
    nanp = tomllib.loads((folder / "nanp.toml").read_text(encoding="utf-8"))
    hazards = tomllib.loads((folder / "hazards.toml").read_text(encoding="utf-8"))
    codes: dict[str, list[str]] = {}
    for place, areas in nanp["areas"].items():
        for area in areas:
            codes.setdefault(area, []).append(place)
    prefixes: dict[int, list[tuple[str, _Places]]] = {}
    for entry in hazards["prefix"]:
        country, rest = _split(entry["starts"])
        prefixes.setdefault(country, []).append((rest, _several(entry["places"])))
    return _Tables(
        areas={area: _several(places) for area, places in codes.items()},
        placeless=frozenset(nanp["placeless"]),
        not_in_library=frozenset(nanp["not_in_library"]),
        prefixes={
            country: tuple(sorted(entries, key=lambda entry: (-len(entry[0]), entry[0])))
            for country, entries in prefixes.items()
        },
        regions=dict(hazards["region"]),
    )


def _several(codes: list[str]) -> _Places:
    certainty = Certainty.LIKELY if len(codes) == 1 else Certainty.POSSIBLE
    return tuple(Place(code, Source.NUMBER, certainty) for code in sorted(codes))


def _split(prefix: str) -> tuple[int, str]:
    """A prefix as country code and national part, for example +390549 as 39 and 0549."""
    import phonenumbers

    for length in (1, 2, 3):
        country = int(prefix[1 : 1 + length])
        if country in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return country, prefix[1 + length :]
    return 0, prefix[1:]
