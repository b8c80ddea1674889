"""One telephone of a call, as its call uses it, whatever carries its sound."""

from __future__ import annotations

from typing import Protocol

from askfirst.ports import EndCause

HANDLED_MS = 20
"""How much later than ours a reader's zero may be, who counts from when it took the answer. Frames
count as so much older, or one from before a permit could pass for newer."""


class PhoneLeg(Protocol):
    """A telephone; its call makes it, and nobody else.

    `name` is the leg of its frames, `number` whom it is, "" where withheld, `cause` why it ended.
    `is_sounding` says whether anything has come from it, `since_ms` when it was called.
    """

    name: str
    number: str
    is_answered: bool
    has_rung: bool
    is_sounding: bool
    cause: EndCause | None
    since_ms: int
    held_since_ms: int | None

    @property
    def is_talking(self) -> bool:
        """Whether it is answered, and nobody holds it."""
        ...

    def send(self, pcm: bytes) -> None:
        """Let it hear 20 ms."""
        ...

    def next_heard(self) -> bytes:
        """20 ms of what it says, silence where there is none."""
        ...

    def drop_sent(self) -> None:
        """Forget what was sent and is not heard yet."""
        ...

    async def sent_was_heard(self) -> bool:
        """Return when the last of what was sent has been heard; False where it was not."""
        ...

    def press(self, digits: str) -> None:
        """Let it hear keys."""
        ...

    def hold(self) -> None:
        """Let it wait: nothing is heard or captured from it."""
        ...

    def resume(self) -> None:
        """Take it back; its frames begin again with the next whole one."""
        ...

    def begin_again(self) -> None:
        """Take its sound from now on, whatever still waits of before."""
        ...

    def hang_up(self, cause: EndCause) -> None:
        """End it for us at once; safe to call more than once."""
        ...
