"""A process that kills itself with SIGKILL before a step of a change of the wrapping key.

Run as `python -m tests.server.crashingkeys FOLDER CHANGE STEP [TRANSIT]`: CHANGE is rotate, file or
openbao, and TRANSIT says as JSON where that is. It ends with 0 where the change has fewer steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from tests.server.test_custody import STEPS

from askfirst.server import custody
from askfirst.server.openbao import Transit


def die_at(step: int) -> None:
    """Have the process killed before the step of that number (from 1)."""
    done = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def either(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return either

    for owner, name in STEPS:
        setattr(owner, name, counted(getattr(owner, name)))


def main(folder: Path, change: str, step: int, there: Transit | None) -> None:
    keys = custody.open_keys(folder)
    die_at(step)
    if change == "rotate":
        custody.rotate(folder, keys)
    else:
        custody.move(folder, keys, there if change == "openbao" else None)


if __name__ == "__main__":
    told = json.loads(sys.argv[4]) if len(sys.argv) > 4 else None
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        None if told is None else Transit.from_json(told),
    )
