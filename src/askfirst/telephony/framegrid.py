"""Where frames of a telephone stand on the call clock, when all that is known is when they came.

Frames follow each other by 20 ms, though they come unevenly. How late one came is known as against
the earliest ones: those set the grid, and a single late frame moves nothing.
"""

from __future__ import annotations

from askfirst.model import FRAME_MS

GAP_MS = 60
"""A frame that is this much later than its place comes after some that never did."""

LOOKS = 250
"""So many frames, five seconds, all have to be late before the grid follows a slow clock."""


class FrameGrid:
    """Gives each frame its place, never later than it may have been captured."""

    def __init__(self) -> None:
        self._next_ms: int | None = None
        self._least_ms = GAP_MS
        self._looks = 0

    def begin_again(self) -> None:
        """The next frame has nothing to do with those before."""
        self._next_ms = None

    def place(self, bound_ms: int) -> int | None:
        """The place of a frame that may have been captured as early as `bound_ms`.

        Less than `GAP_MS` before the bound and never after it; None where the frames before have
        taken it, by a clock that is fast or by having come late themselves.
        """
        due_ms = self._next_ms
        if due_ms is None:
            due_ms = bound_ms
            self._count_anew()
        elif due_ms > bound_ms:
            return None
        due_ms += self._behind(bound_ms - due_ms) // FRAME_MS * FRAME_MS
        self._next_ms = due_ms + FRAME_MS
        return due_ms

    def _behind(self, late_ms: int) -> int:
        """By how much the grid is behind, as a frame shows that is so late."""
        self._least_ms = min(self._least_ms, late_ms)
        self._looks += 1
        if late_ms >= GAP_MS:
            self._count_anew()
            return late_ms
        if self._looks < LOOKS:
            return 0
        least_ms = self._least_ms
        self._count_anew()
        return least_ms

    def _count_anew(self) -> None:
        self._least_ms, self._looks = GAP_MS, 0
