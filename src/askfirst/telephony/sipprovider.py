"""Calls over a team's own telephone exchange or provider, by SIP.

The sound of a call comes from the process of `siplink` with the moment when it was heard, and is
placed on a grid of 20 ms by the latest moment at which it can have been captured.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from askfirst.audio.mixing import mix_frames
from askfirst.errors import Refused
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import (
    AgentLeg,
    AgentSound,
    CallEvent,
    CallEventKind,
    Clock,
    EndCause,
    TelephonyCapabilities,
)
from askfirst.telephony.agentsound import WAITING_FRAMES
from askfirst.telephony.callframes import AgentVoice, Frames
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.progress import (
    AGENT,
    ANNOUNCEMENT,
    CONTACT,
    SILENCE,
    Log,
    Player,
    ensure_digits,
    ringback,
)
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.siptrunk import BUFFERED_MS, READ_MS, Trunk, end_cause, number_in
from askfirst.telephony.sipwire import Sound

log = logging.getLogger(__name__)

SLACK_MS = 40
"""How much earlier than the bound a frame may be placed before the grid moves: a clock of the
other side that is slow or fast by 100 parts in a million needs it once in minutes."""

PASSING_MS = 60
"""From the process that hears to whoever reads the frames, on a machine that keeps up."""

HANDLED_MS = 20
"""How much later than ours a reader's zero may be, who counts from when it took the answer. Frames
count as so much older, or one from before a permit could pass for newer."""

WAY_OUT_MS = 100
"""How long the last of what we play may take until the other side has it: what waits in the stack,
and a packet."""

BEHIND_MS = 200
"""A tick that is later than this is not made up for: the loop stood still."""


class SipProvider:
    """Calls over one trunk. Make it on the loop that carries the calls, and `close` it there.

    `on_call` is told of each call from outside and says whether it is to ring; none does before it
    is set.
    """

    name = "sip"
    capabilities = TelephonyCapabilities(
        separate_legs=True,
        records_elsewhere=False,
        capture_lag_ms=BUFFERED_MS + READ_MS + SLACK_MS + PASSING_MS + HANDLED_MS,
        dtmf=True,
        # The agent hears what comes before the answer; it is nobody's to keep.
        early_media=False,
    )

    def __init__(self, clock: Clock, trunk: Trunk) -> None:
        self._clock = clock
        self.link = SipLink(trunk)
        self.link.on_incoming = self._incoming
        self.on_call: Callable[[IncomingSipCall], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg) -> SipCall:
        """Start a call of an agent, whose leg stays the caller's.

        Raises InvalidInput for what is no number, Refused when all lines are busy, Unavailable
        while the process that speaks SIP is not there.
        """
        trunk = self.link.trunk
        call = SipCall(self._clock, self.link, number)
        headers = {}
        if trunk.caller_id is not None:  # RFC 3325, 9.1
            headers["P-Asserted-Identity"] = f"<sip:{trunk.caller_id}@{trunk.server}>"
        await call.begin(trunk.uri(number), headers, leg)
        return call

    def _incoming(self, call: int, caller: str, called: str) -> IncomingSipCall | None:
        numbers = number_in(caller) or "", number_in(called) or ""
        found = IncomingSipCall(self._clock, self.link, call, *numbers)
        return found if self.on_call(found) else None

    async def close(self) -> None:
        """End every call and the process; safe to call more than once."""
        await self.link.close()


class SipCall:
    """`ports.TelephonyCall` of an agent's leg and a telephone; made by `SipProvider` only.

    `frames()` is for one reader. A leg that closes ends the call; one that is only not connected
    does not. `statistics` is what the stack counted, after the end.
    """

    def __init__(self, clock: Clock, link: SipLink, number: str) -> None:
        self.agent_leg, self.contact_leg = AGENT, CONTACT
        self.statistics: Mapping[str, Any] = {}
        self._is_counted = asyncio.Event()
        self._clock = clock
        self._link = link
        self._number = number
        self._leg: AgentLeg
        self._call = 0
        self._events: Log[CallEvent] = Log()
        self._frames = Frames()
        self._voice = AgentVoice(clock)
        self._announcements = Player()
        self._cuts = 0
        self._said: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._heard: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._dialled_ms = clock.now_ms()
        self._answer_ms: int | None = None
        self._back_ms = 0  # frames that may be older are nobody's: early media, or of a hold
        self._next_ms: int | None = None  # where the contact's next frame is due on its grid
        self._has_rung = self._is_hung_up = False
        self._is_sounding = False  # whether anything has come from the other side
        self._held_since_ms: int | None = None
        self._peer_holds = False
        self._cause: EndCause | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, uri: str, headers: Mapping[str, str], leg: AgentLeg) -> None:
        """Dial. Raises what `SipLink.place` does; nothing has begun then."""
        self._call = await self._link.place(uri, headers, self)
        self._carry(leg)

    def _carry(self, leg: AgentLeg) -> None:
        """Exchange sound with an agent from now on."""
        self._leg = leg
        self._dialled_ms = self._clock.now_ms()
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._keep_time()),
        ]
        for task in self._tasks:
            task.add_done_callback(self._stop)

    # What a call asks for

    def events(self) -> AsyncIterator[CallEvent]:
        """Every event in order, from the first one for every reader, until the call's end."""
        return self._events.read()

    def frames(self) -> AsyncIterator[Frame]:
        """Frames of every leg in order of arrival, for one reader, until the call's end."""
        return self._frames.read()

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        """Play 20 ms frames to every party; True only if the last one was played to its end.

        False at once for an empty prompt, before the answer, on hold and after the end; a
        prompt already playing is cut. InvalidInput for frames that are not 640 bytes long.
        """
        cuts = self._cuts
        if not await self._announcements.play(prompt, is_possible=self._is_talking()):
            return False
        await self._clock.sleep_until(self._clock.now_ms() + WAY_OUT_MS)
        return self._cuts == cuts

    async def stop_playing(self) -> None:
        """End a running `play` at once; it then returns False."""
        self._cut()
        self._link.tell(self._call, "flush")

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Send digits to the contact; InvalidInput for anything but 0-9 * # A-D."""
        ensure_digits(digits)
        self._link.tell(self._call, "dtmf", digits=digits)

    async def hold(self) -> None:
        """Put the contact on hold: nothing is captured from it and a prompt is cut."""
        if self._held_since_ms is None:
            self._held_since_ms = self._clock.now_ms()
            self._quieten()
            self._link.tell(self._call, "hold")

    async def resume(self) -> None:
        """Take the contact back; its frames begin again with the next whole one."""
        if self._held_since_ms is not None:
            self._held_since_ms = None
            self._begin_again()
            self._link.tell(self._call, "resume")

    async def hangup(self) -> None:
        """End the call as our own act; safe to call more than once."""
        self._is_hung_up = True
        self._hang_up(EndCause.LOCAL_HANGUP)

    async def counted(self) -> Mapping[str, Any]:
        """`statistics` once the stack has told them, which it does a moment after the end."""
        await self._is_counted.wait()
        return self.statistics

    def mute(self, on: bool) -> None:
        """Make the agent's frames silence, or no longer, judged by when they were captured."""
        self._voice.mute(on)

    def sentences(self) -> tuple[Sentence, ...]:
        """None: on a telephone people speak for themselves."""
        return ()

    async def say(self, id: str) -> bool:
        """Raises Refused: on a telephone people speak for themselves."""
        raise Refused("sentences are for simulated calls; speak through the microphone")

    # What the process tells

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Take a message of the process about this call."""
        if event["event"] == "ended":  # after our own hanging up, too
            self.statistics = event["stats"]
            self._is_counted.set()
        if self._cause is not None:
            return
        match event["event"]:
            case "ringing":
                self._ring()
            case "answered" if self._answer_ms is None:
                self._answer()
            case "dtmf" if self._answer_ms is not None:
                digit = str(event["digit"])
                if digit in "0123456789*#ABCD":
                    self._tell(CallEventKind.DTMF, digit=digit)
            case "held" if not self._peer_holds:
                self._peer_holds = True
                self._quieten()
                self._tell(CallEventKind.HELD_BY_PEER)
            case "resumed" if self._peer_holds:
                self._peer_holds = False
                self._begin_again()
                self._tell(CallEventKind.RESUMED_BY_PEER)
            case "ended":
                answered = self._answer_ms is not None
                self._end(
                    end_cause(
                        str(event["text"]),
                        answered=answered,
                        hung_up=self._is_hung_up,
                        rang=self._has_rung,
                    )
                )

    def on_sound(self, sound: Sound) -> None:
        """Take 20 ms of the contact: to the agent's ear and, after the answer, to the reader."""
        if self._cause is not None or self._held_since_ms is not None or self._peer_holds:
            return
        self._heard.append(sound.pcm)
        self._is_sounding = True
        if self._answer_ms is None:
            return
        now_ms, machine_ms = self._clock.now_ms(), time.monotonic_ns() // 1_000_000
        heard_ms = sound.heard_ms + now_ms - machine_ms - self._answer_ms - HANDLED_MS
        start_ms = self._placed(heard_ms - BUFFERED_MS)
        # What may have been said while the call was held counts as that.
        if start_ms is not None and start_ms >= self._back_ms:
            self._frames.add((Frame(CONTACT, start_ms, sound.pcm),))

    def on_lost(self) -> None:
        """The process is gone."""
        self._is_counted.set()
        self._end(EndCause.PROVIDER_ERROR)

    def _placed(self, bound_ms: int) -> int | None:
        """Where on the grid a frame belongs that may have been captured as early as `bound_ms`.

        Never later than the bound; None where the other side's clock is so fast that its frame
        has no place before it.
        """
        due_ms = self._next_ms
        if due_ms is None:
            due_ms = bound_ms
        elif due_ms > bound_ms:
            return None
        behind = (bound_ms - due_ms) // FRAME_MS
        if behind * FRAME_MS >= SLACK_MS:
            due_ms += behind * FRAME_MS
        self._next_ms = due_ms + FRAME_MS
        return due_ms

    # What happens by itself

    async def _listen(self) -> None:
        async for sound in self._leg.sounds():
            self._say(sound)

    def _stop(self, task: asyncio.Task[None]) -> None:
        """The agent's leg is gone for good, or a part of the call has failed: so has the call."""
        if task.cancelled() or self._cause is not None:
            return
        fault = task.exception()
        if fault is not None:
            log.error("sip.part-failed", exc_info=fault)
        self._hang_up(EndCause.LOCAL_HANGUP if fault is None else EndCause.PROVIDER_ERROR)

    def _say(self, sound: AgentSound) -> None:
        """Take 20 ms of the agent."""
        if self._answer_ms is None or self._cause is not None:
            return
        frame = self._voice.frame(sound, self._answer_ms + HANDLED_MS)
        if frame is not None:
            self._said.append(frame.pcm)
            self._frames.add((frame,))

    async def _keep_time(self) -> None:
        """Every 20 ms: let both sides hear what there is, and watch how long things take."""
        tick_ms = self._clock.now_ms()
        while self._cause is None:
            tick_ms += FRAME_MS
            if self._clock.now_ms() - tick_ms > BEHIND_MS:
                tick_ms = self._clock.now_ms()
            await self._clock.sleep_until(tick_ms)
            self._watch()
            if self._cause is None:
                self._exchange(tick_ms)

    def _watch(self) -> None:
        now_ms, trunk = self._clock.now_ms(), self._link.trunk
        if self._answer_ms is None:
            if now_ms - self._dialled_ms >= trunk.ring * 1000:
                self._hang_up(EndCause.NO_ANSWER if self._has_rung else EndCause.UNREACHABLE)
        elif (
            self._held_since_ms is not None
            and now_ms - self._held_since_ms >= trunk.longest_hold * 1000
        ):
            # Silence of the line is not watched by the stack while a call is held.
            self._hang_up(EndCause.MEDIA_TIMEOUT)

    def _exchange(self, tick_ms: int) -> None:
        heard = self._heard.popleft() if self._heard else SILENCE
        if self._answer_ms is None:
            self._leg.play(heard if self._is_sounding else self._ringback())
            return
        if not self._is_talking():
            self._leg.play(heard)
            return
        self._announcements.begin()
        announced = self._announcements.take()
        sides = [self._said.popleft() if self._said else SILENCE]
        if announced is not None:
            sides.append(announced)
            self._leg.play(mix_frames((heard, announced)))
            start_ms = tick_ms - FRAME_MS - self._answer_ms - HANDLED_MS
            self._frames.add((Frame(ANNOUNCEMENT, start_ms, announced),))
        else:
            self._leg.play(heard)
        self._link.send(self._call, mix_frames(sides) if len(sides) > 1 else sides[0])
        self._announcements.settle()

    def _ringback(self) -> bytes:
        """What an agent hears while it rings and the exchange sends no tone of its own."""
        if not self._has_rung:
            return SILENCE
        ring = ringback()
        return ring[(self._clock.now_ms() - self._dialled_ms) // FRAME_MS % len(ring)]

    def _ring(self) -> None:
        if not self._has_rung:
            self._has_rung = True
            self._tell(CallEventKind.RINGING, number=self._number)

    def _answer(self) -> None:
        self._ring()
        self._answer_ms = self._clock.now_ms()
        self._leg.flush()
        self._said.clear()
        self._tell(CallEventKind.ANSWERED, number=self._number)

    def _cut(self) -> None:
        """End what plays, also where only its last sound is still on the way."""
        self._cuts += 1
        self._announcements.cut()

    def _quieten(self) -> None:
        self._cut()
        self._said.clear()
        self._heard.clear()
        self._link.tell(self._call, "flush")

    def _begin_again(self) -> None:
        """Take the contact's sound from now on, whatever still waits of before."""
        self._back_ms = self._clock.now_ms() - (self._answer_ms or 0)
        self._next_ms = None

    def _is_talking(self) -> bool:
        is_held = self._held_since_ms is not None or self._peer_holds
        return self._answer_ms is not None and self._cause is None and not is_held

    def _hang_up(self, cause: EndCause) -> None:
        """End the call for us at once; the process does the rest."""
        self._link.tell(self._call, "hangup")
        self._end(cause)

    def _end(self, cause: EndCause) -> None:
        if self._cause is not None:
            return
        self._cause = cause
        self._cut()
        self._tell(CallEventKind.ENDED, cause=cause)
        self._events.close()
        self._frames.close()
        for task in self._tasks:
            task.cancel()

    def _tell(
        self,
        kind: CallEventKind,
        *,
        digit: str | None = None,
        cause: EndCause | None = None,
        number: str | None = None,
    ) -> None:
        now_ms = self._clock.now_ms()
        if self._answer_ms is None:  # without an answer there is no zero yet
            at_ms = min(-1, now_ms - self._dialled_ms - self._link.trunk.ring * 1000)
        else:
            # The answer is zero, also where the clock has moved on since it was taken.
            at_ms = 0 if kind is CallEventKind.ANSWERED else now_ms - self._answer_ms
        self._events.add(CallEvent(kind, at_ms, CONTACT, digit, cause, number))


class IncomingSipCall(SipCall):
    """A call from outside: it rings until it is taken or declined, or the caller gives up.

    `caller` and `called` are numbers as the exchange writes them, "" where it tells none. Nothing
    of the call is heard by anybody before it is taken.
    """

    def __init__(self, clock: Clock, link: SipLink, call: int, caller: str, called: str) -> None:
        super().__init__(clock, link, caller)
        self.caller, self.called = caller, called
        self._call = call
        self._is_taken = False
        self._ring()

    async def take(self, leg: AgentLeg) -> None:
        """Answer it for an agent, whose leg stays the caller's.

        Raises Refused where it is over or taken already.
        """
        if self._cause is not None:
            raise Refused("the caller has hung up")
        if self._is_taken:
            raise Refused("a colleague has taken the call")
        self._is_taken = True
        self._carry(leg)
        self._link.tell(self._call, "answer")

    def decline(self) -> None:
        """Do not take it: the caller is told that it is busy here."""
        if not self._is_taken and self._cause is None:
            self._link.tell(self._call, "reject")
            self._end(EndCause.DECLINED)

    def on_sound(self, sound: Sound) -> None:
        """Take 20 ms of the caller, who is heard from the answer on."""
        if self._answer_ms is not None:
            super().on_sound(sound)
