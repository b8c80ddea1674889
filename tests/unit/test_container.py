from __future__ import annotations

import io
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.container import decode, encode_flac, encode_ogg_opus, encode_wav
from askfirst.audio.mixing import level_dbfs
from askfirst.audio.tone import tone
from askfirst.errors import InvalidInput

LEFT, RIGHT = tone((700,), 2_000, -12.0), tone((1_900,), 2_000, -12.0)
STEREO = np.stack([LEFT, RIGHT])
SHORT = STEREO[:, :1_600]

FILES = {
    "opus": encode_ogg_opus(SHORT),
    "wav": encode_wav(SHORT),
    "flac": encode_flac(SHORT),
}


def partial(samples: NDArray[np.int16], rate: int, frequency: int) -> float:
    """Level in dB of one frequency in the middle second."""
    second = samples[rate // 2 : rate // 2 + rate] * np.hanning(rate)
    return float(20 * np.log10(np.abs(np.fft.rfft(second))[frequency] + 1e-9))


@pytest.mark.parametrize("encode", [encode_wav, encode_flac])
@pytest.mark.parametrize("samples", [STEREO, LEFT.reshape(1, -1), SHORT[:, :1]])
def test_lossless_files_give_every_sample_back(
    encode: Callable[[NDArray[np.int16], int], bytes], samples: NDArray[np.int16]
) -> None:
    back, rate = decode(encode(samples, 16_000))
    assert rate == 16_000
    assert back.dtype == np.int16
    assert np.array_equal(back, samples)


def test_opus_keeps_the_length_and_the_time() -> None:
    click = np.zeros((2, 32_000), np.int16)
    click[:, 16_000:16_160] = tone((1_000,), 10, -6.0)
    back, rate = decode(encode_ogg_opus(click))
    assert rate == 48_000
    assert abs(back.shape[1] - 96_000) <= 48
    assert abs(int(np.abs(back[0]).argmax()) / 48 - 1_005) <= 10


def test_a_file_is_read_at_the_rate_that_is_asked_for() -> None:
    back, rate = decode(encode_ogg_opus(STEREO), 16_000)
    assert rate == 16_000
    assert abs(back.shape[1] - 32_000) <= 32
    assert partial(back[0], rate, 700) > partial(back[0], rate, 1_900) + 40
    assert level_dbfs(back[1]) == pytest.approx(-12.0, abs=1.0)


@pytest.mark.parametrize("rate", [0, -1, 10**7])
def test_a_rate_that_no_recogniser_takes_is_refused(rate: int) -> None:
    with pytest.raises(InvalidInput, match="expected 1 to 8"):
        decode(FILES["wav"], rate)


def test_opus_keeps_left_and_right_apart() -> None:
    back, rate = decode(encode_ogg_opus(STEREO))
    left, right = back
    assert partial(left, rate, 1_900) < partial(right, rate, 1_900) - 40
    assert partial(right, rate, 700) < partial(left, rate, 700) - 40
    assert level_dbfs(left) == pytest.approx(-12.0, abs=1.0)


@pytest.mark.parametrize("loud", [0, 1])
def test_a_silent_channel_stays_silent_beside_a_loud_one(loud: int) -> None:
    one_sided = np.zeros_like(STEREO)
    chance = np.random.default_rng(3)
    one_sided[loud] = chance.normal(0, 3_000, (STEREO.shape[1],)).astype(np.int16)
    back, _ = decode(encode_ogg_opus(one_sided))
    assert level_dbfs(back[1 - loud]) < level_dbfs(back[loud]) - 20


def test_opus_takes_about_28_kbit_per_second_and_channel() -> None:
    chance = np.random.default_rng(4)
    sound = chance.normal(0, 3_000, (2, 160_000)).astype(np.int16)
    assert 40_000 < len(encode_ogg_opus(sound)) * 8 / 10 < 68_000


@pytest.mark.parametrize(
    "samples",
    [np.zeros(10, np.int16), np.zeros((3, 10), np.int16), np.zeros((2, 0), np.int16)],
)
@pytest.mark.parametrize("encode", [encode_wav, encode_flac, encode_ogg_opus])
def test_samples_of_another_shape_are_refused(
    encode: Callable[[NDArray[np.int16]], bytes], samples: NDArray[np.int16]
) -> None:
    with pytest.raises(InvalidInput, match="shape"):
        encode(samples)


def test_opus_refuses_a_rate_it_does_not_know() -> None:
    with pytest.raises(InvalidInput, match="44100"):
        encode_ogg_opus(STEREO, 44_100)


def test_mp3_is_read() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=16_000)
        stream.codec_context.layout = "mono"
        frame = av.AudioFrame.from_ndarray(LEFT.reshape(1, -1), format="s16p", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    back, rate = decode(out.getvalue())
    assert (len(back), rate) == (1, 16_000)
    assert partial(back[0], rate, 700) > partial(back[0], rate, 1_900) + 40


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OggS",
        b"RIFF\0\0\0\0WAVE",
        b"fLaC" + bytes(50),
        b"ID3" + bytes(200),
        b"\xff\xfb" + bytes(50),
        FILES["wav"].replace(b"\x10\0\0\0\x01\0", b"\x10\0\0\0\xee\xee"),  # an unknown codec
        b"not audio at all",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
    ],
)
def test_what_is_not_a_sound_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode(data)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_or_damaged_file_gives_samples_or_is_refused(name: str) -> None:
    whole = FILES[name]
    refused = 0
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        for broken in (whole[:at], whole[:at] + b"\xa5\x5a" + whole[at + 2 :]):
            try:
                samples, rate = decode(broken)
            except InvalidInput:
                refused += 1
            else:
                assert samples.dtype == np.int16
                assert samples.shape[1] >= 1
                assert rate > 0
    assert refused > 0


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([b"OggS", b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC", b"ID3"]), st.binary())
def test_any_bytes_after_a_known_start_leak_no_foreign_error(start: bytes, rest: bytes) -> None:
    try:
        samples, _ = decode(start + rest)
    except InvalidInput:
        return
    assert samples.ndim == 2
