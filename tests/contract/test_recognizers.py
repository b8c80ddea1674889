"""What every recogniser keeps, whatever engine is behind it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import askfirst
from askfirst.audio.container import decode
from askfirst.audio.resample import resample, telephone_chain
from askfirst.errors import InvalidInput, NotInstalled, Unavailable
from askfirst.model import Word
from askfirst.ports import Recognizer
from askfirst.speech.moonshine import Moonshine
from askfirst.speech.scripted import Scripted, fingerprint
from askfirst.speech.transcribe import utterances
from askfirst.speech.whisper import Whisper

PERSONAS = Path(askfirst.__file__).parent / "telephony" / "personas"
TEXT = "Yes, that is fine with me."
HAS_MOONSHINE = find_spec("moonshine_voice") is not None


def silence(ms: int) -> bytes:
    return bytes(ms * 32)


def spoken(name: str, *, telephone: bool = False) -> bytes:
    channels, rate = decode((PERSONAS / name).read_bytes())
    samples = resample(channels[0], rate, 16_000)
    return (telephone_chain(samples) if telephone else samples).astype("<i2").tobytes()


LINE = spoken("agrees/06-contact.opus")
LINE_BY_TELEPHONE = spoken("agrees/06-contact.opus", telephone=True)
LATE_LINE = silence(4000) + LINE + silence(2000)
THREE_MINUTES = (LINE + silence(18_000)) * 9
SCRIPT = {
    fingerprint(LINE): TEXT,
    fingerprint(LINE_BY_TELEPHONE): TEXT,
    fingerprint(LATE_LINE): TEXT,
    fingerprint(THREE_MINUTES): TEXT * 9,
}


def made(name: str) -> Recognizer:
    if name == "scripted":
        return Scripted(SCRIPT)
    return Whisper() if name == "whisper" else Moonshine()


moonshine_only = pytest.mark.skipif(
    not HAS_MOONSHINE, reason="optional extra moonshine is not installed"
)
whisper_only = pytest.mark.skipif(
    find_spec("faster_whisper") is None, reason="extra speech is not installed"
)
ENGINES = [
    pytest.param("whisper", marks=whisper_only),
    pytest.param("moonshine", marks=moonshine_only),
]


@pytest.fixture(scope="module", params=["scripted", *ENGINES])
def recogniser(request: pytest.FixtureRequest) -> Iterator[Recognizer]:
    one = made(request.param)
    yield one
    one.close()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Whisper | Moonshine]:
    one = made(request.param)
    assert isinstance(one, Whisper | Moonshine)
    yield one
    one.close()


def plain(words: list[Word]) -> list[str]:
    return [word.text.casefold().strip(".,") for word in words]


@pytest.mark.parametrize("pcm", [LINE, LINE_BY_TELEPHONE], ids=["wide band", "telephone"])
def test_speech_gives_its_words(recogniser: Recognizer, pcm: bytes) -> None:
    words = recogniser.transcribe(pcm, "en")
    assert plain(words) == ["yes", "that", "is", "fine", "with", "me"]
    assert all(0 <= word.confidence <= 1 for word in words)


def test_times_are_in_order_and_inside_the_audio(recogniser: Recognizer) -> None:
    words = recogniser.transcribe(LATE_LINE, "en")
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(LATE_LINE) // 32


def test_times_are_those_of_the_channel(engine: Whisper | Moonshine) -> None:
    words = engine.transcribe(LATE_LINE, "en")
    assert 3500 <= words[0].start_ms <= 4600
    assert 4000 + len(LINE) // 32 - 900 <= words[-1].end_ms <= 4000 + len(LINE) // 32 + 500


def test_silence_gives_nothing(recogniser: Recognizer) -> None:
    assert recogniser.transcribe(silence(5000), "en") == []


@pytest.mark.parametrize("level", [100, 1000, 8000])
def test_noise_gives_nothing(recogniser: Recognizer, level: int) -> None:
    pcm = np.random.default_rng(5).normal(0, level, 16_000 * 10).clip(-32768, 32767)
    assert recogniser.transcribe(pcm.astype("<i2").tobytes(), "en") == []


def test_tones_give_nothing(recogniser: Recognizer) -> None:
    at = np.arange(16_000 * 6) / 16_000
    ringing = 6000 * np.sin(2 * np.pi * 425 * at) * (at % 5 < 1)
    keys = 6000 * (np.sin(2 * np.pi * 697 * at) + np.sin(2 * np.pi * 1209 * at)) * (at % 1 < 0.2)
    for tone in (ringing, keys):
        assert recogniser.transcribe(tone.astype("<i2").tobytes(), "en") == []


@pytest.mark.parametrize("pcm", [b"", b"\x01\x00", b"\x01\x00" * 300])
def test_next_to_no_audio_gives_nothing(recogniser: Recognizer, pcm: bytes) -> None:
    assert recogniser.transcribe(pcm, "en") == []


def test_half_a_sample_is_refused(recogniser: Recognizer) -> None:
    with pytest.raises(InvalidInput, match="3 bytes"):
        recogniser.transcribe(b"abc", "en")


def test_an_unknown_language_is_refused_with_what_is_known(recogniser: Recognizer) -> None:
    with pytest.raises(InvalidInput, match=r"'xx'.* it knows .*en"):
        recogniser.transcribe(LINE, "xx")


def test_three_minutes_are_recognised_at_their_times(engine: Whisper | Moonshine) -> None:
    found = utterances(engine.transcribe(THREE_MINUTES, "en"), "contact")
    period = len(LINE) // 32 + 18_000
    assert [(utterance.start_ms + 1000) // period for utterance in found] == list(range(9))
    assert all("fine with me" in utterance.text for utterance in found)


def test_a_killed_process_is_unavailable_once_and_then_works(engine: Whisper | Moonshine) -> None:
    assert engine.transcribe(LINE, "en") != []
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(Unavailable):
        engine.transcribe(LINE, "en")
    assert engine.transcribe(LINE, "en") != []


def test_two_threads_get_each_their_own_words(recogniser: Recognizer) -> None:
    heard: dict[str, list[Word]] = {}

    def ask(name: str, pcm: bytes) -> None:
        heard[name] = recogniser.transcribe(pcm, "en")

    threads = [
        threading.Thread(target=ask, args=("line", LINE)),
        threading.Thread(target=ask, args=("silence", silence(3000))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(heard["line"]) == 6
    assert heard["silence"] == []


@pytest.mark.parametrize("name", ["scripted", *ENGINES])
def test_closing_twice_is_harmless(name: str) -> None:
    one = made(name)
    one.close()
    one.close()


def test_the_same_audio_gives_the_same_words(recogniser: Recognizer) -> None:
    assert recogniser.transcribe(LINE, "en") == recogniser.transcribe(LINE, "en")


def test_scripted_lines_are_taken_in_turn_and_not_by_silence() -> None:
    scripted = Scripted(["first line", "second"])
    assert plain(scripted.transcribe(LINE, "en")) == ["first", "line"]
    assert scripted.transcribe(silence(100), "nb") == []
    assert plain(scripted.transcribe(LINE, "de")) == ["second"]
    assert scripted.transcribe(LINE, "en") == []


def test_scripted_words_fill_the_audio() -> None:
    words = Scripted(["two words"]).transcribe(b"\x01\x00" * 16_000, "en")
    assert words == [Word("two", 0, 375, 1.0), Word("words", 375, 1000, 1.0)]


@pytest.mark.skipif(HAS_MOONSHINE, reason="the optional extra moonshine is installed here")
def test_moonshine_without_its_package_says_what_to_install() -> None:
    with pytest.raises(NotInstalled, match=r"pip install 'askfirst\[moonshine\]'"):
        Moonshine()
