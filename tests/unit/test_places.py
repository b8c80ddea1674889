"""From numbers to places: shared plans, traps, and numbers that say nothing."""

from __future__ import annotations

import tomllib
from importlib import resources

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.model import Certainty, LocatedParty, Party, Place, Role, Source
from askfirst.places import (
    GLOBAL,
    INVALID,
    NO_AREA,
    NO_PLACE,
    NOT_A_NUMBER,
    REASONS,
    SPECIAL,
    WITHHELD,
    is_premium,
    locate,
)

STATES = """
    AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH
    NJ NM NV NY OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY
"""


def codes(number: str, region: str | None = None) -> list[str]:
    return [place.code for place in locate(Party(Role.CONTACT, number), region).places]


def reason(number: str, region: str | None = None) -> str | None:
    located = locate(Party(Role.CONTACT, number), region)
    assert located.places == ()
    return located.unknown


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+16285550142", "US-CA"),
        ("+12015550123", "US-NJ"),
        ("+12016315555", "US-NJ"),
        ("+12065550142", "US-WA"),
        ("+12025550142", "US-DC"),
        ("+15145550142", "CA-QC"),
        ("+17875550142", "US-PR"),
        ("+13405550142", "US-VI"),
        ("+16715550142", "US-GU"),
        ("+16846335555", "US-AS"),
        ("+16702345678", "US-MP"),
        ("+18092345678", "DO"),
        ("+4721234567", "NO"),
        ("+4791234567", "NO"),
        ("+4779021234", "SJ"),
        ("+358181234567", "AX"),
        ("+390612345678", "IT"),
        ("+390549886377", "SM"),
        ("+390669812345", "VA"),
        ("+442071234567", "GB"),
        ("+447781123456", "GG"),
        ("+441534456789", "JE"),
        ("+441624756789", "IM"),
        ("+77012345678", "KZ"),
        ("+79123456789", "RU"),
        ("+61891621234", "CC"),
        ("+61891641234", "CX"),
        ("+61212345678", "AU"),
        ("+262269601234", "YT"),
        ("+262262161234", "RE"),
        ("+2908123", "SH"),
        ("+37866661212", "SM"),
        ("+46812345678", "SE"),
        ("+64211234567", "NZ"),
    ],
)
def test_a_number_is_probably_where_its_plan_says(number: str, code: str) -> None:
    located = locate(Party.contact(number))

    assert located.places == (Place(code, Source.NUMBER, Certainty.LIKELY),)
    assert located.unknown is None


@pytest.mark.parametrize(
    ("number", "shared"),
    [
        ("+590590271234", ["BL", "GP", "MF"]),
        ("+590690001234", ["BL", "GP", "MF"]),
        ("+903921234567", ["CY", "TR"]),
        ("+212528812345", ["EH", "MA"]),
        ("+79781234567", ["RU", "UA"]),
        ("+79401234567", ["GE", "RU"]),
        ("+19025550142", ["CA-NS", "CA-PE"]),
        ("+18675550142", ["CA-NT", "CA-NU", "CA-YT"]),
    ],
)
def test_a_shared_plan_makes_every_place_possible(number: str, shared: list[str]) -> None:
    located = locate(Party.contact(number))

    assert [place.code for place in located.places] == shared
    assert {place.certainty for place in located.places} == {Certainty.POSSIBLE}


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+16792345678", "US-MI"),
        ("+18612345678", "US-IL"),
        ("+18372345678", "US-CA"),
        ("+16212345678", "US-TX"),
    ],
)
def test_an_area_code_that_the_library_does_not_know_yet_has_a_place(
    number: str, code: str
) -> None:
    assert codes(number) == [code]
    assert reason(number[:-1]) == INVALID
    assert reason(f"{number[:5]}1{number[6:]}") == INVALID


@pytest.mark.parametrize(
    "number",
    [
        "+18005550142",
        "+18885550142",
        "+18335550142",
        "+19005550142",
        "+15005550142",
        "+16002345678",
    ],
)
def test_toll_free_premium_and_personal_numbers_have_no_place(number: str) -> None:
    assert reason(number) == NO_AREA


@pytest.mark.parametrize(
    "number", ["+80012345678", "+870773111632", "+881612345678", "+882161234567", "+883510012345"]
)
def test_satellite_and_global_numbers_are_in_no_country(number: str) -> None:
    assert reason(number) in (GLOBAL, INVALID)


def test_a_satellite_number_says_that_it_is_one() -> None:
    assert reason("+881612345678") == GLOBAL


@pytest.mark.parametrize(
    "number",
    [
        "",
        " ",
        "+",
        "hello",
        "anonymous",
        "112",
        "+1",
        "21234567",
        "tel:+4721234567",
        "+4721234567;ext=1",
        "+1800FLOWERS",
        "+٤٧٢١٢٣٤٥٦٧",
        "+" + "1" * 60,
        "++4721234567",
        "+4721234567\n",
    ],
)
def test_what_is_not_an_international_number_has_no_place(number: str) -> None:
    assert reason(number) in (NOT_A_NUMBER, INVALID)


