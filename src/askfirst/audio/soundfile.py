"""Sound files on the disk: what they hold, and one channel of them, a stretch at a time.

However long a file is, only some minutes of one channel are in memory. Which demultiplexer reads
the bytes is chosen here, never guessed by the library, whose guesses include play lists that open
other files and addresses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from askfirst.audio.container import MAX_SECONDS, format_of
from askfirst.errors import InvalidInput
from askfirst.model import SAMPLE_RATE_HZ

STRETCH_S = 300
"""How much of a channel is given at once."""

_SEEK_QUIET_S = 20
"""How far before the end of a stretch a quiet place to part it is looked for."""

_STEP = 512
_SAME = 0.9
"""Correlation above which two channels are one mix; parties on lines of their own are near 0."""

_MOST_MISSING_S = 0.5
_SLOWEST_HZ, _FASTEST_HZ = 4_000, 192_000
_HEAD_BYTES = 4_096
_TAIL_BYTES = 1 << 17
_MOST_CHUNKS = 1_000
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)
_OGG_PAGE = struct.Struct("<4sBBqIIIB")
_OGG_LAST = 4


@dataclass(frozen=True, slots=True)
class Sound:
    """What a file holds. `is_mixed`: everybody is on each channel, whatever their number is."""

    seconds: float
    channels: int
    rate_hz: int
    is_mixed: bool


def examine(path: Path) -> Sound:
    """What kind of sound a file holds, after it was decoded to its end.

    WAV, FLAC, Ogg, MP3 and M4A are read. Two channels that sound the same, louder or softer, are
    one mix. Raises InvalidInput for anything else, an empty or cut off file, one that cannot be
    decoded, more than two channels, and more than `MAX_SECONDS`.
    """
    with _opened(path) as (counted_s, container, stream):
        count = 0
        sums = np.zeros((2, 2))
        for piece in _decoded(path, container, stream):
            count += piece.shape[1]
            if count > MAX_SECONDS * SAMPLE_RATE_HZ:
                raise _too_long(path)
            if len(piece) == 2:
                levels = piece.astype(np.float64) / 32_768
                sums += levels @ levels.T
        if not count:
            raise InvalidInput(f"{path.name} holds no sound; check the file")
        seconds = count / SAMPLE_RATE_HZ
        if counted_s is not None and counted_s - seconds > _MOST_MISSING_S:
            raise _broken_off(path)
        context = stream.codec_context
        return Sound(
            seconds,
            context.channels,
            context.sample_rate,
            context.channels == 1 or _is_same(sums),
        )


def stretches(path: Path, channel: int) -> Iterator[tuple[int, bytes]]:
    """One channel, 0 or 1, as mono s16le at 16 kHz: (start in ms, samples), parted where it is
    quiet, none longer than `STRETCH_S`.

    The samples of the other channel are thrown away as they are decoded. For a file that
    `examine` has found whole; raises as it does.
    """
    longest = STRETCH_S * SAMPLE_RATE_HZ
    with _opened(path) as (_, container, stream):
        if not 0 <= channel < stream.codec_context.channels:
            raise InvalidInput(f"{path.name} has no channel {channel + 1}; name another file")
        held: list[NDArray[np.int16]] = []
        count = given = 0
        for piece in _decoded(path, container, stream):
            held.append(piece[channel].copy())
            count += piece.shape[1]
            if count - given >= longest:
                samples = np.concatenate(held)
                while len(samples) >= longest:
                    cut = _quiet(samples[:longest])
                    yield _ms(given), samples[:cut].tobytes()
                    samples, given = samples[cut:], given + cut
                held = [samples]
        if count > given:
            yield _ms(given), np.concatenate(held).tobytes()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[float | None, InputContainer, AudioStream]]:
    """The seconds that the header counts, if it does, and what decodes the file."""
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}; name one that is there")
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if not head:
                raise InvalidInput(f"{path.name} is empty; a recording was expected")
            kind = "mov" if head[4:8] == b"ftyp" else format_of(head)
            if kind in _CUT and _CUT[kind](file):
                raise _broken_off(path)
            is_counted = kind == "mp3" and _is_counted_mp3(file)
            file.seek(0)
            with av.open(file, "r", format=kind) as container:
                stream = next(iter(container.streams.audio), None)
                if stream is None or stream.codec_context is None:
                    raise InvalidInput(f"{path.name} holds no sound that is known; convert it")
                _ensure_fit(path, stream)
                seconds = container.duration / av.time_base if container.duration else None
                if seconds is not None and seconds > MAX_SECONDS:
                    raise _too_long(path)
                yield seconds if kind in _COUNTED or is_counted else None, container, stream
    except (av.FFmpegError, ValueError, EOFError, OverflowError, struct.error) as fault:
        raise InvalidInput(
            f"{path.name} cannot be decoded ({type(fault).__name__}); check that the file is "
            "whole, or convert it to WAV"
        ) from fault
    except OSError as fault:
        raise InvalidInput(
            f"{path.name} cannot be read ({fault.strerror}); mend its rights"
        ) from fault


def _ensure_fit(path: Path, stream: AudioStream) -> None:
    context = stream.codec_context
    channels, rate_hz = context.channels, context.sample_rate
    if channels not in (1, 2):
        raise InvalidInput(
            f"{path.name} has {channels} channels; expected one, or two with a party on each. "
            "Export the call again as mono or stereo"
        )
    if not _SLOWEST_HZ <= rate_hz <= _FASTEST_HZ:
        raise InvalidInput(
            f"{path.name} has {rate_hz} samples a second; expected {_SLOWEST_HZ} to {_FASTEST_HZ}"
        )


def _decoded(
    path: Path, container: InputContainer, stream: AudioStream
) -> Iterator[NDArray[np.int16]]:
    """Every piece as it is decoded: a row for each channel, at 16 kHz."""
    context = stream.codec_context
    planar = av.AudioResampler(format="s16p", layout=context.layout, rate=SAMPLE_RATE_HZ)
    for frame in chain(container.decode(stream), (None,)):  # None lets out the rest
        if frame is not None and frame.layout.nb_channels != context.channels:
            raise InvalidInput(f"{path.name} changes its channels on the way; convert it first")
        for piece in planar.resample(frame):
            yield piece.to_ndarray().astype("<i2", copy=False)


def _is_same(sums: NDArray[np.float64]) -> bool:
    """Whether two channels are one sound, by the sums of their products (correlation)."""
    power = float(np.sqrt(sums[0, 0] * sums[1, 1]))
    return power > 0 and abs(float(sums[0, 1])) / power > _SAME


def _is_counted_mp3(file: BinaryIO) -> bool:
    """Whether the length is written into the file, and not estimated from its size."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    return b"Xing" in head or b"Info" in head


