"""From nothing to the first decision, in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.measure import REPEATS, Line

NOTHING = "pass"
LIBRARY = "import phonenumbers; phonenumbers.parse('+16285550142')"
DECISION = """
from datetime import date
from askfirst import Party, decide
decide([Party.agent("NO"), Party.contact("+16285550142")], on=date(2026, 11, 26))
"""
ALLOWED_MS = 400


def lines() -> Iterator[Line]:
    """Milliseconds that import and the first decision add to a bare interpreter."""
    taken: dict[str, list[float]] = {NOTHING: [], LIBRARY: [], DECISION: []}
    for _ in range(REPEATS + 1):
        for code, runs in taken.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own lines
            runs.append((time.perf_counter() - began) * 1000)
    bare, library, decision = (statistics.median(runs[1:]) for runs in taken.values())
    counts = f"median of {REPEATS} processes, less that of a bare interpreter"
    yield Line("import and first decision", decision - bare, "ms", ALLOWED_MS, counts)
    yield Line("import of the number library", library - bare, "ms", decision - bare, counts)
