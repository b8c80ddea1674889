"""Recordings as another system would have left them, made of the personas' own speech."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from askfirst.audio.container import decode, encode_wav

HZ = 16_000
PAUSE = np.zeros(HZ // 2, np.int16)


SECONDS = 25
"""How much of a persona's call is taken: the notice and the answer are in it."""


@cache
def spoken(persona: str) -> tuple[NDArray[np.int16], dict[str, int]]:
    """The begin of a persona's call, agent on channel 1, and when each line of the call begins,
    in milliseconds.
    """
    folder = resources.files("askfirst") / "telephony" / "personas" / persona
    script = tomllib.loads((folder / "script.toml").read_text(encoding="utf-8"))
    sides: tuple[list[NDArray[np.int16]], list[NDArray[np.int16]]] = ([], [])
    begins: dict[str, int] = {}
    at = 0
    for step in script["step"]:
        if "audio" not in step:
            continue
        line = decode((folder / step["audio"]).read_bytes(), HZ)[0][0]
        own = 0 if step["say"] == "agent" else 1
        begins[step["text"]] = at * 1000 // HZ
        sides[own].extend((line, PAUSE))
        sides[1 - own].extend((np.zeros(len(line), np.int16), PAUSE))
        at += len(line) + len(PAUSE)
    return np.stack([np.concatenate(side)[: SECONDS * HZ] for side in sides]), begins


def stereo(persona: str) -> bytes:
    """A WAV file with the agent on channel 1 and the contact on channel 2."""
    return encode_wav(spoken(persona)[0])


def mono(persona: str) -> bytes:
    """A WAV file with both on one channel."""
    sides = spoken(persona)[0]
    return encode_wav((sides[:1] // 2 + sides[1:] // 2).astype(np.int16))


def same_on_both(persona: str) -> bytes:
    """A stereo WAV file that holds the mix twice, once softer."""
    sides = spoken(persona)[0]
    mix = (sides[0] // 2 + sides[1] // 2).astype(np.int16)
    return encode_wav(np.stack([mix, mix // 3]))


def written(
    path: Path, samples: NDArray[np.int16], codec: Literal["libmp3lame", "aac", "libopus", "flac"]
) -> Path:
    """Samples at 16 kHz as a file of the kind that the path's ending says."""
    layout = "stereo" if len(samples) == 2 else "mono"
    rate = 48_000 if codec == "libopus" else HZ
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        fit = av.AudioResampler(
            format=stream.codec_context.format, layout=layout, rate=rate, frame_size=960
        )
        for frame in frames(samples, layout):
            for piece in fit.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def frames(samples: NDArray[np.int16], layout: str) -> Iterator[av.AudioFrame | None]:
    """Samples as frames of 20 ms, and None at their end."""
    for at in range(0, samples.shape[1], 320):
        block = np.ascontiguousarray(samples[:, at : at + 320].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
        frame.sample_rate, frame.pts = HZ, at
        yield frame
    yield None
