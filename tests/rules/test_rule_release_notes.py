from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tools import rule_release_notes

from askfirst import rules

HERE = Path(__file__).parent
SOUND = (HERE / "sound" / "XY.toml").read_text(encoding="utf-8")


def directory(path: Path, text: str | None) -> Path:
    shutil.copytree(HERE / "base", path)
    if text is not None:
        (path / "XY.toml").write_text(text, encoding="utf-8")
    return path


def notes(tmp_path: Path, old: str | None, new: str | None) -> list[str]:
    before = rules.load(directory(tmp_path / "old", old))
    after = rules.load(directory(tmp_path / "new", new))
    return rule_release_notes.notes(before, after).splitlines()


def test_the_same_rules_have_nothing_to_tell(tmp_path: Path) -> None:
    told = notes(tmp_path, SOUND, SOUND)

    assert told[0] == "# Rulebook 2026.11.23"
    assert "The rules are the same." in told
    assert not any(line.startswith("## ") for line in told)


def test_a_call_that_comes_out_differently_is_told_first(tmp_path: Path) -> None:
    stricter = SOUND.replace('form = "told"', 'form = "agreed"\nproof = 4').replace(
        "spoken_answer = true", "spoken_answer = false"
    )

    told = notes(tmp_path, SOUND, stricter)

    assert [line for line in told if line.startswith("## ")] == [
        "## Calls that come out differently",
        "## Changed in the file",
    ]
    assert ("- XY: inside: form told -> agreed; proof 1 -> 4; spoken_answer true -> false") in told
    assert "- XY (Testland): rule XY.rule of 2020-01-01 changed" in told


def test_a_file_that_came_or_went_is_told(tmp_path: Path) -> None:
    came = notes(tmp_path / "came", None, SOUND)
    went = notes(tmp_path / "went", SOUND, None)

    assert came[came.index("## New") + 2] == "- XY (Testland)"
    assert went[went.index("## Removed") + 2] == "- XY (Testland)"


def test_sourcing_reviews_and_texts_are_told_apart(tmp_path: Path) -> None:
    better = (
        SOUND.replace('"unreviewed"', '"primary-source"')
        .replace("reviewed = 2026-11-23", "reviewed = 2026-12-24")
        .replace("Prøveland", "Testland")
    )

    told = notes(tmp_path, SOUND, better)

    assert told[0] == "# Rulebook 2026.12.24"
    assert "- XY (Testland): unreviewed -> primary-source" in told
    assert "- XY (Testland): 2026-11-23 -> 2026-12-24" in told
    assert "- XY (Testland): name" in told


def test_a_directory_that_is_not_sound_gives_its_faults_and_no_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = directory(tmp_path / "old", SOUND), directory(tmp_path / "new", "broken = ")

    assert rule_release_notes.main([str(old), str(new)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("XY.toml: not TOML")


def test_the_notes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = directory(tmp_path / "old", None), directory(tmp_path / "new", SOUND)

    assert rule_release_notes.main([str(old), str(new)]) == 0
    assert capsys.readouterr().out.startswith("# Rulebook 2026.11.23\n")
