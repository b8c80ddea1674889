from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.mixing import level_dbfs
from askfirst.audio.resample import (
    resample,
    telephone_chain,
)
from askfirst.audio.tone import tone
from askfirst.errors import InvalidInput

RATES = (8_000, 16_000, 24_000, 48_000)
PAIRS = [(a, b) for a in RATES for b in RATES if a != b] + [(44_100, 16_000), (22_050, 16_000)]


def sine(frequency: float, rate: int, seconds: int = 1) -> NDArray[np.int16]:
    return tone((frequency,), seconds * 1_000, -10.0, rate)


def middle(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Without the ends, where the tone begins and stops."""
    return samples[len(samples) // 4 : -len(samples) // 4]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("frequency", [440, 1_000, 3_400])
def test_a_tone_stays_where_it_was_and_nothing_else_appears(
    source: int, target: int, frequency: int
) -> None:
    error = resample(sine(frequency, source), source, target) - sine(frequency, target)
    # The difference holds everything: images, ripple, delay and rounding.
    assert level_dbfs(middle(error)) < -10.0 - 55.0


@pytest.mark.parametrize(
    ("source", "target", "frequency"),
    [(16_000, 8_000, 4_300), (24_000, 16_000, 8_600), (48_000, 16_000, 11_000)],
)
def test_what_the_lower_rate_cannot_hold_is_gone(source: int, target: int, frequency: int) -> None:
    assert level_dbfs(middle(resample(sine(frequency, source), source, target))) < -50.0


@pytest.mark.parametrize(("source", "target"), [(8_000, 16_000), (8_000, 48_000)])
def test_the_image_is_more_than_forty_decibels_down(source: int, target: int) -> None:
    high = resample(sine(3_400, source), source, target)
    spectrum = np.abs(np.fft.rfft(middle(high) * np.hanning(len(middle(high)))))
    at = np.fft.rfftfreq(len(middle(high)), 1 / target)
    image = spectrum[(at > 4_100) & (at < 8_000)].max()
    assert 20 * np.log10(image / spectrum.max()) < -40


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_click_stays_at_its_time(source: int, target: int) -> None:
    click = np.zeros(source, np.int16)
    click[source // 2] = 30_000
    peak = int(np.abs(resample(click, source, target).astype(int)).argmax())
    assert abs(peak - target / 2) <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3_000), st.sampled_from(PAIRS))
def test_the_length_follows_the_rates(count: int, pair: tuple[int, int]) -> None:
    source, target = pair
    out = resample(np.zeros(count, np.int16), source, target)
    assert len(out) == ceil(count * target / source)


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (8_000, 48_000)])
def test_a_long_sound_has_no_seams(source: int, target: int) -> None:
    error = resample(sine(997, source, 5), source, target) - sine(997, target, 5)
    assert np.abs(middle(error)).max() <= 3


def test_full_scale_does_not_wrap() -> None:
    square = np.where(np.arange(8_000) % 40 < 20, 32767, -32768).astype(np.int16)
    out = resample(square, 8_000, 16_000)
    assert (out[2_010:2_030] > 20_000).all()


def test_the_same_rate_gives_a_copy() -> None:
    samples = sine(440, 16_000)
    out = resample(samples, 16_000, 16_000)
    assert out is not samples
    assert (out == samples).all()


@pytest.mark.parametrize("rate", [0, -8_000, 100, 1_000_000])
def test_a_rate_that_no_call_has_is_refused(rate: int) -> None:
    with pytest.raises(InvalidInput, match="sample rate"):
        resample(np.zeros(10, np.int16), rate, 16_000)


@pytest.mark.parametrize("frequency", [500, 1_000, 2_000, 3_000])
def test_the_telephone_keeps_its_band(frequency: int) -> None:
    out = telephone_chain(sine(frequency, 16_000))
    assert level_dbfs(middle(out)) == pytest.approx(-10.0, abs=0.5)


@pytest.mark.parametrize("frequency", [60, 150, 3_800, 5_000, 7_000])
def test_the_telephone_drops_the_rest(frequency: int) -> None:
    assert level_dbfs(middle(telephone_chain(sine(frequency, 16_000)))) < -45.0


@pytest.mark.parametrize("count", [0, 1, 2, 319, 320, 16_001])
def test_the_telephone_keeps_the_length(count: int) -> None:
    assert len(telephone_chain(np.zeros(count, np.int16))) == count


def test_the_telephone_adds_the_noise_of_mu_law() -> None:
    clean = sine(1_000, 16_000)
    noise = telephone_chain(clean).astype(int) - clean
    # About 38 dB below the signal (G.711), and not nothing.
    assert -55.0 < level_dbfs(middle(noise.astype(np.int16))) < -43.0
