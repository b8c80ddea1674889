"""A trunk without a telephone: a provider whose calls do what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from askfirst.errors import Unavailable
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import AgentLeg, CallEvent, CallEventKind, EndCause, TelephonyCapabilities
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptest import LISTENS_MS, frame_at
from askfirst.telephony.siptrunk import Trunk

COUNTED: Mapping[str, Any] = {
    "tx": {"packets": 360},
    "rx": {"packets": 355},
    "rtcp": {"rx_lost": 5, "rx_jitter_us": 2_500, "rtt_us": 0},
    "codec": "pcma",
    "exchange_ms": 18,
}
ENDS: Mapping[str, EndCause] = {"busy": EndCause.BUSY, "hangs up": EndCause.REMOTE_HANGUP}
ECHO_MS = 240


class Nobody:
    """Who is told of a call, and does nothing."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Nothing."""

    def on_sound(self, heard_ms: int, pcm: bytes) -> None:
        """Nothing."""

    def on_lost(self) -> None:
        """Nothing."""


class StillLink(SipLink):
    """A link without a process."""

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self.trunk_state, self.trunk_text, self.restarts = "registered", "200 OK", 0
        self._listeners, self.elsewhere = {}, 0

    def occupy(self, lines: int) -> None:
        """Let so many lines be in use."""
        self._listeners = dict.fromkeys(range(lines), Nobody())


class Callee:
    """A line to somebody who echoes, is silent, rings, is busy or hangs up after a second."""

    agent_leg, contact_leg = "agent", "contact"

    def __init__(self, leg: AgentLeg, does: str) -> None:
        self.hangups = 0
        self._leg = leg
        self._does = does
        self._over = asyncio.Event()

    async def events(self) -> AsyncIterator[CallEvent]:
        """What it does, and its end."""
        yield CallEvent(CallEventKind.RINGING, -1, "contact")
        if self._does == "busy":
            self._over.set()
        elif self._does != "rings":
            self._leg.flush()
            yield CallEvent(CallEventKind.ANSWERED, 0, "contact")
            self._sound()
        if self._does == "hangs up":
            self._over.set()
        await self._over.wait()
        cause = ENDS.get(self._does, EndCause.LOCAL_HANGUP)
        yield CallEvent(CallEventKind.ENDED, 0, "contact", cause=cause)

    def _sound(self) -> None:
        late = ECHO_MS // FRAME_MS
        lasts_ms = 1_000 if self._does == "hangs up" else LISTENS_MS
        for position in range(lasts_ms // FRAME_MS):
            echo = frame_at(position - late) if position >= late else bytes(640)
            self._leg.play(echo if self._does == "echoes" else bytes(640))

    async def frames(self) -> AsyncIterator[Frame]:
        """None, until the end."""
        await self._over.wait()
        none: tuple[Frame, ...] = ()
        for frame in none:
            yield frame

    async def counted(self) -> Mapping[str, Any]:
        """What a stack would have counted."""
        return COUNTED

    async def hangup(self) -> None:
        """End it."""
        self.hangups += 1
        self._over.set()

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        """Nothing is played in a test call."""
        raise AssertionError

    async def stop_playing(self) -> None:
        """Likewise."""
        raise AssertionError

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Likewise."""
        raise AssertionError

    async def hold(self) -> None:
        """Likewise."""
        raise AssertionError

    async def resume(self) -> None:
        """Likewise."""
        raise AssertionError

    def mute(self, on: bool) -> None:
        """Likewise."""
        raise AssertionError

    def sentences(self) -> tuple[Sentence, ...]:
        """None."""
        return ()

    async def say(self, id: str) -> bool:
        """Nobody says anything."""
        raise AssertionError


class Exchange:
    """A provider over a trunk; `calls` are those it was asked for, with their numbers."""

    name = "sip"
    capabilities = TelephonyCapabilities(
        separate_legs=True,
        records_elsewhere=False,
        capture_lag_ms=100,
        dtmf=True,
        early_media=False,
    )

    def __init__(self, does: str = "echoes", **trunk: Any) -> None:
        self.link = StillLink(Trunk(**{"server": "pbx.example", "password": "s3cret", **trunk}))
        self.does = does
        self.on_call: Callable[[Any], bool] = lambda _: False
        self.calls: list[tuple[str, Callee]] = []
        self.shown: list[str | None] = []

    async def dial(self, number: str, leg: AgentLeg, caller_id: str | None = None) -> Callee:
        """A call, unless the process is not there."""
        if self.does == "is down":
            raise Unavailable("the process that speaks SIP does not start; see the log")
        self.shown.append(caller_id)
        self.calls.append((number, Callee(leg, self.does)))
        return self.calls[-1][1]

    def shows(self, number: str) -> bool:
        """No number is its own."""
        return False

    async def close(self) -> None:
        """Nothing is to be ended."""
