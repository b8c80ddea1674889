"""What a test call sends, and what is made of what comes back: numbers only, sound is not kept.

A tone goes on and off by a pattern that nobody else makes; where the pattern comes back, the other
side sends us our own sound, and its delay is the round trip. Nothing here knows a line or a number.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askfirst.audio.mixing import FLOOR_DBFS, level_dbfs, to_pcm
from askfirst.audio.tone import tone
from askfirst.model import FRAME_MS, SAMPLE_RATE_HZ
from askfirst.ports import AgentSound, Clock
from askfirst.telephony.progress import SILENCE

TONE_HZ = 1_050.0
"""Whole periods in 20 ms, so that frames join without a click; no key and no signal of a network
has it."""

TONE_DBFS = -26.0
SENDS_MS = 6_000
LISTENS_MS = 7_200
"""The last of the pattern may still be on its way when the first has long come back."""

SLOT_MS = 100
STEP_MS = 10
"""How finely a delay is found."""

MOST_DELAY_MS = 1_500
QUIET_DBFS = -58.0
"""Softer than this is no sound: the noise of a silent line is."""

ALIKE = 0.65
"""Correlation from which on a pattern is ours; noise and voices stay below 0.5."""

_TAPS = (5, 6)
_FRAME_STEPS = FRAME_MS // STEP_MS
_STEP_SAMPLES = SAMPLE_RATE_HZ * STEP_MS // 1000
_SOFTEST = 1.0  # amplitude: what lies below is as good as none


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came back. Levels in dBFS, of what was no silence; None where nothing was heard.

    `round_trip_ms` is from our sound's way out to the same sound back, both sides' buffers
    included, to 20 ms; None where our own tone did not come back. `echo_dbfs` is how loud it came.
    """

    listened_ms: int
    sounding_ms: int
    level_dbfs: float | None
    round_trip_ms: int | None
    echo_dbfs: float | None


@cache
def pattern() -> tuple[bool, ...]:
    """Whether the tone is on, for each 100 ms of six seconds: a sequence that is like no shifted
    copy of itself (a maximal one of 63 bits, without its last three)."""
    bits = [True] * max(_TAPS)
    while len(bits) < SENDS_MS // SLOT_MS:
        bits.append(bits[-_TAPS[0]] ^ bits[-_TAPS[1]])
    return tuple(bits)


@cache
def _tone() -> bytes:
    return to_pcm(tone((TONE_HZ,), FRAME_MS, TONE_DBFS))


class TestLeg:
    """`ports.AgentLeg` that says the pattern from the answer on and measures what it is played.

    The first `flush`, which comes with the answer, begins it; `done` is set when enough was heard.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, clock: Clock) -> None:
        self.is_connected = True
        self.done = asyncio.Event()
        self._clock = clock
        self._begun = asyncio.Event()
        self._meter = Meter()

    def heard(self) -> Heard:
        """What came back so far."""
        return self._meter.heard()

    async def sounds(self) -> AsyncIterator[AgentSound]:
        """The pattern once from the answer on, then silence, until the leg is closed."""
        await self._begun.wait()
        start_ms = self._clock.now_ms()
        position = 0
        while self.is_connected:
            await self._clock.sleep_until(start_ms + (position + 1) * FRAME_MS)
            yield AgentSound(start_ms + position * FRAME_MS, frame_at(position))
            position += 1

    def play(self, pcm: bytes) -> None:
        """Measure 20 ms; before the answer they are nobody's."""
        if not self._begun.is_set() or self.done.is_set():
            return
        self._meter.take(pcm)
        if self._meter.listened_ms >= LISTENS_MS:
            self.done.set()

    def flush(self) -> None:
        """Begin: the call is answered."""
        self._begun.set()

    async def close(self) -> None:
        """Say nothing more; safe to call more than once."""
        self.is_connected = False
        self._begun.set()


def frame_at(position: int) -> bytes:
    """The frame that is sent at a position, 20 ms each; silence after the pattern."""
    slot = position * FRAME_MS // SLOT_MS
    return _tone() if slot < len(pattern()) and pattern()[slot] else SILENCE


