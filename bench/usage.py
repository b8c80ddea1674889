"""What processes take of the processor, as the kernel counts it (proc(5), stat)."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def taken_s(pids: Sequence[int]) -> float:
    """Seconds of processor time that these processes have taken so far, all threads together."""
    total = 0
    for pid in pids:
        # The name in brackets may hold spaces; times are the 14th and 15th field.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def cores_of(pids: Sequence[int], seconds: float) -> float:
    """How many cores these processes keep busy during the next seconds; it blocks."""
    before, began = taken_s(pids), time.monotonic()
    time.sleep(seconds)
    return (taken_s(pids) - before) / (time.monotonic() - began)
