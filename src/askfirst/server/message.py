"""A message that a caller leaves where nobody answers: told first, then recorded if that may be.

It is a call like any other, with nobody on our side: the gate decides, and the announcement is its
only notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol

from askfirst import events as ev
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.gate import State
from askfirst.ports import AgentLeg, Clock, TelephonyCall
from askfirst.server.reportingcall import ReportingCall
from askfirst.telephony.memoryleg import MemoryLeg

log = logging.getLogger(__name__)

LONGEST_MS = 120_000
"""How long a message may be."""

AGREES_WITHIN_MS = 90_000
"""How long it may take from the answer until everything is told and agreed to."""

TONE_HZ, TONE_MS = 1_000.0, 400
_OVER = frozenset({State.BLOCKED, State.ENDED})


class Answering(TelephonyCall, Protocol):
    """A call from outside that can be answered."""

    async def take(self, leg: AgentLeg) -> None:
        """Answer it; raises Refused where it is over or taken."""
        ...


class Message:
    """One caller who may leave a message; `take` it once."""

    def __init__(self, call: ReportingCall, line: Answering, clock: Clock) -> None:
        self._call = call
        self._line = line
        self._clock = clock
        self._changed = asyncio.Event()
        call.on_report = self._tell

    async def take(self) -> None:
        """Answer, tell, record and hang up; return when the call is settled.

        Raises Refused where the caller has hung up before.
        """
        leg = MemoryLeg()
        await self._line.take(leg)
        acting = asyncio.create_task(self._act())
        try:
            await self._call.run(self._line)
        finally:
            acting.cancel()
            (fault,) = await asyncio.gather(acting, return_exceptions=True)
            if isinstance(fault, Exception):
                log.error("message.failed call=%s", self._call.id, exc_info=fault)
            await leg.close()

    def switch(self, on: bool) -> None:
        """The account's switch was set; without it no message is taken, and this one ends."""
        call = self._call
        call.request = replace(call.request, recording_switch=on)
        if call.facts.parties and not call.facts.has_ended and call.facts.switch_is_on != on:
            call.report(ev.SwitchChanged(call.now_ms(), on), data={"on": on})
            call.unwant()

    def disagree(self, user: str) -> None:
        """A user's agreement to be recorded was taken back; none of us is on this call."""

    async def hangup(self) -> None:
        """End it; safe to call more than once."""
        await self._line.hangup()

    async def _act(self) -> None:
        try:
            await self._until(lambda: bool(self._call.facts.parties))
            if await self._is_allowed():
                await self._line.play(self._line.contact_leg, _tone())
                await self._within(LONGEST_MS, lambda: self._call.facts.state in _OVER)
        finally:
            await self._line.hangup()

    async def _is_allowed(self) -> bool:
        """Tell what is to be told; whether the caller may be recorded by then."""
        call = self._call
        if call.facts.state is State.BLOCKED:
            return False
        if call.facts.unmet():
            call.want()  # has the notice played, which asks for a key where a yes is owed
        elif await call.announcer.greet():
            call.want()
        else:
            return False
        await self._within(AGREES_WITHIN_MS, self._is_decided)
        return call.facts.state is State.OPEN

    def _is_decided(self) -> bool:
        """Whether it is known if the caller may be recorded."""
        facts, announcer = self._call.facts, self._call.announcer
        if facts.state is State.OPEN or facts.state in _OVER:
            return True
        # It was played and nobody answered in time, or there was nothing to be played.
        is_unanswered = facts.state is State.ASKING and facts.told_ms is None and announcer.was_told
        return is_unanswered or announcer.is_prompt_missing

    async def _within(self, ms: int, holds: Callable[[], bool]) -> None:
        """Return when something holds, or after so long."""
        waiting = [
            asyncio.create_task(self._until(holds)),
            asyncio.create_task(self._clock.sleep_until(self._clock.now_ms() + ms)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@cache
def _tone() -> tuple[bytes, ...]:
    return tuple(in_frames(to_pcm(tone((TONE_HZ,), TONE_MS))))
