"""Which sound some bytes of an Ogg/Opus file hold (RFC 3533, section 6; RFC 7845, section 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from askfirst.errors import InvalidInput

_HEADER = struct.Struct("<4sBBqIIIB")
_GRANULES_PER_MS = 48
"""Opus counts its samples at 48 kHz whatever the rate of what was encoded."""

_PRE_SKIP = struct.Struct("<H")
_PRE_SKIP_AT = 10


def sound_of(data: bytes, first: int, last: int) -> tuple[int, int]:
    """From and to when, in ms of the file, the bytes `first` to `last` (both included) sound.

    Whole pages count: what is decoded of a part may reach to the ends of its pages. Bytes of the
    headers alone give (0, 0). Raises InvalidInput for data that is no whole Ogg/Opus file.
    """
    found: list[tuple[int, int]] = []
    skipped, reached = _pre_skip(data), 0
    for begin, end, granule in _pages(data):
        ends = max(reached, granule)
        if ends > reached and begin <= last and end > first:
            found.append((reached, ends))
        reached = ends
    if not found:
        return 0, 0
    from_ms = max(0, found[0][0] - skipped) // _GRANULES_PER_MS
    to_ms = -(-max(0, found[-1][1] - skipped) // _GRANULES_PER_MS)
    return from_ms, to_ms


def _pages(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Begin, end and granule position of every page in order."""
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise _broken(at)
        mark, _, _, granule, _, _, _, count = _HEADER.unpack_from(data, at)
        lacing = data[at + _HEADER.size : at + _HEADER.size + count]
        end = at + _HEADER.size + count + sum(lacing)
        if mark != b"OggS" or len(lacing) != count or end > len(data):
            raise _broken(at)
        yield at, end, granule
        at = end


def _pre_skip(data: bytes) -> int:
    at = data.find(b"OpusHead")
    if at < 0 or at + _PRE_SKIP_AT + _PRE_SKIP.size > len(data):
        raise InvalidInput("found no Opus header; expected an Ogg/Opus file")
    return int(_PRE_SKIP.unpack_from(data, at + _PRE_SKIP_AT)[0])


def _broken(at: int) -> InvalidInput:
    return InvalidInput(f"found no whole Ogg page at byte {at}; expected an Ogg/Opus file")
