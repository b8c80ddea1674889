"""A part of some bytes, as a player asks for it (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


Part = Callable[[int, int], bytes]
"""Gives the bytes from the first to the last, both included."""


def ranged(part: Part, size: int, asked: str | None, media_type: str) -> Response:
    """The whole as 200, the part that was asked for as 206, 416 for one that lies outside.

    Several parts in one request are answered with the whole, as section 14.2 allows.
    """
    headers = {"accept-ranges": "bytes"}
    found = _RANGE.fullmatch(asked or "")
    if found is None or found.groups() == ("", ""):
        return Response(part(0, size - 1), media_type=media_type, headers=headers)
    first, last = _bounds(found[1], found[2], size)
    if first > last or first >= size:
        headers["content-range"] = f"bytes */{size}"
        return Response(status_code=416, headers=headers)
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Response(part(first, last), status_code=206, media_type=media_type, headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The first and the last byte, both within; a part that is empty gives first > last."""
    if not first:
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
