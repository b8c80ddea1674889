"""Whose turn it is: an ear that hears when the agent has finished, and the order of a script.

Speech is told from silence by its level alone; nobody's words are recognised here. Times are
milliseconds on the call clock and come from the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askfirst.audio.mixing import level_dbfs, to_samples
from askfirst.model import FRAME_MS
from askfirst.telephony.persona import Step, StepKind
from askfirst.telephony.progress import AGENT

SPEECH_DBFS = -42.0
SPEECH_MS = 300
"""Least speech that counts as having said something; a cough is shorter."""

QUIET_MS = 700
"""Quiet after which a speaker has finished."""

TALK_LIMIT_MS = 20_000
"""Longest that somebody is listened to without a pause."""


class Ear:
    """Hears an agent's frames and tells when it is somebody else's turn.

    `heard_ms` is when speech was last heard, None if none was since the last `forget`.
    """

    def __init__(self) -> None:
        self.heard_ms: int | None = None
        self._since_ms = 0
        self._speech_ms = 0

    def hear(self, pcm: bytes, now_ms: int) -> None:
        """Take 20 ms that arrived at `now_ms`."""
        if level_dbfs(to_samples(pcm)) <= SPEECH_DBFS:
            return
        if self.heard_ms is None or now_ms - self.heard_ms >= QUIET_MS:
            self._since_ms, self._speech_ms = now_ms, 0
        self.heard_ms = now_ms
        self._speech_ms += FRAME_MS

    def take(self, now_ms: int) -> bool:
        """Whether the agent has spoken and then paused, or spoken too long; told only once."""
        if self.heard_ms is None or self._speech_ms < SPEECH_MS:
            return False
        has_paused = now_ms - self.heard_ms >= QUIET_MS
        if has_paused or now_ms - self._since_ms >= TALK_LIMIT_MS:
            self.forget()
            return True
        return False

    def forget(self) -> None:
        """Let what was heard so far not count."""
        self.heard_ms = None
        self._speech_ms = 0


@dataclass(frozen=True, slots=True)
class Course:
    """The steps of a script, and which of them belong together.

    Steps between a ``wait`` and the last ``key`` that follows it, before the agent speaks or
    anything else changes, are the contact's reply to one announcement: without it they do not
    happen.
    """

    steps: Sequence[Step]

    def reply(self, wait: int) -> range:
        """The steps that reply to the announcement which step `wait` waits for; may be none."""
        keys = wait
        for index in range(wait + 1, len(self.steps)):
            step = self.steps[index]
            if self._is_turn(index) or step.kind in _CHANGES:
                break
            if step.kind is StepKind.KEY:
                keys = index
        return range(wait + 1, keys + 1)

    def following(self, index: int) -> int:
        """The step that comes after `index` in the ordinary course."""
        if self.steps[index].kind is StepKind.WAIT:
            return self.reply(index).stop
        return index + 1

    def next_wait(self, done: set[int]) -> int | None:
        """The first ``wait`` whose announcement has not been heard."""
        for index, step in enumerate(self.steps):
            if step.kind is StepKind.WAIT and index not in done:
                return index
        return None

    def wait_before_reply(self, index: int) -> int | None:
        """The ``wait`` that comes after step `index` before the contact speaks, if any."""
        for later in range(index + 1, len(self.steps)):
            step = self.steps[later]
            if step.kind is StepKind.WAIT:
                return later
            if step.kind is StepKind.SAY and step.value != AGENT:
                return None
        return None

    def lines(self) -> list[int]:
        """The steps in which the agent speaks."""
        return [index for index in range(len(self.steps)) if self._is_turn(index)]

    def choosable(self, at: int, said: int) -> list[int]:
        """The agent's lines after `said` that fit when the call has come to step `at`.

        They end where somebody else speaks, an announcement is waited for, or the call ends.
        """
        if at < len(self.steps) and not self._is_turn(at):
            at = self.following(at)
        lines = []
        for index in range(at, len(self.steps)):
            step = self.steps[index]
            if self._is_turn(index):
                if index > said:
                    lines.append(index)
            elif step.kind is StepKind.SAY or step.kind in _CHANGES:
                break
        return lines

    def greeting(self) -> int | None:
        """The contact's first line, None for one who never speaks."""
        for index, step in enumerate(self.steps):
            if step.kind is StepKind.SAY and step.value != AGENT:
                return index
        return None

    def _is_turn(self, index: int) -> bool:
        step = self.steps[index]
        return step.kind is StepKind.SAY and step.value == AGENT


_CHANGES = frozenset({StepKind.WAIT, StepKind.JOIN, StepKind.LEAVE, StepKind.HANGUP})
