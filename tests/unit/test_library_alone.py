"""The library without any extra: one package beside it, no server part, and a clear way onward."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER_PARTS = ("askfirst.server", "askfirst.speech", "askfirst.telephony", "askfirst.audio")
EXTRAS = ("numpy", "sqlalchemy", "alembic", "cryptography", "dbos", "av", "obstore", "joserfc")
DECIDE = ("decide", "--agent", "NO", "--contact", "+16285550142")
MODULES = (
    "import sys; from askfirst.cli import main; status = main(sys.argv[1:]);"
    "print(*sys.modules, file=sys.stderr); sys.exit(status)"
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment that sees our source and one package."""
    folder = tmp_path_factory.mktemp("alone")
    venv.create(folder / "venv", with_pip=False)
    found = find_spec("phonenumbers")
    assert found is not None
    assert found.origin is not None
    (folder / "packages").mkdir()
    (folder / "packages" / "phonenumbers").symlink_to(Path(found.origin).parent)
    (site,) = (folder / "venv" / "lib").glob("python3*/site-packages")
    (site / "alone.pth").write_text(f"{ROOT / 'src'}\n{folder / 'packages'}\n")
    return folder / "venv" / "bin" / "python"


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - interpreters of our own making
        [str(part) for part in command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_decision_needs_no_server_part(alone: Path, tmp_path: Path) -> None:
    done = run(alone, "-c", MODULES, *DECIDE, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["governing"] == ["NO", "US-CA"]
    imported = done.stderr.split()
    assert "askfirst.decide" in imported
    assert [name for name in imported if name.startswith(SERVER_PARTS)] == []
    assert [name for name in imported if name.partition(".")[0] in EXTRAS] == []


def test_a_decision_imports_no_server_part_where_they_are_installed(tmp_path: Path) -> None:
    done = run(sys.executable, "-c", MODULES, *DECIDE, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    imported = done.stderr.split()
    assert [name for name in imported if name.startswith(SERVER_PARTS)] == []
    assert [name for name in imported if name.partition(".")[0] in EXTRAS] == []


@pytest.mark.parametrize("module", ["askfirst.gate", "askfirst.hearing", "askfirst.vcon"])
def test_the_published_parts_of_the_core_stand_alone(
    module: str, alone: Path, tmp_path: Path
) -> None:
    done = run(alone, "-W", "error", "-c", f"import {module}", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("call", "agrees"), "all"),
        (("recordings", "list"), "all"),
        (("audit", "a.wav", "--contact", "+16285550142", "--agent", "NO"), "all"),
        (("models", "get", "tiny"), "all"),
        (("ledger", "verify"), "all"),
        (("ledger", "verify", "bundle.zip"), "verify"),
    ],
)
def test_a_verb_that_needs_more_says_how_to_install_it(
    words: tuple[str, ...], extra: str, alone: Path, tmp_path: Path
) -> None:
    done = run(alone, "-m", "askfirst.cli", *words, folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "is not installed" in done.stderr
    assert done.stderr.endswith(f"Run: pip install 'askfirst[{extra}]'\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_an_installation_from_a_clone_decides(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "src", clone / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    installed = run(programs / "python", "-m", "pip", "install", "--quiet", clone, folder=tmp_path)
    assert installed.returncode == 0, installed.stderr
    listed = run(
        programs / "python", "-m", "pip", "list", "--format=json", "--not-required", folder=tmp_path
    )
    assert "askfirst" in {each["name"] for each in json.loads(listed.stdout)}
    everything = run(programs / "python", "-m", "pip", "list", "--format=json", folder=tmp_path)
    names = {each["name"] for each in json.loads(everything.stdout)}
    assert names - {"pip", "setuptools", "wheel"} == {"askfirst", "phonenumbers"}
    done = run(programs / "askfirst", *DECIDE, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["governing"] == ["NO", "US-CA"]
