"""The rulebook as a release of its own: its manifest, and the package that holds nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
from tools import rulebook

from askfirst import Party, decide, rules
from askfirst.errors import InvalidRules

OURS = Path(str(rules.packaged_directory()))
LATER = "2031.05.17"
WHO = """
import json
from datetime import date
from askfirst import Party, decide
decision = decide([Party.agent("NO"), Party.contact("+4791234567")], on=date(2026, 11, 26))
print(json.dumps([decision.rulebook_version, decision.rulebook_fingerprint, decision.mode.word]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the packaged rules, to do with as one likes."""
    return Path(shutil.copytree(OURS, tmp_path / "rules"))


def reviewed_later(folder: Path) -> None:
    norway = folder / "NO.toml"
    text = norway.read_text(encoding="utf-8")
    norway.write_text(
        text.replace("reviewed = 2026-11-2", "reviewed = 2031-05-17 # 2026-11-2", 1),
        encoding="utf-8",
    )


def answer(site: Path) -> list[str]:
    """Version, fingerprint and mode of a decision in a process that also finds what `site` has."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", WHO],
        env={"PYTHONPATH": f"{site}:{OURS.parents[1]}"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def installed(wheel: Path, site: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_the_manifest_is_in_step_with_the_rule_files() -> None:
    assert (OURS / rules.MANIFEST).read_text(encoding="utf-8") == rulebook.manifest(OURS)


def test_files_read_one_by_one_say_what_files_read_together_say() -> None:
    whole, singly = rules.load(OURS), rules.packaged()

    assert dict(singly.jurisdictions) == dict(whole.jurisdictions)
    assert list(singly.jurisdictions) == list(whole.jurisdictions)
    assert len(singly.jurisdictions) == len(whole.jurisdictions)
    assert (singly.version, singly.fingerprint) == (whole.version, whole.fingerprint)
    assert "NO" in singly.jurisdictions
    assert "no" not in singly.jurisdictions
    assert singly.jurisdictions.get("no") is None


def test_no_manifest_is_written_for_rules_with_faults(folder: Path) -> None:
    (folder / "NO.toml").write_text("jurisdiction = 5\n", encoding="utf-8")

    with pytest.raises(InvalidRules, match=r"NO\.toml"):
        rulebook.manifest(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', '{"form": 99, "version": "9"}'])
def test_a_manifest_that_is_none_is_not_believed(folder: Path, text: str) -> None:
    (folder / rules.MANIFEST).write_text(text, encoding="utf-8")

    assert rules.manifest_of(folder) is None


def test_the_same_rules_give_the_same_package(tmp_path: Path, folder: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()

    assert rulebook.wheel(folder, first).read_bytes() == rulebook.wheel(folder, second).read_bytes()


def test_the_package_holds_rules_and_nothing_that_runs(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(rulebook.wheel(folder, tmp_path)) as archive:
        names = archive.namelist()

    assert f"{rules.SEPARATE}/NO.toml" in names
    assert f"{rules.SEPARATE}/numbers/nanp.toml" in names
    assert not [name for name in names if name.endswith((".py", ".so", ".pth", "template.toml"))]


def test_a_later_package_of_rules_is_used_instead(tmp_path: Path, folder: Path) -> None:
    reviewed_later(folder)
    site = installed(rulebook.wheel(folder, tmp_path), tmp_path / "site")

    version, fingerprint, mode = answer(site)

    assert (version, mode) == (LATER, "ask")
    assert fingerprint == rules.load(folder).fingerprint


def test_a_package_that_is_not_later_is_left_alone(tmp_path: Path, folder: Path) -> None:
    site = installed(rulebook.wheel(folder, tmp_path), tmp_path / "site")

    assert answer(site)[:2] == [rules.packaged().version, rules.packaged().fingerprint]


def test_a_package_whose_files_were_changed_is_loaded_whole_and_named_anew(
    tmp_path: Path, folder: Path
) -> None:
    reviewed_later(folder)
    site = installed(rulebook.wheel(folder, tmp_path), tmp_path / "site")
    norway = site / rules.SEPARATE / "NO.toml"
    norway.write_text(norway.read_text(encoding="utf-8").replace("Norway", "Norge"), "utf-8")

    version, fingerprint, _ = answer(site)

    assert version == LATER
    assert fingerprint != rules.load(folder).fingerprint


def test_a_decision_needs_few_files_only() -> None:
    shelf = rules.packaged.__wrapped__().jurisdictions
    book = rules.Rulebook(shelf, "1", "sha256:0")

    decide([Party.agent("NO"), Party.contact("+16285550142")], date(2026, 11, 26), book)

    assert set(vars(shelf)["_read"]) <= {"NO", "EEA", "US-CA", "US", "UNKNOWN"}
