"""From the browser's microphone to a telephone over SIP, and back."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import TONE_HZ, Open, running
from tests.e2e.installation import Installation
from tests.e2e.phone import Phone
from tests.sip.oversip import talking
from tests.sip.peer import LOOPBACK, Telephone, telephone

from askfirst.audio.container import decode

pytestmark = pytest.mark.full

OSLO = "+4722222222"
CONTACT_HZ = 1_000.0


class Beside:
    """A telephone on a loop in a thread of its own, beside the browser's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready: SimpleQueue[tuple[asyncio.AbstractEventLoop, Telephone]] = SimpleQueue()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))
        self._thread.start()
        self._loop, self.telephone = self._ready.get(timeout=30)

    def tell(self, command: str) -> None:
        asyncio.run_coroutine_threadsafe(self.telephone.tell(command), self._loop).result(10)

    def end(self) -> None:
        """End it; safe to call more than once."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(timeout=30)

    async def _serve(self) -> None:
        async with telephone(self._folder, talking(60_000, CONTACT_HZ), number=OSLO) as found:
            self._ready.put((asyncio.get_running_loop(), found))
            await self._end.wait()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A telephone in Oslo."""
    found = Beside(tmp_path / "bob")
    yield found
    found.end()


@pytest.fixture
def office(
    chromium: str, furnished: Path, tmp_path: Path, beside: Beside
) -> Iterator[Installation]:
    """A server whose calls go out to that telephone."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    (folder / "askfirst.toml").write_text(
        f'[sip]\nserver = "{LOOPBACK}"\naddress = "{LOOPBACK}"\nport = {beside.telephone.port}\n'
    )
    with running(folder) as found:
        yield found


def share_of_tone(samples: np.ndarray[tuple[int], np.dtype[np.int16]], hertz: float) -> float:
    """How much of a sound's energy is near a frequency."""
    power = np.abs(np.fft.rfft(samples.astype(float))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / 16_000)
    return float(power[np.abs(at - hertz) < 15].sum() / max(power[at > 50].sum(), 1.0))


def test_an_agent_in_a_browser_talks_with_a_telephone_and_records_after_a_yes(
    office: Installation, window: Open, beside: Beside
) -> None:
    seen = window("agent", at=office)
    phone = Phone(seen.page)
    seen.go("/contacts")
    phone.arrive()
    phone.call(OSLO, "browser")
    expect(phone.part("consent")).to_be_visible()
    phone.expect_light("off")

    phone.answer("agreed").click()
    phone.expect_light("recording")
    expect(phone.part("clock")).to_have_text("00:12", timeout=30_000)
    beside.tell("hangup")
    phone.expect_no_call()

    beside.end()
    heard, _ = decode(beside.telephone.heard().read_bytes(), 16_000)
    assert share_of_tone(heard[0], TONE_HZ) > 0.5
    assert share_of_tone(heard[0], CONTACT_HZ) < 0.05
