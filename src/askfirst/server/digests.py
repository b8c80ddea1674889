"""Under which a secret is kept that only its holder knows: sessions, links, tokens, rounds."""

from __future__ import annotations

import hashlib


def of_secret(secret: str) -> str:
    """SHA-256 in hexadecimal, of whatever text; enough for secrets of 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
