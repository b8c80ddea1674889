"""One thing that `askfirst doctor` has looked at: how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether something is as it should be. Only what is missing keeps the program from working."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """`says` is one sentence without a full stop; `do` is "" where nothing has to be done."""

    name: str
    state: State
    says: str
    do: str = ""


def ok(name: str, says: str) -> Finding:
    """Something that is as it should be."""
    return Finding(name, State.OK, says)


def warning(name: str, says: str, do: str) -> Finding:
    """Something without which the program works, but less well or less safely."""
    return Finding(name, State.WARNING, says, do)


def missing(name: str, says: str, do: str) -> Finding:
    """Something without which the program does not do what it is set to."""
    return Finding(name, State.MISSING, says, do)
