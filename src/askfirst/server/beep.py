"""A soft tone that everybody on a call hears while it is recorded: at each opening, then regularly.

It reminds, and is no notice: no evidence comes of it.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.gate import Facts, State
from askfirst.ports import Clock, TelephonyCall

EVERY_MS = 15_000
TONE_HZ, TONE_MS, TONE_DBFS = 1_400.0, 240, -30.0
"""The pitch and the pause that telephones have long used for this."""

LOOK_MS = 200


class Recorded(Protocol):
    """The call that is recorded."""

    facts: Facts


async def beep(call: Recorded, line: TelephonyCall, clock: Clock) -> None:
    """Let the tone be heard for as long as the gate is open, until cancelled."""
    due_ms: int | None = None
    while True:
        await clock.sleep_until(clock.now_ms() + LOOK_MS)
        if call.facts.state is not State.OPEN:
            due_ms = None
        elif due_ms is None or clock.now_ms() >= due_ms:
            due_ms = clock.now_ms() + EVERY_MS
            await line.play(line.contact_leg, frames())


@cache
def frames() -> tuple[bytes, ...]:
    """The tone as it is played."""
    return tuple(in_frames(to_pcm(tone((TONE_HZ,), TONE_MS, level_dbfs=TONE_DBFS))))
