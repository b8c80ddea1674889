"""Sound that waits to be heard. What has always waited is delay, and goes where nobody misses it.

After a moment in which the machine stood still, queues are full and stay so: each frame that comes
waits behind the same number of others. A quiet frame is left out then, until none waits in vain.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from askfirst.audio.mixing import to_samples
from askfirst.telephony.agentsound import WAITING_FRAMES
from askfirst.telephony.progress import SILENCE

LOOKS = 50
"""So many frames, a second, have to find a queue filled before it counts as standing."""

QUIET = 328
"""The loudest sample of a quiet frame, at -40 dB of full scale."""

STANDING_FRAMES = 2
"""Frames that may always wait: one is on its way."""


class Standing:
    """Whether something has waited all the time; `much` is from when on that is too much.

    So many looks in a row have to find that.
    """

    def __init__(self, much: int, looks: int = LOOKS) -> None:
        self.is_due = False
        self._much = much
        self._most = looks
        self._is_standing = True
        self._looks = 0

    def look(self, waiting: int) -> None:
        """So much waits as one more frame is due."""
        self._is_standing = self._is_standing and waiting >= self._much
        self._looks += 1
        if self._looks == self._most:
            is_standing = self._is_standing
            self.settle()
            self.is_due = is_standing

    def settle(self) -> None:
        """Something was left out; count anew."""
        self.is_due, self._is_standing, self._looks = False, True, 0


class Playout:
    """At most 60 ms of sound that wait; the oldest go first beyond that."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._standing = Standing(STANDING_FRAMES)

    def add(self, pcm: bytes) -> None:
        """One more frame of 20 ms is to be heard."""
        self._waiting.append(pcm)

    def take(self) -> bytes:
        """The frame that is heard now, silence where none waits."""
        self._standing.look(len(self._waiting))
        if self._standing.is_due and len(self._waiting) > 1 and is_quiet(self._waiting[0]):
            self._waiting.popleft()
            self._standing.settle()
        return self._waiting.popleft() if self._waiting else SILENCE

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()
        self._standing.settle()


def is_quiet(pcm: bytes) -> bool:
    """Whether nobody misses a frame."""
    return int(np.abs(to_samples(pcm).astype(np.int32)).max(initial=0)) <= QUIET
