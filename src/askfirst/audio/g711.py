"""G.711: the two 8-bit laws of telephone networks, as table look-ups.

Only the sample mapping belongs here; 8 kHz and its filters are in `resample`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MU_BIAS = 132  # the 33 of G.711 Table 2, scaled from 14 to 16 bits
_MU_CLIP = 32635  # largest magnitude whose sum with the bias still has 15 bits


def _mu_decoding() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    exponent = ((code >> 4) & 7).astype(np.int32)
    magnitude = ((((code & 15).astype(np.int32) << 3) + _MU_BIAS) << exponent) - _MU_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _mu_encoding() -> NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum(np.abs(value), _MU_CLIP) + _MU_BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(value < 0, 0x80, 0)
    code: NDArray[np.int32] = ~(sign | (exponent << 4) | mantissa) & 0xFF
    return code.astype(np.uint8)


def _a_decoding() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code >> 4) & 7).astype(np.int32)
    step = (code & 15).astype(np.int32) << 4
    magnitude = np.where(exponent == 0, step + 8, (step + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _a_encoding() -> NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    # One's complement keeps the two halves alike: -1 falls in the first negative interval.
    magnitude = np.where(value < 0, ~value, value)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 7, 0)
    mantissa = (magnitude >> np.where(exponent == 0, 4, exponent + 3)) & 15
    sign = np.where(value < 0, 0, 0x80)
    code: NDArray[np.int32] = (sign | (exponent << 4) | mantissa) ^ 0x55
    return code.astype(np.uint8)


_MU_TO_LINEAR = _mu_decoding()
_LINEAR_TO_MU = _mu_encoding()
_A_TO_LINEAR = _a_decoding()
_LINEAR_TO_A = _a_encoding()


def encode_mu(samples: NDArray[np.int16]) -> bytes:
    """Mu-law octets of 16-bit samples, one for each (ITU-T G.711, Table 2)."""
    return _LINEAR_TO_MU[samples.view(np.uint16)].tobytes()


def decode_mu(octets: bytes) -> NDArray[np.int16]:
    """16-bit samples of mu-law octets, one for each (ITU-T G.711, Table 2)."""
    return _MU_TO_LINEAR[np.frombuffer(octets, dtype=np.uint8)]


def encode_a(samples: NDArray[np.int16]) -> bytes:
    """A-law octets of 16-bit samples, one for each, even bits inverted (G.711, Table 1)."""
    return _LINEAR_TO_A[samples.view(np.uint16)].tobytes()


def decode_a(octets: bytes) -> NDArray[np.int16]:
    """16-bit samples of A-law octets, one for each, even bits inverted (G.711, Table 1)."""
    return _A_TO_LINEAR[np.frombuffer(octets, dtype=np.uint8)]
