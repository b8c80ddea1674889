"""The provider that needs no network: scripted callees with real audio on any clock.

One task for each call moves in steps of 20 ms: it acts out what the script says is due, then
captures one frame of every leg. What a frame is judged by, its capture time, is therefore true
whatever the network model and the machine's load do to its arrival. Scripts are read in
`persona`; nothing here knows consent, recording or law beyond marking audio for tests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from askfirst.audio.mixing import in_frames, mix_frames, to_pcm
from askfirst.audio.tone import CONTROL_HZ, MARKER_HZ, tone
from askfirst.model import FRAME_MS, Frame
from askfirst.ports import CallEvent, CallEventKind, Clock, EndCause, TelephonyCapabilities
from askfirst.telephony.callframes import Frames
from askfirst.telephony.network import Network, Wire
from askfirst.telephony.persona import Persona, StepKind, voices
from askfirst.telephony.progress import (
    AGENT,
    ANNOUNCEMENT,
    CONTACT,
    JOINER,
    RING_CAUSES,
    RING_MS,
    RINGBACK_HZ,
    SILENCE,
    TONE_DBFS,
    UNANSWERED_MS,
    WAIT_MS,
    Log,
    Player,
    ensure_digits,
    joiner_leg,
)


@dataclass(frozen=True, slots=True)
class AgentAction:
    """A click of the scripted agent: `kind` is one of `persona.ACTIONS`, `at_ms` call time.

    `code` is the place for the kind ``place``. It goes to the application, not to the network.
    """

    kind: str
    at_ms: int
    code: str | None = None


class Simulator:
    """`ports.Telephony` over scripted callees.

    `callee` is one persona, reached by any number, or a look-up by number that gives None for
    a number nobody has. With `markers` a tone of `MARKER_HZ` is mixed into everything that
    contacts and joiners say before they have agreed, and the scripts' own tones are heard;
    without it they are silence of the same length. `early_media` is a ringing tone before the
    answer. The clock must be the running loop's.
    """

    def __init__(
        self,
        clock: Clock,
        callee: Persona | Callable[[str], Persona | None],
        network: Network | None = None,
        markers: bool = False,
        early_media: bool = True,
    ) -> None:
        self._clock = clock
        self._callee = callee
        self._network = network
        self._markers = markers
        self._early_media = early_media
        self.capabilities = TelephonyCapabilities(
            separate_legs=True,
            records_elsewhere=False,
            capture_lag_ms=network.lag_ms if network is not None else 0,
            dtmf=True,
            early_media=True,
        )

    async def dial(self, number: str) -> SimulatedCall:
        """Start a call; a number nobody has ends it as not found.

        InvalidInput names an audio file of the script that is missing or broken.
        """
        callee = self._callee
        persona = callee if isinstance(callee, Persona) else callee(number)
        spoken = await asyncio.to_thread(voices, persona) if persona is not None else {}
        return SimulatedCall(
            self._clock,
            persona,
            number,
            spoken,
            self._network,
            markers=self._markers,
            early_media=self._early_media,
        )


class SimulatedCall:
    """`ports.TelephonyCall` of one scripted callee; made by `Simulator.dial` only.

    `frames()` is for one reader: a frame is not kept once it has been read. `digits_sent`
    holds what was sent with `send_dtmf`, as (leg, digits).
    """

    def __init__(
        self,
        clock: Clock,
        persona: Persona | None,
        number: str,
        spoken: dict[int, tuple[bytes, ...]],
        network: Network | None,
        *,
        markers: bool,
        early_media: bool,
    ) -> None:
        self.agent_leg = AGENT
        self.contact_leg = CONTACT
        self.digits_sent: list[tuple[str, str]] = []
        self._clock = clock
        self._persona = persona
        self._number = number
        self._voices = spoken
        self._markers = markers
        self._early_media = early_media
        self._wire = Wire(network)
        self._events: Log[CallEvent] = Log()
        self._actions: Log[AgentAction] = Log()
        self._frames = Frames()
        self._speaking: dict[str, deque[bytes]] = {AGENT: deque(), CONTACT: deque()}
        self._tones: set[str] = set()  # legs whose sound is a scripted tone, which is not marked
        self._joiner: str | None = None
        self._joins = 0
        self._agreed = False
        self._held = False
        self._answered = False
        self._cause: EndCause | None = None
        self._announcements = Player()
        self._ended_before = 0  # announcements that had ended at the last click or join
        self._now_ms = 0
        self._answer_ms = clock.now_ms()
        self._task = asyncio.get_running_loop().create_task(self._run())

    # What the application asks for.

    def events(self) -> AsyncIterator[CallEvent]:
        """Every event in order, from the first one for every reader, until the call's end."""
        return self._events.read()

    def actions(self) -> AsyncIterator[AgentAction]:
        """The scripted agent's clicks in order, from the first one for every reader."""
        return self._actions.read()

    def frames(self) -> AsyncIterator[Frame]:
        """Frames of every leg in order of arrival, for one reader, until the last has arrived."""
        return self._frames.read()

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        """Play 20 ms frames to every party; True only if the last one was played to its end.

        False at once for an empty prompt, before the answer, on hold and after the end; a
        prompt already playing is cut. InvalidInput for frames that are not 640 bytes long.
        """
        is_possible = self._answered and not self._held and not self._is_over()
        return await self._announcements.play(prompt, is_possible=is_possible)

    async def stop_playing(self) -> None:
        """End a running `play` at once; it then returns False."""
        self._announcements.cut()

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Send digits to one leg; InvalidInput for anything but 0-9 * # A-D."""
        ensure_digits(digits)
        self.digits_sent.append((leg, digits))

    async def hold(self) -> None:
        """Put the contact on hold: nothing is captured from it and a prompt is cut."""
        self._held = True
        self._announcements.cut()

    async def resume(self) -> None:
        """Take the contact back; its frames begin again with the next whole one."""
        self._held = False

    async def hangup(self) -> None:
        """End the call as our own act; safe to call more than once."""
        self._end(EndCause.LOCAL_HANGUP)

    # What happens by itself.

    async def _run(self) -> None:
        try:
            if await self._ring():
                await self._talk()
            while self._wire.under_way:
                await self._pass_frame()
        finally:
            # However this task ends, whoever reads the call must be told.
            self._end(EndCause.PROVIDER_ERROR)
            self._events.close()
            self._actions.close()
            # The task is not done yet when this runs; the reader is woken when it is.
            self._task.add_done_callback(lambda _: self._frames.close())

    async def _ring(self) -> bool:
        """Ring until the answer, if there is one; the call clock is negative meanwhile."""
        if self._persona is None:
            self._end(EndCause.NOT_FOUND)
            return False
        first = self._persona.steps[0] if self._persona.steps else None
        cause = RING_CAUSES[first.value] if first and first.kind is StepKind.RING else None
        if cause is EndCause.BUSY:
            self._end(cause)
            return False
        ring_ms = UNANSWERED_MS if cause is EndCause.NO_ANSWER else RING_MS
        self._answer_ms = self._clock.now_ms() + ring_ms
        self._now_ms = -ring_ms
        self._tell(CallEventKind.RINGING, CONTACT, number=self._number)
        sound = in_frames(to_pcm(tone(RINGBACK_HZ, 1_000, TONE_DBFS)))
        while self._now_ms < 0 and not self._is_over():
            start_ms = self._now_ms
            await self._pass_frame()
            if self._early_media and not self._is_over():
                pcm = sound[start_ms // FRAME_MS % len(sound)]
                self._wire.send(Frame(CONTACT, start_ms, self._marked(pcm, start_ms)))
                self._deliver()
        if cause is not None:
            self._end(cause)
        return not self._is_over()

    async def _talk(self) -> None:
        """Walk the script and capture frames, one step of 20 ms after the other."""
        self._answered = True
        self._tell(CallEventKind.ANSWERED, CONTACT, number=self._number)
        script = self._script()
        while True:
            self._announcements.begin()
            if next(script, self) is self:
                self._end(EndCause.REMOTE_HANGUP)
            if self._is_over():
                return
            muted = self._held
            start_ms = self._now_ms
            await self._pass_frame()
            # The captured 20 ms are over. A hold or an end within them takes all of them away.
            if not self._is_over():
                self._capture(start_ms, muted or self._held)
                self._deliver()
                self._announcements.settle()

    async def _pass_frame(self) -> None:
        self._now_ms += FRAME_MS
        await self._clock.sleep_until(self._answer_ms + self._now_ms)
        self._wire.advance(self._now_ms)
        self._deliver()

    def _deliver(self) -> None:
        arrived = self._wire.arrived()
        if arrived:
            self._frames.add(arrived)

    def _capture(self, start_ms: int, muted: bool) -> None:
        for leg, voice in self._speaking.items():
            pcm = voice.popleft() if voice else SILENCE
            if leg == AGENT:
                self._wire.bring(Frame(leg, start_ms, pcm))
                continue
            if pcm is not SILENCE and leg not in self._tones:
                pcm = self._marked(pcm, start_ms)
            if not voice:
                self._tones.discard(leg)
            if leg != CONTACT or not muted:
                self._wire.send(Frame(leg, start_ms, pcm))
        announced = self._announcements.take()
        if announced is not None:
            self._wire.bring(Frame(ANNOUNCEMENT, start_ms, announced))

    def _marked(self, pcm: bytes, start_ms: int) -> bytes:
        if not self._markers or self._agreed:
            return pcm
        marker = _tone_second(MARKER_HZ)
        # A second holds whole periods of every partial, so the tone has no seam.
        return mix_frames((pcm, marker[start_ms // FRAME_MS % len(marker)]))

    def _is_over(self) -> bool:
        return self._cause is not None

    def _end(self, cause: EndCause) -> None:
        if self._cause is None:
            self._cause = cause
            self._announcements.cut()
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
        at_ms = self._call_ms()
        # Without an answer there is no zero yet; a late machine must not invent one.
        self._events.add(
            CallEvent(kind, at_ms if self._answered else min(at_ms, -1), leg, digit, cause, number)
        )

    def _call_ms(self) -> int:
        """Call time now: of the step being acted out, or later when asked between two steps."""
        between = self._clock.now_ms() - self._answer_ms
        return max(self._now_ms - FRAME_MS, min(between, self._now_ms))

    # What the script says. Each `yield` lets one frame pass.

    def _script(self) -> Iterator[None]:
        persona = self._persona
        for index, step in enumerate(persona.steps if persona is not None else ()):
            if step.consent is not None:
                self._agreed = step.consent
            match step.kind:
                case StepKind.SAY:
                    yield from self._say(self._leg_of(step.value), self._voices[index], step.over)
                case StepKind.TONE:
                    yield from self._sound(step.value, step.ms)
                case StepKind.PAUSE:
                    yield from self._pause(step.ms)
                case StepKind.WAIT:
                    yield from self._wait()
                case StepKind.DO:
                    self._ended_before = self._announcements.ended
                    self._actions.add(AgentAction(step.value, self._now_ms, step.code))
                case StepKind.KEY:
                    self._tell(CallEventKind.DTMF, CONTACT, digit=step.value)
                case StepKind.JOIN:
                    self._join(step.value)
                case StepKind.LEAVE:
                    self._leave()
                case StepKind.HANGUP:
                    ours = step.value == AGENT
                    self._end(EndCause.LOCAL_HANGUP if ours else EndCause.REMOTE_HANGUP)
                    return
                case StepKind.ANSWER:
                    if step.value == "machine":
                        self._tell(CallEventKind.MACHINE, CONTACT)
                case StepKind.RING:  # acted out before the answer
                    return
        while any(self._speaking.values()):
            yield

    def _leg_of(self, speaker: str) -> str:
        return self._joiner or JOINER if speaker == JOINER else speaker

    def _say(self, leg: str, voice: Sequence[bytes], over: bool) -> Iterator[None]:
        while self._speaking[leg]:  # nobody speaks over himself
            yield
        self._speaking[leg].extend(voice)
        while self._speaking.get(leg) and not over:
            yield

    def _sound(self, name: str, ms: int) -> Iterator[None]:
        while self._speaking[CONTACT]:
            yield
        second = _tone_second(CONTROL_HZ if name == "control" else MARKER_HZ)
        first = self._now_ms // FRAME_MS
        if self._markers:
            self._tones.add(CONTACT)
            self._speaking[CONTACT].extend(
                second[(first + i) % len(second)] for i in range(-(-ms // FRAME_MS))
            )
        yield from self._pause(ms)

    def _pause(self, ms: int) -> Iterator[None]:
        end_ms = self._now_ms + ms
        while self._now_ms < end_ms:
            yield

    def _wait(self) -> Iterator[None]:
        end_ms = self._now_ms + WAIT_MS
        player = self._announcements
        while self._now_ms < end_ms and (player.is_busy or player.ended == self._ended_before):
            yield
        self._ended_before = player.ended
        yield  # whoever reacts to the end of an announcement does so after it

    def _join(self, number: str) -> None:
        self._ended_before = self._announcements.ended
        self._joins += 1
        self._joiner = joiner_leg(self._joins)
        self._tell(CallEventKind.JOINED, self._joiner, number=number)
        self._speaking[self._joiner] = deque()

    def _leave(self) -> None:
        if self._joiner is not None:
            del self._speaking[self._joiner]
            self._tell(CallEventKind.LEFT, self._joiner)
            self._joiner = None


@cache
def _tone_second(frequencies: tuple[int, ...]) -> tuple[bytes, ...]:
    return tuple(in_frames(to_pcm(tone(frequencies, 1_000, TONE_DBFS))))
