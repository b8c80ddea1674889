"""A browser and servers for the tests that need both; all of them run with --all only."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import struct
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright
from tests.e2e.browsing import ARGUMENTS, Window, open_window
from tests.e2e.furnish import IDS
from tests.e2e.installation import Installation

ROOT = Path(__file__).parents[2]
INSTALL = "apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
TONE_HZ = 440
"""What the agent's microphone hears."""

CALLERS = frozenset({"agent", "other", "supervisor"})

Open = Callable[..., Window]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is; without one the tests are skipped, and fail where they must run."""
    found = shutil.which("chromium")
    if found is None:
        missing = f"no chromium is installed. Run as root: {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pulses of a tone, which the browser's microphone hears over and over.

    Between them is time for the contact to speak, who lets the agent finish.
    """
    path = tmp_path_factory.mktemp("microphone") / "tone.wav"
    rate, level = 48_000, 10_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        turns = (math.sin(2 * math.pi * TONE_HZ * n / rate) for n in range(rate * 6 // 10))
        pulse = b"".join(struct.pack("<h", round(level * turn)) for turn in turns)
        file.writeframes(pulse + bytes(2 * rate * 3))
    return path


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright, for one file: its event loop would stand in the way of tests of other files."""
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Playwright, chromium: str, microphone: Path) -> Iterator[Browser]:
    """A browser whose microphone hears a tone and needs no asking."""
    found = playwright.chromium.launch(
        executable_path=chromium,
        args=[
            *ARGUMENTS,
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}",
        ],
    )
    yield found
    found.close()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with people, contacts and calls; made once, whatever process comes first."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = shared / "furnished"
    with (shared / "furnished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / IDS).exists():
            folder.mkdir(exist_ok=True)
            subprocess.run(  # noqa: S603 - our own
                [sys.executable, "-m", "tests.e2e.furnish", folder / "data"], cwd=ROOT, check=True
            )
    return folder


@contextmanager
def running(
    folder: Path, public: str | None = None, port: int | None = None
) -> Iterator[Installation]:
    """A server on a folder until the end, in whose log there must be no fault."""
    found = Installation(folder, public, port)
    found.start()
    try:
        yield found
    finally:
        found.end()
    assert found.faults() == []


@pytest.fixture(scope="module")
def installation(
    chromium: str, furnished: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A server with people, contacts and calls, for the tests of one file."""
    folder = tmp_path_factory.mktemp("installation") / "furnished"
    shutil.copytree(furnished, folder)
    with running(folder) as found:
        yield found


@pytest.fixture(scope="module")
def bare(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server that nobody has set up."""
    with running(tmp_path_factory.mktemp("bare")) as found:
        yield found


def end_call(window: Window) -> None:
    """Leave no call behind, also after a failure: the next test may be the same agent's."""
    if window.person not in CALLERS:
        return
    api = f"{window.installation.origin}/api/v1"
    answer = window.context.request.get(f"{api}/phone")
    live = answer.json()["call"] if answer.ok else None
    if live is not None:
        headers = {"origin": window.installation.origin}
        window.context.request.post(f"{api}/calls/{live['call']}/hangup", headers=headers)


@pytest.fixture
def window(browser: Browser, installation: Installation) -> Iterator[Open]:
    """Opens windows of somebody; no unexpected error may be left in any of them."""
    opened: list[Window] = []

    def make(person: str | None, *, at: Installation = installation, **more: object) -> Window:
        found = open_window(browser, at, person, **more)  # type: ignore[arg-type]  # passed on
        opened.append(found)
        return found

    yield make
    for each in {id(each.context): each for each in opened}.values():
        end_call(each)
        each.context.close()
    assert [fault for each in opened for fault in each.faults()] == []
