"""What the other parties of a call reply about recording, each heard against what was said before.

Only what is said within a turn of our own side's words counts as a reply to them. Times are call
time in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askfirst import hearing
from askfirst.model import Utterance

TURN_MS = 15_000
"""How long words of our side stay what somebody replies to."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something the other side said about recording, from when to when, and what it means.

    `label` is ``consent`` or ``objection``; `kind` is ``withdraw`` for an objection against a
    running or past recording, else None. `is_certain` is as `hearing.Heard.certain`.
    """

    from_ms: int
    until_ms: int
    label: str
    kind: str | None
    is_certain: bool


def replies(
    own: Sequence[Utterance], others: Sequence[Utterance], language: str
) -> tuple[Reply, ...]:
    """Give the consents and objections of the other side in order; `own` is in order.

    Raises InvalidInput for a language that cannot be understood.
    """
    found = []
    for utterance in sorted(others, key=lambda other: other.start_ms):
        before = [
            earlier.text
            for earlier in own
            if utterance.start_ms - TURN_MS <= earlier.end_ms
            and earlier.start_ms < utterance.start_ms
        ]
        context = " ".join(before[-2:]) or None
        heard = hearing.classify(utterance.text, language, before=context)
        if heard.label in ("consent", "objection"):
            found.append(
                Reply(utterance.start_ms, utterance.end_ms, heard.label, heard.kind, heard.certain)
            )
    return tuple(found)
