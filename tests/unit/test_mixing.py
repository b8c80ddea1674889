from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.audio.mixing import (
    FLOOR_DBFS,
    in_frames,
    level_dbfs,
    mix,
    mix_for_each,
    mix_frames,
    to_pcm,
    to_samples,
)
from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES

values = st.lists(st.integers(-32768, 32767), max_size=50)


@given(values)
def test_pcm_and_samples_are_the_same_sound(numbers: list[int]) -> None:
    samples = np.array(numbers, dtype=np.int16)
    assert to_samples(to_pcm(samples)).tolist() == numbers


def test_pcm_is_little_endian() -> None:
    assert to_pcm(np.array([1, -2], np.int16)) == b"\x01\x00\xfe\xff"


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidInput, match="two bytes"):
        to_samples(b"\x01")
    with pytest.raises(InvalidInput, match="two bytes"):
        in_frames(b"\x01\x02\x03")


@given(st.lists(values, max_size=4))
def test_a_mix_is_the_sum_held_at_full_scale(tracks: list[list[int]]) -> None:
    mixed = mix([np.array(track, dtype=np.int16) for track in tracks]).tolist()
    length = max(map(len, tracks), default=0)
    sums = [sum(t[i] for t in tracks if i < len(t)) for i in range(length)]
    assert mixed == [max(-32768, min(32767, total)) for total in sums]


def test_frames_mix_as_samples_do() -> None:
    loud = to_pcm(np.full(320, 30_000, np.int16))
    assert mix_frames((loud, loud)) == to_pcm(np.full(320, 32_767, np.int16))


@given(st.binary(max_size=3 * FRAME_BYTES).filter(lambda pcm: len(pcm) % 2 == 0))
def test_frames_hold_all_pcm_and_silence_after_it(pcm: bytes) -> None:
    frames = in_frames(pcm)
    assert all(len(frame) == FRAME_BYTES for frame in frames)
    assert b"".join(frames) == pcm + bytes(-len(pcm) % FRAME_BYTES)


def test_a_full_sine_is_zero_dbfs() -> None:
    at = np.arange(16_000)
    sine = np.rint(32767 * np.sin(2 * np.pi * 1_000 * at / 16_000)).astype(np.int16)
    assert level_dbfs(sine) == pytest.approx(0.0, abs=0.01)
    assert level_dbfs((sine // 10).astype(np.int16)) == pytest.approx(-20.0, abs=0.01)


def test_silence_and_nothing_have_the_floor_level() -> None:
    assert level_dbfs(np.zeros(320, np.int16)) == FLOOR_DBFS
    assert level_dbfs(np.zeros(0, np.int16)) == FLOOR_DBFS


@given(
    st.lists(st.integers(-32_768, 32_767), max_size=3),
    st.lists(st.integers(-32_768, 32_767), min_size=1, max_size=4),
)
def test_everybody_hears_the_sum_of_all_the_others(ours: list[int], theirs: list[int]) -> None:
    def frame(value: int) -> bytes:
        return to_pcm(np.full(4, value, dtype=np.int16))

    told = mix_for_each([frame(each) for each in ours], [frame(each) for each in theirs])

    for at, pcm in enumerate(told):
        others = sum(ours) + sum(theirs) - theirs[at]
        assert set(to_samples(pcm).tolist()) == {min(max(others, -32_768), 32_767)}
