"""Where one phrase ends and the next begins, in a leg's audio that goes on.

Recordings are cut afterwards and as a whole by `endpointing`; live captions cannot wait that long.
Loads numpy, and on the first audio the speech model. Audio is mono s16le at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from askfirst.model import SAMPLE_RATE_HZ
from askfirst.speech.endpointing import (
    SHORTEST_STEPS,
    SPEECH,
    STEP_MS,
    STEP_SAMPLES,
    STILL_SPEECH,
    Detector,
    Likelihood,
)

LONGEST_MS = 9_600
"""A phrase without any pause is cut here, with what is added before and after it."""

_BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000
_STEP_BYTES = STEP_SAMPLES * 2
_PAUSE_STEPS = 14  # 448 ms; a shorter pause is one within a sentence
_BREATH_STEPS = 6  # 192 ms; enough to part what has become long
_LONG_STEPS = 5_000 // STEP_MS
_LEAD_STEPS = 12  # 384 ms; soft first sounds are noticed late
_TAIL_STEPS = 6
_MOST_STEPS = LONGEST_MS // STEP_MS - _LEAD_STEPS


@dataclass(frozen=True, slots=True)
class Phrase:
    """A stretch of one leg in which somebody speaks; times on the clock of the leg's audio."""

    start_ms: int
    pcm: bytes

    @property
    def end_ms(self) -> int:
        """When it ends."""
        return self.start_ms + len(self.pcm) // _BYTES_PER_MS


class Phrases:
    """Cuts the audio of one leg from `start_ms` on, and keeps no more than one phrase of it.

    A pause of half a second ends a phrase, after five seconds a shorter one, and `LONGEST_MS` in
    any case. `using` is for tests. Not for several threads at a time.
    """

    def __init__(self, start_ms: int, using: Detector | None = None) -> None:
        self._start_ms = start_ms
        self._likelihood = Likelihood(using)
        self._rest = bytearray()  # less than a step
        self._audio = bytearray()  # whole steps, from `_kept` on
        self._likely: list[float] = []  # of the same steps
        self._kept = 0
        self._at = 0  # steps heard so far
        self._free = 0  # the first step that no phrase has had
        self._first: int | None = None
        self._last = 0
        self._spoken = 0

    @property
    def until_ms(self) -> int:
        """Up to when audio has come."""
        heard = self._at * STEP_MS + len(self._rest) // _BYTES_PER_MS
        return self._start_ms + heard

    @property
    def is_speech(self) -> bool:
        """Whether a phrase has begun and not ended."""
        return self._first is not None

    def hear(self, pcm: bytes) -> list[Phrase]:
        """Take what comes next; the phrases that ended with it."""
        self._rest += pcm
        whole = len(self._rest) // _STEP_BYTES * _STEP_BYTES
        if not whole:
            return []
        taken = bytes(self._rest[:whole])
        del self._rest[:whole]
        self._audio += taken
        found: list[Phrase] = []
        for value in self._likelihood.of(taken).tolist():
            self._likely.append(value)
            found += self._step(value)
        self._forget()
        return found

    def end(self) -> list[Phrase]:
        """Nothing more comes; the phrase that had begun."""
        self._audio += self._rest.ljust(-(-len(self._rest) // _STEP_BYTES) * _STEP_BYTES, b"\0")
        self._at += bool(self._rest)
        self._rest.clear()
        found = list(self._close(self._last)) if self._first is not None else []
        self._audio.clear()
        self._likely.clear()
        self._kept = self._at
        return found

    def _step(self, value: float) -> Iterator[Phrase]:
        at = self._at
        self._at += 1
        if self._first is None:
            if value < SPEECH:
                return
            self._first, self._spoken = at, 0
        if value >= STILL_SPEECH:
            self._last, self._spoken = at + 1, self._spoken + 1
        length = self._at - self._first
        pause = _PAUSE_STEPS if length < _LONG_STEPS else _BREATH_STEPS
        if self._at - self._last >= pause:
            yield from self._close(self._last)
        elif length >= _MOST_STEPS:
            yield from self._split()

    def _close(self, last: int) -> Iterator[Phrase]:
        first, self._first = self._first, None
        if first is not None and self._spoken >= SHORTEST_STEPS:
            yield self._phrase(first - _LEAD_STEPS, last + _TAIL_STEPS)

    def _split(self) -> Iterator[Phrase]:
        """Part a phrase that does not end, where speech is least likely in its last third."""
        first = self._at if self._first is None else self._first
        low = first + _MOST_STEPS * 2 // 3
        values = self._likely[low - self._kept :]
        cut = low + values.index(min(values))
        yield self._phrase(first - _LEAD_STEPS, cut)
        self._first, self._spoken = cut, self._at - cut

    def _phrase(self, first: int, last: int) -> Phrase:
        first, last = max(first, self._free, self._kept), min(last, self._at)
        self._free = last
        offset = self._kept * _STEP_BYTES
        pcm = bytes(self._audio[first * _STEP_BYTES - offset : last * _STEP_BYTES - offset])
        return Phrase(self._start_ms + first * STEP_MS, pcm)

    def _forget(self) -> None:
        """Keep the phrase that has begun, else only what could come before one."""
        first = self._at if self._first is None else self._first
        keep = max(self._kept, first - _LEAD_STEPS)
        gone = keep - self._kept
        del self._audio[: gone * _STEP_BYTES], self._likely[:gone]
        self._kept = keep
