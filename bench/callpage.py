"""The page of a call of an hour, opened in Chromium on a running server: when it can be used."""

from __future__ import annotations

import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from tests.e2e.browsing import ARGUMENTS
from tests.e2e.furnish import PASSWORD, email
from tests.e2e.installation import Installation

from askfirst.errors import NotFound
from askfirst.model import Utterance, Word
from askfirst.server import transcripts
from askfirst.server.clock import utc_now
from askfirst.server.database import assets, transaction
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store
from bench.measure import Line

WORDS, LINES, HOUR_MS = 9_000, 900, 3_600_000
ROUNDS = 9
GOAL_MS = 1_000.0
ROOT = Path(__file__).parents[1]

_USABLE = """addEventListener("load", () => requestAnimationFrame(() => setTimeout(
  () => { window.usableAfterMs = performance.now(); }, 0)));"""
"""From the beginning of the navigation until it is loaded and drawn, and a task has its turn."""


def lines() -> Iterator[Line]:
    """Milliseconds from the click until the page is loaded, drawn, and takes input."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603 - our own
            [sys.executable, "-m", "tests.e2e.furnish", str(Path(folder) / "data")],
            cwd=ROOT, check=True,
        )  # fmt: skip
        office = Installation(Path(folder))
        call, recording = _recorded(office)
        _say(office, recording)
        office.start()
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
                page = browser.new_page()
                page.add_init_script(_USABLE)
                _sign_in(page, office)
                times = sorted(_opened(page, office, call) for _ in range(ROUNDS))
                browser.close()
        finally:
            office.send(signal.SIGTERM)
            office.wait()
    counts = f"{ROUNDS} openings of a call with {WORDS} words in {LINES} lines"
    yield Line("call page, median", statistics.median(times), "ms", GOAL_MS, counts)
    yield Line("call page, slowest", times[-1], "ms", GOAL_MS, counts)


def _recorded(office: Installation) -> tuple[str, str]:
    found = office.ids["calls"]["presses-one"]
    store = Store.open(office.data)
    try:
        with store.engine.connect() as connection:
            query = assets.select().where(assets.c.kind == transcripts.MACHINE)
            recording = connection.execute(query).first()
    finally:
        store.close()
    if recording is None:
        raise NotFound("no recording with words was made")
    return str(found), str(recording.recording)


def _say(office: Installation, recording: str) -> None:
    """Let an hour of talk stand in place of what was said."""
    chance = random.Random(7)  # noqa: S311 - the same words every time
    each_ms, per_line = HOUR_MS // LINES, WORDS // LINES
    vocabulary = [
        "".join(chance.choices("aeioklmnrst", k=chance.randint(2, 9))) for _ in range(900)
    ]
    said = []
    for line in range(LINES):
        start, step = line * each_ms, each_ms // per_line
        words = [
            Word(chance.choice(vocabulary), start + n * step, start + (n + 1) * step, 0.9)
            for n in range(per_line)
        ]
        text = " ".join(word.text for word in words)
        speaker = "agent" if line % 2 else "contact"
        said.append(Utterance(speaker, start, start + each_ms, text, tuple(words)))
    store = Store.open(office.data)
    try:
        with transaction(store.engine) as connection:
            connection.execute(
                assets.delete().where(
                    assets.c.recording == recording, assets.c.kind == transcripts.MACHINE
                )
            )
        write_asset(store, recording, transcripts.MACHINE, transcripts.to_bytes(said), utc_now())
    finally:
        store.close()


def _sign_in(page: Page, office: Installation) -> None:
    page.goto(f"{office.origin}/sign-in")
    page.fill("input[name=email]", email("agent"))
    page.fill("input[name=password]", PASSWORD)
    page.click("form[action='/sign-in'] button")
    page.wait_for_load_state()


def _opened(page: Page, office: Installation, call: str) -> float:
    page.goto(f"{office.origin}/calls/{call}")
    page.wait_for_load_state()
    page.click("form[action$='/listen'] button")
    page.wait_for_selector(".transcript li")
    if page.locator(".transcript li").count() < LINES:
        raise NotFound("the words are not on the page")
    page.wait_for_function("() => window.usableAfterMs")
    return float(page.evaluate("() => window.usableAfterMs"))