def _is_cut_wav(file: BinaryIO) -> bool:
    """Whether the samples that a WAV file announces are not all there."""
    file.seek(0, 2)
    end = file.tell()
    at = 12
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            break
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            # A recorder that was killed never wrote the size; then whatever follows is the sound.
            return size not in _UNKNOWN_SIZES and at + 8 + size > end
        at += 8 + size + size % 2
    return True


def _is_cut_ogg(file: BinaryIO) -> bool:
    """Whether the last page is not whole, or is not marked as the last (RFC 3533, section 6)."""
    file.seek(0, 2)
    end = file.tell()
    file.seek(max(0, end - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) - at < _OGG_PAGE.size:
        return True
    _, _, flags, _, _, _, _, count = _OGG_PAGE.unpack_from(tail, at)
    lacing = tail[at + _OGG_PAGE.size : at + _OGG_PAGE.size + count]
    whole = at + _OGG_PAGE.size + count + sum(lacing) <= len(tail)
    return not (flags & _OGG_LAST and len(lacing) == count and whole)


_CUT = {"wav": _is_cut_wav, "ogg": _is_cut_ogg}
_COUNTED = ("flac", "mov")


def _quiet(samples: NDArray[np.int16]) -> int:
    """Where to part samples: the quietest step near their end."""
    first = len(samples) - _SEEK_QUIET_S * SAMPLE_RATE_HZ
    steps = samples[first : first + (len(samples) - first) // _STEP * _STEP].reshape(-1, _STEP)
    power = np.square(steps, dtype=np.float32).sum(axis=1)
    return first + int(np.argmin(power)) * _STEP


def _ms(count: int) -> int:
    return count * 1000 // SAMPLE_RATE_HZ


def _broken_off(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path.name} breaks off before its end; get the whole file, or convert what is left of it"
    )


def _too_long(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path.name} lasts longer than {MAX_SECONDS // 3600} hours; cut it into parts"
    )
