"""What packets of a browser become: 20 ms at our rate, each with its place in the sender's time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from av import AudioFrame, CodecContext
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.g711 import encode_mu
from askfirst.audio.mixing import to_samples
from askfirst.audio.tone import tone
from askfirst.errors import PeerError
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ
from askfirst.telephony.browsercodec import Codec, Hearing, MuLaw, Opus

HERTZ = 700
SOUND_MS = 960


def opus(samples: NDArray[np.int16], packet_ms: int) -> list[bytes]:
    """Packets of a sound at 48 kHz, as a browser makes them."""
    encoder = CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", 48_000
    encoder.options = {"frame_duration": str(packet_ms)}
    size = 48 * packet_ms
    found = []
    for at in range(0, len(samples), size):
        frame = AudioFrame.from_ndarray(samples[at : at + size].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        found += [bytes(each) for each in encoder.encode(frame)]
    return found + [bytes(each) for each in encoder.encode(None)]


def packets(codec: Codec, packet_ms: int) -> list[bytes]:
    sound = tone((HERTZ,), SOUND_MS, rate=codec.clock_hz)
    if isinstance(codec, Opus):
        return opus(sound, packet_ms)
    size = 8 * packet_ms
    return [encode_mu(sound[at : at + size]) for at in range(0, len(sound), size)]


def strongest_hz(samples: NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)[spectrum.argmax()])


@pytest.mark.parametrize("make", [MuLaw, Opus])
@pytest.mark.parametrize("packet_ms", [10, 20, 60])
def test_packets_of_any_length_become_20_ms_with_times_without_a_seam(
    make: type[MuLaw | Opus], packet_ms: int
) -> None:
    codec = make()
    hearing = Hearing(codec)

    made = [
        each
        for number, payload in enumerate(packets(codec, packet_ms))
        for each in hearing.frames(
            payload, hearing.sent_ms(7 + number * packet_ms * codec.clock_hz // 1000)
        )
    ]

    assert hearing.packet_ms == packet_ms
    assert [start_ms for start_ms, _ in made] == [
        FRAME_MS * n - codec.late_ms for n in range(len(made))
    ]
    assert len(made) >= SOUND_MS // FRAME_MS - 1
    whole = to_samples(b"".join(pcm for _, pcm in made))
    assert strongest_hz(whole) == pytest.approx(HERTZ, abs=2)


def test_sound_before_a_gap_never_fills_a_frame_after_it() -> None:
    hearing = Hearing(MuLaw())
    loud = encode_mu(np.full(80, 8_000, np.int16))
    silent = encode_mu(np.zeros(160, np.int16))

    before = hearing.frames(loud, 0.0)
    after = [each for at_ms in (500.0, 520.0) for each in hearing.frames(silent, at_ms)]

    assert before == []
    assert [start_ms for start_ms, _ in after] == [500.0 - MuLaw.late_ms, 520.0 - MuLaw.late_ms]
    assert not any(after[0][1])


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-(2**20), 2**24), max_size=20))
def test_the_senders_time_goes_on_over_its_wrap(first: int, steps: list[int]) -> None:
    hearing = Hearing(MuLaw())
    assert hearing.sent_ms(first) == 0
    now = first
    for step in steps:
        now += step
        assert hearing.sent_ms(now % 2**32) == (now - first) / 8


@given(st.binary(min_size=1, max_size=300))
def test_a_packet_of_garbage_raises_one_error_or_is_heard_as_noise(payload: bytes) -> None:
    for codec in (MuLaw(), Opus()):
        try:
            pcm, packet_ms = codec.sound(payload)
        except PeerError:
            continue
        assert len(pcm) % 2 == 0
        assert packet_ms >= 0
