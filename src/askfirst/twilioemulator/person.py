"""Somebody who is called, or calls: acts out a persona's script with its real sound, in 20 ms.

The person hears what comes over the line and waits for others to have spoken, by level alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from askfirst.audio.mixing import in_frames, level_dbfs, to_pcm, to_samples
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, tone
from askfirst.model import FRAME_MS
from askfirst.telephony.persona import Persona, Step, StepKind
from askfirst.telephony.progress import CONTACT, SILENCE, WAIT_MS
from askfirst.telephony.turns import SPEECH_DBFS, SPEECH_MS

PATIENCE_MS = 20_000
"""How long somebody waits for the other side to say something before going on."""

QUIET_MS = 1_500
"""Quiet after which the other side has finished: longer than the pauses between sentences, for
over a telephone nobody knows a person from an announcement."""


class Person:
    """One person on a call; `press` and `hang_up` are what they do beside speaking.

    Heard frames are kept in `heard` where `keeps` says so.
    """

    def __init__(
        self,
        persona: Persona,
        voices: Mapping[int, Sequence[bytes]],
        press: Callable[[str], None],
        hang_up: Callable[[], None],
        *,
        keeps: bool = False,
    ) -> None:
        self.heard: list[bytes] = []
        self._voices = voices
        self._press, self._hang_up = press, hang_up
        self._keeps = keeps
        self._now_ms = 0
        self._loud_ms = self._loud_at_ms = 0  # how long, and when last, the other side was heard
        self._speaking: deque[bytes] = deque()
        self._script = self._act(persona.steps)

    def listen(self, pcm: bytes) -> None:
        """Hear 20 ms."""
        if level_dbfs(to_samples(pcm)) > SPEECH_DBFS:
            self._loud_ms += FRAME_MS
            self._loud_at_ms = self._now_ms
        if self._keeps:
            self.heard.append(pcm)

    def speak(self) -> bytes:
        """The next 20 ms of what they say; what the script has them do happens first."""
        next(self._script, None)
        self._now_ms += FRAME_MS
        return self._speaking.popleft() if self._speaking else SILENCE

    def _act(self, steps: Sequence[Step]) -> Iterator[None]:
        for index, step in enumerate(steps):
            match step.kind:
                case StepKind.SAY if step.value == CONTACT:
                    self._speaking.extend(self._voices[index])
                    while self._speaking and not step.over:
                        yield
                case StepKind.SAY if step.value == "agent":
                    yield from self._wait(PATIENCE_MS)
                case StepKind.WAIT:
                    yield from self._wait(WAIT_MS)
                case StepKind.TONE:
                    partials = CONTROL_HZ if step.value == "control" else MARKER_HZ
                    self._speaking.extend(in_frames(to_pcm(tone(partials, step.ms))))
                    while self._speaking:
                        yield
                case StepKind.PAUSE:
                    end_ms = self._now_ms + step.ms
                    while self._now_ms < end_ms:
                        yield
                case StepKind.KEY:
                    self._press(step.value)
                case StepKind.HANGUP:
                    while self._speaking:
                        yield
                    if step.value == CONTACT:
                        self._hang_up()
                    return
                case _:
                    pass  # clicks are the agent's, and who joins a telephone nobody tells

    def _wait(self, most_ms: int) -> Iterator[None]:
        """Until the other side has spoken and is quiet, or has said nothing for so long."""
        end_ms = self._now_ms + most_ms
        self._loud_ms = 0
        while self._now_ms < end_ms and not self._has_finished():
            yield

    def _has_finished(self) -> bool:
        is_quiet = self._now_ms - self._loud_at_ms >= QUIET_MS
        return self._loud_ms >= SPEECH_MS and is_quiet
