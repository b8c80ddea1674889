"""Duties that reach beyond the call: to record, to tell employees, and dates that are coming."""

from __future__ import annotations

from datetime import date

import pytest

from askfirst import decide, rules
from askfirst.model import Party

BOOK = rules.packaged()
TODAY = date(2026, 11, 24)


def duties(code: str) -> str:
    return " ".join(f"{duty.kind}: {duty.text['en']}" for duty in BOOK.jurisdictions[code].duties)


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


def test_a_duty_to_record_loosens_no_call() -> None:
    decision = decide([Party.agent("NO"), Party.contact("DE")], on=TODAY)

    assert decision.mode.word == "ask"
    assert "MiFID II" in " ".join(duty.text for duty in decision.duties)


@pytest.mark.parametrize(
    ("code", "acknowledged", "posted", "law"),
    [
        ("US-NY", True, True, "52-c*2"),
        ("US-CT", False, True, "31-48d"),
        ("US-DE", True, False, "705"),
        ("US-ME", False, False, "LD 61"),
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


def test_the_day_of_a_law_that_nobody_verified_is_said_not_to_be() -> None:
    assert "about mid-July 2026 (the exact day was not verified)" in duties("US-ME")


def test_chile_has_a_new_version_of_its_rule_from_the_day_of_its_new_act() -> None:
    old, new = (rule for rule in BOOK.jurisdictions["CL"].rules if rule.id == "CL.data")

    assert (old.applies_until, new.applies_from) == (date(2026, 12, 1), date(2026, 12, 1))
    assert (old.mode, old.form, old.elements) == (new.mode, new.form, new.elements)
    assert "21.719" in new.sources[0].title
    assert "21.719" not in old.sources[0].title


def test_the_law_that_is_to_come_in_india_is_a_duty_without_an_invented_day() -> None:
    assert "From mid-May 2027" in duties("IN")
    assert all(rule.applies_from <= TODAY for rule in BOOK.jurisdictions["IN"].rules)
