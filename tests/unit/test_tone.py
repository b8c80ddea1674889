from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.audio.mixing import level_dbfs, mix
from askfirst.audio.resample import telephone_chain
from askfirst.audio.tone import (
    CONTROL_HZ,
    DTMF_HIGH_HZ,
    DTMF_LOW_HZ,
    MARKER_HZ,
    STANDS_OUT_DB,
    dtmf,
    find_dtmf,
    find_key_tones,
    find_tone,
    tone,
)
from askfirst.errors import InvalidInput

RATE = 16_000


def voice(pitch: float, ms: int = 1_000, level: float = -20.0) -> NDArray[np.int16]:
    """A buzz with every harmonic and a gliding pitch, louder at the bottom as voices are."""
    at = np.arange(RATE * ms // 1_000) / RATE
    phase = 2 * np.pi * pitch * (at + 0.05 * at**2)
    buzz = sum(np.sin(n * phase) / n**0.7 for n in range(1, int(7_000 / pitch)))
    scaled = np.asarray(buzz) / np.sqrt(np.mean(np.square(buzz))) * 23_170 * 10 ** (level / 20)
    return whole(scaled)


def noise(ms: int, level: float, seed: int = 1) -> NDArray[np.int16]:
    chance = np.random.default_rng(seed)
    return whole(chance.normal(0, 23_170 * 10 ** (level / 20), RATE * ms // 1_000))


def whole(values: NDArray[np.float64]) -> NDArray[np.int16]:
    out: NDArray[np.int16] = np.rint(values).clip(-32768, 32767).astype(np.int16)
    return out


def padded(samples: NDArray[np.int16], before_ms: int, after_ms: int) -> NDArray[np.int16]:
    return np.pad(samples, (RATE * before_ms // 1_000, RATE * after_ms // 1_000))


@pytest.mark.parametrize("frequencies", [(440,), MARKER_HZ, CONTROL_HZ])
def test_a_tone_has_the_level_it_was_asked_for(frequencies: tuple[int, ...]) -> None:
    made = tone(frequencies, 1_000, -22.0)
    assert len(made) == RATE
    assert level_dbfs(made) == pytest.approx(-22.0, abs=0.1)


@pytest.mark.parametrize(
    ("frequencies", "ms", "level"),
    [
        ((), 10, -20.0),
        ((9_000,), 10, -20.0),
        ((0,), 10, -20.0),
        ((400,), 10, 3.0),
        ((400,), -1, -9),
    ],
)
def test_a_tone_that_cannot_be_made_is_refused(
    frequencies: tuple[int, ...], ms: int, level: float
) -> None:
    with pytest.raises(InvalidInput):
        tone(frequencies, ms, level)


def test_a_tone_is_found_where_it_is_and_nowhere_else() -> None:
    sound = padded(tone(MARKER_HZ, 500), 1_000, 1_000)
    starts = [start for start, _ in find_tone(sound, RATE, MARKER_HZ)]
    assert starts == list(range(starts[0], starts[-1] + 1, 50))
    assert 900 <= starts[0] <= 1_000
    assert 1_400 <= starts[-1] <= 1_500
    assert not find_tone(sound, RATE, CONTROL_HZ)


@pytest.mark.parametrize("pitch", [95, 140, 210, 260])
def test_a_tone_under_a_voice_is_found_after_opus_at_another_rate(pitch: int) -> None:
    left = mix([voice(pitch, 2_000), padded(tone(MARKER_HZ, 1_000), 500, 500)])
    coded, rate = decode(encode_ogg_opus(np.stack([left, voice(pitch + 7, 2_000)])))
    starts = [start for start, _ in find_tone(coded[0], rate, MARKER_HZ)]
    assert len(starts) >= 10
    assert min(starts) >= 400
    assert max(starts) <= 1_500
    assert not find_tone(coded[1], rate, MARKER_HZ)


def test_a_tone_is_found_after_a_telephone_line() -> None:
    sound = telephone_chain(mix([tone(CONTROL_HZ, 500), noise(500, -45.0)]))
    assert len(find_tone(sound, RATE, CONTROL_HZ)) >= 8


@pytest.mark.parametrize("one", MARKER_HZ)
def test_one_partial_alone_is_not_the_tone(one: int) -> None:
    assert not find_tone(tone((one,), 1_000), RATE, MARKER_HZ)


@pytest.mark.parametrize("pitch", range(80, 300, 7))
def test_a_voice_alone_is_not_a_tone(pitch: int) -> None:
    for frequencies in (MARKER_HZ, CONTROL_HZ):
        assert not find_tone(voice(pitch), RATE, frequencies)


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_bytes_that_are_no_sound_hold_no_tone(seed: int) -> None:
    anything = np.random.default_rng(seed).integers(-32768, 32768, RATE * 20).astype(np.int16)
    assert not find_tone(anything, RATE, MARKER_HZ)
    assert not find_tone(noise(20_000, -60.0, seed), RATE, MARKER_HZ)


def test_silence_and_too_little_sound_hold_no_tone() -> None:
    assert find_tone(np.zeros(RATE, np.int16), RATE, MARKER_HZ) == []
    assert find_tone(tone(MARKER_HZ, 60), RATE, MARKER_HZ) == []


def test_the_strength_is_that_of_the_weaker_partial() -> None:
    weak = mix([tone((MARKER_HZ[0],), 500, -20.0), tone((MARKER_HZ[1],), 500, -40.0)])
    hiss = noise(500, -40.0)
    both = find_tone(mix([tone(MARKER_HZ, 500, -17.0), hiss]), RATE, MARKER_HZ)
    uneven = find_tone(mix([weak, hiss]), RATE, MARKER_HZ)
    assert min(strength for _, strength in both) > max(strength for _, strength in uneven) + 10
    assert min(strength for _, strength in uneven) >= STANDS_OUT_DB


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_every_key_is_made_and_heard(rate: int) -> None:
    sound = dtmf("123A456B789C*0#D", 60, 60, rate=rate)
    heard = find_dtmf(sound, rate)
    assert "".join(digit for _, digit in heard) == "123A456B789C*0#D"
    assert all(abs(start - 120 * index) <= 20 for index, (start, _) in enumerate(heard))


def test_a_key_pressed_twice_is_two_keys_and_a_long_one_is_one() -> None:
    assert [digit for _, digit in find_dtmf(dtmf("11"), RATE)] == ["1", "1"]
    assert [digit for _, digit in find_dtmf(dtmf("1", 2_000), RATE)] == ["1"]


def test_forty_milliseconds_are_a_key_and_twenty_are_not() -> None:
    assert [d for _, d in find_dtmf(padded(dtmf("5", 40, 40), 53, 0), RATE)] == ["5"]
    assert not find_dtmf(padded(dtmf("5", 20, 40), 53, 0), RATE)


def test_keys_are_heard_through_a_telephone_and_in_noise() -> None:
    sound = telephone_chain(mix([dtmf("159#"), noise(800, -35.0)]))
    assert "".join(digit for _, digit in find_dtmf(sound, RATE)) == "159#"


@pytest.mark.parametrize("ms", [40, 60, 100, 700])
@pytest.mark.parametrize("offset", [0, 37, 80, 113])
def test_a_key_is_found_from_before_its_tone_until_after_it(ms: int, offset: int) -> None:
    before = 1_600 + offset
    sound = np.concatenate((np.zeros(before, np.int16), dtmf("7", ms, 500)))

    ((from_ms, to_ms),) = find_key_tones(sound, RATE)

    assert from_ms <= before / 16
    assert to_ms >= before / 16 + ms
    assert to_ms - from_ms <= ms + 80


def test_keys_one_after_the_other_are_found_each_and_a_voice_is_none() -> None:
    assert len(find_key_tones(dtmf("4711"), RATE)) == 4
    assert find_key_tones(np.zeros(100, np.int16), RATE) == []
    for pitch in range(80, 300, 11):
        assert find_key_tones(voice(pitch), RATE) == []


@given(st.integers(0, 12_000), st.integers(1, 40_000))
def test_what_is_heard_does_not_depend_on_how_a_long_sound_is_cut(at: int, length: int) -> None:
    """Windows are judged in blocks; a key across two of them is one key."""
    sound = np.zeros(at + length + 16 * 200, np.int16)
    sound[at : at + 16 * 100] = dtmf("3", 100, 0)
    assert [digit for _, digit in find_dtmf(sound, RATE)] == ["3"]


@pytest.mark.parametrize(("high_over_low_db", "heard"), [(3, 1), (6, 0), (-7, 1), (-11, 0)])
def test_twist_within_the_limits_only(high_over_low_db: float, heard: int) -> None:
    pair = [
        tone((DTMF_LOW_HZ[0],), 100, -20.0),
        tone((DTMF_HIGH_HZ[0],), 100, -20.0 + high_over_low_db),
    ]
    assert len(find_dtmf(mix(pair), RATE)) == heard


def test_one_tone_a_voice_and_silence_are_no_key() -> None:
    assert not find_dtmf(tone((DTMF_LOW_HZ[1],), 300), RATE)
    assert not find_dtmf(np.zeros(RATE, np.int16), RATE)
    assert not find_dtmf(np.zeros(10, np.int16), RATE)
    for pitch in range(80, 300, 11):
        assert not find_dtmf(voice(pitch), RATE)


def test_a_key_that_no_keypad_has_is_refused() -> None:
    with pytest.raises(InvalidInput, match="key 'x'"):
        dtmf("1x")
