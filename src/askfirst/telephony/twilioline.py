"""A line at Twilio: what the provider is told of it, checked whole, as one frozen value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from askfirst.errors import InvalidInput

WAY_MS = 300
"""Default bound of the way from a telephone to Twilio, through its jitter buffer, and on to us.
Twilio states none, so it is generous: a frame counts as that much older than it may be."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioLine:
    """Where Twilio finds us, and what calls over it may cost.

    `sender` is the number that is shown where a call names no other; the account owns it.
    `stream_url` (wss) takes media streams and `status_url` (https) what happens to calls; both
    are addresses of ours as Twilio sees them, without a query. Only on this machine may they be
    without encryption. Seconds: `ring` until nobody takes it, `silence` without sound until a call
    is given up, `longest_hold` of a call that waits, `longest_call` until Twilio ends it by itself.
    `most_calls` at one time; `way_ms` as `WAY_MS`. Raises InvalidInput naming the field.
    """

    sender: str
    stream_url: str
    status_url: str
    ring: int = 60
    silence: int = 10
    longest_hold: int = 600
    longest_call: int = 4 * 3_600
    most_calls: int = 20
    way_ms: int = WAY_MS

    def __post_init__(self) -> None:
        _ensure(_NUMBER.fullmatch(self.sender), "sender", "a number that starts with +")
        _ensure(_is_ours(self.stream_url, "wss", "ws"), "stream_url", "wss:// and no query")
        _ensure(_is_ours(self.status_url, "https", "http"), "status_url", "https:// and no query")
        for name, most in (
            ("ring", 300), ("silence", 120), ("longest_hold", 7_200), ("longest_call", 14_400),
            ("most_calls", 500), ("way_ms", 2_000),
        ):  # fmt: skip
            _ensure(1 <= getattr(self, name) <= most, name, f"1 to {most}")


def _is_ours(url: str, safe: str, plain: str) -> bool:
    try:
        found = urlsplit(url)
        host = found.hostname or ""
    except ValueError:
        return False
    if not host or found.query or found.fragment or found.username:
        return False
    return found.scheme == safe or (found.scheme == plain and _is_here(host))


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _ensure(holds: object, field: str, expected: str) -> None:
    if not holds:
        raise InvalidInput(f"{field} of the line at Twilio cannot be used, expected {expected}")
