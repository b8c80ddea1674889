"""``python -m bench [NAME…]``: one JSON line for each figure; without names, all of them.

Figures and ratios are for people to judge against the promised budgets; nothing fails here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

NAMES = (
    "decide",
    "batch",
    "start",
    "gate",
    "consent-to-first-frame",
    "vault",
    "transcribe",
    "memory",
    "demo",
    "contacts",
    "callpage",
    "captions",
    "pages",
    "dashboards",
    "calls",
    "delay",
    "hearing",
    "search",
)


def main(names: Sequence[str]) -> int:
    """Run the benchmarks of these names in this order; 2 for a name that there is not."""
    for name in names:
        if name not in NAMES:
            print(f"bench: no benchmark {name!r}; there are: {', '.join(NAMES)}", file=sys.stderr)
            return 2
    for name in names or NAMES:
        for line in import_module(f"bench.{name.replace('-', '_')}").lines():
            print(line.json(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
