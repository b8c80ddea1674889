"""The placeholder's voice: nothing where the program is missing or fails, else the words."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.sip.peer import needed

from askfirst.audio.mixing import level_dbfs
from askfirst.notice import LANGUAGES
from askfirst.speech import placeholder
from askfirst.speech.placeholder import PROGRAM, VOICES, is_installed, spoken

TEXT = "Hello, this call is recorded."


def program_that(folder: Path, does: str) -> None:
    """A program of that name which does something else."""
    made = folder / PROGRAM
    made.write_text(f"#!/bin/sh\n{does}\n")
    made.chmod(made.stat().st_mode | stat.S_IXUSR)


def test_without_the_program_nothing_is_spoken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not is_installed()
    assert spoken(TEXT, "en") is None


@pytest.mark.parametrize(
    "does", ["exit 1", "exit 0", "echo no sound", "kill -9 $$", "printf RIFF....WAVE"]
)
def test_a_program_that_fails_or_gives_no_sound_speaks_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str
) -> None:
    program_that(tmp_path, does)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert spoken(TEXT, "en") is None


def test_a_program_that_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program_that(tmp_path, "while true; do :; done")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(placeholder, "TIMEOUT_S", 0.2)

    assert spoken(TEXT, "en") is None


@pytest.mark.parametrize(("text", "language"), [("", "en"), ("  ", "en"), (TEXT, "xx")])
def test_nothing_and_other_languages_are_not_spoken(text: str, language: str) -> None:
    assert spoken(text, language) is None


def test_every_language_of_notices_has_a_voice() -> None:
    assert set(VOICES) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_program_speaks_a_text_in_each_language(language: str) -> None:
    needed(PROGRAM)

    samples = spoken(TEXT, language)

    assert samples is not None
    assert 16_000 < len(samples) < 5 * 16_000
    assert level_dbfs(samples) > -40


def test_a_text_that_looks_like_an_option_is_spoken_and_not_followed(tmp_path: Path) -> None:
    needed(PROGRAM)
    made = tmp_path / "made.wav"

    assert spoken(f"-w {made} --version", "en") is not None
    assert not made.exists()
