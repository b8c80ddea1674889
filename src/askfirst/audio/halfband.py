"""Sound at twice or half its rate as it comes, many sounds at once: the telephone's 8 kHz and ours.

Images are 50 dB down, the pass band ends at about 80 % of the lower Nyquist frequency, and all is
`HALF_BAND_DELAY` late. Most of what a short piece costs is the way to the arithmetic and back, so
the pieces of many calls go through it in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from askfirst.errors import InvalidInput

_NEIGHBOURS = 12
_KAISER = 5.0
HALF_BAND_DELAY = _NEIGHBOURS
"""How late `Doubler` and `Halver` are, in samples of the lower rate."""

_SAMPLE_BYTES = 2
_PAST_BYTES = 2 * _NEIGHBOURS * _SAMPLE_BYTES


class Doubler:
    """One sound on its way to twice its rate: what its next piece has to know of those before."""

    def __init__(self) -> None:
        self.past = bytes(_PAST_BYTES)

    def feed(self, pcm: bytes) -> bytes:
        """What has become of one more piece; twice as long."""
        return double_each([self], [pcm])[0]


class Halver:
    """One sound on its way to half its rate, with what that cannot hold taken out."""

    def __init__(self) -> None:
        self.past = bytes(2 * _PAST_BYTES)

    def feed(self, pcm: bytes) -> bytes:
        """What has become of one more piece; half as long.

        Raises InvalidInput for an odd number of samples.
        """
        return halve_each([self], [pcm])[0]


def double_each(doublers: Sequence[Doubler], pieces: Sequence[bytes]) -> list[bytes]:
    """What each doubler makes of its piece."""
    if not any(pieces):
        return list(pieces)
    held = [doubler.past + piece for doubler, piece in zip(doublers, pieces, strict=True)]
    for doubler, row in zip(doublers, held, strict=True):
        doubler.past = row[-_PAST_BYTES:]
    row_of_all = _numbers(held)
    count = len(row_of_all) - 2 * _NEIGHBOURS
    out = np.empty(2 * count, dtype=np.float32)
    out[0::2] = row_of_all[_NEIGHBOURS : _NEIGHBOURS + count]
    out[1::2] = np.convolve(row_of_all[1:], _between(), "valid")
    return _cut(_pcm(out), [2 * len(row) for row in held], 2 * _PAST_BYTES)


def halve_each(halvers: Sequence[Halver], pieces: Sequence[bytes]) -> list[bytes]:
    """What each halver makes of its piece; raises InvalidInput as `Halver.feed`."""
    for piece in pieces:
        if len(piece) % (2 * _SAMPLE_BYTES):
            raise InvalidInput(f"found {len(piece)} bytes to halve; pass an even number of samples")
    if not any(pieces):
        return list(pieces)
    held = [halver.past + piece for halver, piece in zip(halvers, pieces, strict=True)]
    for halver, row in zip(halvers, held, strict=True):
        halver.past = row[-2 * _PAST_BYTES :]
    row_of_all = _numbers(held)
    even, odd = row_of_all[0::2], row_of_all[1::2]
    count = len(even) - 2 * _NEIGHBOURS
    out = even[_NEIGHBOURS : _NEIGHBOURS + count] + np.convolve(odd, _between(), "valid")[:count]
    out *= np.float32(0.5)
    return _cut(_pcm(out), [len(row) // 2 for row in held], _PAST_BYTES)


def _cut(pcm: bytes, lengths: Sequence[int], past: int) -> list[bytes]:
    """The pieces of a row; between them lies what mixes the end of one with another's past."""
    found, at = [], 0
    for length in lengths:
        found.append(pcm[at : at + length - past])
        at += length
    return found


@cache
def _between() -> NDArray[np.float32]:
    """Taps that give the sample between two neighbours, the middle of a half-band low-pass."""
    at = np.arange(-_NEIGHBOURS, _NEIGHBOURS) + 0.5
    taps = np.sinc(at) * np.kaiser(2 * _NEIGHBOURS, _KAISER)
    return np.asarray(taps / taps.sum(), dtype=np.float32)


def _numbers(rows: Sequence[bytes]) -> NDArray[np.float32]:
    return np.frombuffer(b"".join(rows), dtype="<i2").astype(np.float32)


def _pcm(samples: NDArray[np.float32]) -> bytes:
    np.rint(samples, out=samples)
    np.maximum(samples, np.float32(-32768), out=samples)
    np.minimum(samples, np.float32(32767), out=samples)
    return samples.astype("<i2").tobytes()
