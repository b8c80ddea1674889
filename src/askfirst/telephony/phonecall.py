"""A call of an agent's leg and telephones, whatever carries their sound.

A call begins with one telephone; more can be added, and each hears all the others. What the agent
says to somebody beside the call is heard by nobody else and is in no frame. How a telephone is
reached and handed on is its provider's, which fills in the gaps of `PhoneCall`.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from askfirst.audio.mixing import mix_for_each
from askfirst.errors import Refused
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import (
    AgentLeg,
    AgentSound,
    CallEvent,
    CallEventKind,
    Clock,
    Consultation,
    ConsultationStage,
    EndCause,
)
from askfirst.telephony.callframes import AgentVoice, Frames
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.phoneleg import HANDLED_MS, PhoneLeg
from askfirst.telephony.playout import Playout
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

log = logging.getLogger(__name__)

BEHIND_MS = 200
"""A tick that is later than this is not made up for: the loop stood still."""


Leg = TypeVar("Leg", bound=PhoneLeg)


class PhoneCall(ABC, Generic[Leg]):
    """`ports.ConsultingCall` of an agent's leg and telephones; made by a provider only.

    `contact` is the first telephone. `frames()` is for one reader. A leg of the agent that closes
    ends the call; one that is only not connected does not. Seconds: `ring` until nobody takes it,
    `longest_hold` of a call that waits.
    """

    def __init__(
        self,
        clock: Clock,
        number: str,
        *,
        ring: int,
        longest_hold: int,
        hears_early: bool = True,
        caller_id: str | None = None,
    ) -> None:
        self.agent_leg, self.contact_leg = AGENT, CONTACT
        self.zero_ms: int | None = None
        self._clock = clock
        self._ring_s, self._hold_s = ring, longest_hold
        self._caller_id = caller_id
        self.contact = self._new_leg(CONTACT, number, hears_early=hears_early)
        self._legs = [self.contact]  # whose sound goes to all
        self._beside: Leg | None = None  # whose sound goes to the agent alone
        self._transfer_to: str | None = None
        self._failed: Consultation | None = None
        self._added = 0
        self._leg: AgentLeg
        self._events: Log[CallEvent] = Log()
        self._frames = Frames()
        self._voice = AgentVoice(clock)
        self._announcements = Player()
        self._cuts = 0
        self._said = Playout()
        self._dialled_ms = clock.now_ms()
        self._cause: EndCause | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # What a provider fills in

    @abstractmethod
    def _new_leg(self, name: str, number: str, *, hears_early: bool) -> Leg:
        """A telephone of this call that nobody has called yet."""

    @abstractmethod
    async def _dial(self, leg: Leg) -> None:
        """Call a telephone. Raises what the provider's `dial` does; nothing has begun then."""

    @abstractmethod
    def _ensure_number(self, number: str) -> None:
        """Raise InvalidInput for what cannot be called."""

    @abstractmethod
    def _hand_on(self, leg: Leg, number: str) -> None:
        """Let a telephone talk to a number instead of us."""

    @abstractmethod
    def _hand_to(self, leg: Leg, other: Leg) -> None:
        """Let a telephone talk to another one of ours instead of us."""

    @abstractmethod
    def _go_on(self, leg: Leg) -> None:
        """Talk to a telephone that waited while another was to be handed on to it."""

    def _next_beat_ms(self) -> int:
        """When the next 20 ms are due."""
        return self._clock.now_ms() + FRAME_MS

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
        heard = await asyncio.gather(*(each.sent_was_heard() for each in self._legs))
        return all(heard) and self._cuts == cuts

    async def stop_playing(self) -> None:
        """End a running `play` at once; it then returns False."""
        self._cut()
        for leg in self._legs:
            leg.drop_sent()

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Send digits to every telephone; InvalidInput for anything but 0-9 * # A-D."""
        ensure_digits(digits)
        for each in self._legs:
            each.press(digits)

    async def hold(self) -> None:
        """Put the contact and who was added on hold: nothing is captured, a prompt is cut."""
        self._cut()
        self._said.clear()
        for leg in self._legs:
            leg.hold()

    async def resume(self) -> None:
        """Take them back; their frames begin again with the next whole one."""
        for leg in self._legs:
            leg.resume()

    async def hangup(self) -> None:
        """End the call as our own act; safe to call more than once."""
        self._end(EndCause.LOCAL_HANGUP)

    def mute(self, on: bool) -> None:
        """Make the agent's frames silence, or no longer, judged by when they were captured."""
        self._voice.mute(on)

    def sentences(self) -> tuple[Sentence, ...]:
        """None: on a telephone people speak for themselves."""
        return ()

    async def say(self, id: str) -> bool:
        """Raises Refused: on a telephone people speak for themselves."""
        raise Refused("sentences are for simulated calls; speak through the microphone")

    # People who are added, and calls that are handed on

    @property
    def consultation(self) -> Consultation | None:
        """Whom the agent called beside the others, and how that stands."""
        beside = self._beside
        if self._transfer_to is not None:
            return Consultation(self._transfer_to, ConsultationStage.TRANSFERRING)
        if beside is None:
            return self._failed
        if beside.is_answered:
            cause = None if self._failed is None else self._failed.cause
            return Consultation(beside.number, ConsultationStage.TALKING, cause)
        stage = ConsultationStage.RINGING if beside.has_rung else ConsultationStage.CALLING
        return Consultation(beside.number, stage)

    async def consult(self, number: str) -> None:
        """Let everybody wait and call one more number, which the agent alone hears.

        Nothing of it is in `frames()`. Raises Refused before the answer, beside another
        consultation and when all lines are busy, Unavailable while no process is there.
        """
        self._ensure_free()
        self._added += 1
        name = f"{CONTACT}-{self._added + 1}"
        self._ensure_number(number)
        beside = self._beside = self._new_leg(name, number, hears_early=True)
        await self.hold()
        try:
            await self._dial(beside)
        except BaseException:
            self._beside = None
            raise
        self._failed = None
        if self._cause is not None:  # it ended meanwhile
            beside.hang_up(self._cause)

    def beside_leg(self) -> str:
        """The leg that `connect` would add. Raises Refused where nobody answered."""
        beside = self._beside
        if beside is None or not beside.is_answered or self._transfer_to is not None:
            raise Refused("nobody is there to be brought in; wait for the answer")
        return beside.name

    def connect(self) -> None:
        """Let who was called beside the others be one of them; they still wait.

        Raises Refused as `beside_leg`.
        """
        self.beside_leg()
        beside, self._beside = self._beside, None
        assert beside is not None  # noqa: S101 - `beside_leg` has looked
        self._said.clear()
        beside.begin_again()
        self._legs.append(beside)

    async def dismiss(self) -> None:
        """Hang up on who was called beside the others; they still wait."""
        beside, self._beside, self._failed = self._beside, None, None
        if beside is not None:
            beside.hang_up(EndCause.LOCAL_HANGUP)

    async def transfer(self, number: str | None = None) -> None:
        """Hand the contact on: to a number, or to who was called beside.

        The others wait meanwhile. It succeeds by the end of the call, and fails by
        `consultation`. Raises Refused where nobody or more than one is there to be handed on, or
        nobody answered who could take the call, InvalidInput for what is no number.
        """
        if number is None:
            self.beside_leg()
        else:
            self._ensure_free()
            self._ensure_number(number)
        if len(self._legs) > 1:
            raise Refused("more than one person is in the call; only one can be handed on")
        await self.hold()
        beside = self._beside
        self._failed = None
        if number is not None:
            self._transfer_to = number
            self._hand_on(self._legs[0], number)
        elif beside is not None:
            self._transfer_to = beside.number
            self._hand_to(self._legs[0], beside)

    def drop(self, leg: str) -> None:
        """Hang up on one who was added; a leg that is not there is fine.

        With the last telephone the call is over.
        """
        for each in tuple(self._legs):
            if each.name != leg or leg == CONTACT:
                continue
            if len(self._legs) == 1:
                self._end(EndCause.LOCAL_HANGUP)
                return
            each.hang_up(EndCause.LOCAL_HANGUP)
            self._leave(each)

    def _ensure_free(self) -> None:
        if self.zero_ms is None or self._cause is not None:
            raise Refused("nobody is on the line; wait for the answer")
        if self._beside is not None or self._transfer_to is not None:
            raise Refused("somebody is being called already; end that first")

    # What the telephones tell

    def on_ringing(self, leg: Leg) -> None:
        """It rings there."""
        if leg is self.contact:
            self._tell(CallEventKind.RINGING, number=leg.number)

    def on_answered(self, leg: Leg) -> None:
        """Somebody has taken it; the first one begins the call clock."""
        if leg is self.contact:
            self.zero_ms = self._clock.now_ms()
            self._leg.flush()
            self._said.clear()
            self._tell(CallEventKind.ANSWERED, number=leg.number)

    def on_other_person(self, leg: Leg, number: str | None) -> None:
        """The exchange says that somebody else is there now."""
        if leg in self._legs:
            self._tell(CallEventKind.JOINED, leg=leg.name, number=number)

    def on_digit(self, leg: Leg, digit: str) -> None:
        """A key was pressed there."""
        if leg in self._legs:
            self._tell(CallEventKind.DTMF, leg=leg.name, digit=digit)

    def on_peer_hold(self, leg: Leg, on: bool) -> None:
        """The other side lets us wait, or does no longer."""
        if leg not in self._legs:
            return
        if on:
            self._cut()
            self._said.clear()
        kind = CallEventKind.HELD_BY_PEER if on else CallEventKind.RESUMED_BY_PEER
        self._tell(kind, leg=leg.name)

    def on_frame(self, leg: Leg, frame: Frame) -> None:
        """20 ms of a telephone; of one that the agent alone hears they are nobody's."""
        if leg in self._legs:
            self._frames.add((frame,))

    def on_not_transferred(self, leg: Leg, cause: EndCause) -> None:
        """Who was to take the call did not; everybody still waits."""
        if self._transfer_to is not None:
            self._fail(self._transfer_to, cause)
        if self._beside is not None:
            self._go_on(self._beside)

    def on_ended(self, leg: Leg, cause: EndCause) -> None:
        """It is over there; with the last telephone the call is."""
        if leg is self._beside:
            self._beside = None
            if self._transfer_to is None:  # else the outcome of that is still to come
                self._fail(leg.number, cause)
        elif len(self._legs) > 1 and leg in self._legs:
            self._leave(leg)
        else:
            self._end(cause)

    def _fail(self, number: str, cause: EndCause) -> None:
        self._transfer_to = None
        self._failed = Consultation(number, ConsultationStage.OVER, cause)

    def _leave(self, leg: Leg) -> None:
        self._legs.remove(leg)
        self._tell(CallEventKind.LEFT, leg=leg.name)

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
            log.error("phonecall.part-failed", exc_info=fault)
        self._end(EndCause.LOCAL_HANGUP if fault is None else EndCause.PROVIDER_ERROR)

    def _say(self, sound: AgentSound) -> None:
        """Take 20 ms of the agent."""
        if self.zero_ms is None or self._cause is not None:
            return
        frame = self._voice.frame(sound, self.zero_ms + HANDLED_MS)
        if frame is not None:
            self._said.add(frame.pcm)
            if self._beside is None:  # what is said beside the call is nobody's
                self._frames.add((frame,))

    async def _keep_time(self) -> None:
        """Every 20 ms: let all sides hear what there is, and watch how long things take."""
        tick_ms = self._next_beat_ms()
        while self._cause is None:
            await self._clock.sleep_until(tick_ms)
            self._watch()
            if self._cause is None:
                self._exchange(tick_ms)
            tick_ms += FRAME_MS
            if self._clock.now_ms() - tick_ms > BEHIND_MS:
                tick_ms = self._next_beat_ms()

    def _watch(self) -> None:
        now_ms = self._clock.now_ms()
        if self.zero_ms is None:
            if now_ms - self._dialled_ms >= self._ring_s * 1000:
                self._end(_unanswered(self.contact))
            return
        beside = self._beside
        if (
            beside is not None
            and not beside.is_answered
            and now_ms - beside.since_ms >= self._ring_s * 1000
        ):
            self._beside = None
            self._fail(beside.number, _unanswered(beside))
            beside.hang_up(EndCause.NO_ANSWER)
        waiting = [each.held_since_ms for each in self._legs if each.held_since_ms is not None]
        if waiting and now_ms - min(waiting) >= self._hold_s * 1000:
            # Silence of the line is not watched by the stack while a call is held.
            self._end(EndCause.MEDIA_TIMEOUT)

    def _exchange(self, tick_ms: int) -> None:
        if self.zero_ms is None:
            self._ring(self.contact)
        elif self._beside is not None:
            self._speak_beside(self._beside)
        else:
            self._speak(tick_ms, self.zero_ms)

    def _ring(self, leg: Leg) -> None:
        """Let the agent hear that it rings, or what the exchange sends instead."""
        heard = leg.next_heard()
        self._leg.play(heard if leg.is_sounding else self._ringback(leg))

    def _speak_beside(self, leg: Leg) -> None:
        """Exchange sound between the agent and one whom the others do not hear."""
        if not leg.is_answered:
            self._ring(leg)
            return
        self._leg.play(leg.next_heard())
        leg.send(self._said.take())

    def _speak(self, tick_ms: int, zero_ms: int) -> None:
        """Let everybody hear all the others, and what is announced."""
        talking = [each for each in self._legs if each.is_talking]
        if not talking:
            self._leg.play(SILENCE)
            return
        self._announcements.begin()
        announced = self._announcements.take()
        said = [self._said.take(), *(leg.next_heard() for leg in talking)]
        if announced is not None:
            start_ms = tick_ms - FRAME_MS - zero_ms - HANDLED_MS
            self._frames.add((Frame(ANNOUNCEMENT, start_ms, announced),))
        for_agent, *told = mix_for_each([] if announced is None else [announced], said)
        self._leg.play(for_agent)
        for leg, pcm in zip(talking, told, strict=True):
            leg.send(pcm)
        self._announcements.settle()

    def _ringback(self, leg: Leg) -> bytes:
        """What an agent hears while it rings and the exchange sends no tone of its own."""
        if not leg.has_rung:
            return SILENCE
        ring = ringback()
        return ring[(self._clock.now_ms() - leg.since_ms) // FRAME_MS % len(ring)]

    def _cut(self) -> None:
        """End what plays, also where only its last sound is still on the way."""
        self._cuts += 1
        self._announcements.cut()

    def _is_talking(self) -> bool:
        """Whether everybody is there to hear; nobody is told what only some can hear."""
        return self._cause is None and all(leg.is_talking for leg in self._legs)

    def _end(self, cause: EndCause) -> None:
        if self._cause is not None:
            return
        self._cause = cause
        for leg in (*self._legs, self._beside):
            if leg is not None:
                leg.hang_up(cause)
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
        leg: str = CONTACT,
        digit: str | None = None,
        cause: EndCause | None = None,
        number: str | None = None,
    ) -> None:
        now_ms = self._clock.now_ms()
        if self.zero_ms is None:  # without an answer there is no zero yet
            at_ms = min(-1, now_ms - self._dialled_ms - self._ring_s * 1000)
        else:
            # The answer is zero, also where the clock has moved on since it was taken.
            at_ms = 0 if kind is CallEventKind.ANSWERED else now_ms - self.zero_ms
        self._events.add(CallEvent(kind, at_ms, leg, digit, cause, number))


def _unanswered(leg: PhoneLeg) -> EndCause:
    return EndCause.NO_ANSWER if leg.has_rung else EndCause.UNREACHABLE
