"""Peaks of a recording: what a player draws before it has any sound, and who talked how much.

They are made once, when a recording is ready, and kept encrypted with its own keys like its
transcript, so that they go when it goes. They show when a contact spoke; so nobody gets them
before the contact's side may be heard, and never those of a quarantined recording.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from askfirst.audio.container import decode
from askfirst.errors import AskfirstError, NotFound, Refused, Unavailable
from askfirst.model import FRAME_MS, RecordingState
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, recordings
from askfirst.server.playback import Playback
from askfirst.server.sealing import write_asset
from askfirst.server.store import Store

log = logging.getLogger(__name__)

KIND = "peaks"
POINTS = 2_000
"""Values of a channel, at most; fewer where one would stand for less than a frame."""

FULL = 1_000
"""The value of full scale."""

RATE_HZ = 8_000
"""Rate at which a recording is measured: enough for a picture, and an hour fits into memory."""

QUIET = 10
"""The largest value of a lane that counts as silence when it is skipped, -40 dB of full scale."""

SKIPPED_MS = 1_000
"""A shorter silence is not skipped."""

_LEAD_MS = 200  # left of a silence at both ends, so that no word is clipped
_TALKING = 32_768 * 10 ** (-45 / 20)  # RMS; room noise of a telephone lies well below
_BREATH_FRAMES = 300 // FRAME_MS  # a shorter break belongs to the talking around it


@dataclass(frozen=True, slots=True)
class Peaks:
    """What a recording looks like, in file time.

    `channels` hold the largest absolute sample of equal parts of the file, 0 to `FULL`; channel 1,
    the caller, first. `talk_ms` is how long each channel talked, both at once shared by halves;
    with `silence_ms` they add up to the whole.
    """

    duration_ms: int
    channels: tuple[tuple[int, ...], ...]
    talk_ms: tuple[int, ...]
    silence_ms: int

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, kept: bytes) -> Peaks:
        """Out of what was kept."""
        found = json.loads(kept)
        return cls(
            found["duration_ms"],
            tuple(tuple(channel) for channel in found["channels"]),
            tuple(found["talk_ms"]),
            found["silence_ms"],
        )

    @property
    def shares(self) -> tuple[int, ...]:
        """Per cent of the time that each channel talked, and last that of silence; 100 in all."""
        whole = max(1, sum(self.talk_ms) + self.silence_ms)
        talked = tuple(round(100 * each / whole) for each in self.talk_ms)
        return (*talked, max(0, 100 - sum(talked)))

    @property
    def silences(self) -> tuple[tuple[int, int], ...]:
        """From and to, in ms of file time, what may be skipped: no lane is above `QUIET` there.

        Of each silence longer than `SKIPPED_MS` a moment is left at both ends; the last one goes
        to the end of the file.
        """
        loudest = [max(values) for values in zip(*self.channels, strict=True)]
        found, began = [], None
        for at, value in enumerate([*loudest, FULL]):
            if value <= QUIET:
                began = at if began is None else began
                continue
            if began is not None:
                from_ms, to_ms = (each * self.duration_ms // len(loudest) for each in (began, at))
                if to_ms - from_ms > SKIPPED_MS:
                    lead_ms = 0 if at == len(loudest) else _LEAD_MS
                    found.append((from_ms + _LEAD_MS, to_ms - lead_ms))
            began = None
        return tuple(found)


def measure(samples: NDArray[np.int16], rate: int) -> Peaks:
    """The peaks of samples (channels, n) with at least one frame at a rate in Hz."""
    step = rate * FRAME_MS // 1000
    frames = samples.shape[1] // step
    points = min(POINTS, frames)
    edges = np.arange(points) * samples.shape[1] // points
    high = np.maximum.reduceat(samples, edges, axis=1).astype(np.int32)
    low = np.minimum.reduceat(samples, edges, axis=1).astype(np.int32)
    loudest = np.maximum(high, -low) * FULL // 32_768
    talks = [_talks(channel[: frames * step].reshape(frames, step)) for channel in samples]
    together = np.sum(talks, axis=0)
    talked = [float(np.sum(one / np.maximum(together, 1))) * FRAME_MS for one in talks]
    duration_ms = samples.shape[1] * 1000 // rate
    talk_ms = tuple(round(each) for each in talked)
    return Peaks(
        duration_ms,
        tuple(tuple(int(value) for value in channel) for channel in loudest),
        talk_ms,
        max(0, duration_ms - sum(talk_ms)),
    )


def peaks_of(store: Store, recording: str) -> Peaks:
    """The peaks of a recording that is ready; made and kept now where there are none.

    Raises NotFound, Refused for a recording in any other state, KeyUnreadable after an erasure.
    """
    duration_ms = _ready(store, recording)
    playback = Playback(store)
    kept = playback.asset(recording, KIND)
    if kept is not None:
        return Peaks.from_bytes(kept)
    samples, rate = decode(playback.replay(recording), RATE_HZ)
    # An encoder fills its last block up; what was recorded ends before it does.
    found = measure(samples[:, : max(rate * FRAME_MS, rate * duration_ms) // 1000], rate)
    try:
        write_asset(store, recording, KIND, found.to_bytes(), utc_now())
    except Unavailable:
        # Somebody who opened it at the same moment was faster; then theirs stand.
        if playback.asset(recording, KIND) is None:
            raise
    return found


def prepare(store: Store, recording: str) -> None:
    """Make the peaks of a recording that has just become ready.

    A failure is no fault of the recording: it is logged, and they are made when somebody asks.
    """
    try:
        peaks_of(store, recording)
    except AskfirstError as error:
        log.warning("peaks.wait recording=%s error=%s", recording, type(error).__name__)


def _ready(store: Store, recording: str) -> int:
    """The length of a recording that is ready, in ms."""
    with reading(store.engine) as connection:
        row = connection.execute(
            sa.select(recordings.c.state, recordings.c.duration_ms).where(
                recordings.c.id == recording
            )
        ).one_or_none()
    if row is None:
        raise NotFound(f"no recording {recording}")
    if row.state != RecordingState.READY.value:
        raise Refused(f"recording {recording} is {row.state}; its peaks are shown once it is ready")
    return int(row.duration_ms)


def _talks(frames: NDArray[np.int16]) -> NDArray[np.bool_]:
    """In which frames of a channel somebody talks, short breaks included."""
    power = np.einsum("fs,fs->f", frames, frames, dtype=np.float64) / frames.shape[1]
    talks: NDArray[np.bool_] = power > _TALKING**2
    heard = np.flatnonzero(talks)
    breaks = np.diff(heard)
    for at in np.flatnonzero((breaks > 1) & (breaks <= _BREATH_FRAMES)):
        talks[heard[at] : heard[at + 1]] = True
    return talks
