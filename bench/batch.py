"""A batch of many requests: decisions a second on one core, and memory as it grows.

`one account` is what batches are for: a list of numbers under one policy. `mixed policies` takes
turns between policies and purposes as no account does, so that less can be remembered.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import phonenumbers

from bench.measure import Line

FEW, MANY = 20_000, 200_000
WANTED_PER_SECOND = 5_000
AGENTS = ("US-TX", "NO", "DE", "GB", "US-CA", "SE", "NL", None)
AREAS = ("212", "628", "512", "305", "206", "702", "312", "614", "404", "802", "617", "313")
Policy = dict[str, object]
ACCOUNTS: dict[str, tuple[tuple[Policy, ...], tuple[str | None, ...]]] = {
    "one account": (({},), ("training",)),
    "mixed policies": (
        ({}, {"always_ask": True}, {"no_third_party_guarantee": True}, {"lawful_basis": None}),
        (None, "training", "quality"),
    ),
}


def requests(
    number: int, policies: Sequence[Policy], purposes: Sequence[str | None]
) -> Iterator[str]:
    """Lines of a batch: half of the numbers American, the others of the whole world."""
    chance = random.Random(7)  # noqa: S311 - the same lines every time
    world = [
        phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        if (example := phonenumbers.example_number(region)) is not None
    ]
    for index in range(number):
        last = f"{chance.randrange(10_000):04d}"
        abroad = chance.choice(world)[:-4] + last
        home = f"+1{chance.choice(AREAS)}{chance.randrange(200, 1_000)}{last}"
        yield json.dumps(
            {
                "id": str(index),
                "agent_location": chance.choice(AGENTS),
                "contact_numbers": [chance.choice((home, abroad))],
                "policy": chance.choice(policies),
                "purpose": chance.choice(purposes),
                "on": "2026-11-26",
            }
        )


def lines() -> Iterator[Line]:
    """Decisions with notice and JSON a second, and the memory of a tenfold batch."""
    for name, (policies, purposes) in ACCOUNTS.items():
        seconds: dict[int, float] = {}
        memory: dict[int, float] = {}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "batch.jsonl"
            for number in (FEW, MANY):
                text = "\n".join(requests(number, policies, purposes))
                path.write_text(text + "\n", encoding="utf-8")
                seconds[number], memory[number] = _batch(path)
        rate = (MANY - FEW) / (seconds[MANY] - seconds[FEW])
        counts = f"{MANY} requests less the first {FEW}, one process"
        yield Line(f"batch decisions, {name}", rate, "1/s", WANTED_PER_SECOND, counts)
        counts = f"highest of a process with {MANY} requests beside one with {FEW}"
        yield Line(f"batch memory, {name}", memory[MANY], "MiB", memory[FEW], counts)


def _batch(path: Path) -> tuple[float, float]:
    """Seconds and MiB of one batch in a process of its own, which starts in between."""
    code = (
        "import sys; from askfirst.cli import main; main(sys.argv[1:]); "
        "print(*[line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line], "
        "file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "decide", "--batch", str(path)]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own program
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    return time.perf_counter() - began, int(done.stderr) / 1024
