"""The demonstration as a process of its own, with its children, watched from outside."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from askfirst.errors import Unavailable

SAMPLE_S = 0.2
"""A sample of a large process costs the kernel some milliseconds; closer ones would disturb."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One demonstration: its times, and the most memory that its processes held together."""

    first_persona_s: float
    total_s: float
    peak_mib: float
    samples: int


def demonstration(*, samples_memory: bool) -> Watched:
    """Run the demonstration to its end in a folder of its own.

    Raises Unavailable when it did not get to its end; then its times would mean nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "askfirst.cli", "demo", "--out", f"{folder}/out"]
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own program, nothing from outside
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        totals: list[int] = []
        sampler = threading.Thread(target=_sample, args=(process, totals))
        if samples_memory:
            sampler.start()
        first_s, last = 0.0, ""
        assert process.stderr is not None  # noqa: S101 - we asked for a pipe
        for said in process.stderr:
            first_s, last = first_s or time.perf_counter() - began, said
        process.wait()
        total_s = time.perf_counter() - began
        if samples_memory:
            sampler.join()
    if process.returncode not in (0, 1):
        raise Unavailable(f"the demonstration ended with {process.returncode}: {last.strip()}")
    return Watched(first_s, total_s, max(totals, default=0) / 1024, len(totals))


def _sample(process: subprocess.Popen[str], totals: list[int]) -> None:
    while process.poll() is None:
        totals.append(sum(_pss_kib(pid) for pid in _tree(process.pid)))
        time.sleep(SAMPLE_S)


def _tree(root: int) -> Iterator[int]:
    """A process and everything it has started, as far as it is still there."""
    yield root
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _tree(int(child))


def _pss_kib(pid: int) -> int:
    """Proportional set size of a process (proc(5), smaps_rollup); 0 once it is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:"), 0)
