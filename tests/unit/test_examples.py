"""Every example runs as it stands and does what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from askfirst.audio.container import decode
from askfirst.server.database import open_engine
from askfirst.server.keys import KeyFile, KeyStore
from askfirst.server.ledger import Ledger

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own example
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def dialled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("own-dialer")
    done = run("own_dialer.py", str(folder / "data"), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "data", done.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_an_example_has_fewer_than_sixty_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60


def test_every_example_is_in_the_readme() -> None:
    readme = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXAMPLES.glob("*.py") if f"`{path.name}`" not in readme] == []


def test_the_library_example_says_mode_law_and_notice(tmp_path: Path) -> None:
    done = run("decide.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ask because of NO, US-CA"
    assert any(line.startswith("- US-CA.632: ") for line in lines)
    assert lines[-1].startswith("Say: {company} would like to record")
    assert list(tmp_path.iterdir()) == []


def test_the_dialer_example_says_what_was_kept_and_refused(dialled: tuple[Path, str]) -> None:
    # 3 s of our own side while telling, then 5 s of both; 7 s of both sides come before the yes.
    assert dialled[1].startswith(
        "recorded Counts(kept=650, kept_contact=250, refused=350, echo=0, lost=0, "
        "first_contact_ms=5000)"
    )


def test_the_dialer_example_holds_the_contact_only_from_the_yes_on(
    dialled: tuple[Path, str],
) -> None:
    samples, rate = decode((dialled[0] / "call.wav").read_bytes())
    assert samples.shape == (2, 8 * rate)
    caller, called = np.abs(samples.astype(np.int32))
    told_s = 3
    assert called[: told_s * rate - rate // 10].max() < 100
    assert called[told_s * rate + rate // 10 :].max() > 3000
    assert caller[: told_s * rate].max() > 3000


def test_the_dialer_example_writes_the_yes_before_the_opening(dialled: tuple[Path, str]) -> None:
    engine = open_engine(f"sqlite:///{dialled[0] / 'askfirst.db'}")
    keys = KeyStore(
        dialled[0] / "keys" / "keys.db", KeyFile.open_or_create(dialled[0] / "keys" / "master.key")
    )
    ledger = Ledger(engine, keys)
    kinds = [entry["kind"] for _, entry in ledger.entries()]
    size = ledger.verify().size
    keys.close()
    engine.dispose()
    order = [
        "party.joined",
        "decision.made",
        "notice.ended",
        "consent.given",
        "recording.opened",
        "call.ended",
        "recording.sealed",
        "access.played",
    ]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    assert size == len(kinds)
    assert list((dialled[0] / "spool").iterdir()) == []
