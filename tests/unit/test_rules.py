from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst import rules
from askfirst.errors import InvalidRules
from askfirst.model import Element, Form, Mode, Proof, Standing
from askfirst.policy import CONDITIONS
from askfirst.ruleform import Reader, parse_toml

TODAY = date(2026, 11, 23)
SOUND = (Path(__file__).parent.parent / "rules" / "sound" / "XY.toml").read_text(encoding="utf-8")
UNKNOWN_FILE = (rules.packaged_directory() / "UNKNOWN.toml").read_text(encoding="utf-8")


def ids(code: str, on: date = TODAY) -> list[str]:
    return [rule.id for _, rule in rules.packaged().applicable(code, on)]


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for code, text in files.items():
        (directory / f"{code}.toml").write_text(text, encoding="utf-8")
    return directory


def test_a_place_has_its_own_rules_and_those_of_its_parents() -> None:
    assert ids("DE") == ["DE.201", "DE.dsk", "EEA.gdpr"]
    assert ids("US-CA") == ["US-CA.632", "US.2511"]


def test_a_code_without_a_file_has_the_rules_of_unknown() -> None:
    assert ids("AQ") == ["UNKNOWN.ask"]


def test_a_subdivision_without_a_file_has_the_rules_of_its_country_and_of_unknown() -> None:
    assert ids("SE-AB") == ["SE.4-9a", "SE.gdpr", "EEA.gdpr", "UNKNOWN.ask"]


def test_nobody_is_merely_in_a_layer() -> None:
    assert ids("US") == ["US.2511", "UNKNOWN.ask"]
    assert ids("EEA") == ["EEA.gdpr", "UNKNOWN.ask"]


def test_unknown_has_its_own_rule_once() -> None:
    assert ids("UNKNOWN") == ["UNKNOWN.ask"]


def test_a_place_whose_own_rules_are_not_yet_in_force_is_unknown_beside_its_parents() -> None:
    assert ids("US-PA", date(2020, 12, 31)) == ["US.2511", "UNKNOWN.ask"]
    assert ids("US-PA", date(2021, 1, 1)) == ["US-PA.5704", "US.2511"]


def test_the_end_of_a_rule_is_exclusive() -> None:
    text = SOUND.replace("2020-01-01\nmode", "2020-01-01\napplies_until = 2021-01-01\nmode")
    rule = rules.parse_jurisdiction(text, "XY.toml").rules[0]

    assert not rule.in_force(date(2019, 12, 31))
    assert rule.in_force(date(2020, 1, 1))
    assert rule.in_force(date(2020, 12, 31))
    assert not rule.in_force(date(2021, 1, 1))


def test_a_parent_that_is_reached_twice_counts_once(tmp_path: Path) -> None:
    child = SOUND.replace("parents = []", 'parents = ["XA", "XB"]')
    middle = SOUND.replace("parents = []", 'parents = ["XT"]')
    book = rules.load(
        write(
            tmp_path,
            UNKNOWN=UNKNOWN_FILE,
            XY=child,
            XA=middle.replace("XY", "XA"),
            XB=middle.replace("XY", "XB"),
            XT=SOUND.replace("XY", "XT"),
        )
    )

    found = [rule.id for _, rule in book.applicable("XY", TODAY)]

    assert found == ["XY.rule", "XA.rule", "XB.rule", "XT.rule"]


def test_a_file_gives_its_values() -> None:
    nevada = rules.packaged().jurisdictions["US-NV"]
    rule = nevada.rules[0]

    assert nevada.name == {"en": "Nevada", "nb": "Nevada"}
    assert nevada.standing is Standing.PRIMARY
    assert (nevada.treatment, nevada.consent, nevada.criminal) == (Mode.ASK, "all_party", True)
    assert (rule.mode, rule.form, rule.proof) == (Mode.ASK, Form.AGREED, Proof.KEY)
    assert rule.elements == {Element.INTENT_TO_RECORD, Element.CONSENT_REQUEST}
    assert rule.inside_recording
    assert not rule.spoken_answer
    assert rule.sources[0].title == "Nev. Rev. Stat. § 200.620"
    assert rule.sources[0].accessed is None
    assert rule.eased is None


def test_an_eased_rule_gives_its_values() -> None:
    eased = next(rule.eased for rule in rules.packaged().jurisdictions["SE"].rules if rule.eased)

    assert eased.conditions == {"lawful_basis", "automatic_notice", "ordinary_data"}
    assert (eased.mode, eased.form, eased.proof) == (Mode.AUTO, Form.TOLD, Proof.AGENT_WORD)
    assert eased.lifts == {"EEA.gdpr"}


