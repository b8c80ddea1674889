"""``askfirst rules``: list, show, check, diff, new."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from askfirst.rules import packaged

SAMPLES = Path(__file__).parents[1] / "rules"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small rulebook without faults, to do with as one likes."""
    for path in (*SAMPLES.glob("base/*.toml"), *SAMPLES.glob("sound/*.toml")):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_the_list_has_every_jurisdiction_once(command: Callable[..., Any]) -> None:
    done = command("rules", "list", "--json")
    document = json.loads(done.out)
    assert (done.status, list(document)) == (0, ["version", "fingerprint", "jurisdictions"])
    assert [row["code"] for row in document["jurisdictions"]] == sorted(packaged().jurisdictions)
    assert document["fingerprint"] == packaged().fingerprint
    for row in document["jurisdictions"]:
        assert list(row) == ["code", "name", "mode", "standing", "reviewed"]


def test_the_list_for_people_says_what_is_unreviewed_and_no_advice(
    command: Callable[..., Any],
) -> None:
    done = command("rules", "list")
    assert done.status == 0
    assert any(line.startswith("UNKNOWN  ask     unreviewed") for line in done.out.splitlines())
    assert "not legal advice" in done.out.splitlines()[-1]


def test_show_gives_rules_with_their_sources(command: Callable[..., Any]) -> None:
    done = command("rules", "show", "US-CA")
    assert done.status == 0
    assert done.out.startswith("US-CA  California: ask\n")
    assert "US-CA.632" in done.out
    assert "- Cal. Penal Code § 632" in done.out


def test_show_as_json_is_the_whole_file(command: Callable[..., Any]) -> None:
    done = command("rules", "show", "NO", "--json")
    document = json.loads(done.out)
    assert (done.status, document["jurisdiction"]) == (0, "NO")
    assert {"rule", "secrecy", "data_protection", "treatment", "case"} <= set(document)


@pytest.mark.parametrize("code", ["ZZ", "no", "", "../NO", "template"])
def test_what_has_no_file_is_misuse(code: str, command: Callable[..., Any]) -> None:
    done = command("rules", "show", code, "--json")
    assert (done.status, done.out) == (2, "")
    assert "askfirst rules list" in done.err


def test_the_packaged_rules_have_no_faults(command: Callable[..., Any]) -> None:
    done = command("rules", "check", "--json")
    assert (done.status, json.loads(done.out)) == (0, {"faults": [], "warnings": []})


def test_a_fault_is_a_no_with_file_key_and_mend(command: Callable[..., Any], folder: Path) -> None:
    assert command("rules", "check", str(folder)).status == 0
    path = folder / "XY.toml"
    path.write_text(path.read_text().replace("reviewer", "revieuer", 1))
    done = command("rules", "check", str(folder))
    as_json = command("rules", "check", str(folder), "--json")
    assert (done.status, as_json.status) == (1, 1)
    assert "XY.toml: " in done.out
    assert "revieuer" in done.out
    assert "mend: " in done.out
    assert json.loads(as_json.out) == {"faults": done.out.splitlines(), "warnings": []}


@pytest.mark.parametrize("name", ["nowhere", "nowhere/there"])
def test_a_folder_that_is_not_there_is_misuse(
    name: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    for words in (("check", str(tmp_path / name)), ("diff", str(tmp_path / name), str(tmp_path))):
        done = command("rules", *words)
        assert (done.status, done.out) == (2, "")
        assert "nowhere" in done.err or "there" in done.err


def test_diff_shows_the_cases_whose_outcome_changed(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    packaged_folder = Path(str(files("askfirst") / "jurisdictions"))
    newer = tmp_path
    for path in packaged_folder.glob("*.toml"):
        shutil.copy(path, newer)
    same = command("rules", "diff", str(packaged_folder), str(newer), "--json")
    assert (same.status, json.loads(same.out)) == (0, {"changes": []})
    path = newer / "US-TX.toml"
    text = path.read_text()
    starts = '\nmode = "auto"\nelements = []\n'
    asks = '\nmode = "ask"\nform = "told"\nelements = ["intent_to_record"]\n'
    assert starts in text
    path.write_text(text.replace(starts, asks))
    changed = command("rules", "diff", str(packaged_folder), str(newer))
    assert changed.status == 1
    assert "auto -> ask" in changed.out
    assert "US-TX" in changed.out


def test_new_gives_a_file_to_fill_in_under_its_code(command: Callable[..., Any]) -> None:
    done = command("rules", "new", "US-WY")
    as_json = command("rules", "new", "US-WY", "--json")
    assert (done.status, as_json.status) == (0, 0)
    assert 'jurisdiction = "US-WY"' in done.out
    assert "XX" not in done.out
    assert json.loads(as_json.out) == {"code": "US-WY", "file": done.out}


@pytest.mark.parametrize("code", ["", "no", "Norway", "../NO", 'NO"', "NO\n"])
def test_new_refuses_what_is_no_code(code: str, command: Callable[..., Any]) -> None:
    done = command("rules", "new", code)
    assert (done.status, done.out) == (2, "")
    assert "ISO 3166" in done.err


def test_a_review_that_is_getting_old_is_told_and_is_no_fault(
    command: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askfirst.ruleverbs.today", lambda: date(2027, 12, 1))
    done = command("rules", "check", str(folder))

    assert done.status == 0
    assert "warning: XY.toml: reviewed: 2026-11-23 is 12 months ago" in done.out
    assert done.out.endswith("no faults\n")