@pytest.mark.parametrize("number", ["+12345", "+470", "+4411111", "+999123456789", "+15555550142"])
def test_a_number_outside_every_plan_has_no_place(number: str) -> None:
    assert reason(number) in (NOT_A_NUMBER, INVALID)


def test_a_service_number_may_be_answered_from_anywhere() -> None:
    located = locate(Party.contact("+4780012345"))

    assert located.places == (Place("NO", Source.NUMBER, Certainty.POSSIBLE),)
    assert located.unknown == SPECIAL


def test_spaces_and_punctuation_do_not_matter() -> None:
    assert codes("+1 (628) 555-0142") == codes("+16285550142")


def test_a_national_number_needs_a_region() -> None:
    assert reason("21 23 45 67") == NOT_A_NUMBER
    assert codes("21 23 45 67", "NO") == ["NO"]
    assert codes("08-123 456 78", "SE") == ["SE"]
    assert reason("21234567", "Norway") == NOT_A_NUMBER


def test_a_number_adds_to_a_given_place_and_never_replaces_it() -> None:
    located = locate(Party.contact("NO", "+46812345678"))

    assert located.places == (
        Place("NO", Source.GIVEN, Certainty.CERTAIN),
        Place("SE", Source.NUMBER, Certainty.LIKELY),
    )
    assert located.unknown is None


def test_a_contact_stays_unknown_beside_a_given_place_and_a_placeless_number() -> None:
    located = locate(Party.contact("NO", "+18005550142"))

    assert ([place.code for place in located.places], located.unknown) == (["NO"], NO_AREA)


@pytest.mark.parametrize("number", ["+18005550142", "nonsense"])
def test_an_agent_whose_place_is_given_is_not_unknown_for_a_placeless_number(number: str) -> None:
    agent = Party(Role.AGENT, number, (Place("NO"),))

    assert locate(agent) == LocatedParty(Role.AGENT, number, (Place("NO"),), None)


def test_who_has_neither_place_nor_number_is_unknown() -> None:
    assert locate(Party.agent()).unknown == NO_PLACE
    assert locate(Party.contact()).unknown == WITHHELD
    assert locate(Party.contact("NO")).unknown is None


def test_a_territory_is_a_place_under_the_country_that_holds_it() -> None:
    assert [place.code for place in locate(Party.contact("PR", "NO")).places] == ["US-PR", "NO"]


def test_every_area_code_of_the_library_has_one_state_or_no_place() -> None:
    found: dict[str, list[str]] = {}
    for area in range(200, 1000):
        for exchange in (222, 234, 555, 567):
            number = phonenumbers.parse(f"+1{area}{exchange}1234", None)
            if phonenumbers.region_code_for_number(number) == "US":
                located = locate(Party.contact(f"+1{area}{exchange}1234"))
                found[str(area)] = [place.code for place in located.places]
                assert (located.unknown == NO_AREA) is (located.places == ())

    geographic = [places for places in found.values() if places]
    assert len(geographic) >= 359
    assert all(len(places) == 1 for places in geographic)
    assert {places[0] for places in geographic} == {f"US-{state}" for state in STATES.split()}


def test_no_area_code_stands_in_two_states() -> None:
    folder = resources.files("askfirst") / "jurisdictions" / "numbers"
    table = tomllib.loads((folder / "nanp.toml").read_text(encoding="utf-8"))
    listed = [
        code for place, areas in table["areas"].items() if place[:2] == "US" for code in areas
    ]

    assert len(listed) == len(set(listed))
    assert not set(listed) & set(table["placeless"])
    assert set(table["not_in_library"]) <= set(listed)


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=30) | st.from_regex(r"\+?[0-9 ()\-]{0,20}", fullmatch=True),
    st.none() | st.text(max_size=3) | st.sampled_from(["NO", "US", "IT"]),
)
def test_no_number_raises_and_no_reason_repeats_it(number: str, region: str | None) -> None:
    located = locate(Party(Role.CONTACT, number), region)

    assert located.number == number
    assert located.unknown in REASONS or located.places
    assert all(place.certainty is not Certainty.CERTAIN for place in located.places)


CARIBBEAN = {
    "AG": "268",
    "AI": "264",
    "BB": "246",
    "BM": "441",
    "BS": "242",
    "DM": "767",
    "DO": "809",
    "GD": "473",
    "JM": "876",
    "KN": "869",
    "KY": "345",
    "LC": "758",
    "MS": "664",
    "SX": "721",
    "TC": "649",
    "TT": "868",
    "VC": "784",
    "VG": "284",
}


@pytest.mark.parametrize("place", CARIBBEAN)
def test_a_caribbean_number_under_plus_one_is_in_no_state(place: str) -> None:
    example = phonenumbers.example_number(place)
    assert example is not None
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)

    assert number.startswith(f"+1{CARIBBEAN[place]}")
    assert codes(number) == [place]


@pytest.mark.parametrize("area", ["204", "306", "403", "416", "506", "604", "709", "819"])
def test_a_canadian_number_under_plus_one_is_in_canada(area: str) -> None:
    found = codes(f"+1{area}2345678")

    assert found
    assert all(code.startswith("CA-") for code in found)


