"""A change of the wrapping key in a process that is killed by the system, at every step of it."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import openbao
from tests.server.test_custody import filled, opened
from tests.server.test_custody import folder as folder
from tests.server.test_custody import server as server

from askfirst.errors import Refused
from askfirst.server import custody
from askfirst.server.custody import MASTER, STORE, WRAPPER
from askfirst.server.openbao import Transit

ROOT = Path(__file__).resolve().parents[2]
CUT_OFF = "keys.change_cut_off"


def was_killed(folder: Path, change: str, step: int, there: Transit | None) -> bool:
    """Make a change in a process of its own; whether it was killed before it was through."""
    words = [str(folder), change, str(step)]
    if there is not None:
        words.append(json.dumps(there.to_json()))
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "tests.server.crashingkeys", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def killed_everywhere(folder: Path, change: str, there: Transit | None = None) -> int:
    """Kill a change before each of its steps, and take it up again; how many steps there are."""
    beginning = folder.with_name("beginning")
    shutil.copytree(folder, beginning)
    before = opened(folder)
    for step in range(1, 100):
        if change != "rotate" or custody.place_of(folder) is None:
            # A rotation on a server is for good: what was wrapped before opens nothing more.
            shutil.rmtree(folder)
            shutil.copytree(beginning, folder)
        killed = was_killed(folder, change, step, there)

        assert opened(folder) == before, step
        left = {path.name for path in folder.iterdir() if path.suffix != ".lock"}
        assert left in ({STORE, MASTER}, {STORE, WRAPPER}), step
        take_up(folder, change, there)
        assert opened(folder) == before, step
        if not killed:
            return step - 1
    raise AssertionError("the change never ended")


def take_up(folder: Path, change: str, there: Transit | None) -> None:
    """Make the same change again; one that was finished by the start is refused, and that is it."""
    keys = custody.open_keys(folder)
    try:
        if change == "rotate":
            custody.rotate(folder, keys)
        else:
            custody.move(folder, keys, there)
    except Refused:
        assert custody.place_of(folder) == there
    finally:
        keys.close()
    assert change == "rotate" or custody.place_of(folder) == there


def test_a_rotation_killed_before_any_step_leaves_every_recording_readable(folder: Path) -> None:
    filled(folder)

    assert killed_everywhere(folder, "rotate") >= 12


@pytest.mark.slow
def test_a_move_to_openbao_killed_before_any_step_leaves_every_recording_readable(
    folder: Path, server: openbao.Server, tmp_path: Path
) -> None:
    filled(folder)

    assert killed_everywhere(folder, "openbao", server.transit(tmp_path / "t", "killed")) >= 8


@pytest.mark.slow
def test_a_move_to_a_file_killed_before_any_step_leaves_every_recording_readable(
    folder: Path, server: openbao.Server, tmp_path: Path
) -> None:
    filled(folder, server.transit(tmp_path / "t", "killed-back"))

    assert killed_everywhere(folder, "file") >= 8


@pytest.mark.slow
def test_a_rotation_in_openbao_killed_before_any_step_leaves_every_recording_readable(
    folder: Path, server: openbao.Server, tmp_path: Path
) -> None:
    filled(folder, server.transit(tmp_path / "t", "killed-rotation"))

    assert killed_everywhere(folder, "rotate") >= 3


def test_the_next_start_says_whether_a_killed_change_was_finished_or_taken_back(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(folder)
    beginning = folder.with_name("beginning")
    shutil.copytree(folder, beginning)
    said = []
    for step in range(1, 100):
        shutil.rmtree(folder)
        shutil.copytree(beginning, folder)
        if not was_killed(folder, "rotate", step, None):
            break
        key = (folder / MASTER).read_bytes()
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            opened(folder)
        is_new = (folder / MASTER).read_bytes() != (beginning / MASTER).read_bytes()
        lines = [each.getMessage() for each in caplog.records if CUT_OFF in each.getMessage()]
        # Before the change was written down, or after it was through, there is nothing to say.
        if lines:
            assert lines == [f"{CUT_OFF} ended={'finished' if is_new else 'taken-back'}"], step
            said.append(is_new)
        else:
            assert key == (folder / MASTER).read_bytes(), step

    assert said == sorted(said)
    assert set(said) == {False, True}
