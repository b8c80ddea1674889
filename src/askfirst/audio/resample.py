"""Change of sample rate by a windowed-sinc filter, and the sound of a telephone line."""

from __future__ import annotations

from functools import cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

from askfirst.audio.g711 import decode_mu, encode_mu
from askfirst.errors import InvalidInput

_LOBES = 32  # zero crossings on each side: transition of about 5 % of the lower rate
_CUT = 0.95  # of the lower Nyquist frequency, so that the stop band starts near it
_KAISER = 9.0  # about 90 dB in the stop band
_BLOCK = 1 << 12  # outputs of each phase that are worked out at once


def _low_pass(cut: float, half: int) -> NDArray[np.float64]:
    """Taps of a low-pass; `cut` in cycles per sample, 2 * half + 1 taps, unit gain at 0."""
    at = np.arange(-half, half + 1)
    taps: NDArray[np.float64] = np.sinc(2 * cut * at) * np.kaiser(2 * half + 1, _KAISER)
    taps /= taps.sum()
    return taps


@cache
def _phases(up: int, down: int) -> tuple[NDArray[np.float64], ...]:
    """For each output phase the taps that meet the input samples around it, oldest first."""
    slow = max(up, down)
    half = _LOBES * slow
    taps = _low_pass(_CUT * 0.5 / slow, half) * up
    width = 2 * (half // up + 1)
    out = []
    for phase in range(up):
        # Input sample i of the window lies (i - width / 2 + 1) * up - phase taps from the centre.
        at = half + phase - (np.arange(width) - width // 2 + 1) * up
        fits = (at >= 0) & (at < len(taps))
        out.append(np.where(fits, taps[np.clip(at, 0, len(taps) - 1)], 0.0))
    return tuple(out)


def resample(samples: NDArray[np.int16], source_hz: int, target_hz: int) -> NDArray[np.int16]:
    """The same sound at another rate, without delay; ceil(n * target / source) samples.

    Rates from 4 000 to 192 000 Hz, anything else is InvalidInput. Images and aliases are more
    than 60 dB down, the pass band ends at about 90 % of the lower Nyquist frequency.
    """
    for rate in (source_hz, target_hz):
        if not 4_000 <= rate <= 192_000:
            raise InvalidInput(
                f"sample rate {rate} Hz, expected 4000 to 192000. Convert the audio first."
            )
    if source_hz == target_hz or not len(samples):
        return samples.copy()
    common = gcd(source_hz, target_hz)
    up, down = target_hz // common, source_hz // common
    count = -(-len(samples) * up // down)
    out = np.empty(count, dtype=np.int16)
    # Block after block, so that an hour of audio is never held as floats.
    size = min(_BLOCK, -(-count // up))
    for block in range(-(-count // (up * size))):
        piece = _resampled_block(samples, block * down * size, size, up, down)
        held = out[block * up * size :][: len(piece)]
        held[:] = np.clip(np.rint(piece[: len(held)]), -32768, 32767)
    return out


def _resampled_block(
    samples: NDArray[np.int16], at: int, size: int, up: int, down: int
) -> NDArray[np.float64]:
    """The `up * size` outputs of the inputs from `at` on; beyond the ends there is silence."""
    phases = _phases(up, down)
    width = len(phases[0])
    first, last = at - width, at + down * size + width
    inside = samples[max(first, 0) : last].astype(np.float64)
    before = max(-first, 0)
    padded = np.pad(inside, (before, last - first - before - len(inside)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    out = np.empty(up * size, dtype=np.float64)
    for place in range(up):
        # Outputs place, place + up, … share a phase; their windows are `down` inputs apart.
        start, phase = divmod(place * down, up)
        begin = start + width // 2 + 1
        out[place::up] = windows[begin : begin + size * down : down] @ phases[phase]
    return out


@cache
def _telephone_band() -> NDArray[np.float64]:
    """Taps of 300 to 3400 Hz at 8 kHz: one low-pass less another."""
    half = 127
    return _low_pass(3_400 / 8_000, half) - _low_pass(300 / 8_000, half)


def telephone_chain(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """What a narrow-band telephone line makes of 16 kHz samples; same rate and length.

    300 to 3400 Hz, 8 kHz, mu-law and back (ITU-T G.711, band as in G.712).
    """
    if not len(samples):
        return samples.copy()
    narrow = resample(samples, 16_000, 8_000).astype(np.float64)
    taps = _telephone_band()
    line = np.convolve(narrow, taps)[len(taps) // 2 :][: len(narrow)]
    coded = decode_mu(encode_mu(np.clip(np.rint(line), -32768, 32767).astype(np.int16)))
    return resample(coded, 8_000, 16_000)[: len(samples)]
