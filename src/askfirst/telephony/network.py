"""A network that loses, delays and reorders frames, the same way for the same seed."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from itertools import count

from askfirst.errors import InvalidInput
from askfirst.model import FRAME_MS, Frame

_REORDER_MS = 60


@dataclass(frozen=True, slots=True)
class Network:
    """What happens to the contact's frames under way, the same for the same `seed`.

    `loss` and `reorder` are shares from 0 to 1, `delay_ms` is added to every frame and up to
    `jitter_ms` more to each by chance; order is kept except for the reordered share.
    """

    loss: float = 0.0
    delay_ms: int = 0
    jitter_ms: int = 0
    reorder: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        shares = 0 <= self.loss <= 1 and 0 <= self.reorder <= 1
        if not shares or not 0 <= self.delay_ms <= 10_000 or not 0 <= self.jitter_ms <= 10_000:
            raise InvalidInput(f"{self}, expected shares from 0 to 1 and 0 to 10000 ms.")

    @property
    def lag_ms(self) -> int:
        """Upper bound of a frame's time under way, in whole frames."""
        most = self.delay_ms + self.jitter_ms + (_REORDER_MS if self.reorder else 0)
        return -(-most // FRAME_MS) * FRAME_MS


class Wire:
    """Frames under way, in order of arrival; `send` meets the network, `bring` does not."""

    def __init__(self, network: Network | None) -> None:
        self._network = network
        # Reproducible trouble is the point; nothing secret is drawn from it.
        self._chance = random.Random(network.seed) if network is not None else None  # noqa: S311
        self._heap: list[tuple[int, int, Frame]] = []
        self._order = count()
        self._now_ms = -(10**9)
        self._last_ms = -(10**9)

    @property
    def under_way(self) -> bool:
        return bool(self._heap)

    def advance(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def bring(self, frame: Frame) -> None:
        heapq.heappush(self._heap, (frame.start_ms + FRAME_MS, next(self._order), frame))

    def send(self, frame: Frame) -> None:
        network, chance = self._network, self._chance
        if network is None or chance is None:
            self.bring(frame)
            return
        # All draws are made for every frame, so that one setting does not shift another's luck.
        lost = chance.random() < network.loss
        jitter_ms = round(chance.random() * network.jitter_ms)
        reordered = chance.random() < network.reorder
        if lost:
            return
        due_ms = frame.start_ms + FRAME_MS + network.delay_ms + jitter_ms
        if reordered:
            due_ms += _REORDER_MS
        else:
            due_ms = self._last_ms = max(due_ms, self._last_ms)
        heapq.heappush(self._heap, (due_ms, next(self._order), frame))

    def arrived(self) -> list[Frame]:
        frames = []
        while self._heap and self._heap[0][0] <= self._now_ms:
            frames.append(heapq.heappop(self._heap)[2])
        return frames
