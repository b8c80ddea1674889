"""The most memory that the demonstration's processes hold together."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Line
from bench.processes import SAMPLE_S, demonstration

ALLOWED_MIB = 700


def lines() -> Iterator[Line]:
    """MiB of proportional set size, summed over the processes, at its peak."""
    watched = demonstration(samples_memory=True)
    counts = f"highest of {watched.samples} samples, one every {SAMPLE_S} s, of one demonstration"
    yield Line("demo memory", watched.peak_mib, "MiB", ALLOWED_MIB, counts)
