"""Samples and 20 ms frames: conversion, sum with saturation, level.

Samples are one-dimensional int16 arrays; PCM is the same as little-endian bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

import numpy as np
from numpy.typing import NDArray

from askfirst.errors import InvalidInput
from askfirst.model import FRAME_BYTES

FLOOR_DBFS = -120.0
"""Level given for digital silence, so that levels stay finite numbers."""

_FULL_SCALE = 32768.0
_FULL = (np.int32(-32768), np.int32(32767))  # of this type, or each clip looks its limits up


def to_samples(pcm: bytes) -> NDArray[np.int16]:
    """Samples of little-endian 16-bit PCM; InvalidInput when half a sample is left over."""
    if len(pcm) % 2:
        raise InvalidInput(
            f"PCM of {len(pcm)} bytes, expected two bytes for each sample. Pass whole samples."
        )
    return np.frombuffer(pcm, dtype="<i2").astype(np.int16, copy=False)


def to_pcm(samples: NDArray[np.int16]) -> bytes:
    """Little-endian 16-bit PCM of samples."""
    return samples.astype("<i2", copy=False).tobytes()


def in_frames(pcm: bytes) -> list[bytes]:
    """Frames of 20 ms at 16 kHz, the last one filled up with silence; none for no PCM.

    InvalidInput when half a sample is left over.
    """
    if len(pcm) % 2:
        raise InvalidInput(
            f"PCM of {len(pcm)} bytes, expected two bytes for each sample. Pass whole samples."
        )
    cut = [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)]
    if cut:
        cut[-1] = cut[-1].ljust(FRAME_BYTES, b"\0")
    return cut


def mix(tracks: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """Sum of tracks from a common start, held at full scale; as long as the longest track."""
    length = max((len(track) for track in tracks), default=0)
    total = np.zeros(length, dtype=np.int32)
    for track in tracks:
        total[: len(track)] += track
    return total.clip(*_FULL).astype(np.int16)


def mix_frames(frames: Sequence[bytes]) -> bytes:
    """Sum of PCM frames, held at full scale; as long as the longest frame."""
    return to_pcm(mix([to_samples(frame) for frame in frames]))


def mix_for_each(ours: Sequence[bytes], theirs: Sequence[bytes]) -> list[bytes]:
    """What each of several sides hears: the sum of ours and of all the others, at full scale held.

    All frames are of one length, and there is one of theirs at least.
    """
    if not ours and len(theirs) == 2:
        return [theirs[1], theirs[0]]
    size, sides = len(theirs[0]), len(theirs)
    rows = np.frombuffer(b"".join((*theirs, *ours)), dtype="<i2").reshape(-1, size // 2)
    told = np.add.reduce(rows, axis=0, dtype=np.int32) - rows[:sides]
    np.maximum(told, _FULL[0], out=told)
    np.minimum(told, _FULL[1], out=told)
    pcm = told.astype("<i2").tobytes()
    return [pcm[at : at + size] for at in range(0, sides * size, size)]


def level_dbfs(samples: NDArray[np.int16]) -> float:
    """RMS level in dBFS; a sine that touches full scale is 0 (AES17), silence is FLOOR_DBFS."""
    if not len(samples):
        return FLOOR_DBFS
    numbers = samples.astype(np.float64)
    power = 2.0 * float(np.dot(numbers, numbers)) / (len(numbers) * _FULL_SCALE**2)
    return max(FLOOR_DBFS, 10.0 * log10(power)) if power > 0 else FLOOR_DBFS
