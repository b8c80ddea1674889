"""Where the sound of a telephone stands on the call clock, when all that is known is when it came.

Sound follows itself without a hole, though it comes unevenly. How late some of it came is known as
against the earliest: that sets the grid, and a single late piece moves nothing. Frames stand 20 ms
apart whatever happens; a clock that is slow or fast is followed by half a frame of silence more or
of sound less, so what is said stays within 10 ms of where it was.
"""

from __future__ import annotations

from typing import NamedTuple

from askfirst.model import FRAME_BYTES, FRAME_MS

GAP_MS = 60
"""Sound that is this much later than its place comes after some that never did."""

STEP_MS = FRAME_MS // 2
"""By so much the grid follows a clock that is not ours."""

LOOKS = 250
"""So many pieces, five seconds, all have to be late before the grid follows a slow clock."""

_STEP_BYTES = FRAME_BYTES // 2


class Placed(NamedTuple):
    """20 ms of sound, and when on the call clock they began at the earliest."""

    start_ms: int
    pcm: bytes


class FrameGrid:
    """Gives sound its place, never later than it may have been captured."""

    def __init__(self) -> None:
        self._has_begun = False
        self._next_ms = 0  # where the next frame stands
        self._kept = b""  # the first half of it, or nothing
        self._least_ms = GAP_MS
        self._looks = 0

    def begin_again(self) -> None:
        """What comes next has nothing to do with what came before."""
        self._has_begun, self._kept = False, b""

    def place(self, bound_ms: int, pcm: bytes) -> list[Placed]:
        """The frames that 20 ms complete, which may have been captured as early as `bound_ms`.

        None of their sound stands after its bound, nor `GAP_MS` or more before it. What came
        before may have taken the place, by a clock that is fast or by having been late itself:
        half of the 20 ms is left out then, or all of it.
        """
        if not self._has_begun:
            self._has_begun, self._next_ms = True, bound_ms
            self._count_anew()
        ahead_ms = self._next_ms + self._kept_ms - bound_ms
        if ahead_ms > STEP_MS:
            return []
        if ahead_ms > 0:
            return self._give_way(pcm)
        return [*self._follow(bound_ms), *self._add(pcm)]

    @property
    def _kept_ms(self) -> int:
        return STEP_MS if self._kept else 0

    def _give_way(self, pcm: bytes) -> list[Placed]:
        """Be half a frame less far ahead: what is kept goes, or the first half of what came."""
        if not self._kept:
            self._kept = pcm[_STEP_BYTES:]
            return []
        self._kept = b""
        return self._add(pcm)

    def _follow(self, bound_ms: int) -> list[Placed]:
        """Move to where sound with such a bound belongs; a frame that this completes."""
        late_ms = bound_ms - self._next_ms
        if late_ms >= GAP_MS:
            completed = self._add(bytes(_STEP_BYTES)) if self._kept else []
            self._next_ms += (bound_ms - self._next_ms) // FRAME_MS * FRAME_MS
            self._count_anew()
            return completed
        self._least_ms = min(self._least_ms, late_ms - self._kept_ms)
        self._looks += 1
        if self._looks < LOOKS:
            return []
        least_ms = self._least_ms
        self._count_anew()
        return self._add(bytes(least_ms // STEP_MS * _STEP_BYTES))

    def _add(self, pcm: bytes) -> list[Placed]:
        """Sound that follows on what there was, in whole frames; a half is kept."""
        pcm = self._kept + pcm
        frames = []
        while len(pcm) >= FRAME_BYTES:
            frames.append(Placed(self._next_ms, pcm[:FRAME_BYTES]))
            pcm = pcm[FRAME_BYTES:]
            self._next_ms += FRAME_MS
        self._kept = pcm
        return frames

    def _count_anew(self) -> None:
        self._least_ms, self._looks = GAP_MS, 0
