"""Audio files as bytes: Ogg/Opus, WAV and FLAC out, these and MP3 in. In memory only.

Arrays are int16 with one row for each channel: ``left, right = decode(data)[0]``.
"""

from __future__ import annotations

import io
from itertools import chain
from typing import Literal

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from askfirst.errors import InvalidInput

MAX_SECONDS = 6 * 3600
"""Longest audio that is decoded; a small hostile file can claim to be far longer."""

_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_OPUS_BITS_PER_CHANNEL = 28_000
_BLOCK = 960  # samples handed to an encoder at once; a multiple of no rate is needed


def format_of(data: bytes) -> str:
    """Name of the demultiplexer for these bytes.

    It is chosen here because the library's own guess includes play lists, which open files
    and addresses that the bytes name.
    """
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"fLaC":
        return "flac"
    if data[:3] == b"ID3" or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):
        return "mp3"
    raise InvalidInput(
        f"audio that starts with {data[:4]!r}, expected Ogg, WAV, FLAC or MP3. Convert it first."
    )


def decode(
    data: bytes, rate: int | None = None, *, longest_s: int = MAX_SECONDS
) -> tuple[NDArray[np.int16], int]:
    """Samples (channels, n) and their rate in Hz of an Ogg, WAV, FLAC or MP3 file.

    They come at `rate` (4 000 to 192 000 Hz) or, without it, as the file has them; Opus then is
    at 48 kHz. For long files a lower rate saves memory, since it is applied while decoding.
    InvalidInput when the file is broken, has no sound, has more than eight channels or lasts
    longer than `longest_s` seconds.
    """
    name = format_of(data)
    parts: list[NDArray[np.int16]] = []
    count = 0
    try:
        with av.open(io.BytesIO(data), "r", format=name) as container:
            stream = next(iter(container.streams.audio), None)
            context = _context(stream) if stream is not None else None
            if stream is None or context is None:
                raise InvalidInput(f"{name} data without known sound. Pass an audio file.")
            own_hz, channels = context.sample_rate, context.channels
            out_hz = own_hz if rate is None else rate
            if not (1 <= channels <= 8 and all(4_000 <= hz <= 192_000 for hz in (own_hz, out_hz))):
                raise InvalidInput(
                    f"{channels} channels at {own_hz} Hz to be had at {out_hz} Hz, expected 1 to 8 "
                    "at 4000 to 192000 Hz. Convert the file first."
                )
            planar = av.AudioResampler(format="s16p", layout=context.layout, rate=out_hz)
            for frame in chain(container.decode(stream), (None,)):  # None lets out the rest
                for piece in planar.resample(frame):
                    count += piece.samples
                    if count > longest_s * out_hz:
                        raise InvalidInput(
                            f"audio longer than {longest_s} seconds. Cut it into parts."
                        )
                    parts.append(piece.to_ndarray().astype(np.int16, copy=False))
        samples = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), np.int16)
    except (av.FFmpegError, ValueError, EOFError, OverflowError) as fault:
        raise InvalidInput(
            f"{name} data of {len(data)} bytes that cannot be decoded ({fault}). "
            "Check that the file is whole."
        ) from fault
    if not samples.shape[1]:
        raise InvalidInput(f"{name} data of {len(data)} bytes without a sample. Check the file.")
    return samples, out_hz


def _context(stream: AudioStream) -> AudioCodecContext | None:
    """The stream's decoder; None for an unknown codec, which the library's types leave out."""
    return stream.codec_context


def encode_ogg_opus(samples: NDArray[np.int16], rate: int = 16_000) -> bytes:
    """An Ogg/Opus file of one or two channels, about 28 kbit/s each (RFC 7845).

    `samples` is (channels, n) at 8, 12, 16, 24 or 48 kHz; InvalidInput otherwise. At this rate
    the encoder keeps left and right apart; one channel is not heard in the other.
    """
    if rate not in _OPUS_RATES:
        raise InvalidInput(f"{rate} Hz for Opus, expected one of {_OPUS_RATES}. Resample first.")
    return _encode(samples, rate, "ogg", "libopus", _OPUS_BITS_PER_CHANNEL)


def encode_wav(samples: NDArray[np.int16], rate: int = 16_000) -> bytes:
    """A WAV file, 16-bit PCM, of (channels, n) samples; InvalidInput for another shape."""
    return _encode(samples, rate, "wav", "pcm_s16le", None)


def encode_flac(samples: NDArray[np.int16], rate: int = 16_000) -> bytes:
    """A FLAC file of (channels, n) samples; InvalidInput for another shape."""
    return _encode(samples, rate, "flac", "flac", None)


def _encode(
    samples: NDArray[np.int16],
    rate: int,
    name: str,
    codec: Literal["libopus", "pcm_s16le", "flac"],
    bits_per_channel: int | None,
) -> bytes:
    if samples.ndim != 2 or samples.shape[0] not in (1, 2) or not samples.shape[1]:
        raise InvalidInput(
            f"samples of shape {samples.shape}, expected (1 or 2 channels, at least 1 sample). "
            "Give each channel a row."
        )
    channels, count = samples.shape
    layout = "stereo" if channels == 2 else "mono"
    out = io.BytesIO()
    with av.open(out, "w", format=name) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.format = "s16"
        stream.codec_context.layout = layout
        if bits_per_channel is not None:
            stream.codec_context.bit_rate = bits_per_channel * channels
        for at in range(0, count, _BLOCK):
            block = np.ascontiguousarray(samples[:, at : at + _BLOCK].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate = rate
            frame.pts = at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()
