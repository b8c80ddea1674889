"""The empty-disk proof: nothing a contact said before consent is in anything that was written.

A marker tone sounds under every word of a contact before consent. Every file of the data folder
is searched for it: as it lies there (as samples of the usual kinds), and after decrypting and
decoding whatever the keys still open. A control tone sounded after consent must be found by the
same search, or the search proves nothing. Texts and numbers are searched for as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from askfirst.audio.container import decode
from askfirst.audio.g711 import decode_a, decode_mu
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, find_tone
from askfirst.errors import AskfirstError
from askfirst.model import SAMPLE_RATE_HZ
from askfirst.server.playback import decryptable
from askfirst.server.store import Store

_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EmptyDisk:
    """What the search found."""

    files_searched: int
    bytes_searched: int
    marker_found: bool
    control_found: bool
    where: tuple[str, ...]


def search(store: Store, folders: Iterable[Path], texts: Iterable[str]) -> EmptyDisk:
    """Search folders, and everything the store can decrypt, for the marker and for texts.

    `texts` are words spoken before consent; finding one counts as finding the marker.
    """
    needles = [text.encode() for text in texts]
    files = bytes_searched = 0
    where: list[str] = []
    control = False
    for name, data in everything(store, folders):
        files += 1
        bytes_searched += len(data)
        if any(needle in data for needle in needles):
            where.append(f"{name} (words)")
        for samples, rate in as_sound(data):
            if find_tone(samples, rate, MARKER_HZ):
                where.append(name)
                break
        control = control or _has_control(data)
    return EmptyDisk(files, bytes_searched, bool(where), control, tuple(where))


def everything(store: Store, folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of every file in folders, and of what the store's keys open, in clear."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
    yield from decryptable(store)


def _decoded(data: bytes) -> Iterator[tuple[npt.NDArray[np.int16], int]]:
    try:
        channels, rate = decode(data)
    except AskfirstError:
        return
    for channel in channels:
        yield channel, rate


def as_sound(data: bytes) -> Iterator[tuple[npt.NDArray[np.int16], int]]:
    """Everything that these bytes could be as sound: a known container, else raw samples."""
    yield from _decoded(data)
    for at in range(0, len(data), _CHUNK_BYTES):
        chunk = data[at : at + _CHUNK_BYTES]
        for shift in (0, 1):
            even = chunk[shift : shift + (len(chunk) - shift) // 2 * 2]
            samples = np.frombuffer(even, dtype="<i2")
            yield samples, SAMPLE_RATE_HZ
            yield samples, SAMPLE_RATE_HZ // 2
        yield decode_mu(chunk), SAMPLE_RATE_HZ // 2
        yield decode_a(chunk), SAMPLE_RATE_HZ // 2


def _has_control(data: bytes) -> bool:
    return any(find_tone(samples, rate, CONTROL_HZ) for samples, rate in _decoded(data))
