from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst import rulecheck, rules, rulesound
from askfirst.errors import InvalidRules
from askfirst.model import Form, Mode

BOOK = rules.packaged()
FILES = Path(__file__).parent.parent / "rules"
BASE = FILES / "base"
SOUND = (FILES / "sound" / "XY.toml").read_text(encoding="utf-8")


def with_file(directory: Path, text: str, code: str = "XY") -> rules.Rulebook:
    directory.mkdir(exist_ok=True)
    (directory / f"{code}.toml").write_text(text, encoding="utf-8")
    return rules.load(BASE, directory)


def test_the_same_rules_differ_in_nothing() -> None:
    assert rulecheck.diff(BOOK, BOOK) == []


def test_the_difference_names_every_case_whose_outcome_changed(tmp_path: Path) -> None:
    old = with_file(tmp_path / "old", SOUND)
    new = with_file(
        tmp_path / "new",
        SOUND.replace('form = "told"', 'form = "agreed"\nproof = 4').replace(
            "spoken_answer = true", "spoken_answer = false"
        ),
    )

    change = "form told -> agreed; proof 1 -> 4; spoken_answer true -> false"
    assert rulecheck.diff(old, new) == [f"XY: first day: {change}", f"XY: inside: {change}"]


def test_a_case_of_a_file_that_is_new_counts_in_the_difference(tmp_path: Path) -> None:
    lines = rulecheck.diff(rules.load(BASE), with_file(tmp_path, SOUND))

    assert [line.split(":")[0] for line in lines] == ["XY", "XY"]
    assert "form agreed -> told" in lines[0]


def test_a_rule_that_now_ends_shows_in_the_difference(tmp_path: Path) -> None:
    old = with_file(tmp_path / "old", SOUND)
    ended = SOUND.replace("2020-01-01\nmode", "2020-01-01\napplies_until = 2026-01-01\nmode")

    lines = rulecheck.diff(old, with_file(tmp_path / "new", ended))

    assert [line.split(":")[:2] for line in lines] == [["XY", " inside"]]


def test_cases_that_cannot_be_read_stop_a_difference(tmp_path: Path) -> None:
    book = with_file(tmp_path, SOUND.replace("boundary = true", "boundary = 3"))

    with pytest.raises(InvalidRules) as caught:
        rulecheck.diff(BOOK, book)

    assert caught.value.faults == (
        "XY.toml: case[1].boundary: '3' is neither true nor false; mend: write true or false",
    )


@pytest.mark.parametrize(
    ("today", "warned", "stale"),
    [
        (date(2027, 11, 22), 0, 0),
        (date(2027, 11, 23), 1, 0),
        (date(2028, 5, 22), 1, 0),
        (date(2028, 5, 23), 0, 1),
        (date(2040, 1, 1), 0, 1),
    ],
)
def test_a_review_is_warned_of_after_twelve_months_and_stale_after_eighteen(
    today: date, warned: int, stale: int
) -> None:
    book = replace(BOOK, jurisdictions={"NZ": BOOK.jurisdictions["NZ"]})

    assert len(rulecheck.review_warnings(book, today)) == warned
    assert len(rulecheck.review_faults(book, today)) == stale


def test_a_stale_review_is_a_fault_of_the_check_when_it_is_told_the_day() -> None:
    assert rulecheck.check(BASE, today=date(2026, 11, 24)) == []
    assert [line.split(";")[0] for line in rulecheck.check(BASE, today=date(2028, 5, 24))] == [
        "EEA.toml: reviewed: 2026-11-23 is 18 months ago",
        "UNKNOWN.toml: reviewed: 2026-11-23 is 18 months ago",
    ]


def test_sweden_too_may_only_lift_a_rule_that_its_parents_have() -> None:
    sweden = BOOK.jurisdictions["SE"]
    eased = next(rule.eased for rule in sweden.rules if rule.eased)
    wrong = tuple(
        replace(rule, eased=replace(eased, lifts=frozenset({"DE.201"}))) if rule.eased else rule
        for rule in sweden.rules
    )
    book = replace(BOOK, jurisdictions={**BOOK.jurisdictions, "SE": replace(sweden, rules=wrong)})

    assert list(rulesound.lifts_are_allowed(BOOK.jurisdictions)) == []
    assert list(rulesound.lifts_are_allowed(book.jurisdictions)) == [
        "SE.toml: SE.gdpr.eased.lifts: DE.201 is no rule of a parent; mend: name one that is"
    ]