class Meter:
    """Levels of frames of 20 ms in order; of each only three numbers stay."""

    def __init__(self) -> None:
        self._levels = array("d")
        self._tones = array("d")
        at = np.arange(_STEP_SAMPLES) / SAMPLE_RATE_HZ
        self._turn = np.exp(-2j * np.pi * TONE_HZ * at) * (2 / _STEP_SAMPLES)

    @property
    def listened_ms(self) -> int:
        """How long was measured."""
        return len(self._levels) * FRAME_MS

    def take(self, pcm: bytes) -> None:
        """Measure the next 20 ms."""
        samples = np.frombuffer(pcm, np.int16)
        self._levels.append(level_dbfs(samples))
        parts = samples.astype(np.float64).reshape(_FRAME_STEPS, _STEP_SAMPLES)
        self._tones.extend(float(each) for each in np.abs(parts @ self._turn))

    def heard(self) -> Heard:
        """What all of it comes to."""
        levels = np.array(self._levels)
        sounding = levels[levels > QUIET_DBFS]
        tones = np.array(self._tones)
        delay = _delay(tones)
        return Heard(
            listened_ms=self.listened_ms,
            sounding_ms=len(sounding) * FRAME_MS,
            level_dbfs=_mean_dbfs(sounding) if len(sounding) else None,
            round_trip_ms=None if delay is None else delay * STEP_MS,
            echo_dbfs=None if delay is None else _echo_dbfs(tones, delay),
        )


def _delay(tones: NDArray[np.float64]) -> int | None:
    """By how many steps the pattern is late in the tone's strength; None where it is not there.

    Looked for in all of it and in its second half: some numbers speak before they send it back.
    """
    if not len(tones) or tones.max() <= _SOFTEST:
        return None
    heard = np.log10(np.maximum(tones, _SOFTEST))
    sent = _sent()
    best, delay = ALIKE, None
    for start in (0, len(sent) // 2):
        for late in range(MOST_DELAY_MS // STEP_MS + 1):
            window = heard[start + late : len(sent) + late]
            own = sent[start : start + len(window)]
            if len(window) < len(sent) // 2 or not window.std() or not own.std():
                continue
            alike = float(np.corrcoef(own, window)[0, 1])
            if alike > best:
                best, delay = alike, late
    return delay


@cache
def _sent() -> NDArray[np.float64]:
    return np.repeat(np.array(pattern(), dtype=np.float64), SLOT_MS // STEP_MS)


def _echo_dbfs(tones: NDArray[np.float64], delay: int) -> float:
    """How loud our own tone came back where it is on."""
    window = tones[delay : delay + len(_sent())]
    on = window[_sent()[: len(window)] > 0]
    amplitude = float(np.median(on))
    return max(FLOOR_DBFS, 20 * float(np.log10(max(amplitude, _SOFTEST) / 32_767)))


def _mean_dbfs(levels: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(10 ** (levels / 10))))


# What the stack counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What the stack counted of a call; None for what it was not told in the time.

    Packets of sound both ways; `lost` of those that were sent to us, `jitter_ms` by which they came
    unevenly, `round_trip_ms` as the other side's reports give it (RFC 3550, 6.4). `exchange_ms` is
    how long the exchange took for its first word, and `codec` the one that was chosen.
    """

    sent: int
    received: int
    lost: int | None
    jitter_ms: float | None
    round_trip_ms: float | None
    exchange_ms: int | None
    codec: str | None


def counted(statistics: Mapping[str, Any]) -> Counted | None:
    """What the stack's own figures say; None where there are none."""
    if not statistics:
        return None
    sent, received, reports = (
        found if isinstance(found := statistics.get(key), Mapping) else {}
        for key in ("tx", "rx", "rtcp")
    )
    has_come = _whole(received, "packets") > 0
    jitter_us, round_trip_us = _whole(reports, "rx_jitter_us"), _whole(reports, "rtt_us")
    return Counted(
        sent=_whole(sent, "packets"),
        received=_whole(received, "packets"),
        lost=_whole(reports, "rx_lost") if has_come else None,
        jitter_ms=jitter_us / 1000 if has_come else None,
        round_trip_ms=round_trip_us / 1000 if round_trip_us else None,
        exchange_ms=soon if isinstance(soon := statistics.get("exchange_ms"), int) else None,
        codec=codec if isinstance(codec := statistics.get("codec"), str) else None,
    )


def _whole(figures: Mapping[str, Any], key: str) -> int:
    found = figures.get(key, 0)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
