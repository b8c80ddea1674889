"""One telephone of a call over Twilio: its sound as a media stream, on the call clock.

Sound comes with its time since the stream began. That is mapped to our clock by the fastest way so
far, less the longest way that Twilio may need, so that nothing counts as newer than it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from askfirst.audio.g711 import decode_mu, encode_mu
from askfirst.audio.halfband import Doubler, Halver
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import dtmf
from askfirst.errors import PeerError
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import Clock, EndCause
from askfirst.telephony import twiliostream as wire
from askfirst.telephony.agentsound import LeastTransit
from askfirst.telephony.arrivals import Arrivals
from askfirst.telephony.framegrid import FrameGrid
from askfirst.telephony.phoneleg import HANDLED_MS
from askfirst.telephony.playout import Playout
from askfirst.telephony.twiliocauses import ANSWERED, RINGING, end_cause
from askfirst.telephony.twilioline import TwilioLine

log = logging.getLogger(__name__)

PIECE = wire.RATE_HZ * FRAME_MS // 1000
"""Octets of 20 ms."""

MOST_WAITING = 10
"""Messages that may wait for a socket that does not take them; beyond that all are dropped."""

MOST_GARBAGE = 50
"""So many messages that are none, and the socket is no stream of Twilio."""

AHEAD_MS = 5_000
"""How far a time may be ahead of the stream's age; a clock beyond that is none."""

STREAM_S = 10.0
"""How long Twilio may take from the answer until it brings the sound."""

MARK_S = 5.0
"""How long the last of a prompt may take until Twilio says that it was played."""


class MediaSocket(Protocol):
    """The WebSocket of a media stream, whoever serves it."""

    async def receive(self) -> str | None:
        """The next text frame, None when the other side is gone. Frames of bytes are garbage."""
        ...

    async def send(self, text: str) -> None:
        """Send a text frame; raises OSError when the other side is gone."""
        ...

    async def close(self) -> None:
        """End the socket; safe to call more than once, and when the other side is gone."""
        ...


class Telephoned(Protocol):
    """The call that a telephone is part of, as the telephone reports to it."""

    zero_ms: int | None
    """The answer by the clock, None before it."""

    def on_ringing(self, leg: TwilioLeg) -> None: ...
    def on_answered(self, leg: TwilioLeg) -> None: ...
    def on_digit(self, leg: TwilioLeg, digit: str) -> None: ...
    def on_frame(self, leg: TwilioLeg, frame: Frame) -> None: ...
    def on_not_transferred(self, leg: TwilioLeg, cause: EndCause) -> None: ...
    def on_ended(self, leg: TwilioLeg, cause: EndCause) -> None: ...


class Carrier(Protocol):
    """What ends a telephone's call at Twilio, and forgets it."""

    def release(self, leg: TwilioLeg) -> None: ...


