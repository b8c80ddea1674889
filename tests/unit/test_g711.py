from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.audio.g711 import decode_a, decode_mu, encode_a, encode_mu

ALL_CODES = bytes(range(256))
ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)

# ITU-T G.711, Tables 2a/2b (mu-law, uniform 14 bits) and 1a/1b (A-law, uniform 13 bits): the
# decoder output y of some character signals, here times 4 and times 8 for 16 bits.
MU_TABLE = [
    (0x80, 8031 * 4),
    (0x8F, 4191 * 4),
    (0x9F, 2079 * 4),
    (0xAF, 1023 * 4),
    (0xBF, 495 * 4),
    (0xCF, 231 * 4),
    (0xDF, 99 * 4),
    (0xEF, 33 * 4),
    (0xFE, 2 * 4),
    (0xFF, 0),
    (0x00, -8031 * 4),
    (0x7E, -2 * 4),
    (0x7F, 0),
]
A_TABLE = [
    (0x80 ^ 0x55 ^ 0x7F, 4032 * 8),
    (0x80 ^ 0x55 ^ 0x70, 2112 * 8),
    (0x80 ^ 0x55 ^ 0x60, 1056 * 8),
    (0x80 ^ 0x55 ^ 0x50, 528 * 8),
    (0x80 ^ 0x55 ^ 0x40, 264 * 8),
    (0x80 ^ 0x55 ^ 0x30, 132 * 8),
    (0x80 ^ 0x55 ^ 0x20, 66 * 8),
    (0x80 ^ 0x55 ^ 0x01, 3 * 8),
    (0x80 ^ 0x55 ^ 0x00, 1 * 8),
    (0x55 ^ 0x00, -1 * 8),
    (0x55 ^ 0x7F, -4032 * 8),
]


@pytest.mark.parametrize(("code", "value"), MU_TABLE)
def test_mu_law_decodes_as_the_table_says(code: int, value: int) -> None:
    assert decode_mu(bytes([code])).tolist() == [value]


@pytest.mark.parametrize(("code", "value"), A_TABLE)
def test_a_law_decodes_as_the_table_says(code: int, value: int) -> None:
    assert decode_a(bytes([code])).tolist() == [value]


def test_mu_law_codes_survive_except_negative_zero() -> None:
    assert encode_mu(decode_mu(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


def test_a_law_codes_survive() -> None:
    assert encode_a(decode_a(ALL_CODES)) == ALL_CODES


def test_mu_law_picks_a_level_within_half_a_step() -> None:
    error = np.abs(decode_mu(encode_mu(ALL_SAMPLES)).astype(int) - ALL_SAMPLES)
    magnitude = np.minimum(np.abs(ALL_SAMPLES.astype(int)), 32635) + 132
    half_step = 2.0 ** (np.floor(np.log2(magnitude)) - 5)
    inside = np.abs(ALL_SAMPLES.astype(int)) <= 32635
    assert (error <= half_step)[inside].all()
    assert error.max() <= 32768 - 32124


def test_a_law_picks_a_level_within_half_a_step() -> None:
    error = np.abs(decode_a(encode_a(ALL_SAMPLES)).astype(int) - ALL_SAMPLES)
    magnitude = np.maximum(np.abs(ALL_SAMPLES.astype(int)), 256)
    assert (error <= 2.0 ** (np.ceil(np.log2(magnitude + 1)) - 6)).all()


def test_larger_samples_never_decode_to_less() -> None:
    for decoded in (decode_mu(encode_mu(ALL_SAMPLES)), decode_a(encode_a(ALL_SAMPLES))):
        assert (np.diff(decoded.astype(int)) >= 0).all()


@given(st.lists(st.integers(-32768, 32767)))
def test_one_octet_stands_for_each_sample(values: list[int]) -> None:
    samples = np.array(values, dtype=np.int16)
    assert len(encode_mu(samples)) == len(encode_a(samples)) == len(values)


@given(st.binary())
def test_any_octets_decode(octets: bytes) -> None:
    assert len(decode_mu(octets)) == len(decode_a(octets)) == len(octets)
