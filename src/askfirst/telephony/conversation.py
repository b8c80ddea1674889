"""Calls between a real agent and a packaged persona, for trying things out without a telephone.

The persona says what its script gives it, in the script's order, but each line when it is its
turn. Whose turn it is comes from `turns`; one task for each call moves in steps of 20 ms, acts out
what is due and captures one frame of everybody who speaks on our side. The agent's own frames come
from an `AgentLeg` at their own times. Nothing here knows consent, recording or law.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from askfirst.audio.mixing import mix_frames
from askfirst.errors import NotFound, Refused
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
from askfirst.telephony.callframes import AgentVoice, Frames
from askfirst.telephony.persona import (
    Persona,
    StepKind,
    by_number,
    packaged_personas,
    voices,
)
from askfirst.telephony.progress import (
    AGENT,
    ANNOUNCEMENT,
    CONTACT,
    JOINER,
    RING_CAUSES,
    RING_MS,
    SILENCE,
    UNANSWERED_MS,
    WAIT_MS,
    Log,
    Player,
    ensure_digits,
    joiner_leg,
    ringback,
)
from askfirst.telephony.turns import Course, Ear

log = logging.getLogger(__name__)

PATIENCE_MS = 20_000
"""Quiet after which a persona greets again, and as much later goes on by itself."""

CONTINUE_MS = 8_000
"""Quiet after which it goes on when the agent has spoken, but the script has a second line."""

MESSAGE_MS = 60_000
"""Longest that a persona listens where its script lets the agent hang up."""

HOLD_LIMIT_MS = 180_000
"""Longest that a persona stays on hold before it hangs up."""

LONGEST_MS = 1_800_000
"""Longest call; the persona hangs up then, whatever else happens."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A line of the script that the agent can have said by choosing it; `id` is for `say`."""

    id: str
    text: str


class ConversationProvider:
    """Calls to personas by an agent whose sound comes and goes over a leg of its own.

    `callee` looks a persona up by number and gives None for a number nobody has; by default
    the packaged personas. The clock must be the running loop's and the one of the legs.
    """

    def __init__(self, clock: Clock, callee: Callable[[str], Persona | None] | None = None) -> None:
        self._clock = clock
        self._callee = callee or by_number(packaged_personas())
        self.capabilities = TelephonyCapabilities(
            separate_legs=True,
            records_elsewhere=False,
            capture_lag_ms=0,
            dtmf=True,
            early_media=True,
        )

    async def dial(self, number: str, leg: AgentLeg) -> Conversation:
        """Start a call; a number nobody has ends it as not found. The leg stays the caller's.

        InvalidInput names an audio file of the script that is missing or broken.
        """
        persona = self._callee(number)
        spoken = await asyncio.to_thread(voices, persona) if persona is not None else {}
        return Conversation(self._clock, persona, number, spoken, leg)


