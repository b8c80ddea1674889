"""Live captions of one call: what both sides say while the gate is open, in memory only.

A frame is taken exactly where the facts of the call allow its leg to be transcribed at its capture
time. It belongs to one stretch of permission; when that ends, everything of it that has not become
a line is thrown away. The media path puts frames aside and does nothing else with them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from askfirst.gate import Facts, PartyFact
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame, Use, Utterance
from askfirst.ports import Clock
from askfirst.server.captioning import Captioning
from askfirst.speech.endpointing import Detector
from askfirst.speech.phrases import Phrase, Phrases

log = logging.getLogger(__name__)

TICK_MS = 160
"""How often frames are listened to: five steps of the speech model."""

IDLE_MS = 700
"""A leg from which nothing comes for so long has ended its phrase."""

MOST_BEHIND_MS = 30_000
"""Most audio of one call that waits to be recognised; the oldest is left out beyond that."""

MOST_FRAMES = 500
"""Most frames of one leg that wait to be listened to, 10 s."""

MOST_LINES = 2_000
"""Most lines that are kept of one call; the oldest go first."""

_FILLED_MS = 200


@dataclass(frozen=True, slots=True)
class Line:
    """What one person said in one go; times on the call clock. `sequence` has no gaps."""

    sequence: int
    party: int
    speaker: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Wiped:
    """Everything up to this sequence is gone: somebody said no, or the agent undid it."""

    sequence: int


@dataclass(slots=True, eq=False)
class Stretch:
    """One leg for as long as it may be listened to without a break."""

    party: PartyFact
    opened_ms: int | None
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


@dataclass(slots=True, eq=False)
class _Waiting:
    """A phrase between its end and its line."""

    captions: Captions
    source: Stretch
    phrase: Phrase
    language: str

    @property
    def speaker(self) -> str:
        return self.source.party.role.value

    @property
    def is_over(self) -> bool:
        return self.source.is_over

    def done(self, heard: Sequence[Utterance]) -> None:
        self.captions._settle(self, heard)

    def failed(self) -> None:
        self.captions._leave_out(self)


class Captions:
    """The live captions of one call; the call makes it, tells it every change, and gives frames.

    `follow(facts)` comes first and after every event; `push(frame)` then asks those facts. Nothing
    here raises. Lines are there while the call lives; a no of anybody wipes them, and `wipe` does.
    """

    def __init__(
        self,
        captioning: Captioning | None,
        clock: Clock,
        language: str,
        now_ms: Callable[[], int],
    ) -> None:
        self.sequence = 0
        self.wiped = 0
        self.skipped_ms = 0
        self.is_closed = False
        self._captioning = captioning or Captioning()
        self._is_usable = self._captioning.knows(language)
        self._clock = clock
        self.language = language
        self._facts = Facts()
        self._now_ms = now_ms
        self._stretches: dict[str, Stretch] = {}
        self._waiting: list[_Waiting] = []
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._listening: asyncio.Task[None] | None = None
        self._has_failed = False
        self._changed = asyncio.Event()

    # What the call does

    def follow(self, facts: Facts) -> None:
        """Take the newest facts; a permission that ended takes with it what was underway."""
        old, self._facts = self._facts, facts
        if self.is_closed:
            return
        self._end_where_not_allowed(facts)
        if (facts.refused | facts.withdrawn) - (old.refused | old.withdrawn):
            self.wipe()
        if facts.has_ended:
            self.close()
        elif self._is_usable and not self._has_failed:
            if facts.is_wanted and not old.is_wanted:
                self._captioning.warm(self.language)
            self._begin_where_allowed(facts)

    def push(self, frame: Frame) -> bool:
        """Put a frame aside if it may be transcribed now and for its capture time; says whether."""
        if not self._facts.allows(frame.leg, Use.TRANSCRIBE, frame.start_ms):
            return False
        stretch = self._stretches.get(frame.leg)
        if stretch is None or len(frame.pcm) != FRAME_BYTES:
            return False
        if len(stretch.frames) == MOST_FRAMES:
            self.skipped_ms += FRAME_MS
        stretch.frames.append(frame)
        return True

    def wipe(self) -> None:
        """What was said so far is gone, for everybody who reads along too."""
        self._lines.clear()
        self.sequence += 1
        self.wiped = self.sequence
        self._tell()

    def close(self) -> None:
        """The call is over: nothing is left. Safe to call again."""
        if self.is_closed:
            return
        self.is_closed = True
        for leg in tuple(self._stretches):
            self._end(leg)
        self._lines.clear()
        if self._listening is not None:
            self._listening.cancel()
        self._tell()

    # What the agent sees

    @property
    def reason(self) -> str | None:
        """Why there are no captions, a code; None where there are.

        Those of `Captioning`, or ``language`` where no engine knows the call's.
        """
        if self._has_failed:
            return "failed"
        reason = self._captioning.reason
        return "language" if reason is None and not self._is_usable else reason

    @property
    def behind_ms(self) -> int:
        """How long ago the oldest phrase ended that has not been recognised; 0 without one."""
        if not self._waiting:
            return 0
        return max(0, self._now_ms() - self._waiting[0].phrase.end_ms)

    def lines(self, after: int = 0) -> tuple[Line, ...]:
        """The lines with a sequence larger than `after`, in the order in which they came."""
        return tuple(line for line in self._lines if line.sequence > after)

    def since(self, after: int) -> tuple[Line | Wiped, ...]:
        """What somebody who has had everything up to `after` has to be told, in order."""
        wiped = (Wiped(self.wiped),) if self.wiped > after else ()
        return (*wiped, *self.lines(after))

    async def change(self, after: int, seconds: float) -> None:
        """Wait until there is more than `after`, or the end, for so long at most."""
        if self.sequence <= after and not self.is_closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, seconds))

    # Permission

    def _end_where_not_allowed(self, facts: Facts) -> None:
        for leg, stretch in tuple(self._stretches.items()):
            is_same = stretch.opened_ms == facts.opened_ms
            if not is_same or not facts.allows(leg, Use.TRANSCRIBE):
                self._end(leg)

    def _begin_where_allowed(self, facts: Facts) -> None:
        for party in facts.parties:
            if party.is_present and party.leg not in self._stretches:
                if not facts.allows(party.leg, Use.TRANSCRIBE):
                    continue
                using = self._captioning.using
                self._stretches[party.leg] = Stretch(party, facts.opened_ms, using)
        if self._stretches and self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    def _end(self, leg: str) -> None:
        stretch = self._stretches.pop(leg)
        stretch.is_over = True
        stretch.frames.clear()
        gone = {each for each in self._waiting if each.source is stretch}
        self._waiting = [each for each in self._waiting if each not in gone]
        self._captioning.drop(gone)

    # From frames to lines

    async def _listen(self) -> None:
        try:
            while self._stretches:
                await self._clock.sleep_until(self._clock.now_ms() + TICK_MS)
                for stretch in tuple(self._stretches.values()):
                    await self._hear(stretch)
        except Exception:
            # Captions are a help and no promise: the call and its recording go on without.
            log.exception("captions.failed")
            self._has_failed = True
            for leg in tuple(self._stretches):
                self._end(leg)
        finally:
            self._listening = None

    async def _hear(self, stretch: Stretch) -> None:
        frames = tuple(stretch.frames)
        stretch.frames.clear()
        if not frames and stretch.phrases is None:
            return
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._captioning.ears, stretch.hear, frames, self._now_ms()
        )
        if not stretch.is_over:
            for phrase in found:
                self._wait(stretch, phrase)

    def _wait(self, stretch: Stretch, phrase: Phrase) -> None:
        waiting = _Waiting(self, stretch, phrase, self.language)
        self._waiting.append(waiting)
        self._captioning.put(waiting)
        behind_ms = sum(_length_ms(each) for each in self._waiting) - MOST_BEHIND_MS
        for oldest in tuple(self._waiting):
            # What is being heard already stays: leaving it out would save nothing.
            if behind_ms > 0 and self._captioning.drop({oldest}):
                self._leave_out(oldest)
                behind_ms -= _length_ms(oldest)

    def _leave_out(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self.skipped_ms += _length_ms(waiting)

    def _settle(self, waiting: _Waiting, heard: Sequence[Utterance]) -> None:
        if waiting.is_over:
            return
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        for each in heard:
            self.sequence += 1
            party = waiting.source.party.index
            self._lines.append(
                Line(self.sequence, party, each.speaker, each.start_ms, each.end_ms, each.text)
            )
        if heard:
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _length_ms(waiting: _Waiting) -> int:
    return waiting.phrase.end_ms - waiting.phrase.start_ms
