"""Two ways to give a command: in this process, or in one of its own where that matters."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from askfirst.cli import main


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Give a command in this process."""

    def give(*arguments: str) -> Done:
        try:
            status = main(arguments)
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return give


def in_a_process(*arguments: str, stdin: bytes = b"", **environment: str) -> Done:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "askfirst.cli", *arguments],
        input=stdin,
        capture_output=True,
        timeout=300,
        check=False,
        env=environment or None,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def process() -> Command:
    """Give a command to a process of its own; `stdin` are bytes, further words its environment."""
    return in_a_process


@pytest.fixture(scope="session")
def called(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """An installation that has made one recorded call, and what the command said; do not change."""
    folder = tmp_path_factory.mktemp("called") / "data"
    return folder, in_a_process("call", "presses-one", "--out", str(folder), "--json")


@pytest.fixture
def installation(called: tuple[Path, Done], tmp_path: Path) -> Path:
    """A copy of that installation, to do with as one likes."""
    return Path(shutil.copytree(called[0], tmp_path / "data"))
