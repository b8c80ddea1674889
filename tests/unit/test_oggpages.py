"""Which sound some bytes of an Ogg/Opus file hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.audio.container import decode, encode_ogg_opus
from askfirst.audio.oggpages import sound_of
from askfirst.errors import InvalidInput

RATE_HZ, SECONDS = 16_000, 9
SOUND = encode_ogg_opus(np.zeros((2, RATE_HZ * SECONDS), np.int16))


def test_all_bytes_hold_the_whole_sound() -> None:
    from_ms, to_ms = sound_of(SOUND, 0, len(SOUND) - 1)
    samples, hertz = decode(SOUND)

    assert from_ms == 0
    assert abs(to_ms - samples.shape[1] * 1000 / hertz) <= 20


def test_the_headers_alone_hold_none() -> None:
    assert sound_of(SOUND, 0, 40) == (0, 0)


@given(st.integers(0, len(SOUND) - 1), st.integers(0, len(SOUND) - 1))
def test_more_bytes_never_hold_less(one: int, other: int) -> None:
    first, last = sorted((one, other))
    from_ms, to_ms = sound_of(SOUND, first, last)
    whole_from, whole_to = sound_of(SOUND, 0, last)
    _, rest_to = sound_of(SOUND, first, len(SOUND) - 1)

    assert 0 <= from_ms <= to_ms <= SECONDS * 1000 + 20
    assert whole_from <= from_ms
    assert to_ms <= whole_to
    assert to_ms <= rest_to


def test_two_halves_that_meet_hold_everything() -> None:
    middle = len(SOUND) // 2
    first, second = sound_of(SOUND, 0, middle), sound_of(SOUND, middle + 1, len(SOUND) - 1)

    assert first[1] >= second[0]
    assert (first[0], second[1]) == sound_of(SOUND, 0, len(SOUND) - 1)


@given(st.binary(max_size=200))
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        sound_of(data, 0, len(data))


@given(st.integers(60, len(SOUND) - 1))
def test_a_file_that_was_cut_is_refused_or_read_to_its_end(cut: int) -> None:
    try:
        from_ms, to_ms = sound_of(SOUND[:cut], 0, cut - 1)
    except InvalidInput:
        return
    assert 0 <= from_ms <= to_ms <= SECONDS * 1000 + 20
