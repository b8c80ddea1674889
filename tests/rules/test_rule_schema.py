"""The JSON Schema of a rule file says what the reader says, as far as a schema can."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime
from importlib import resources
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from askfirst import rulefile, rules, rulesound
from askfirst.errors import InvalidRules
from askfirst.model import Element, Role, Standing
from askfirst.policy import Policy

HERE = Path(__file__).parent
SCHEMA = json.loads((resources.files("askfirst") / "schemas" / "rule-file.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PACKAGED = sorted(
    file.name for file in rules.packaged_directory().iterdir() if file.name.endswith(".toml")
)
BROKEN = sorted((HERE / "broken").glob("*.toml"))

BEYOND_A_SCHEMA = {
    "case-is-wrong",
    "case-named-twice",
    "case-with-another-reason",
    "code-is-not-the-file-name",
    "date-in-quotation-marks",  # JSON has no dates: a quoted one looks the same
    "duty-ends-before-it-begins",
    "duty-read-after-the-review",
    "missing-parent",
    "parents-in-a-circle",
    "read-after-the-review",
    "rule-ends-before-it-begins",
    "rule-hit-by-no-case",
    "rule-id-of-another-code",
    "treatment-is-not-what-a-call-gets",
    "versions-overlap",
}
"""Faults that need the file's name, other files, or a comparison of two values."""


def as_json(value: object) -> object:
    """TOML values as JSON knows them: dates and times become strings."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def faults(text: str) -> list[str]:
    document = as_json(tomllib.loads(text))
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_itself_is_sound() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_file_and_the_template_fit_the_schema(name: str) -> None:
    assert faults((rules.packaged_directory() / name).read_text(encoding="utf-8")) == []


def test_the_sound_file_fits_the_schema() -> None:
    assert faults((HERE / "sound" / "XY.toml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "broken", [path for path in BROKEN if path.stem != "not-toml"], ids=lambda path: path.stem
)
def test_a_broken_file_fails_unless_its_fault_is_beyond_a_schema(broken: Path) -> None:
    found = faults(broken.read_text(encoding="utf-8"))

    assert bool(found) is (broken.stem not in BEYOND_A_SCHEMA), found


DEFINITIONS = SCHEMA["$defs"]
TOP = SCHEMA["properties"]


@pytest.mark.parametrize(
    ("in_schema", "known"),
    [
        (TOP["kind"]["enum"], rulefile.KINDS),
        (TOP["standing"]["enum"], [each.value for each in Standing]),
        (TOP["data_protection"]["properties"]["basis"]["enum"], rulefile.BASES),
        (TOP["duty"]["items"]["properties"]["kind"]["enum"], rulefile.DUTY_KINDS),
        (DEFINITIONS["mode"]["enum"], rulefile.MODES),
        (DEFINITIONS["form"]["enum"], rulefile.FORMS),
        (DEFINITIONS["consent"]["enum"], rulefile.CONSENTS),
        (DEFINITIONS["element"]["enum"], [each.value for each in Element]),
        (DEFINITIONS["purpose"]["enum"], rulefile.PURPOSES),
        (DEFINITIONS["channel"]["enum"], rulefile.CHANNELS),
        (DEFINITIONS["sector"]["enum"], rulefile.SECTORS),
        (DEFINITIONS["rule"]["properties"]["layer"]["enum"], rulefile.LAYERS),
        (DEFINITIONS["source"]["properties"]["kind"]["enum"], rulefile.SOURCE_KINDS),
        (
            DEFINITIONS["eased"]["properties"]["conditions"]["items"]["enum"],
            rulefile.CONDITIONS,
        ),
        (
            DEFINITIONS["case"]["properties"]["parties"]["items"]["properties"]["role"]["enum"],
            [each.value for each in Role],
        ),
        (
            DEFINITIONS["case"]["properties"]["policy"]["propertyNames"]["enum"],
            sorted(field.name for field in fields(Policy)),
        ),
        (SCHEMA["allOf"][-1]["if"]["properties"]["jurisdiction"]["enum"], rulesound.MAY_LIFT),
    ],
)
def test_the_words_of_the_schema_are_those_of_the_reader(
    in_schema: list[str], known: list[str]
) -> None:
    assert list(in_schema) == list(known)


def test_the_keys_of_the_schema_are_those_of_the_reader() -> None:
    told: list[str] = []

    def asked_for(text: str) -> str:
        with pytest.raises(InvalidRules) as caught:
            rules.parse_jurisdiction(text, "XY.toml")
        (fault,) = [each for each in caught.value.faults if "weather" in each]
        return fault.partition("use one of ")[2]

    sound = (HERE / "sound" / "XY.toml").read_text(encoding="utf-8")
    for before, table in [
        ("jurisdiction =", SCHEMA),
        ("mode = ", TOP["treatment"]),
        ('id = "XY.rule"', DEFINITIONS["rule"]),
        ('kind = "statute"', DEFINITIONS["source"]),
        ('kind = "notice"', TOP["duty"]["items"]),
    ]:
        end = ", " if before == 'kind = "statute"' else "\n"
        told.append(asked_for(sound.replace(before, f"weather = 1{end}{before}", 1)))
        assert told[-1].split(", ") == sorted(table["properties"])


@pytest.mark.parametrize("kind", rulefile.KINDS)
def test_a_code_fits_its_kind_as_the_check_sees_it(kind: str) -> None:
    condition = next(
        each["then"]["properties"]["jurisdiction"]["pattern"]
        for each in SCHEMA["allOf"]
        if each["if"]["properties"].get("kind", {}).get("const") == kind
    )

    for each in rules.packaged().jurisdictions.values():
        fits = jsonschema.Draft202012Validator({"type": "string", "pattern": condition})
        if each.kind == kind:
            assert fits.is_valid(each.code)
    assert not jsonschema.Draft202012Validator({"pattern": condition}).is_valid("../NO")


Change = Callable[[str], str]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("reviewed = 2026-11-23", "reviewed = 2026-11-23T10:00:00Z"),
        lambda text: text.replace("criminal = true", "criminal = 1"),
        lambda text: text.replace('en = "Testland"', 'en = " "'),
        lambda text: text.replace("parents = []", 'parents = "EEA"'),
        lambda text: text.replace('form = "told"', 'form = "told"\nproof = 2.5'),
        lambda text: text.replace("[[rule]]", "[rule]"),
    ],
)
def test_a_wrong_type_fails(change: Change) -> None:
    sound = (HERE / "sound" / "XY.toml").read_text(encoding="utf-8")

    assert change(sound) != sound
    assert faults(change(sound))
