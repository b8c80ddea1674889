"""How everything here is timed: medians of alternating runs, the garbage collector off."""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

REPEATS = 9


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside its reference, in the same unit; `counts` says what was repeated."""

    name: str
    figure: float
    unit: str
    reference: float
    counts: str

    def json(self) -> str:
        """The line as it is printed; `ratio` is figure by reference."""
        return json.dumps(
            {
                "name": self.name,
                "figure": rounded(self.figure),
                "unit": self.unit,
                "reference": rounded(self.reference),
                "ratio": rounded(self.figure / self.reference),
                "counts": self.counts,
            }
        )


def rounded(value: float) -> float:
    """Four significant digits, which is more than any of these timings can tell."""
    return float(f"{value:.4g}")


def compared(
    works: Sequence[Callable[[], object]], steps: int, repeats: int = REPEATS
) -> list[float]:
    """Median seconds of one step for each work, which does `steps` of them when called.

    The works take turns, so that whatever else the machine does falls on all of them alike; each
    runs once before, untimed.
    """
    for work in works:
        work()
    seconds: list[list[float]] = [[] for _ in works]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for taken, work in zip(seconds, works, strict=True):
                began = time.perf_counter()
                work()
                taken.append(time.perf_counter() - began)
            gc.collect()
    finally:
        if was_enabled:
            gc.enable()
    return [statistics.median(taken) / steps for taken in seconds]
