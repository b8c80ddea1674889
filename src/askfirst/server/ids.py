"""Identifiers: a prefix that says what it names, and a time-ordered UUIDv7 in hexadecimal."""

from __future__ import annotations

import secrets
import time

PREFIXES = (
    "call",
    "rec",
    "leg",
    "con",
    "usr",
    "ent",
    "ast",
    "hold",
    "pers",
    "fol",
    "view",
    "req",
    "tok",
    "ring",
    "med",
    "lnk",
    "site",
    "shr",
    "que",
    "prop",
    "pkey",
    "swp",
    "stc",
    "agr",
    "cpy",
    "trk",
    "cmt",
    "clip",
    "list",
    "quest",
    "check",
    "twa",
)


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``call_0193…``; UUID version 7 (RFC 9562, section 5.7).

    Ids of one process sort by their millisecond of making. They carry no personal data.
    """
    if prefix not in PREFIXES:
        raise ValueError(f"unknown id prefix {prefix!r}; known: {', '.join(PREFIXES)}")
    millis = time.time_ns() // 1_000_000
    value = (millis & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return f"{prefix}_{value:032x}"