class TwilioLeg:
    """`phoneleg.PhoneLeg` of one telephone; made by a call, and by nobody else.

    `sid` is its call at Twilio, None before Twilio has said so. `dropped` counts messages of sound
    from before the answer or of a hold, `late` those that came twice or out of order, `garbage`
    those that were none. With `waits` the sound alone is no answer: somebody has to take the call.
    `told_ms` and `picked_up_ms` are when Twilio first told of it and said that it was answered, by
    the clock; `is_hung_up` is set once Twilio has hung up for us, or has told of the end.
    """

    def __init__(
        self,
        clock: Clock,
        carrier: Carrier,
        line: TwilioLine,
        call: Telephoned,
        name: str,
        number: str,
        *,
        waits: bool = False,
    ) -> None:
        self.name, self.number = name, number
        self.sid: str | None = None
        self.is_placed, self.is_hung_up = asyncio.Event(), asyncio.Event()
        self.is_answered = self.has_rung = self.is_sounding = False
        self.is_leaving = False  # Twilio was told to let it talk to somebody else
        self.has_ended_there = False
        self.cause: EndCause | None = None
        self.since_ms = clock.now_ms()
        self.told_ms: int | None = None
        self.picked_up_ms: int | None = None
        self.arrivals = Arrivals()
        self.held_since_ms: int | None = None
        self.dropped = self.late = self.garbage = 0
        self._clock, self._carrier, self._line, self._call = clock, carrier, line, call
        self._is_taken = not waits
        self._stream: str | None = None
        self._began_ms = self._heard_ms = 0
        self._over, self._parted = asyncio.Event(), asyncio.Event()
        self._expecting: asyncio.Task[None] | None = None
        self._waiting: deque[str] = deque()
        self._more = asyncio.Event()
        self._marks: dict[str, asyncio.Future[bool]] = {}
        self._marked = 0
        self._keys: deque[bytes] = deque()
        self._halver, self._doubler = Halver(), Doubler()
        self._heard = Playout()
        self._transit = LeastTransit()
        self._grid = FrameGrid()
        self._rest = b""  # octets that are no whole frame yet
        self._sequence = 0
        self._back_ms = 0  # frames that may be older are nobody's

    @property
    def is_talking(self) -> bool:
        """Whether it is answered, and nobody holds it."""
        return self.is_answered and self.cause is None and self.held_since_ms is None

    @property
    def has_stream(self) -> bool:
        """Whether its sound comes and goes."""
        return self._stream is not None and self.cause is None

    def ring(self) -> None:
        """It rings, here or there."""
        if not self.has_rung and self.cause is None:
            self.has_rung = True
            self._call.on_ringing(self)

    def take(self) -> None:
        """Somebody here takes its call, which was waiting for that."""
        self._is_taken = True
        self._answer()

    def send(self, pcm: bytes) -> None:
        """Let it hear 20 ms."""
        if self._stream is None or self.cause is not None:
            return
        narrow = self._halver.feed(self._keys.popleft() if self._keys else pcm)
        self._put_sound(wire.media(self._stream, encode_mu(np.frombuffer(narrow, "<i2"))))

    def next_heard(self) -> bytes:
        """20 ms of what it says, silence where there is none."""
        return self._heard.take()

    def drop_sent(self) -> None:
        """Forget what was sent and not played yet, here and at Twilio; no mark of it counts."""
        self._forget_marks()
        self._keys.clear()
        if self._stream is not None:
            self._waiting.clear()
            self._put(wire.clear(self._stream))

    async def sent_was_heard(self) -> bool:
        """True when Twilio says that all that was sent has been played."""
        if self._stream is None or self.cause is not None:
            return False
        self._marked += 1
        name = f"played-{self._marked}"
        played = self._marks[name] = asyncio.get_running_loop().create_future()
        self._put(wire.mark(self._stream, name))
        try:
            return await asyncio.wait_for(played, MARK_S)
        except TimeoutError:
            return False
        finally:
            self._marks.pop(name, None)

    def press(self, digits: str) -> None:
        """Let it hear keys, as tones: Twilio's streams carry no others towards it."""
        self._keys.extend(in_frames(to_pcm(dtmf(digits))))

    def hold(self) -> None:
        """Let it wait: nothing is heard or captured from it."""
        if self.held_since_ms is None and self.cause is None:
            self.held_since_ms = self._clock.now_ms()
            self._heard.clear()
            self.drop_sent()

    def resume(self) -> None:
        """Take it back; its frames begin again with the next whole one."""
        if self.held_since_ms is not None:
            self.held_since_ms = None
            self.begin_again()

    def begin_again(self) -> None:
        """Take its sound from now on, whatever still waits of before."""
        self._heard.clear()
        self._back_ms = self._clock.now_ms() - (self._call.zero_ms or 0)
        self._grid.begin_again()
        self._rest, self._doubler = b"", Doubler()

    def hang_up(self, cause: EndCause) -> None:
        """End it for us at once; Twilio is told. Safe to call more than once."""
        if self.cause is None:
            self.cause = cause
            self._settle()

    # What Twilio tells

    def on_status(self, fields: Mapping[str, str]) -> None:
        """Take a report of its call's progress, which may be late, repeated or out of order."""
        status, now_ms = fields.get("CallStatus"), self._clock.now_ms()
        self.told_ms = now_ms if self.told_ms is None else self.told_ms
        if status == ANSWERED and self.picked_up_ms is None:
            self.picked_up_ms = now_ms
        cause = end_cause(fields, answered=self._stream is not None)
        if cause is not None:
            self.has_ended_there = True
            self.is_hung_up.set()
            self.end(EndCause.REMOTE_HANGUP if self.is_leaving else cause)
        elif status == RINGING:
            self.ring()
        elif status == ANSWERED and self._stream is None and not self.is_answered:
            self.expect_stream()

    def expect_stream(self) -> None:
        """Give it up where its sound does not come soon."""
        if self._expecting is None and self.cause is None:
            self._expecting = asyncio.create_task(self._give_up())

    async def carry(self, socket: MediaSocket, started: wire.Started, started_ms: int) -> None:
        """Exchange sound over a socket until it or the call is over; the socket is the caller's."""
        self._stream = started.stream
        self._began_ms, self._sequence = started_ms, 0
        self._heard_ms = self._clock.now_ms()
        self._transit, self.arrivals = LeastTransit(), Arrivals()
        self._transit.meet(0, started_ms)
        if self._expecting is not None:
            self._expecting.cancel()
            self._expecting = None
        if self.is_answered:  # it was to talk to somebody else, and is back
            self.begin_again()
        self._answer()
        parts = [
            asyncio.create_task(part)
            for part in (
                self._receive(socket), self._send(socket), self._watch(), self._over.wait(),
            )
        ]  # fmt: skip
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # However this ends, nobody talks any more.
            faults = [part.exception() for part in parts if part.done()]
            for part in parts:
                part.cancel()
            for fault in filter(None, faults):
                log.error("twilio.stream-failed", exc_info=fault)
            self._stream = None
            if any(faults):
                self.end(EndCause.PROVIDER_ERROR)
            elif not self.is_leaving:  # else its end is for others to say
                self.end(EndCause.MEDIA_TIMEOUT)
            await asyncio.gather(*parts, return_exceptions=True)

    def end(self, cause: EndCause) -> None:
        """It is over there; the call is told. Safe to call more than once."""
        if self.cause is None:
            self.cause = cause
            self._settle()
            self._call.on_ended(self, cause)

    def not_handed_on(self, cause: EndCause) -> None:
        """It was to talk to somebody else, and did not come to that."""
        self.is_leaving = False
        self._parted.set()
        if self.cause is None:
            self._call.on_not_transferred(self, cause)

    def leave(self) -> None:
        """It is to talk to somebody else; its stream may end without its call."""
        self.is_leaving = True
        self._parted.clear()

    async def has_parted(self, within_s: float) -> bool:
        """Whether that has come about, or not, within so long."""
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._parted.wait(), within_s)
        return False

    def _settle(self) -> None:
        self._over.set()
        self._parted.set()
        self._forget_marks()
        self._waiting.clear()
        if self._expecting is not None:
            self._expecting.cancel()
        self._carrier.release(self)

    def _answer(self) -> None:
        if self._is_taken and self.has_stream and not self.is_answered:
            self.ring()
            self.is_answered = True
            self.begin_again()
            self._call.on_answered(self)
            self._back_ms = 0  # what came before the answer was dropped

    async def _give_up(self) -> None:
        await self._clock.sleep_until(self._clock.now_ms() + round(STREAM_S * 1000))
        self.end(EndCause.MEDIA_TIMEOUT)

    async def _watch(self) -> None:
        """Return when nothing has been heard for too long."""
        limit_ms = self._line.silence * 1000
        while self._clock.now_ms() < self._heard_ms + limit_ms:
            await self._clock.sleep_until(self._heard_ms + limit_ms)

    async def _receive(self, socket: MediaSocket) -> None:
        """Return when the other side is gone, or has sent more garbage than anybody would."""
        while (text := await socket.receive()) is not None:
            try:
                message = wire.read(text)
            except PeerError:
                self.garbage += 1
                if self.garbage > MOST_GARBAGE:
                    log.warning("twilio.stream-of-garbage")
                    return
                continue
            if isinstance(message, wire.Stopped):
                if not self.is_leaving:
                    self.end(EndCause.REMOTE_HANGUP)
                return
            self._take(message)

    def _take(self, message: wire.Message) -> None:
        match message:
            case wire.Media():
                self._hear(message)
            case wire.Key():
                self._press(message)
            case wire.Mark():
                played = self._marks.get(message.name)
                if played is not None and not played.done():
                    played.set_result(True)

    def _press(self, key: wire.Key) -> None:
        if key.sequence <= self._sequence:
            self.late += 1
            return
        self._sequence = key.sequence
        if self.is_answered and self.cause is None:
            self._call.on_digit(self, key.digit)

    def _hear(self, sound: wire.Media) -> None:
        now_ms = self._clock.now_ms()
        if sound.at_ms > now_ms - self._began_ms + AHEAD_MS:
            self.garbage += 1
            return
        if sound.sequence <= self._sequence:
            self.late += 1
            return
        self._sequence, self._heard_ms = sound.sequence, now_ms
        self._transit.meet(sound.at_ms, now_ms)
        self.arrivals.meet(sound.at_ms, now_ms)
        zero_ms = self._call.zero_ms
        if not self.is_talking or zero_ms is None:
            self.dropped += 1
            return
        self.is_sounding = True
        # What is left of the message before came right before this one.
        at_ms = sound.at_ms - len(self._rest) * 1000 // wire.RATE_HZ
        octets = self._rest + sound.octets
        whole = len(octets) // PIECE * PIECE
        self._rest = octets[whole:]
        for at in range(0, whole, PIECE):
            pcm = self._doubler.feed(to_pcm(decode_mu(octets[at : at + PIECE])))
            self._heard.add(pcm)
            self._place(at_ms + at * 1000 // wire.RATE_HZ, pcm, now_ms, zero_ms)

    def _place(self, at_ms: int, pcm: bytes, now_ms: int, zero_ms: int) -> None:
        arrival_ms = self._transit.arrival_ms(at_ms)
        captured_ms = min(arrival_ms - self._line.way_ms - HANDLED_MS, now_ms - FRAME_MS)
        for placed in self._grid.place(captured_ms - zero_ms, pcm):
            # What may have been said while the call was held counts as that.
            if placed.start_ms >= self._back_ms:
                self._call.on_frame(self, Frame(self.name, *placed))

    async def _send(self, socket: MediaSocket) -> None:
        """Send what waits, one after the other; return when the other side is gone."""
        try:
            while True:
                while self._waiting:
                    await socket.send(self._waiting.popleft())
                self._more.clear()
                await self._more.wait()
        except OSError:
            return

    def _put(self, text: str) -> None:
        """Let a message wait."""
        self._waiting.append(text)
        self._more.set()

    def _put_sound(self, text: str) -> None:
        """Let sound wait; where too much does the other side hears too little, so no mark counts.

        A socket that is stuck so long takes nothing else either; it starts anew.
        """
        if len(self._waiting) >= MOST_WAITING:
            self.drop_sent()
        self._put(text)

    def _forget_marks(self) -> None:
        for played in self._marks.values():
            if not played.done():
                played.set_result(False)