def test_the_facts_of_a_call_are_read() -> None:
    when = 'when = {purpose = ["training"], channel = ["video"], sector = ["finance"]}\n'
    text = SOUND.replace("summary =", when + "summary =", 1)

    assert rules.parse_jurisdiction(text, "XY.toml").rules[0].when == rules.When(
        frozenset({"training"}), frozenset({"video"}), frozenset({"finance"})
    )


@pytest.mark.parametrize(
    ("owed", "proof"),
    [
        ('form = "told"', Proof.AGENT_WORD),
        ('form = "agreed"', Proof.AGENT_WORD),
        ('form = "written"', Proof.WRITTEN),
        ("", Proof.NONE),
        ('form = "agreed"\nproof = 5', Proof.SPOKEN),
    ],
)
def test_proof_has_the_usual_value_of_the_form_unless_it_is_written(
    owed: str, proof: Proof
) -> None:
    text = SOUND.replace('form = "told"', owed)

    assert rules.parse_jurisdiction(text, "XY.toml").rules[0].proof is proof


def test_the_conditions_of_rule_files_are_those_that_a_policy_states() -> None:
    assert set(rules.CONDITIONS) == CONDITIONS


def test_the_version_is_the_latest_review() -> None:
    latest = max(each.reviewed for each in rules.packaged().jurisdictions.values())

    assert rules.packaged().version == latest.strftime("%Y.%m.%d")


def test_the_packaged_rules_are_read_once() -> None:
    assert rules.packaged() is rules.packaged()


def test_the_fingerprint_does_not_see_order_comments_or_cases(tmp_path: Path) -> None:
    lines = SOUND.splitlines()
    turned = "\n".join(["# a remark", *reversed(lines[:7]), *lines[7:]])
    shorter = SOUND[: SOUND.rindex("[[case]]")]
    one = rules.load(write(tmp_path / "one", UNKNOWN=UNKNOWN_FILE, XY=SOUND))
    other = rules.load(
        write(tmp_path / "a", XY=turned), write(tmp_path / "b", UNKNOWN=UNKNOWN_FILE)
    )
    third = rules.load(write(tmp_path / "third", UNKNOWN=UNKNOWN_FILE, XY=shorter))

    assert one.fingerprint == other.fingerprint == third.fingerprint
    assert one.fingerprint.startswith("sha256:")
    assert len(one.fingerprint) == len("sha256:") + 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2020-01-01\nmode", "2020-01-02\nmode"),
        ('form = "told"', 'form = "agreed"'),
        ("Tell everyone.", "Tell everyone!"),
        ("Act 1", "Act 2"),
    ],
)
def test_the_fingerprint_sees_every_change_of_a_rule(tmp_path: Path, old: str, new: str) -> None:
    before = rules.load(write(tmp_path / "before", UNKNOWN=UNKNOWN_FILE, XY=SOUND))
    after = rules.load(
        write(tmp_path / "after", UNKNOWN=UNKNOWN_FILE, XY=SOUND.replace(old, new, 1))
    )

    assert before.fingerprint != after.fingerprint


def refused(act: Callable[[], object]) -> tuple[str, ...]:
    with pytest.raises(InvalidRules) as caught:
        act()
    return caught.value.faults


def test_every_fault_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        UNKNOWN=UNKNOWN_FILE,
        XA=SOUND.replace("XY", "XA").replace("criminal = true", "criminal = 3"),
        XB=SOUND.replace("XY", "XB").replace('kind = "country"', 'kind = "moon"'),
    )

    faults = refused(lambda: rules.load(tmp_path))

    assert [fault.split(":")[0] for fault in faults] == ["XA.toml", "XB.toml"]


def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    faults = refused(lambda: rules.load(rules.packaged_directory(), tmp_path / "nowhere"))

    assert faults == ("nowhere: no such directory; mend: name a directory of rules",)


def test_a_file_that_is_not_utf8_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path, UNKNOWN=UNKNOWN_FILE)
    (tmp_path / "XY.toml").write_bytes(b'name = "\xff"')

    assert refused(lambda: rules.load(tmp_path)) == (
        "XY.toml: cannot be read; mend: save it as UTF-8 text",
    )


def test_a_rulebook_without_an_answer_for_the_unknown_is_refused(tmp_path: Path) -> None:
    (fault,) = refused(lambda: rules.load(write(tmp_path, XY=SOUND)))

    assert fault.startswith("UNKNOWN.toml: missing")


def test_an_answer_for_the_unknown_without_rules_is_refused(tmp_path: Path) -> None:
    empty = UNKNOWN_FILE[: UNKNOWN_FILE.index("[[rule]]")]

    (fault,) = refused(lambda: rules.load(write(tmp_path, UNKNOWN=empty)))

    assert fault.startswith("UNKNOWN.toml: missing or without rules")


