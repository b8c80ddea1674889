"""Canonical JSON: one value, one sequence of bytes, so that it can be hashed and signed.

RFC 8785 for the subset that askfirst hashes: no fractions, whose text differs between languages.
"""

from __future__ import annotations

import json

from askfirst.errors import InvalidInput

MAX_INT = 2**53
"""Largest magnitude of an integer (RFC 8785 §3.2.2.3, I-JSON)."""

MAX_DEPTH = 32


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a value made of dict, list, tuple, str, int, bool and None.

    Raises InvalidInput for a float, an integer beyond ±2^53, a key that is not a string, half a
    surrogate pair, nesting deeper than 32, or any other type.
    """
    ordered = _ordered(value, 0)
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _ordered(value: object, depth: int) -> object:
    if depth > MAX_DEPTH:
        raise InvalidInput(f"canonical JSON: nesting deeper than {MAX_DEPTH}; flatten the value")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_INT:
            raise InvalidInput("canonical JSON: an integer beyond ±2^53; pass it as a string")
        return int(value)
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list | tuple):
        return [_ordered(item, depth + 1) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InvalidInput(f"canonical JSON: a key of type {type(key).__name__}, not str")
        keys = sorted((well_formed(key) for key in value), key=lambda k: k.encode("utf-16-be"))
        return {key: _ordered(value[key], depth + 1) for key in keys}
    raise InvalidInput(
        f"canonical JSON: a value of type {type(value).__name__}; "
        "expected dict, list, str, int, bool or None"
    )


def well_formed(text: str) -> str:
    """The text as a plain `str`; raises InvalidInput for half a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("canonical JSON: half a surrogate pair in a string") from error
    # Also for members of enumerations, whose str() may be their name.
    return str.__str__(text)
