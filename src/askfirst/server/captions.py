"""Live captions of one call: what both sides say while the gate is open, in memory only.

A frame is taken exactly where the facts of the call allow its leg to be transcribed at its capture
time. It belongs to one permission; when that ends, everything of it that has not become a line is
thrown away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from askfirst.gate import Facts
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame, Use, Utterance
from askfirst.ports import Clock
from askfirst.server.captioning import Captioning
from askfirst.server.ear import MOST_FRAMES, Ear, HeardLeg
from askfirst.speech.phrases import Phrase

MOST_BEHIND_MS = 30_000
"""Most audio of one call that waits to be recognised; the oldest is left out beyond that."""

MOST_LINES = 2_000
"""Most lines that are kept of one call; the oldest go first."""


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
class _Waiting:
    """A phrase between its end and its line."""

    captions: Captions
    source: HeardLeg
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
        self._ear = Ear(self._captioning, clock, now_ms, self._wait, self._fail)
        self.language = language
        self._facts = Facts()
        self._now_ms = now_ms
        self._waiting: list[_Waiting] = []
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
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
        leg = self._ear.of(frame.leg)
        if leg is None or len(frame.pcm) != FRAME_BYTES:
            return False
        if len(leg.frames) == MOST_FRAMES:
            self.skipped_ms += FRAME_MS
        leg.frames.append(frame)
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
        self._ear.close()
        self._waiting.clear()
        self._lines.clear()
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
        for leg in self._ear.legs():
            is_same = leg.since_ms == facts.opened_ms
            if not is_same or not facts.allows(leg.party.leg, Use.TRANSCRIBE):
                self._ear.shut(leg)
                self._waiting = [each for each in self._waiting if each.source is not leg]

    def _begin_where_allowed(self, facts: Facts) -> None:
        for party in facts.parties:
            if party.is_present and facts.allows(party.leg, Use.TRANSCRIBE):
                self._ear.open(party, facts.opened_ms)

    def _fail(self) -> None:
        """Captions are a help and no promise: the call and its recording go on without."""
        self._has_failed = True
        self._waiting.clear()

    # From phrases to lines

    def _wait(self, leg: HeardLeg, phrase: Phrase) -> None:
        waiting = _Waiting(self, leg, phrase, self.language)
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
