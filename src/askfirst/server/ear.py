"""Listening to legs of a call while it goes on: frames in, phrases out, in memory only.

Whoever has an ear asks the gate, opens it for a leg where that may be heard, and shuts it with the
permission; everything of the leg that has not become words is then thrown away. The media path puts
frames aside and does nothing else with them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from askfirst.gate import PartyFact
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import Clock
from askfirst.server.captioning import Captioning
from askfirst.speech.endpointing import Detector
from askfirst.speech.phrases import Phrase, Phrases

log = logging.getLogger(__name__)

TICK_MS = 160
"""How often frames are listened to: five steps of the speech model."""

IDLE_MS = 700
"""A leg from which nothing comes for so long has ended its phrase."""

MOST_FRAMES = 500
"""Most frames of one leg that wait to be listened to, 10 s."""

_FILLED_MS = 200


@dataclass(slots=True, eq=False)
class HeardLeg:
    """One leg for as long as it may be heard without a break, since `since_ms`."""

    party: PartyFact
    since_ms: int | None
    using: Detector | None
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=MOST_FRAMES))
    phrases: Phrases | None = None
    is_over: bool = False

    def hear(self, frames: Sequence[Frame], now_ms: int) -> list[Phrase]:
        """The phrases that ended with these frames, or with the silence since; in a thread."""
        found: list[Phrase] = []
        for frame in sorted(frames, key=lambda each: each.start_ms):
            found += self._take(frame)
        if self.phrases is not None and now_ms - self.phrases.until_ms >= IDLE_MS:
            found += self.phrases.end()
            self.phrases = None
        return found

    def _take(self, frame: Frame) -> list[Phrase]:
        found: list[Phrase] = []
        missing_ms = 0 if self.phrases is None else frame.start_ms - self.phrases.until_ms
        if self.phrases is not None and missing_ms > _FILLED_MS:
            found += self.phrases.end()
            self.phrases = None
        if self.phrases is None:
            self.phrases, missing_ms = Phrases(frame.start_ms, self.using), 0
        if missing_ms > -FRAME_MS:  # else it is too late: what comes after was heard
            silence = bytes(FRAME_BYTES * max(0, missing_ms // FRAME_MS))
            found += self.phrases.hear(silence + frame.pcm)
        return found


class Ear:
    """The legs of one call that are heard now; belongs to the loop of the call.

    `on_phrase` is told of each phrase that ended in a leg that may still be heard. Where listening
    fails every leg is shut, and then `on_failed` is called.
    """

    def __init__(
        self,
        captioning: Captioning,
        clock: Clock,
        now_ms: Callable[[], int],
        on_phrase: Callable[[HeardLeg, Phrase], None],
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._captioning = captioning
        self._clock = clock
        self._now_ms = now_ms
        self._on_phrase = on_phrase
        self._on_failed = on_failed
        self._legs: dict[str, HeardLeg] = {}
        self._listening: asyncio.Task[None] | None = None

    def legs(self) -> tuple[HeardLeg, ...]:
        """Every leg that is heard."""
        return tuple(self._legs.values())

    def of(self, leg: str) -> HeardLeg | None:
        """A leg that is heard, None for one that is not."""
        return self._legs.get(leg)

    def open(self, party: PartyFact, since_ms: int | None) -> None:
        """Hear a party's leg from now on; nothing changes where it is heard already."""
        if party.leg not in self._legs:
            self._legs[party.leg] = HeardLeg(party, since_ms, self._captioning.using)
            if self._listening is None:
                self._listening = asyncio.create_task(self._listen())

    def shut(self, leg: HeardLeg) -> None:
        """Hear a leg no longer, and forget what was heard of it."""
        del self._legs[leg.party.leg]
        leg.is_over = True
        leg.frames.clear()
        self._captioning.forget(leg)

    def close(self) -> None:
        """Shut every leg, at once."""
        for leg in self.legs():
            self.shut(leg)
        if self._listening is not None:
            self._listening.cancel()

    async def _listen(self) -> None:
        try:
            while self._legs:
                await self._clock.sleep_until(self._clock.now_ms() + TICK_MS)
                for leg in self.legs():
                    await self._hear(leg)
        except Exception:
            # Nobody's call or recording ends by that: what is not heard opens no gate.
            log.exception("ear.failed")
            for leg in self.legs():
                self.shut(leg)
            self._on_failed()
        finally:
            self._listening = None

    async def _hear(self, leg: HeardLeg) -> None:
        frames = tuple(leg.frames)
        leg.frames.clear()
        if not frames and leg.phrases is None:
            return
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._captioning.ears, leg.hear, frames, self._now_ms())
        for phrase in found:
            if not leg.is_over:
                self._on_phrase(leg, phrase)
