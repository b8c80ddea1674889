"""Tones: made, found again after coding, and the keypad's pairs (ITU-T Q.23, Q.24)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from askfirst.errors import InvalidInput
from askfirst.model import SAMPLE_RATE_HZ

MARKER_HZ = (1373, 2239)
"""Partials of the tone that stands for: audio of a contact who has not agreed."""

CONTROL_HZ = (1877, 2683)
"""Partials of the tone that stands for: this was agreed to and must be found."""

WINDOW_MS = 100
HOP_MS = 50
STANDS_OUT_DB = 15.0

_QUIETEST_DBFS = -75.0  # below it a partial is coding noise, not a tone
_NEAR_HZ = 30.0  # the window's own main lobe, part of the partial
_FAR_HZ = 300.0  # wide enough to meet the next harmonic of a voice

DTMF_LOW_HZ = (697, 770, 852, 941)
DTMF_HIGH_HZ = (1209, 1336, 1477, 1633)
DTMF_KEYS = ("123A", "456B", "789C", "*0#D")

_DTMF_WINDOW_MS = 20
_DTMF_HOP_MS = 10
_DTMF_QUIETEST_DBFS = -45.0
_TWIST_DB = 4.0  # Q.24: the high group may be this much stronger
_REVERSE_TWIST_DB = 8.0  # Q.24: the low group may be this much stronger
_PURITY = 0.75  # share of all energy in the two tones; speech has far less
_RIVAL_DB = 8.0  # the next tone of the same group must be this much weaker
_MIN_WINDOWS = 3  # 40 ms, which Q.24 must accept, holds three whole windows


def tone(
    frequencies: Sequence[float],
    ms: int,
    level_dbfs: float = -22.0,
    rate: int = SAMPLE_RATE_HZ,
) -> NDArray[np.int16]:
    """Equal partials sounding together for `ms`, starting at phase 0.

    `level_dbfs` (-80 to -1) is that of the sum, as `mixing.level_dbfs` measures it. InvalidInput
    for no frequency, one outside 0 to half the rate, or a level that would clip or vanish.
    """
    if not frequencies or not all(0 < f < rate / 2 for f in frequencies):
        raise InvalidInput(
            f"frequencies {tuple(frequencies)}, expected at least one between 0 and {rate / 2} Hz."
        )
    if not -80.0 <= level_dbfs <= -1.0 or ms < 0:
        raise InvalidInput(f"{level_dbfs} dBFS for {ms} ms, expected -80 to -1 and 0 or more.")
    at = np.arange(rate * ms // 1000) / rate
    peak = 32767.0 * 10 ** (level_dbfs / 20) / len(frequencies) ** 0.5
    total = np.zeros(len(at))
    for frequency in frequencies:
        total += peak * np.sin(2 * np.pi * frequency * at)
    return np.clip(np.rint(total), -32768, 32767).astype(np.int16)


def find_tone(
    samples: NDArray[np.int16], rate: int, frequencies: Sequence[float]
) -> list[tuple[int, float]]:
    """Where a tone is heard: (start in ms, strength in dB) of each 100 ms window with it.

    Windows start every 50 ms. The strength is by how much the weakest partial stands out over
    the mean of its neighbourhood (30 to 300 Hz to either side), at least 15 dB. A voice does
    not pass: its next harmonic lies in the neighbourhood. Works after lossy coding.
    """
    width, hop = rate * WINDOW_MS // 1000, rate * HOP_MS // 1000
    if len(samples) < width:
        return []
    shape = np.hanning(width)
    # Full scale sine = 1, whatever the window: its peak bin holds half the window's sum.
    scale = (32767.0 * shape.sum() / 2) ** 2
    bins = np.fft.rfftfreq(width, 1 / rate)
    partials = [np.abs(bins - f) <= rate / width for f in frequencies]
    rooms = [
        (np.abs(bins - f) > _NEAR_HZ)
        & (np.abs(bins - f) <= _FAR_HZ)
        & np.all([np.abs(bins - other) > _NEAR_HZ for other in frequencies], axis=0)
        for f in frequencies
    ]
    windows = np.lib.stride_tricks.sliding_window_view(samples, width)[::hop]
    found = []
    # In blocks, so that an hour of audio does not need its whole spectrogram in memory.
    for block in range(0, len(windows), 512):
        spectra = np.square(np.abs(np.fft.rfft(windows[block : block + 512] * shape))) / scale
        strength = np.full(len(spectra), np.inf)
        for partial, room in zip(partials, rooms, strict=True):
            peak = spectra[:, partial].max(axis=1) + 1e-15
            around = spectra[:, room].mean(axis=1) + 1e-15
            over = 10 * np.log10(peak / around)
            loud = 10 * np.log10(peak) >= _QUIETEST_DBFS
            strength = np.minimum(strength, np.where(loud, over, -np.inf))
        found += [
            ((block + int(i)) * HOP_MS, round(float(strength[i]), 1))
            for i in np.flatnonzero(strength >= STANDS_OUT_DB)
        ]
    return found


def dtmf(
    digits: str,
    ms: int = 100,
    gap_ms: int = 100,
    level_dbfs: float = -13.0,
    rate: int = SAMPLE_RATE_HZ,
) -> NDArray[np.int16]:
    """The keypad's tones for digits (0-9 * # A-D), each followed by a gap; InvalidInput else."""
    parts = []
    gap = np.zeros(rate * gap_ms // 1000, np.int16)
    for digit in digits:
        row = next((i for i, keys in enumerate(DTMF_KEYS) if digit in keys), None)
        if row is None:
            raise InvalidInput(f"key {digit!r}, expected one of 0-9 * # A B C D.")
        pair = (DTMF_LOW_HZ[row], DTMF_HIGH_HZ[DTMF_KEYS[row].index(digit)])
        parts += [tone(pair, ms, level_dbfs, rate), gap]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def find_dtmf(samples: NDArray[np.int16], rate: int) -> list[tuple[int, str]]:
    """Keys heard in a sound: (start in ms, digit), a key held down once.

    Tones of 40 ms and more count, with the twist limits of ITU-T Q.24 (high group at most 4 dB
    above, 8 dB below the low group); speech and single tones do not.
    """
    return _key_presses(_keys_in(samples, rate))


def find_key_tones(samples: NDArray[np.int16], rate: int) -> list[tuple[int, int]]:
    """Where the keypad's tones sound: (from, to) in ms, with 20 ms to either side.

    The same tones as `find_dtmf`, each to its end; which key it is is not said.
    """
    is_key = [key is not None for key in _keys_in(samples, rate)]
    spans: list[tuple[int, int]] = []
    began: int | None = None
    for at, here in enumerate([*is_key, False]):
        if here and began is None:
            began = at
        elif not here and began is not None:
            if at - began >= _MIN_WINDOWS:
                spans.append(_around(began, at))
            began = None
    return spans


def _around(began: int, ended: int) -> tuple[int, int]:
    """The time of a run of windows and a little more: a tone begins before a window is full."""
    from_ms = max(0, began * _DTMF_HOP_MS - _DTMF_WINDOW_MS)
    return from_ms, (ended - 1) * _DTMF_HOP_MS + 2 * _DTMF_WINDOW_MS


def _keys_in(samples: NDArray[np.int16], rate: int) -> list[str | None]:
    """The key that sounds in each window, None where none does."""
    width, hop = rate * _DTMF_WINDOW_MS // 1000, rate * _DTMF_HOP_MS // 1000
    if len(samples) < width:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(samples, width)[::hop]
    # Goertzel's eight sums for every window at once, as one product.
    turns = np.outer(np.arange(width), np.array(DTMF_LOW_HZ + DTMF_HIGH_HZ)) * (2j * np.pi / rate)
    sums = np.exp(-turns)
    keys: list[str | None] = []
    # In blocks, so that an hour of audio does not need all its windows in memory.
    for block in range(0, len(windows), 4_096):
        keys += _keys_of(windows[block : block + 4_096].astype(np.float64), sums)
    return keys


def _keys_of(windows: NDArray[np.float64], sums: NDArray[np.complex128]) -> list[str | None]:
    width = windows.shape[1]
    power = np.square(np.abs(windows @ sums)) * (2 / width)
    energy = np.square(windows).sum(axis=1)
    rows, columns = power[:, :4].argmax(axis=1), power[:, 4:].argmax(axis=1)
    low, high = np.sort(power[:, :4], axis=1), np.sort(power[:, 4:], axis=1)
    a, b = low[:, 3], high[:, 3]
    quietest = width * (32767.0 * 10 ** (_DTMF_QUIETEST_DBFS / 20)) ** 2 / 2
    is_clear = (
        (energy > quietest)
        & (a + b >= _PURITY * energy)
        & (a * 10 ** (_TWIST_DB / 10) >= b)
        & (b * 10 ** (_REVERSE_TWIST_DB / 10) >= a)
        & (low[:, 2] * 10 ** (_RIVAL_DB / 10) <= a)
        & (high[:, 2] * 10 ** (_RIVAL_DB / 10) <= b)
    )
    found = zip(is_clear.tolist(), rows.tolist(), columns.tolist(), strict=True)
    return [DTMF_KEYS[row][column] if clear else None for clear, row, column in found]


def _key_presses(keys: Sequence[str | None]) -> list[tuple[int, str]]:
    """Runs of one key of at least `_MIN_WINDOWS`; a single missed window does not split one."""
    presses: list[tuple[int, str]] = []
    held: str | None = None
    missed = run = 0
    for at, key in enumerate(keys):
        run = run + 1 if key is not None and at and keys[at - 1] == key else int(key is not None)
        missed = 0 if key is not None and key == held else missed + 1
        if held is not None and missed >= 2:
            held = None
        if run == _MIN_WINDOWS and key is not None and key != held:
            presses.append(((at - _MIN_WINDOWS + 1) * _DTMF_HOP_MS, key))
            held, missed = key, 0
    return presses