def test_the_treatment_of_a_layer_is_that_of_its_own_rules() -> None:
    federal = replace(BOOK.jurisdictions["US"], treatment=Mode.ASK)
    book = replace(BOOK, jurisdictions={**BOOK.jurisdictions, "US": federal})

    assert list(rulecheck.treatments_hold(book)) == [
        "US.toml: treatment.mode: ask, but a call inside gets auto; "
        "mend: correct the treatment or the rules"
    ]


def test_versions_that_follow_each_other_do_not_overlap() -> None:
    california = BOOK.jurisdictions["US-CA"]
    (rule,) = california.rules
    first = replace(rule, applies_until=date(2020, 1, 1))
    second = replace(rule, applies_from=date(2020, 1, 1))

    apart = replace(california, rules=(second, first))
    same = replace(california, rules=(rule, second))

    assert list(rulesound.same_rule_never_overlaps(apart)) == []
    assert len(list(rulesound.same_rule_never_overlaps(same))) == 1


def test_a_rule_whose_easing_asks_for_nothing_is_reported_under_its_own_key() -> None:
    zealand = BOOK.jurisdictions["NZ"]
    eased = next(rule.eased for rule in zealand.rules if rule.eased)
    wrong = tuple(
        replace(rule, eased=replace(eased, mode=Mode.AUTO, form=Form.AGREED))
        if rule.eased
        else rule
        for rule in zealand.rules
    )

    lines = list(rulesound.owed_fits_mode(replace(zealand, rules=wrong)))

    assert lines == ["NZ.toml: NZ.ipp.eased: starts by itself and wants a yes; mend: use ask"]


def test_a_planted_loosening_is_caught_by_a_case() -> None:
    germany = BOOK.jurisdictions["DE"]
    loose = tuple(
        replace(rule, mode=Mode.AUTO, form=None, elements=frozenset()) for rule in germany.rules
    )
    book = replace(BOOK, jurisdictions={**BOOK.jurisdictions, "DE": replace(germany, rules=loose)})

    assert rulecheck.run_cases(BOOK) == []
    assert any(
        line.startswith("DE.toml: case 'both in Germany") for line in rulecheck.run_cases(book)
    )


def test_a_case_may_name_purpose_channel_recorder_number_and_policy(tmp_path: Path) -> None:
    text = SOUND.replace(
        "boundary = true",
        'boundary = true\npurpose = "quality"\nchannel = "video"\nrecorder = "XY"\n'
        "policy = {always_ask = true}",
    ).replace('{role = "contact", places = ["XY"]}', '{role = "contact", number = "+4722334455"}')
    book = with_file(tmp_path, text)

    case = rulecheck.read_cases(book.jurisdictions["XY"], [])[1]

    assert (case.channel, case.recorder, case.parties[1].number) == ("video", "XY", "+4722334455")
    assert case.policy.always_ask
    assert case.policy.purpose == "quality"


VALUES = ['""', '"ask"', "0", "-1", "9", "true", "[]", "{}", "1900-01-01", "9999-12-31", '["XY"]']


@settings(deadline=None)  # a busy machine is no fault of the rules
@given(st.data(), st.sampled_from(VALUES))
def test_a_file_that_can_be_read_can_be_checked(data: st.DataObject, value: str) -> None:
    lines = SOUND.splitlines()
    n = data.draw(st.sampled_from([n for n, line in enumerate(lines) if " = " in line]))
    lines[n] = f"{lines[n].partition(' = ')[0]} = {value}"
    try:
        jurisdiction = rules.parse_jurisdiction("\n".join(lines), "XY.toml")
    except InvalidRules:
        return
    faults: list[str] = []

    cases = rulecheck.read_cases(jurisdiction, faults)
    faults += rulesound.faults_of(jurisdiction)
    for check in rulecheck.CHECKS:
        faults += check(jurisdiction, cases)

    assert all(fault.startswith("XY.toml: ") and "; mend: " in fault for fault in faults)