def test_no_later_directory_replaces_a_rule_file(tmp_path: Path) -> None:
    write(tmp_path, NZ=SOUND.replace("XY", "NZ"))

    faults = refused(lambda: rules.load(rules.packaged_directory(), tmp_path))

    assert faults == ("NZ.toml: jurisdiction: NZ is written twice; mend: keep one file",)


def test_a_circle_of_parents_over_two_files_is_refused(tmp_path: Path) -> None:
    write(
        tmp_path,
        UNKNOWN=UNKNOWN_FILE,
        XA=SOUND.replace("XY", "XA").replace("parents = []", 'parents = ["XB"]'),
        XB=SOUND.replace("XY", "XB").replace("parents = []", 'parents = ["XA"]'),
    )

    faults = refused(lambda: rules.load(tmp_path))

    assert [fault.split(";")[0] for fault in faults] == [
        "XA.toml: parents: lead back to XA",
        "XB.toml: parents: lead back to XB",
    ]


def test_other_files_and_folders_of_a_rule_directory_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, UNKNOWN=UNKNOWN_FILE, template="not a jurisdiction")
    (tmp_path / "README.md").write_text("words", encoding="utf-8")
    write(tmp_path / "numbers", XX="not a jurisdiction")

    assert list(rules.load(tmp_path).jurisdictions) == ["UNKNOWN"]


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = 0x" + "f" * 9000, "a = " + "9" * 9000])
def test_text_that_is_too_much_for_the_parser_is_refused(text: str) -> None:
    assert refused(lambda: rules.parse_jurisdiction(text, "XY.toml"))


def test_a_point_in_time_is_no_day() -> None:
    text = SOUND.replace("reviewed = 2026-11-23", "reviewed = 2026-11-23T10:00:00Z")

    (fault,) = refused(lambda: rules.parse_jurisdiction(text, "XY.toml"))

    assert fault.startswith("XY.toml: reviewed: ")


def test_a_reader_answers_with_stand_ins_and_notes_the_faults() -> None:
    faults: list[str] = []
    table = Reader(
        {"a": "b", "n": True, "l": 3, "t": "x" * 99, "f": 10**30, "s": []}, "F.toml", faults
    )

    assert table.number("n", 7, 0, 9) == 7
    assert table.number("f", 7, 0, 9) == 7
    assert table.number("absent", 7, 0, 9) == 7
    assert table.strings("l") == ()
    assert table.text("s") == ""
    assert table.flag("t") is False
    assert table.maybe_flag("absent") is None
    assert table.word("a", ("c", "d")) == "c"
    assert table.raw("absent") == {}
    table.done()

    assert len(faults) == 6
    assert all(fault.startswith("F.toml: ") and "; mend: " in fault for fault in faults)
    assert max(map(len, faults)) < 120


def faults_of(text: str) -> tuple[str, ...]:
    try:
        found = rules.parse_jurisdiction(text, "XY.toml")
    except InvalidRules as error:
        return error.faults
    assert found.code == "XY"
    assert rules.fingerprint([found]).startswith("sha256:")
    return ()


def parses_or_is_refused(text: str) -> None:
    assert all(fault.startswith("XY.toml: ") for fault in faults_of(text))


@settings(deadline=None)  # a busy machine is no fault of the rules
@given(st.text())
def test_arbitrary_text_is_refused_and_nothing_else_happens(text: str) -> None:
    assert faults_of(text)
    parses_or_is_refused(text)


@settings(deadline=None)  # a busy machine is no fault of the rules
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else_happens(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SOUND)))
    end = data.draw(st.integers(start, min(len(SOUND), start + 40)))
    parses_or_is_refused(SOUND[:start] + data.draw(st.text(max_size=20)) + SOUND[end:])


SCALARS = ['""', '"ask"', '"XY.rule"', "1", "-1", "1.5", "nan", "true", "[]", "{}", "[[1]]"]
DATES = ["2026-11-23", "07:32:00", "1979-05-27T07:32:00-08:00", '["a", "a"]', "{en = 1}"]


@settings(deadline=None)  # a busy machine is no fault of the rules
@given(st.data(), st.sampled_from(SCALARS + DATES))
def test_any_value_may_stand_at_any_key(data: st.DataObject, value: str) -> None:
    lines = SOUND.splitlines()
    settings = [n for n, line in enumerate(lines) if " = " in line]
    n = data.draw(st.sampled_from(settings))
    lines[n] = f"{lines[n].partition(' = ')[0]} = {value}"

    parses_or_is_refused("\n".join(lines))


def test_text_that_is_toml_comes_out_as_the_library_reads_it() -> None:
    faults: list[str] = []

    assert parse_toml(SOUND, "XY.toml", faults) == tomllib.loads(SOUND)
    assert faults == []
