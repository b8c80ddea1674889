"""What Twilio says to somebody is heard at their telephone, to its end, before anything follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.sip.peer import needed
from tests.twilio.onlooker import Onlooker, looked_on
from tests.twilio.people import HANGS_UP, OSLO, pause, person
from tests.web.conftest import browser, opened, set_up

from askfirst.audio.mixing import in_frames, level_dbfs, to_pcm, to_samples
from askfirst.audio.tone import find_tone
from askfirst.clock import LoopClock, run_virtual
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ
from askfirst.server import account
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.speech import placeholder
from askfirst.telephony.persona import Persona
from askfirst.telephony.progress import WAIT_MS
from askfirst.twilioemulator.app import TwilioEmulator
from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.exchange import Call
from askfirst.twilioemulator.person import QUIET_MS
from askfirst.twilioemulator.saying import CHARACTER_MS, TONE_HZ
from askfirst.web.twiliopaths import FALLBACK
from askfirst.web.visit import Site

OURS = "+17135550100"
HERE = "https://phone.example"
LOUD_DBFS = -50.0
ENGLISH = "This call cannot be connected at the moment. Please try again later."


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Site]:
    for site in opened(tmp_path):
        yield set_up(site)


def carried(caller: Persona, answer: str) -> tuple[Call, int]:
    """A call to a number whose webhook is answered so, and how long it lasted (ms)."""

    async def scenario() -> tuple[Call, int]:
        async def post(url: str, _: Form) -> str:
            return answer if url.endswith("/v") else ""

        clock = LoopClock()
        emulator = TwilioEmulator(clock, post=post, keeps_heard=True)
        looked_on(emulator.app, emulator.exchange, "phone.example")
        call = emulator.exchange.call_in(OSLO, OURS, caller, f"{HERE}/v", f"{HERE}/s")
        await call.answered.wait()
        began_ms = clock.now_ms()
        await call.over.wait()
        lasted_ms = clock.now_ms() - began_ms
        await emulator.close()
        return call, lasted_ms

    return run_virtual(scenario())


def heard(call: Call) -> list[bytes]:
    assert call.person is not None
    return call.person.heard


def sounding(frames: list[bytes]) -> tuple[int, int]:
    """Where sound begins and ends, in ms."""
    loud = [at for at, each in enumerate(frames) if level_dbfs(to_samples(each)) > LOUD_DBFS]
    return loud[0] * FRAME_MS, (loud[-1] + 1) * FRAME_MS


def likeness(one: NDArray[np.int16], other: NDArray[np.int16]) -> float:
    """How alike two sounds are, wherever one lies in the other; 1 is the same."""
    first, second = one.astype(float), other.astype(float)
    size = 1 << (len(first) + len(second)).bit_length()
    product = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    return float(product.max() / (np.linalg.norm(first) * np.linalg.norm(second)))


@pytest.mark.parametrize("language", ["en", "nb"])
def test_that_nobody_can_be_reached_is_heard_to_its_end_before_the_call_hangs_up(
    ready: Site, tmp_path: Path, language: str
) -> None:
    needed(placeholder.PROGRAM)
    with transaction(ready.store.engine) as connection:
        account.change(connection, {"language": language}, None, utc_now())
    answer = browser(ready).post(FALLBACK).text
    caller = person(tmp_path / "people", OSLO, pause(120_000))

    call, lasted_ms = carried(caller, answer)

    (words,) = call.said
    assert (words == ENGLISH) == (language == "en")
    voice = placeholder.spoken(words, language)
    assert voice is not None
    long_ms = len(voice) * 1000 // SAMPLE_RATE_HZ
    assert long_ms > 3_000
    frames = heard(call)
    assert likeness(to_samples(b"".join(frames)), voice) > 0.7
    begin_ms, end_ms = sounding(frames)
    first_ms, last_ms = sounding(in_frames(to_pcm(voice)))
    assert abs((end_ms - begin_ms) - (last_ms - first_ms)) <= 3 * FRAME_MS
    assert (call.status, call.faults) == ("completed", [])
    assert long_ms <= lasted_ms <= long_ms + 200


def test_without_a_voice_a_tone_takes_as_long_as_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    call, lasted_ms = carried(
        person(tmp_path, OSLO, pause(120_000)),
        f"<Response><Say language='en-US'>{ENGLISH}</Say><Hangup/></Response>",
    )
    begin_ms, end_ms = sounding(heard(call))
    assert abs(end_ms - begin_ms - len(ENGLISH) * CHARACTER_MS) <= 2 * FRAME_MS
    assert 0 <= lasted_ms - len(ENGLISH) * CHARACTER_MS <= 100
    found = find_tone(to_samples(b"".join(heard(call))), SAMPLE_RATE_HZ, list(TONE_HZ))
    assert found


def test_whoever_is_spoken_to_goes_on_when_it_is_over(tmp_path: Path, onlooker: Onlooker) -> None:
    onlooker.forgives = True  # we write no pause
    said = f"<Say language='en-US'>{ENGLISH}</Say>"
    waits = person(tmp_path, OSLO, 'wait="announcement"', HANGS_UP)
    call, lasted_ms = carried(waits, f"<Response>{said}<Pause length='60'/></Response>")
    _, end_ms = sounding(heard(call))
    assert end_ms + QUIET_MS <= lasted_ms <= end_ms + QUIET_MS + 200
    _, lasted_ms = carried(waits, "<Response><Pause length='60'/></Response>")
    assert lasted_ms >= WAIT_MS


def test_words_that_are_cut_off_are_heard_no_more(tmp_path: Path) -> None:
    leaves = person(tmp_path, OSLO, pause(1_000), HANGS_UP)
    call, lasted_ms = carried(leaves, f"<Response><Say language='en-US'>{ENGLISH}</Say></Response>")
    assert 900 <= lasted_ms <= 1_200
    assert len(heard(call)) * FRAME_MS <= 1_200
    assert sounding(heard(call))[1] > 500
