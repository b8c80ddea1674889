"""Duties that reach beyond the call: to record, to tell employees, and dates that are coming."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from askfirst import decide, rules
from askfirst.model import Element, Mode, Party, Purpose
from askfirst.policy import Policy
from askfirst.rulefile import AGREEMENT

BOOK = rules.packaged()
TODAY = date(2026, 11, 24)


def duties(code: str) -> str:
    return " ".join(f"{duty.kind}: {duty.text['en']}" for duty in BOOK.jurisdictions[code].duties)


def secrecy(raw: Mapping[str, object]) -> Mapping[str, object]:
    found = raw.get("secrecy")
    return found if isinstance(found, dict) else {}


def workplace(code: str) -> dict[str, object]:
    found = BOOK.jurisdictions[code].raw["workplace"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("EEA", ("MiFID II", "2017/565", "5 years", "7 where")),
        ("GB", ("SYSC 10A", "5 years", "7 where")),
        ("US", ("17 CFR 1.35", "1 year", "FINRA rule 3170", "3 years")),
        ("HU", ("5 years",)),
        ("BR", ("90 days",)),
    ],
)
def test_a_duty_to_record_is_named_with_its_period(code: str, words: tuple[str, ...]) -> None:
    assert "retention: " in duties(code)
    assert all(word in duties(code) for word in words)


@pytest.mark.parametrize("code", ["EEA", "GB"])
def test_a_duty_to_record_says_that_the_notice_stays(code: str) -> None:
    assert "The duty to record never takes the notice away." in duties(code)


@pytest.mark.parametrize(
    ("agent", "duty", "words"),
    [("NO", "mifid2", "MiFID II"), ("GB", "fca", "SYSC 10A"), ("US-NY", "cftc", "17 CFR 1.35")],
)
def test_a_duty_to_record_loosens_no_call_and_concerns_its_trade_only(
    agent: str, duty: str, words: str
) -> None:
    parties = [Party.agent(agent), Party.contact("DE")]
    bound = decide(parties, TODAY, policy=Policy(mandatory_recording=duty))
    free = decide(parties, TODAY)

    assert bound.mode.word == free.mode.word == "ask"
    assert words in " ".join(each.text for each in bound.duties)
    assert words not in " ".join(each.text for each in free.duties)


def test_a_public_utility_in_hungary_says_what_its_duty_to_record_wants() -> None:
    parties = [Party.agent("HU"), Party.contact("HU")]
    bound = decide(parties, TODAY, policy=Policy(sector="public_utility"))

    assert {Element.MANDATORY_RECORDING, Element.UNIQUE_ID} <= set(bound.elements)
    assert not {Element.MANDATORY_RECORDING, Element.UNIQUE_ID} & set(
        decide(parties, TODAY).elements
    )


@pytest.mark.parametrize(
    ("code", "acknowledged", "posted", "law"),
    [
        ("US-NY", True, True, "52-c*2"),
        ("US-CT", False, True, "31-48d"),
        ("US-DE", True, False, "705"),
        ("US-ME", False, False, "620-A"),
    ],
)
def test_an_employee_notice_law_sets_its_gates(
    code: str, acknowledged: bool, posted: bool, law: str
) -> None:
    gates = workplace(code)

    assert gates["notice_required"] is True
    assert (gates["acknowledgement"], gates["posting"]) == (acknowledged, posted)
    assert "employee_notice: " in duties(code)
    assert law in duties(code)


ALL_PARTY_STATES = {
    code
    for code, file in BOOK.jurisdictions.items()
    if code.startswith("US-") and secrecy(file.raw).get("consent") == "all_party"
}


def test_each_agent_agrees_in_germany_and_in_every_state_where_all_parties_must() -> None:
    named = {
        code
        for code, file in BOOK.jurisdictions.items()
        if file.workplace is not None and AGREEMENT in file.workplace.gates
    }

    assert {"US-CA", "US-FL", "US-PA", "US-WA"} <= ALL_PARTY_STATES
    assert named == {"DE"} | ALL_PARTY_STATES


@pytest.mark.parametrize("code", sorted({"DE"} | ALL_PARTY_STATES))
def test_where_each_agent_agrees_the_employees_are_told_so_and_not_the_contacts(code: str) -> None:
    agent = decide([Party.agent(code), Party.contact("NO")], TODAY)
    contact = decide([Party.agent("NO"), Party.contact(code)], TODAY)

    assert AGREEMENT in {each.gate for each in agent.workplace if each.jurisdiction == code}
    assert "employee_notice" in {each.kind for each in agent.duties if each.jurisdiction == code}
    assert AGREEMENT not in {each.gate for each in contact.workplace}


def test_the_gate_of_an_agreement_names_the_agent_who_owes_it() -> None:
    decision = decide([Party.agent("NO"), Party.contact("NO"), Party.agent("DE")], TODAY)

    assert {each.party for each in decision.workplace if each.gate == AGREEMENT} == {2}


@pytest.mark.parametrize(
    ("code", "last", "first", "words"),
    [
        ("US-ME", date(2026, 7, 13), date(2026, 7, 14), "private vehicle"),
        ("US-CT", date(2026, 9, 30), date(2026, 10, 1), "where on the premises"),
        ("IN", date(2027, 5, 12), date(2027, 5, 13), "itemised"),
    ],
)
def test_a_duty_that_begins_on_a_day_is_owed_from_that_day(
    code: str, last: date, first: date, words: str
) -> None:
    def owed(on: date) -> str:
        return " ".join(each.text for each in decide([Party.agent(code)], on).duties)

    assert words not in owed(last)
    assert words in owed(first)


def test_chile_has_a_new_version_of_its_rule_from_the_day_of_its_new_act() -> None:
    old, new = (rule for rule in BOOK.jurisdictions["CL"].rules if rule.id == "CL.data")

    assert (old.applies_until, new.applies_from) == (date(2026, 12, 1), date(2026, 12, 1))
    assert (old.mode, old.form, old.elements) == (new.mode, new.form, new.elements)
    assert "21.719" in new.sources[0].title
    assert "21.719" not in old.sources[0].title


def test_india_has_a_new_version_of_its_rule_from_the_day_its_rules_start() -> None:
    old, new = (rule for rule in BOOK.jurisdictions["IN"].rules if rule.id == "IN.data")

    assert (old.applies_until, new.applies_from) == (date(2027, 5, 13), date(2027, 5, 13))
    assert new.elements - old.elements == {Element.WITHDRAWAL}


@pytest.mark.parametrize("code", ["CN", "EG", "KZ", "RU", "RW", "SA", "TZ", "UZ", "VN"])
def test_a_place_that_keeps_data_at_home_can_forbid_storage_elsewhere(code: str) -> None:
    parties = [Party.agent("US-TX"), Party.contact(code)]
    away = Policy(storage_region="IE", forbid_if_localisation_violated=True)
    at_home = Policy(storage_region=code, forbid_if_localisation_violated=True)

    assert decide(parties, TODAY, policy=away).mode is Mode.FORBID
    assert decide(parties, TODAY, policy=at_home).mode is Mode.ASK


@pytest.mark.parametrize(
    ("code", "purpose", "words"),
    [
        ("BE", Purpose.QUALITY, "one month"),
        ("BE", Purpose.BUSINESS_PROOF, "article 128"),
        ("DK", Purpose.TRAINING, "active yes"),
        ("CH", Purpose.ORDER_RESERVATION, "179quinquies"),
        ("LU", Purpose.BUSINESS_PROOF, "act of 30 May 2005"),
        ("LT", Purpose.BUSINESS_PROOF, "asks all the same"),
        ("SI", Purpose.BUSINESS_PROOF, "asks all the same"),
    ],
)
def test_what_a_law_says_of_a_purpose_is_told_and_loosens_nothing(
    code: str, purpose: Purpose, words: str
) -> None:
    parties = [Party.agent(code), Party.contact(code)]
    other = Purpose.TRANSCRIPTION
    there = decide(parties, TODAY, policy=Policy(purpose=purpose))
    elsewhere = decide(parties, TODAY, policy=Policy(purpose=other))

    assert words in " ".join(each.text for each in there.duties if each.jurisdiction == code)
    assert words not in " ".join(
        each.text for each in elsewhere.duties if each.jurisdiction == code
    )
    assert there.requirements == elsewhere.requirements


def test_only_maine_wants_the_notice_every_year() -> None:
    gates = {
        code: file.workplace.gates
        for code, file in BOOK.jurisdictions.items()
        if file.workplace is not None
    }

    assert [code for code, wanted in gates.items() if "yearly_notice" in wanted] == ["US-ME"]
