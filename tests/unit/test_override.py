"""Override files: every fault is named, and what is signed is the meaning, not the spelling."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.errors import InvalidInput, InvalidRules
from askfirst.model import Element, Form, Mode, Proof
from askfirst.override import (
    ASSERTABLE,
    MAX_BYTES,
    Override,
    Replacement,
    ensure_rules_exist,
    overridden,
    parse_override,
)
from askfirst.policy import CONDITIONS
from askfirst.rules import packaged

SOUND = """
name = "vermont-desk"
who = "Kari Nordmann"
why = "Counsel's letter of 2 October 2026: one-party in Vermont."
since = 2026-11-01
until = 2027-05-01
conditions = ["lawful_basis"]

[[replace]]
rule = "US-VT.ask"
mode = "auto"
form = "told"
elements = ["intent_to_record", "purpose"]
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('name = "vermont-desk"', 'name = "Vermont desk!"', "name: 'Vermont desk!'"),
        ('name = "vermont-desk"\n', "", "name: missing"),
        ('who = "Kari Nordmann"', 'who = " "', "who: ' ' is not a text"),
        ('why = "', 'wy = "', "wy: not a key"),
        ("until = 2027-05-01", "until = 2026-11-01", "until: ends before it begins"),
        ("until = 2027-05-01\n", "", "until: missing"),
        ("until = 2027-05-01", 'until = "never"', "until: 'never' is not a date"),
        ('["lawful_basis"]', '["automatic_notice"]', "conditions: 'automatic_notice'"),
        ('rule = "US-VT.ask"', 'rule = "UNKNOWN.ask"', "they always ask"),
        ('rule = "US-VT.ask"\n', "", r"replace\[0\].rule: missing"),
        ('mode = "auto"', 'mode = "never"', "mode: 'never'"),
        ('form = "told"', 'form = "agreed"', "starts by itself and wants a yes"),
        ('form = "told"\n', "", "form without elements"),
        ('form = "told"', 'form = "told"\nproof = 2', "proof: 2 does not fit"),
        ('mode = "auto"\nform = "told"\nelements = ["intent_to_record", "purpose"]',
         'mode = "ask"', "asks and owes nothing"),
        ('"purpose"]', '"weather"]', "weather"),
        ('name = "vermont-desk"', 'name = "a"\nname = "b"', "not TOML"),
        ('name = "vermont-desk"', "x = " + "[" * 5000, "desk.toml: "),
        ("why = ", "x = 'a'\nwhy = ", "x: not a key"),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_key_with_what_to_do(old: str, new: str, fault: str) -> None:
    assert old in SOUND

    with pytest.raises(InvalidRules, match=fault) as error:
        parse_override(SOUND.replace(old, new, 1), "desk.toml")

    assert all(each.startswith("desk.toml: ") and "mend:" in each for each in error.value.faults)


def test_an_override_that_changes_nothing_is_refused() -> None:
    empty = SOUND.partition("conditions")[0]

    with pytest.raises(InvalidRules, match="changes nothing"):
        parse_override(empty, "desk.toml")


def test_a_rule_that_is_named_twice_is_refused() -> None:
    twice = SOUND + "[[replace]]" + SOUND.partition("[[replace]]")[2]

    with pytest.raises(InvalidRules, match=r"US-VT\.ask is there twice"):
        parse_override(twice, "desk.toml")


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidRules, match="larger than"):
        parse_override(SOUND + "#" * MAX_BYTES, "desk.toml")


@given(st.text(max_size=60))
def test_no_text_raises_anything_but_its_faults(text: str) -> None:
    with pytest.raises(InvalidRules):
        parse_override(text, "desk.toml")


def test_a_sound_file_is_read_as_it_stands() -> None:
    signed = parse_override(SOUND, "desk.toml")

    assert signed.signature is None
    assert signed.override == Override(
        "vermont-desk",
        "Kari Nordmann",
        "Counsel's letter of 2 October 2026: one-party in Vermont.",
        date(2026, 11, 1),
        date(2027, 5, 1),
        frozenset({"lawful_basis"}),
        (
            Replacement(
                "US-VT.ask",
                Mode.AUTO,
                Form.TOLD,
                Proof.AGENT_WORD,
                frozenset({Element.INTENT_TO_RECORD, Element.PURPOSE}),
            ),
        ),
    )


def test_only_promises_that_somebody_can_keep_may_be_stated() -> None:
    assert set(ASSERTABLE) < CONDITIONS


def test_spelling_is_not_signed_and_meaning_is() -> None:
    content = parse_override(SOUND, "desk.toml").content
    spelled = "# a comment\n" + SOUND.replace(
        '["intent_to_record", "purpose"]', '[ "purpose", "intent_to_record" ]'
    )

    assert parse_override(spelled, "other.toml").content == content
    assert content.startswith(b"askfirst override v1\n{")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("vermont-desk", "vermont-door"),
        ("Kari", "Karl"),
        ("2 October", "3 October"),
        ("since = 2026-11-01", "since = 2026-11-02"),
        ("2027-05-01", "2028-05-01"),
        ("lawful_basis", "no_third_party_guarantee"),
        ("US-VT.ask", "US-CA.632"),
        ('form = "told"', 'form = "told"\nproof = 3'),
        (', "purpose"]', "]"),
        ('mode = "auto"', 'mode = "ask"'),
    ],
)
def test_whatever_means_something_else_is_other_content(old: str, new: str) -> None:
    changed = parse_override(SOUND.replace(old, new, 1), "desk.toml")

    assert changed.content != parse_override(SOUND, "desk.toml").content


def test_a_rule_that_nobody_named_stays_the_same() -> None:
    override = parse_override(SOUND, "desk.toml").override
    california = packaged().jurisdictions["US-CA"].rules[0]
    vermont = packaged().jurisdictions["US-VT"].rules[0]

    assert overridden(california, [override]) is california
    assert overridden(vermont, [override]).mode is Mode.AUTO
    assert overridden(vermont, [override]).sources == vermont.sources


def test_a_rule_that_no_file_has_is_refused_by_name() -> None:
    lost = parse_override(SOUND.replace("US-VT.ask", "US-VT.aks"), "desk.toml").override

    with pytest.raises(InvalidInput, match=r"US-VT\.aks.*rules show"):
        ensure_rules_exist(lost, packaged())
    ensure_rules_exist(parse_override(SOUND, "desk.toml").override, packaged())
