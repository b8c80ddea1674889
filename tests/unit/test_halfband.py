from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.halfband import HALF_BAND_DELAY, Doubler, Halver, double_each, halve_each
from askfirst.audio.mixing import level_dbfs, to_pcm, to_samples
from askfirst.audio.tone import tone
from askfirst.errors import InvalidInput

LENGTHS = st.lists(st.integers(0, 400), max_size=12)


def noise(samples: int, seed: int) -> bytes:
    return to_pcm(np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype(np.int16))


@given(LENGTHS, st.integers(0, 2**32 - 1))
def test_a_sound_that_comes_in_pieces_is_doubled_and_halved_as_in_one(
    pieces: list[int], seed: int
) -> None:
    sound = noise(2 * sum(pieces), seed)
    for make in (Doubler, Halver):
        whole, cut, found, at = make().feed(sound), make(), b"", 0
        for piece in pieces:
            found += cut.feed(sound[at : at + 4 * piece])
            at += 4 * piece
        assert found == whole


@given(st.lists(LENGTHS, max_size=5), st.integers(0, 2**32 - 1))
def test_many_sounds_at_once_become_what_each_of_them_would_alone(
    rounds: list[list[int]], seed: int
) -> None:
    calls = max((len(each) for each in rounds), default=0)
    doublers, halvers = [Doubler() for _ in range(calls)], [Halver() for _ in range(calls)]
    alone = [(Doubler(), Halver()) for _ in range(calls)]
    for at, lengths in enumerate(rounds):
        pieces = [noise(2 * each, seed + at + place) for place, each in enumerate(lengths)]
        doubled = double_each(doublers[: len(pieces)], pieces)
        halved = halve_each(halvers[: len(pieces)], pieces)
        for place, piece in enumerate(pieces):
            doubler, halver = alone[place]
            assert doubled[place] == doubler.feed(piece)
            assert halved[place] == halver.feed(piece)


@pytest.mark.parametrize("hertz", [300, 1_000, 2_600, 3_100])
def test_what_a_telephone_carries_is_doubled_and_halved_as_it_is(hertz: int) -> None:
    narrow = tone((hertz,), 1_000, rate=8_000)
    wide = Doubler().feed(to_pcm(narrow))
    assert len(to_samples(wide)) == 2 * len(narrow)
    assert abs(level_dbfs(to_samples(wide)[200:]) - level_dbfs(narrow)) < 0.3
    assert purity(to_samples(wide), hertz, 16_000) > 0.9999  # no image at 8 kHz less that
    back = to_samples(Halver().feed(wide))
    late = 2 * HALF_BAND_DELAY  # one after the other
    assert np.abs(back[late + 100 :] - narrow[100:-late].astype(int)).max() < 200


def test_what_the_lower_rate_cannot_hold_is_taken_out() -> None:
    for hertz in (5_000, 6_500, 7_500):
        halved = to_samples(Halver().feed(to_pcm(tone((hertz,), 1_000))))
        assert level_dbfs(halved[200:]) < -70


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidInput, match="even number"):
        Halver().feed(bytes(6))


def purity(samples: NDArray[np.int16], hertz: int, rate: int) -> float:
    """How much of a sound's energy is near a frequency."""
    held = samples[200:].astype(float) * np.hanning(len(samples) - 200)
    power = np.abs(np.fft.rfft(held)) ** 2
    near = np.abs(np.fft.rfftfreq(len(held), 1 / rate) - hertz) < 20
    return float(power[near].sum() / power.sum())
