"""Sealing and opening in segments beside encryption in one piece."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from askfirst.server.vault import (
    ASSET_SEGMENT_BYTES,
    SPOOL_SEGMENT_BYTES,
    associated_data,
    open_sealed,
    seal,
)
from bench.measure import REPEATS, Line, compared

MEGABYTES = 8


def lines() -> Iterator[Line]:
    """Megabytes (of a million bytes) a second; a larger ratio is better here."""
    plain, key, nonce = os.urandom(MEGABYTES * 1_000_000), os.urandom(32), os.urandom(12)
    bound = associated_data(1, "rec_0", "audio")
    whole = AESGCM(key)
    counts = f"median of {REPEATS} runs over {MEGABYTES} MB"
    for segment_bytes in (SPOOL_SEGMENT_BYTES, ASSET_SEGMENT_BYTES):
        sealed = seal(plain, key, bound, segment_bytes)
        seconds = compared(
            [
                lambda: whole.encrypt(nonce, plain, bound),
                lambda size=segment_bytes: seal(plain, key, bound, size),  # type: ignore[misc]
                lambda kept=sealed, size=segment_bytes: open_sealed(  # type: ignore[misc]
                    kept, key, bound, size
                ),
            ],
            1,
        )
        reference, sealing, opening = (MEGABYTES / each for each in seconds)
        size = f"{segment_bytes // 1024} KiB"
        yield Line(f"vault seal {size}", sealing, "MB/s", reference, counts)
        yield Line(f"vault open {size}", opening, "MB/s", reference, counts)
