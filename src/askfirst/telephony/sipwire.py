"""Messages between the process that carries calls and the one that speaks SIP.

A message is a kind (1 byte), a length (4 bytes, big-endian) and its content: a JSON object, or the
sound of a call: its number (4 bytes), when it was heard in milliseconds on the machine's monotonic
clock (8 bytes), and 20 ms of sound (640 bytes, mono s16le at 16 kHz).
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any

from askfirst.errors import PeerError
from askfirst.model import FRAME_BYTES

LARGEST = 65_536
"""Bytes of the longest message; what claims more is not one of ours."""

_HEADER = struct.Struct(">BI")
_SOUND = struct.Struct(">Iq")
_JSON_KIND, _SOUND_KIND = 1, 2


@dataclass(frozen=True, slots=True)
class Sound:
    """20 ms of a call; `heard_ms` is the moment by the machine's clock at which they began."""

    call: int
    heard_ms: int
    pcm: bytes


Message = dict[str, Any] | Sound


def pack(message: Message) -> bytes:
    """The bytes of a message."""
    if isinstance(message, Sound):
        content = _SOUND.pack(message.call, message.heard_ms) + message.pcm
        return _HEADER.pack(_SOUND_KIND, len(content)) + content
    content = json.dumps(message, separators=(",", ":")).encode()
    return _HEADER.pack(_JSON_KIND, len(content)) + content


async def read(reader: asyncio.StreamReader) -> Message | None:
    """The next message, None at the end. Raises PeerError for what is no message of ours."""
    try:
        kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
        if length > LARGEST:
            raise PeerError(f"a message of {length} bytes, expected at most {LARGEST}")
        content = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    if kind == _SOUND_KIND and length == _SOUND.size + FRAME_BYTES:
        call, heard_ms = _SOUND.unpack_from(content)
        return Sound(call, heard_ms, content[_SOUND.size :])
    if kind != _JSON_KIND:
        raise PeerError(f"a message of kind {kind} and {length} bytes, expected JSON or a sound")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("a message that is no JSON object")
    return found