class Conversation:
    """`ports.TelephonyCall` between an agent's leg and a persona; made by `dial` only.

    `frames()` is for one reader: a frame is not kept once it has been read. The agent hears
    everybody else, announcements and the sentences that it has chosen. A leg that closes ends
    the call; one that is only not connected does not. `digits_sent` holds what was sent with
    `send_dtmf`, as (leg, digits).
    """

    def __init__(
        self,
        clock: Clock,
        persona: Persona | None,
        number: str,
        spoken: Mapping[int, tuple[bytes, ...]],
        leg: AgentLeg,
    ) -> None:
        self.agent_leg = AGENT
        self.contact_leg = CONTACT
        self.digits_sent: list[tuple[str, str]] = []
        self._clock = clock
        self._number = number
        self._voices = spoken
        self._leg = leg
        self._course = Course(persona.steps if persona is not None else ())
        self._has_callee = persona is not None
        self._events: Log[CallEvent] = Log()
        self._frames = Frames()
        self._speaking: dict[str, deque[bytes]] = {CONTACT: deque()}
        self._announcements = Player()
        self._sentences = Player()
        self._ear = Ear()
        self._at = 0  # the step that the call has come to
        self._said = -1  # the last line of the agent that was chosen and played
        self._saying = -1
        self._has_spoken = False  # the agent has, by its own voice, since somebody else did
        self._quiet_since_ms = 0  # but for the agent's own voice
        self._heard: set[int] = set()  # waits whose announcement was played to its end
        self._due: deque[int] = deque()  # those of them that are still to be replied to
        self._joiner = JOINER
        self._joins = 0
        self._voice = AgentVoice(clock)
        self._held_since_ms: int | None = None
        self._has_answered = False
        self._cause: EndCause | None = None
        self._now_ms = 0
        self._answer_ms = clock.now_ms()
        self._task = asyncio.get_running_loop().create_task(self._run())

    # What the application asks for.

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
        return await self._announcements.play(prompt, is_possible=self._is_talking())

    async def stop_playing(self) -> None:
        """End a running `play` at once; it then returns False."""
        self._announcements.cut()

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Send digits to one leg; InvalidInput for anything but 0-9 * # A-D."""
        ensure_digits(digits)
        self.digits_sent.append((leg, digits))

    async def hold(self) -> None:
        """Put the contact on hold: nothing is captured from it, and it waits where it was.

        An announcement or a sentence that plays is cut.
        """
        if self._held_since_ms is None:
            self._held_since_ms = self._now_ms
        self._announcements.cut()
        self._sentences.cut()

    async def resume(self) -> None:
        """Take the contact back; its frames begin again with the next whole one."""
        self._held_since_ms = None
        self._quiet_since_ms = self._now_ms
        self._ear.forget()  # the contact has not heard what was said meanwhile

    async def hangup(self) -> None:
        """End the call as our own act; safe to call more than once."""
        self._end(EndCause.LOCAL_HANGUP)

    def mute(self, on: bool) -> None:
        """Make the agent's frames silence, or no longer, judged by when they were captured.

        A sentence that plays is cut, and while muted none can be chosen.
        """
        if on:
            self._sentences.cut()
        self._voice.mute(on)

    def sentences(self) -> tuple[Sentence, ...]:
        """The agent's lines that fit now, in the script's order.

        None before the answer, on hold, while muted, after the end and while one is playing.
        Choosing a later one passes over those before it.
        """
        if not self._is_talking() or self._voice.is_muted or self._sentences.is_busy:
            return ()
        lines = self._course.choosable(self._at, self._said)
        return tuple(Sentence(str(line), self._course.steps[line].text) for line in lines)

    async def say(self, id: str) -> bool:
        """Say a line of `sentences()` in the agent's place, once everybody else is quiet.

        True if it was played to its end, False if it was cut. NotFound for what is no line of
        the agent, Refused for one that cannot be chosen now; both before anything is played.
        """
        if id not in {sentence.id for sentence in self.sentences()}:
            if id not in {str(line) for line in self._course.lines()}:
                raise NotFound(f"no sentence {id!r} of the agent. Choose one of sentences().")
            raise Refused(f"sentence {id!r} cannot be said now. Choose one of sentences().")
        self._saying = int(id)
        return await self._sentences.play(self._voices[self._saying])

    # What happens by itself.

    async def _run(self) -> None:
        listening = asyncio.create_task(self._listen())
        listening.add_done_callback(self._stop_hearing)
        try:
            if await self._ring():
                await self._talk()
        finally:
            # However this task ends, whoever reads the call must be told.
            self._end(EndCause.PROVIDER_ERROR)
            listening.cancel()
            self._events.close()
            # The task is not done yet when this runs; the reader is woken when it is.
            self._task.add_done_callback(lambda _: self._frames.close())

    async def _listen(self) -> None:
        async for sound in self._leg.sounds():
            self._hear(sound)

    def _stop_hearing(self, listening: asyncio.Task[None]) -> None:
        """The agent's leg is gone for good: so is the call."""
        if listening.cancelled():
            return
        fault = listening.exception()
        if fault is not None:
            log.error("conversation.leg-failed", exc_info=fault)
        self._end(EndCause.LOCAL_HANGUP if fault is None else EndCause.PROVIDER_ERROR)

    def _hear(self, sound: AgentSound) -> None:
        """Take 20 ms of the agent; a sentence that plays stands in their place."""
        if not self._has_answered or self._is_over() or self._sentences.is_sounding:
            return
        frame = self._voice.frame(sound, self._answer_ms)
        if frame is not None:
            self._ear.hear(frame.pcm, self._clock.now_ms() - self._answer_ms)
            self._frames.add((frame,))

    async def _ring(self) -> bool:
        """Ring until the answer, if there is one; the call clock is negative meanwhile."""
        if not self._has_callee:
            self._end(EndCause.NOT_FOUND)
            return False
        first = self._course.steps[0] if self._course.steps else None
        cause = RING_CAUSES[first.value] if first and first.kind is StepKind.RING else None
        if cause is EndCause.BUSY:
            self._end(cause)
            return False
        ring_ms = UNANSWERED_MS if cause is EndCause.NO_ANSWER else RING_MS
        self._answer_ms = self._clock.now_ms() + ring_ms
        self._now_ms = -ring_ms
        self._tell(CallEventKind.RINGING, CONTACT, number=self._number)
        sound = ringback()
        for position in range(ring_ms // FRAME_MS):
            start_ms = self._now_ms
            await self._pass_frame()
            if self._is_over():
                return False
            self._deliver([Frame(CONTACT, start_ms, sound[position % len(sound)])])
        if cause is not None:
            self._end(cause)
        return not self._is_over()

    async def _talk(self) -> None:
        """Act out the script and capture frames, one step of 20 ms after the other."""
        self._has_answered = True
        self._leg.flush()
        self._tell(CallEventKind.ANSWERED, CONTACT, number=self._number)
        script = self._script()
        while not self._is_over():
            self._announcements.begin()
            if not self._announcements.is_sounding and not any(self._speaking.values()):
                self._sentences.begin()
            # Whoever is on hold waits where it was.
            is_held = self._held_since_ms is not None
            if self._is_tired() or (not is_held and next(script, self) is self):
                self._end(EndCause.REMOTE_HANGUP)
            if self._is_over():
                return
            start_ms = self._now_ms
            await self._pass_frame()
            # The captured 20 ms are over. A hold or an end within them takes all of them away.
            if not self._is_over() and not is_held and self._held_since_ms is None:
                self._deliver(self._captured(start_ms))
                self._settle()

    def _is_tired(self) -> bool:
        held_ms = self._now_ms if self._held_since_ms is None else self._held_since_ms
        return self._now_ms >= LONGEST_MS or self._now_ms - held_ms >= HOLD_LIMIT_MS

    async def _pass_frame(self) -> None:
        self._now_ms += FRAME_MS
        await self._clock.sleep_until(self._answer_ms + self._now_ms)

    def _captured(self, start_ms: int) -> list[Frame]:
        if self._is_ours_sounding() or any(self._speaking.values()):
            self._quiet_since_ms = self._now_ms
        frames = [
            Frame(leg, start_ms, voice.popleft() if voice else SILENCE)
            for leg, voice in self._speaking.items()
        ]
        announced, sentence = self._announcements.take(), self._sentences.take()
        if announced is not None:
            frames.append(Frame(ANNOUNCEMENT, start_ms, announced))
        if sentence is not None:
            self._voice.give_way(start_ms + FRAME_MS)
            frames.append(Frame(AGENT, start_ms, sentence))
        return frames

    def _deliver(self, frames: list[Frame]) -> None:
        """Give frames that were captured together to the reader and, mixed, to the agent."""
        self._frames.add(frames)
        sounding = [frame.pcm for frame in frames if frame.pcm is not SILENCE]
        if len(sounding) > 1:
            self._leg.play(mix_frames(sounding))
        else:
            self._leg.play(sounding[0] if sounding else SILENCE)

    def _settle(self) -> None:
        """Take note of an announcement or a sentence that has just been played to its end."""
        if self._sentences.settle():
            self._ear.forget()
            self._said = max(self._said, self._saying)
        if self._announcements.settle():
            self._ear.forget()
            wait = self._course.next_wait(self._heard)
            if wait is not None:
                self._heard.add(wait)
                self._due.append(wait)

    def _is_talking(self) -> bool:
        return self._has_answered and not self._is_over() and self._held_since_ms is None

    def _is_over(self) -> bool:
        return self._cause is not None

    def _end(self, cause: EndCause) -> None:
        if self._cause is None:
            self._cause = cause
            self._announcements.cut()
            self._sentences.cut()
            self._tell(CallEventKind.ENDED, CONTACT, cause=cause)

    def _tell(
        self,
        kind: CallEventKind,
        leg: str,
        *,
        digit: str | None = None,
        cause: EndCause | None = None,
        number: str | None = None,
    ) -> None:
        # Of the step being acted out, or later when asked between two steps.
        between_ms = self._clock.now_ms() - self._answer_ms
        at_ms = max(self._now_ms - FRAME_MS, min(between_ms, self._now_ms))
        # Without an answer there is no zero yet; a late machine must not invent one.
        at_ms = at_ms if self._has_answered else min(at_ms, -1)
        self._events.add(CallEvent(kind, at_ms, leg, digit, cause, number))

    # What the script says. Each `yield` lets one frame pass.

    def _script(self) -> Iterator[None]:
        while self._at < len(self._course.steps):
            yield from self._act(self._at)
            if self._is_over():
                return
            self._at = self._course.following(self._at)
        while any(self._speaking.values()):
            yield

    def _act(self, index: int) -> Iterator[None]:
        step = self._course.steps[index]
        match step.kind:
            case StepKind.SAY if step.value == AGENT:
                yield from self._let_speak(index)
            case StepKind.SAY:
                leg = self._joiner if step.value == JOINER else step.value
                yield from self._say(leg, self._voices[index], step.over)
            case StepKind.TONE | StepKind.PAUSE:  # a test's tone is as long a pause here
                end_ms = self._now_ms + step.ms
                while self._now_ms < end_ms:
                    yield
            case StepKind.WAIT:
                yield from self._wait(index)
            case StepKind.KEY:
                self._tell(CallEventKind.DTMF, CONTACT, digit=step.value)
            case StepKind.JOIN:
                self._join(step.value)
            case StepKind.LEAVE:
                del self._speaking[self._joiner]
                self._tell(CallEventKind.LEFT, self._joiner)
            case StepKind.HANGUP:
                yield from self._leave(step.value)
            case StepKind.ANSWER:
                if step.value == "machine":
                    self._tell(CallEventKind.MACHINE, CONTACT)
            case StepKind.DO | StepKind.RING:  # clicks are the agent's own; ringing is over
                return

    def _pass(self) -> Iterator[None]:
        """Let one frame pass, and reply to an announcement that ended with it."""
        yield
        yield from self._reply()

    def _reply(self) -> Iterator[None]:
        while self._due:
            wait = self._due.popleft()
            yield  # whoever reacts to the end of an announcement does so before the contact
            for index in self._course.reply(wait):
                yield from self._act(index)

    def _is_ours_sounding(self) -> bool:
        return self._announcements.is_busy or self._sentences.is_busy

    def _is_quiet_for(self, ms: int, since_ms: int) -> bool:
        """Whether nobody at all has spoken for `ms`, counted from `since_ms` at the earliest."""
        spoken_ms = max(since_ms, self._quiet_since_ms, self._ear.heard_ms or 0)
        return not self._is_ours_sounding() and self._now_ms - spoken_ms >= ms

    def _let_speak(self, index: int) -> Iterator[None]:
        """Wait until the agent has had its turn, chosen a line, or been silent too long."""
        wait = self._course.wait_before_reply(index)
        patience_ms = CONTINUE_MS if self._has_spoken else PATIENCE_MS
        greeting = None if self._has_spoken else self._course.greeting()
        since_ms = self._now_ms
        while index > self._said:
            if wait is not None and (self._announcements.is_busy or wait in self._heard):
                return
            # A chosen sentence stands in the place of the voice, which is not over then.
            if not self._is_ours_sounding() and self._ear.take(self._now_ms):
                self._has_spoken = True
                return
            if self._is_quiet_for(patience_ms, since_ms):
                if greeting is None:
                    return
                yield from self._say(CONTACT, self._voices[greeting], over=False)
                greeting = None
            yield from self._pass()

    def _wait(self, index: int) -> Iterator[None]:
        """Wait for an announcement; the agent goes on without one by speaking or choosing."""
        end_ms = self._now_ms + WAIT_MS
        while index not in self._heard and self._said < index and self._now_ms < end_ms:
            if self._is_ours_sounding():
                end_ms = self._now_ms + WAIT_MS
            elif self._ear.take(self._now_ms):
                break
            yield from self._pass()
        yield from self._reply()  # to one that ended before
        self._has_spoken = False

    def _say(self, leg: str, voice: Sequence[bytes], over: bool) -> Iterator[None]:
        while self._is_ours_sounding() or self._speaking[leg]:
            yield
        self._speaking[leg].extend(voice)
        while self._speaking.get(leg) and not over:
            yield
        # What the agent said over it, or the microphone caught of it, is no answer to it.
        self._ear.forget()
        self._has_spoken = False

    def _leave(self, who: str) -> Iterator[None]:
        """Hang up; in an agent's place only after a long silence, for nobody acts in its name."""
        since_ms = self._now_ms
        while (
            who == AGENT
            and self._now_ms - since_ms < MESSAGE_MS
            and not self._is_quiet_for(PATIENCE_MS, since_ms)
        ):
            yield
        self._end(EndCause.REMOTE_HANGUP)

    def _join(self, number: str) -> None:
        self._joins += 1
        self._joiner = joiner_leg(self._joins)
        self._tell(CallEventKind.JOINED, self._joiner, number=number)
        self._speaking[self._joiner] = deque()
