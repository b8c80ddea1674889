"""Messages between the process that carries calls and the one that speaks SIP.

A message is a kind (1 byte), a length (4 bytes, big-endian) and its content: a JSON object, or the
sounds of calls, each with the call's number (4 bytes), when it was heard in milliseconds on the
machine's monotonic clock (8 bytes), and 20 ms of sound (640 bytes, mono s16le at 16 kHz).

Both ends work on one beat, which the machine's clock gives: at each multiple of 20 ms the process
that speaks SIP reads what it has, and `LATER_MS` after that calls answer it.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from askfirst.errors import PeerError
from askfirst.model import FRAME_BYTES, FRAME_MS

LARGEST = 65_536
"""Bytes of the longest message; what claims more is not one of ours."""

LATER_MS = 5
"""How long sounds may take from one process to the other without waiting for the next beat."""

_HEADER = struct.Struct(">BI")
_SOUND = struct.Struct(f">Iq{FRAME_BYTES}s")
_MOST = LARGEST // _SOUND.size
_JSON_KIND, _SOUNDS_KIND = 1, 2


class Sound(NamedTuple):
    """20 ms of a call; `heard_ms` is the moment by the machine's clock at which they began."""

    call: int
    heard_ms: int
    pcm: bytes


Message = dict[str, Any] | list[Sound]


def machine_ms() -> int:
    """The machine's monotonic clock, the same for all of its processes."""
    return time.monotonic_ns() // 1_000_000


def to_beat_ms(later_ms: int = 0) -> int:
    """How long it is until the next beat, or until so much after it; 1 to 20 ms."""
    return FRAME_MS - (machine_ms() - later_ms) % FRAME_MS


def pack(message: Message) -> bytes:
    """The bytes of a message; of very many sounds they are several."""
    if isinstance(message, list):
        parts = (message[at : at + _MOST] for at in range(0, len(message), _MOST))
        return b"".join(_framed(_SOUNDS_KIND, _packed(part)) for part in parts)
    return _framed(_JSON_KIND, json.dumps(message, separators=(",", ":")).encode())


def _packed(sounds: Sequence[Sound]) -> bytes:
    return b"".join(_SOUND.pack(*sound) for sound in sounds)


def _framed(kind: int, content: bytes) -> bytes:
    return _HEADER.pack(kind, len(content)) + content


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message, None at the end. Raises PeerError for what is no message of ours."""
    try:
        kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if length > LARGEST:
            raise PeerError(f"a message of {length} bytes, expected at most {LARGEST}")
        content = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    if kind == _SOUNDS_KIND and length and length % _SOUND.size == 0:
        return [Sound._make(each) for each in _SOUND.iter_unpack(content)]
    if kind != _JSON_KIND:
        raise PeerError(f"a message of kind {kind} and {length} bytes, expected JSON or sounds")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("a message that is no JSON object")
    return found
