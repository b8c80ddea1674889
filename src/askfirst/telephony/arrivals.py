"""How evenly what carries its own time arrives: numbers only."""

from __future__ import annotations

_SHARE = 16
"""Of what one packet was off, so much of it counts (RFC 3550, 6.4.1)."""


class Arrivals:
    """How many came, and their jitter: by how much they come apart otherwise than they left."""

    def __init__(self) -> None:
        self.count = 0
        self.jitter_ms = 0.0
        self._transit_ms = 0

    def meet(self, sent_ms: int, arrived_ms: int) -> None:
        """One that was sent at a time of the other side's clock, and arrived at one of ours."""
        transit_ms = arrived_ms - sent_ms
        if self.count:
            off_ms = abs(transit_ms - self._transit_ms)
            self.jitter_ms += (off_ms - self.jitter_ms) / _SHARE
        self._transit_ms = transit_ms
        self.count += 1
