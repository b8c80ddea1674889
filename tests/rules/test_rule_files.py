"""Every packaged rule file holds what its cases promise, and every kind of fault is found."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from askfirst import rulecheck, rules
from askfirst.model import Form, Mode

HERE = Path(__file__).parent
BROKEN = sorted((HERE / "broken").glob("*.toml"))
BOOK = rules.packaged()
CASES = rulecheck.cases_of(BOOK)
FAULT = "# fault: "


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.jurisdiction}: {case.name}")
def test_the_decision_is_what_the_case_promises(case: rulecheck.Case) -> None:
    assert rulecheck.case_faults(case, case.decided(BOOK)) == []


def test_the_packaged_files_have_no_fault() -> None:
    assert rulecheck.check(rules.packaged_directory()) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_is_reported_with_all_its_faults_and_no_other(
    broken: Path, tmp_path: Path
) -> None:
    expected = [
        line.removeprefix(FAULT)
        for line in broken.read_text(encoding="utf-8").splitlines()
        if line.startswith(FAULT)
    ]
    shutil.copy(broken, tmp_path / "XY.toml")

    faults = rulecheck.check(HERE / "base", tmp_path)

    assert expected
    assert faults == expected


def test_the_sound_file_that_the_broken_ones_are_made_of_has_no_fault() -> None:
    assert rulecheck.check(HERE / "base", HERE / "sound") == []


def test_a_new_file_made_from_the_template_has_no_fault(tmp_path: Path) -> None:
    (tmp_path / "XY.toml").write_text(rules.template("XY"), encoding="utf-8")

    assert rulecheck.check(rules.packaged_directory(), tmp_path) == []


STARTS_BY_ITSELF = {code for code in BOOK.jurisdictions if code.startswith("US-")} - {
    # The fourteen states that the published behaviour names, and what no rule settles.
    *("US-CA", "US-CT", "US-DE", "US-FL", "US-IL", "US-MD", "US-MA", "US-MI", "US-MT"),
    *("US-NV", "US-NH", "US-PA", "US-VT", "US-WA"),
    *("US-PR", "US-GU", "US-VI", "US-AS", "US-MP"),
} | {"US", "SE", "NZ"}


def test_only_sweden_new_zealand_and_one_party_states_may_start_by_themselves() -> None:
    auto = {code for code, each in BOOK.jurisdictions.items() if each.treatment is Mode.AUTO}

    assert auto == STARTS_BY_ITSELF & set(BOOK.jurisdictions)


def test_only_one_party_states_owe_nothing() -> None:
    owing_nothing = {
        code
        for code, each in BOOK.jurisdictions.items()
        if each.rules and all(rule.form is None for rule in each.rules)
    }

    # Oregon owes nothing on the telephone, but everyone is told in a video meeting.
    assert owing_nothing == STARTS_BY_ITSELF - {"SE", "NZ", "US-OR"}


def secrecy_consent(jurisdiction: rules.Jurisdiction) -> object:
    secrecy = jurisdiction.raw.get("secrecy")
    return secrecy.get("consent") if isinstance(secrecy, dict) else None


def test_a_crime_that_wants_a_yes_wants_a_key_or_a_spoken_one() -> None:
    weak = {
        code
        for code, each in BOOK.jurisdictions.items()
        if each.criminal
        and each.kind != "pseudo"
        and secrecy_consent(each) != "one_party"
        and any(rule.form is Form.AGREED for rule in each.rules)
        and max(rule.proof for rule in each.rules) < 4
    }

    # There the law itself is content with a notice, and it is the product that asks.
    assert {code for code in weak if not code.startswith("AU")} == {"GB", "CC", "CX", "NF"}


def test_no_answer_is_listened_for_where_secret_recording_is_a_crime_or_nobody_knows() -> None:
    listening = {
        rule.id
        for jurisdiction in BOOK.jurisdictions.values()
        for rule in jurisdiction.rules
        if jurisdiction.criminal
        and rule.form is Form.AGREED
        and rule.layer in ("secrecy", "product")
        and rule.spoken_answer
    }

    assert listening == set()
    assert not any(rule.spoken_answer for rule in BOOK.jurisdictions["UNKNOWN"].rules)


def test_no_place_of_the_european_area_is_looser_than_its_layer() -> None:
    looser = {
        code
        for code, each in BOOK.jurisdictions.items()
        if "EEA" in each.parents and each.treatment is not Mode.ASK
    }

    assert looser == {"SE"}


def test_no_file_claims_to_be_advice_and_every_penalty_is_indicative() -> None:
    for jurisdiction in BOOK.jurisdictions.values():
        text = str(jurisdiction.raw).lower()
        assert "legal advice" not in text
        assert "juridisk råd" not in text
        secrecy = jurisdiction.raw.get("secrecy")
        penalties = secrecy.get("penalties") if isinstance(secrecy, dict) else None
        if penalties is not None:
            assert penalties["en"].startswith("Indicative: ")
            assert penalties["nb"].startswith("Veiledende: ")


def test_what_no_law_asks_for_is_marked_as_a_choice_of_the_product() -> None:
    products = {
        rule.id
        for jurisdiction in BOOK.jurisdictions.values()
        for rule in jurisdiction.rules
        if rule.layer == "product"
    }

    assert {"UNKNOWN.ask", "US-VT.ask", "US-MI.750.539c"} <= products


def test_all_states_the_district_and_the_five_territories_have_a_file() -> None:
    assert len([code for code in BOOK.jurisdictions if code.startswith("US-")]) == 50 + 1 + 5


@pytest.mark.parametrize("code", sorted(BOOK.jurisdictions))
def test_every_place_asks_before_anything_about_it_was_written_down(code: str) -> None:
    reasons = BOOK.applicable(code, date(1950, 1, 1))

    assert [rule.id for _, rule in reasons] == ["UNKNOWN.ask"]
