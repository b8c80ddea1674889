"""Gaps of a recording: when nothing of a call was kept, and why; pure, from what was written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askfirst.gate import State
from askfirst.ledger import Kind
from askfirst.server.sealing import Stretch

SHORTEST_MS = 100
"""A shorter hole is only the time that the gate needs."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Call time of which no sound was kept. `because` is the gate's word for it, "" unknown;
    `reason` is what was stated for a pause.
    """

    from_ms: int
    to_ms: int
    because: str
    reason: str | None


def gaps_of(
    stretches: Sequence[Stretch],
    timeline: Sequence[Mapping[str, Any]],
    pauses: Sequence[tuple[int, str]],
    end_ms: int,
) -> list[Gap]:
    """What the stretches leave out of 0 to `end_ms`, in order.

    `timeline` are its lines in order; `pauses` are call times and reasons of `pauses_of`.
    """
    found, at_ms = [], 0
    for each in sorted(stretches, key=lambda stretch: stretch.from_ms):
        if each.from_ms - at_ms >= SHORTEST_MS:
            found.append(_gap(at_ms, each.from_ms, timeline, pauses))
        at_ms = max(at_ms, each.to_ms)
    if end_ms - at_ms >= SHORTEST_MS:
        found.append(_gap(at_ms, end_ms, timeline, pauses))
    return found


def pauses_of(entries: Iterable[tuple[int, Mapping[str, Any]]]) -> list[tuple[int, str]]:
    """Call time and reason of every pause in the ledger's entries of a call."""
    return [
        (int(entry["data"]["at_ms"]), str(entry["data"].get("reason", "")))
        for _, entry in entries
        if entry["kind"] == Kind.PAUSE_STARTED.value
    ]


def _gap(
    from_ms: int,
    to_ms: int,
    timeline: Sequence[Mapping[str, Any]],
    pauses: Sequence[tuple[int, str]],
) -> Gap:
    """A gap with the cause that lasted longest in it."""
    lasted: dict[tuple[str, str], int] = {}
    for number, line in enumerate(timeline):
        until = timeline[number + 1]["at_ms"] if number + 1 < len(timeline) else to_ms
        within = min(to_ms, until) - max(from_ms, line["at_ms"])
        if within > 0 and line["state"] != State.OPEN.value:
            cause = (str(line["state"]), str(line["because"]))
            lasted[cause] = lasted.get(cause, 0) + within
    state, because = max(lasted, key=lambda cause: lasted[cause], default=("", ""))
    stated = [reason for at_ms, reason in pauses if at_ms < to_ms]
    is_pause = state == State.HELD.value and because == "paused"
    return Gap(from_ms, to_ms, because, stated[-1] if is_pause and stated else None)
