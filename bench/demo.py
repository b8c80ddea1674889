"""How long a second demonstration takes to begin, and to end."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Line
from bench.processes import demonstration

START_S = 3
TOTAL_S = 60


def lines() -> Iterator[Line]:
    """Seconds from the command to its first call, and to its end."""
    demonstration(samples_memory=False)
    watched = demonstration(samples_memory=False)
    counts = "second of two demonstrations"
    yield Line("demo start", watched.first_persona_s, "s", START_S, counts)
    yield Line("demo total", watched.total_s, "s", TOTAL_S, counts)
