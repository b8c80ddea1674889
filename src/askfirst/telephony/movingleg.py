"""An agent's sound whose browser may come late, go, and come back while the call goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from askfirst.errors import Refused
from askfirst.ports import AgentLeg, AgentSound
from askfirst.telephony.agentsound import HeardSounds

log = logging.getLogger(__name__)


class MovingLeg:
    """`ports.AgentLeg` over whatever leg was attached last; `sounds()` is for one reader.

    Legs that are attached belong to it: the one before is closed, and all are with `close()`.
    Without one the agent hears and says nothing. `brought_by` is what `attach` was told last, also
    after that leg has gone. Belongs to one running loop.
    """

    def __init__(self) -> None:
        self.brought_by = ""
        self._leg: AgentLeg | None = None
        self._listening: asyncio.Task[None] | None = None
        self._heard = HeardSounds()
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        """Whether a browser is attached and answers."""
        return self._leg is not None and self._leg.is_connected

    async def attach(self, leg: AgentLeg, brought_by: str = "") -> None:
        """Let a leg be the agent's sound from now on; `brought_by` is the window that it is of.

        Raises Refused after `close()`; the leg then stays the caller's.
        """
        if self._is_closed:
            raise Refused("this agent's sound has ended, expected a call that goes on.")
        self.brought_by = brought_by
        before, self._leg = self._leg, leg
        listening, self._listening = self._listening, asyncio.create_task(self._listen(leg))
        await _end(before, listening)

    def detach(self, leg: AgentLeg) -> bool:
        """Forget a leg that its owner closes; False where another one has taken its place."""
        if self._leg is not leg:
            return False
        self._leg = None
        if self._listening is not None:
            self._listening.cancel()
        return True

    async def release(self) -> None:
        """End the leg that is attached; another one may come."""
        leg, self._leg = self._leg, None
        listening, self._listening = self._listening, None
        await _end(leg, listening)

    def sounds(self) -> AsyncIterator[AgentSound]:
        """What the agent says, in order, until `close()`; beyond 60 ms the oldest go."""
        return self._heard.read()

    def play(self, pcm: bytes) -> None:
        """Let the agent hear 20 ms, if anybody is there to hear it."""
        if self._leg is not None:
            self._leg.play(pcm)

    def flush(self) -> None:
        """Forget what waits in both directions."""
        self._heard.flush()
        if self._leg is not None:
            self._leg.flush()

    async def close(self) -> None:
        """End the leg and the one that is attached; safe to call more than once."""
        self._is_closed = True
        self._heard.close()
        await self.release()

    async def _listen(self, leg: AgentLeg) -> None:
        async for sound in leg.sounds():
            self._heard.add(sound)
            # The reader gets its turn, or a burst would push out what it could still take.
            await asyncio.sleep(0)


async def _end(leg: AgentLeg | None, listening: asyncio.Task[None] | None) -> None:
    if listening is not None:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    if leg is None:
        return
    try:
        await leg.close()
    except Exception:
        # A browser that is gone must not take the call with it; its leg is not used any more.
        log.exception("movingleg.close-failed")
