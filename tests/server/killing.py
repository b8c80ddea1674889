"""Cutting code off before each of its steps, as a kill does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import pytest

Steps = Sequence[tuple[Any, str]]
"""What is counted as a step: whoever owns a function, and its name."""


class Killed(BaseException):
    """What a kill is to the code that it hits: nothing after it runs."""


def killed_at(
    step: int, monkeypatch: pytest.MonkeyPatch, steps: Steps, change: Callable[[], object]
) -> bool:
    """Make a change and die before its step of a number; False if it has fewer steps."""
    done = 0

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(real)
        def either(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                raise Killed
            return real(*args, **kwargs)

        return either

    with monkeypatch.context() as patched:
        for owner, name in steps:
            patched.setattr(owner, name, dying(getattr(owner, name)))
        try:
            change()
        except Killed:
            return True
    return False