def numbering_table() -> dict[str, list[str]]:
    folder = resources.files("askfirst") / "jurisdictions" / "numbers"
    table = tomllib.loads((folder / "nanp.toml").read_text(encoding="utf-8"))
    return {"placeless": table["placeless"], "not_in_library": table["not_in_library"]}


def test_no_code_that_is_not_geographic_has_a_place() -> None:
    known = {"800", "833", "844", "855", "866", "877", "888", "900", "500", "533", "600"}
    known |= {*map(str, range(521, 530)), "532", "544", "566", "577", "588", "622", "633"}
    listed = numbering_table()["placeless"]

    assert known <= set(listed)
    assert {reason(f"+1{area}2345678") for area in listed} == {NO_AREA}


def test_every_code_that_the_library_lacks_has_the_state_it_was_issued_for() -> None:
    issued = {
        "357": "CA",
        "436": "OH",
        "457": "LA",
        "471": "MS",
        "483": "AL",
        "621": "TX",
        "624": "NY",
        "679": "MI",
        "729": "TN",
        "837": "CA",
        "861": "IL",
        "924": "MN",
    }

    assert set(numbering_table()["not_in_library"]) == set(issued)
    assert {area: codes(f"+1{area}2345678") for area in issued} == {
        area: [f"US-{state}"] for area, state in issued.items()
    }


@pytest.mark.parametrize("area", ["206", "253", "360", "425", "509", "564"])
def test_the_state_of_washington_is_not_the_district(area: str) -> None:
    assert codes(f"+1{area}2345678") == ["US-WA"]


@pytest.mark.parametrize("area", ["202", "771"])
def test_the_district_is_not_the_state_of_washington(area: str) -> None:
    assert codes(f"+1{area}2345678") == ["US-DC"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+441481721234", "GG"),
        ("+447781123456", "GG"),
        ("+447839123456", "GG"),
        ("+447911123456", "GG"),
        ("+447509123456", "JE"),
        ("+447797712345", "JE"),
        ("+447937123456", "JE"),
        ("+447700312345", "JE"),
        ("+447829712345", "JE"),
        ("+447624123456", "IM"),
        ("+447524123456", "IM"),
        ("+447457612345", "IM"),
    ],
)
def test_a_crown_dependency_is_not_the_united_kingdom(number: str, code: str) -> None:
    assert codes(number) == [code]


@pytest.mark.parametrize("number", ["+447400123456", "+447700123456", "+447457123456"])
def test_the_rest_of_a_divided_mobile_range_is_the_united_kingdom(number: str) -> None:
    assert codes(number) == ["GB"]


@pytest.mark.parametrize(
    ("number", "found"),
    [
        ("+77172123456", ["KZ"]),
        ("+77712345678", ["KZ"]),
        ("+73652123456", ["RU", "UA"]),
        ("+78692123456", ["RU", "UA"]),
        ("+78402123456", ["GE", "RU"]),
        ("+905012345678", ["TR"]),
        ("+212520123456", ["MA"]),
        ("+212528912345", ["EH", "MA"]),
        ("+262639012345", ["YT"]),
        ("+262692123456", ["RE"]),
        ("+358412345678", ["FI"]),
        ("+59995181234", ["CW"]),
        ("+5993181234", ["BQ"]),
        ("+5994161234", ["BQ"]),
        ("+5997151234", ["BQ"]),
        ("+672322123", ["NF"]),
        ("+672106123", ["AQ"]),
        ("+24762889", ["SH"]),
        ("+2908999", ["SH"]),
        ("+37447951234", ["AM", "AZ"]),
        ("+390669884567", ["VA"]),
        ("+393123456789", ["IT"]),
    ],
)
def test_a_shared_plan_is_told_apart_by_its_prefix(number: str, found: list[str]) -> None:
    assert codes(number) == found


@pytest.mark.parametrize("plan", ["800", "808", "870", "878", "881", "882", "883", "888", "979"])
def test_no_number_of_a_global_plan_has_a_place(plan: str) -> None:
    lengths = {reason(f"+{plan}{'1234567890123'[:length]}") for length in range(4, 13)}

    assert lengths <= {GLOBAL, INVALID, NOT_A_NUMBER}


def test_what_an_address_says_never_takes_away_what_the_number_says() -> None:
    located = locate(Party.contact("US-TX", "+16285550142"))

    assert [place.code for place in located.places] == ["US-TX", "US-CA"]


def test_a_number_that_may_be_ported_is_never_certain() -> None:
    for number in ("+12015550123", "+4791234567", "+447400123456", "+393123456789"):
        assert {place.certainty for place in locate(Party.contact(number)).places} == {
            Certainty.LIKELY
        }


@pytest.mark.parametrize(
    ("number", "costs"),
    [
        ("+4782012345", True),
        ("+19005550123", True),
        ("+4721989900", False),
        ("+18335550142", False),
        ("+999999999", False),
        ("", False),
    ],
)
def test_numbers_that_cost_extra_are_known_from_others(number: str, costs: bool) -> None:
    assert is_premium(number) is costs
