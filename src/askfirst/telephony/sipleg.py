"""One telephone of a call over SIP: what the stack says of it, and its sound on the call clock.

The sound comes with the moment when it was heard, and is placed on a grid of 20 ms by the latest
moment at which it can have been captured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from askfirst.model import Frame
from askfirst.ports import Clock, EndCause
from askfirst.telephony.framegrid import FrameGrid
from askfirst.telephony.phoneleg import HANDLED_MS
from askfirst.telephony.playout import Playout
from askfirst.telephony.sipidentity import is_same
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptrunk import BUFFERED_MS, end_cause

WAY_OUT_MS = 100
"""How long the last of what we play may take until the other side has it: what waits in the stack,
and a packet."""


class Telephoned(Protocol):
    """The call that a telephone is part of, as the telephone reports to it."""

    zero_ms: int | None
    """The answer by the clock, None before it."""

    def on_ringing(self, leg: SipLeg) -> None: ...
    def on_answered(self, leg: SipLeg) -> None: ...
    def on_other_person(self, leg: SipLeg, number: str | None) -> None: ...
    def on_digit(self, leg: SipLeg, digit: str) -> None: ...
    def on_peer_hold(self, leg: SipLeg, on: bool) -> None: ...
    def on_frame(self, leg: SipLeg, frame: Frame) -> None: ...
    def on_not_transferred(self, leg: SipLeg, cause: EndCause) -> None: ...
    def on_ended(self, leg: SipLeg, cause: EndCause) -> None: ...


class SipLeg:
    """`siplink.Listener` of one telephone; made by a call, and by nobody else.

    `name` is the leg of its frames, `number` whom it is, as dialled or told, "" where withheld.
    `cause` is why it ended, `statistics` what the stack counted, after the end. With `hears_early`
    what sounds before the answer can be heard.
    """

    def __init__(
        self,
        clock: Clock,
        link: SipLink,
        call: Telephoned,
        name: str,
        number: str,
        *,
        hears_early: bool = True,
    ) -> None:
        self.name, self.number = name, number
        self.statistics: Mapping[str, Any] = {}
        self.is_answered = self.has_rung = False
        self.is_sounding = False  # whether anything has come from the other side
        self.cause: EndCause | None = None
        self.since_ms = clock.now_ms()
        self.held_since_ms: int | None = None
        self._clock = clock
        self._link = link
        self._call = call
        self._hears_early = hears_early
        self._number = 0  # of the call of the process
        self._is_counted = asyncio.Event()
        self._identity: str | None = None  # as the exchange told it last
        self._peer_holds = False
        self._heard = Playout()
        self._back_ms = 0  # frames that may be older are nobody's: early media, or of a hold
        self._grid = FrameGrid()

    @property
    def is_talking(self) -> bool:
        """Whether it is answered, and nobody holds it."""
        is_held = self.held_since_ms is not None or self._peer_holds
        return self.is_answered and self.cause is None and not is_held

    async def dial(self, uri: str, headers: Mapping[str, str]) -> None:
        """Call it. Raises what `SipLink.place` does; nothing has begun then."""
        self._number = await self._link.place(uri, headers, self)
        self.since_ms = self._clock.now_ms()
        if self.cause is not None:
            self.tell("hangup")  # it was over before it had begun

    def bind(self, number: int) -> None:
        """It is a call of the process that came from outside."""
        self._number = number

    def answer(self) -> None:
        """Take its call from outside."""
        self.tell("answer")

    def reject(self) -> None:
        """Do not take its call from outside."""
        self.cause = EndCause.DECLINED
        self.tell("reject")

    def ring(self) -> None:
        """It rings, here or there."""
        if not self.has_rung:
            self.has_rung = True
            self._call.on_ringing(self)

    def tell(self, do: str, **more: object) -> None:
        """Ask the process to do something with it."""
        self._link.tell(self._number, do, **more)

    def send(self, pcm: bytes) -> None:
        """Let it hear 20 ms."""
        self._link.send(self._number, pcm)

    def drop_sent(self) -> None:
        """Forget what waits in the stack to be sent."""
        self.tell("flush")

    async def sent_was_heard(self) -> bool:
        """True, when the last of what was sent must have arrived."""
        await self._clock.sleep_until(self._clock.now_ms() + WAY_OUT_MS)
        return True

    def press(self, digits: str) -> None:
        """Let it hear keys (RFC 4733)."""
        self.tell("dtmf", digits=digits)

    def next_heard(self) -> bytes:
        """20 ms of what it says, silence where there is none."""
        return self._heard.take()

    def hold(self) -> None:
        """Let it wait: nothing is heard or captured from it."""
        if self.held_since_ms is None and self.cause is None:
            self.held_since_ms = self._clock.now_ms()
            self.quieten()
            self.tell("hold")

    def resume(self) -> None:
        """Take it back; its frames begin again with the next whole one."""
        if self.held_since_ms is not None:
            self.held_since_ms = None
            self.begin_again()
            self.tell("resume")

    def quieten(self) -> None:
        """Forget what waits to be heard on either side."""
        self._heard.clear()
        self.tell("flush")

    def begin_again(self) -> None:
        """Take its sound from now on, whatever still waits of before."""
        self._heard.clear()
        self._back_ms = self._clock.now_ms() - (self._call.zero_ms or 0)
        self._grid.begin_again()

    def transfer(self, uri: str) -> None:
        """Ask it to call an address instead of talking to us (RFC 3515)."""
        self.tell("transfer", uri=uri, within=self._link.trunk.ring)

    def hand_to(self, other: SipLeg) -> None:
        """Ask it to take the place that we have in a call with another telephone (RFC 3891)."""
        self.tell("replace", other=other._number, within=self._link.trunk.ring)

    def hang_up(self, cause: EndCause) -> None:
        """End it for us at once; the process does the rest. Safe to call more than once."""
        if self.cause is None:
            self.cause = cause
            self.tell("hangup")

    async def counted(self) -> Mapping[str, Any]:
        """`statistics` once the stack has told them, which it does a moment after the end."""
        await self._is_counted.wait()
        return self.statistics

    # What the process tells

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a message of the process about this telephone."""
        if event["event"] == "ended":  # after our own hanging up, too
            self.statistics = event["stats"]
            self._is_counted.set()
        if self.cause is not None:
            return
        match event["event"]:
            case "ringing":
                self.ring()
            case "answered" if not self.is_answered:
                self.ring()
                self.is_answered = True
                self._call.on_answered(self)
                # An exchange that writes numbers in its own way does not say who has answered.
                if self._identity is not None and self._identity.startswith("+"):
                    self._compare(self._identity)
            case "identity":
                was, self._identity = self._identity, str(event["number"])
                if self.is_answered and self._identity != was:
                    self._compare(self._identity)
            case "dtmf" if self.is_answered:
                digit = str(event["digit"])
                if digit in "0123456789*#ABCD":
                    self._call.on_digit(self, digit)
            case "held" if not self._peer_holds:
                self._peer_holds = True
                self.quieten()
                self._call.on_peer_hold(self, True)
            case "resumed" if self._peer_holds:
                self._peer_holds = False
                self.begin_again()
                self._call.on_peer_hold(self, False)
            case "not-transferred":
                self._call.on_not_transferred(self, self._why(event, answered=False))
            case "ended":
                self.cause = self._why(event, answered=self.is_answered)
                self._call.on_ended(self, self.cause)

    def on_sound(self, heard_ms: int, pcm: bytes) -> None:
        """Take 20 ms of it: to be heard, and with their place on the call clock."""
        is_early = not self.is_answered
        if self.cause is not None or self.held_since_ms is not None or self._peer_holds:
            return
        if is_early and not self._hears_early:
            return
        self._heard.add(pcm)
        self.is_sounding = True
        zero_ms = self._call.zero_ms
        if is_early or zero_ms is None:
            return
        for placed in self._grid.place(heard_ms - zero_ms - HANDLED_MS - BUFFERED_MS, pcm):
            # What may have been said while the call was held counts as that.
            if placed.start_ms >= self._back_ms:
                self._call.on_frame(self, Frame(self.name, *placed))

    def _compare(self, identity: str) -> None:
        """Whoever is there now and was not before is somebody else."""
        if not is_same(identity, self.number):
            self.number = identity if identity.startswith("+") else ""
            self._call.on_other_person(self, self.number or None)

    def on_lost(self) -> None:
        """The process is gone."""
        self._is_counted.set()
        if self.cause is None:
            self.cause = EndCause.PROVIDER_ERROR
            self._call.on_ended(self, self.cause)

    def _why(self, event: Mapping[str, Any], *, answered: bool) -> EndCause:
        text = str(event["text"])
        return end_cause(text, answered=answered, rang=self.has_rung)
