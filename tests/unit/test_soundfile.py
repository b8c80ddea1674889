"""Sound files: whatever bytes they hold, they are read whole, in bounded memory, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.server.existing import HZ, written

from askfirst.audio import soundfile
from askfirst.audio.container import encode_ogg_opus, encode_wav
from askfirst.errors import InvalidInput

SECONDS = 2


def tones(seconds: float = SECONDS) -> NDArray[np.int16]:
    """440 Hz on channel 1, 1000 Hz on channel 2."""
    at = np.arange(int(seconds * HZ)) / HZ
    return np.stack([(8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16) for hz in (440, 1000)])


def pitch(pcm: bytes) -> int:
    samples = np.frombuffer(pcm, "<i2")
    return int(np.argmax(np.abs(np.fft.rfft(samples)))) * HZ // len(samples)


def kept(tmp_path: Path, data: bytes, name: str = "call.wav") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("call.mp3", "libmp3lame"), ("call.m4a", "aac"), ("call.ogg", "libopus"),
        ("call.flac", "flac"),
    ],
)  # fmt: skip
def test_every_kind_of_file_gives_each_channel_alone(
    tmp_path: Path, name: str, codec: Literal["libmp3lame", "aac", "libopus", "flac"]
) -> None:
    path = written(tmp_path / name, tones(), codec)
    sound = soundfile.examine(path)
    assert (sound.channels, sound.is_mixed) == (2, False)
    assert sound.seconds == pytest.approx(SECONDS, abs=0.2)
    for channel, hz in enumerate((440, 1000)):
        ((start_ms, pcm),) = soundfile.stretches(path, channel)
        assert start_ms == 0
        assert pitch(pcm) == pytest.approx(hz, abs=3)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100])
def test_any_rate_is_brought_to_that_of_recognisers(tmp_path: Path, rate: int) -> None:
    at = np.arange(rate) / rate
    samples = (8_000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)[None, :]
    path = kept(tmp_path, encode_wav(samples, rate))
    ((_, pcm),) = soundfile.stretches(path, 0)
    assert len(pcm) == pytest.approx(2 * HZ, abs=64)
    assert pitch(pcm) == pytest.approx(440, abs=3)


def test_one_mix_on_both_channels_is_known_as_such(tmp_path: Path) -> None:
    one = tones()[0]
    path = kept(tmp_path, encode_wav(np.stack([one, one // 4])))
    assert soundfile.examine(path).is_mixed
    path = kept(tmp_path, encode_wav(np.stack([one, -one])))
    assert soundfile.examine(path).is_mixed
    path = kept(tmp_path, encode_wav(np.stack([one, np.zeros_like(one)])))
    assert not soundfile.examine(path).is_mixed


def test_a_long_channel_comes_in_stretches_that_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundfile, "STRETCH_S", 4)
    monkeypatch.setattr(soundfile, "_SEEK_QUIET_S", 1)
    samples = tones(11)
    path = kept(tmp_path, encode_wav(samples))
    parts = list(soundfile.stretches(path, 1))
    assert len(parts) == 4
    assert max(len(pcm) for _, pcm in parts) <= 4 * 2 * HZ
    at = 0
    for start_ms, pcm in parts:
        assert start_ms == at * 1000 // HZ
        at += len(pcm) // 2
    assert b"".join(pcm for _, pcm in parts) == samples[1].tobytes()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"no sound at all", "expected Ogg, WAV"),
        (b"RIFF\x00\x00\x00\x00WAVE", "breaks off"),
        (b"fLaC" + bytes(60), "cannot be decoded|holds no sound"),
        (b"#EXTM3U\nfile:///etc/passwd\n", "expected Ogg, WAV"),
        (encode_wav(tones())[:-1000], "breaks off"),
        (encode_ogg_opus(tones())[:-300], "breaks off"),
    ],
)
def test_what_is_no_whole_recording_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        soundfile.examine(kept(tmp_path, data))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.wav"):
        with pytest.raises(InvalidInput, match="there is no file"):
            soundfile.examine(path)


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.m4a", "aac")])
def test_a_counted_file_that_was_cut_is_refused(
    tmp_path: Path, name: str, codec: Literal["aac", "flac"]
) -> None:
    noise = np.random.default_rng(1).integers(-9_000, 9_000, (2, 4 * HZ)).astype(np.int16)
    path = written(tmp_path / name, noise, codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidInput, match=r"breaks off|cannot be decoded"):
        soundfile.examine(path)


def test_a_size_that_a_killed_recorder_never_wrote_is_no_fault(tmp_path: Path) -> None:
    data = bytearray(encode_wav(tones()))
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    assert soundfile.examine(kept(tmp_path, bytes(data))).seconds == pytest.approx(SECONDS)


def test_three_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=HZ)
        stream.codec_context.layout = "3.0"
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 3 * HZ), np.int16), format="s16", layout="3.0"
        )
        frame.sample_rate = HZ
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(InvalidInput, match="3 channels"):
        soundfile.examine(path)


def test_a_recording_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soundfile, "MAX_SECONDS", 1)
    with pytest.raises(InvalidInput, match="lasts longer"):
        soundfile.examine(kept(tmp_path, encode_wav(tones())))


SHORT = encode_wav(tones(0.1))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=12),
    end=st.integers(0, len(SHORT)),
)
def test_mutated_bytes_are_read_or_refused_and_nothing_else(
    tmp_path: Path, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(SHORT)
    for at, value in changes:
        data[at] = value
    path = kept(tmp_path, bytes(data[:end]))
    try:
        sound = soundfile.examine(path)
    except InvalidInput:
        return
    assert sound.channels in (1, 2)
    assert sum(len(pcm) for _, pcm in soundfile.stretches(path, 0)) == round(sound.seconds * HZ) * 2
