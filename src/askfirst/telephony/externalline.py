"""A call that somebody else's dialer carries: frames come in, and what happened is reported.

A message is 645 bytes: leg (1 byte: the number of the party, agent 0), capture start in
milliseconds since the dialer reported the answer (4 bytes, big-endian), 20 ms of sound (640 bytes,
mono s16le at 16 kHz). Times go up on each leg. No web framework is known here, and no law: whoever
owns the socket calls `receive`, and what may be kept of a frame is for others to say.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable, Sequence

from askfirst.errors import InvalidInput, Refused
from askfirst.model import FRAME_BYTES, FRAME_MS, Frame
from askfirst.ports import (
    AgentSound,
    CallEvent,
    CallEventKind,
    Clock,
    EndCause,
    TelephonyCapabilities,
)
from askfirst.telephony.agentsound import WAY_MS, LeastTransit
from askfirst.telephony.callframes import Frames
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.progress import AGENT, CONTACT, Log, ensure_digits

MESSAGE_BYTES = 1 + 4 + FRAME_BYTES
SILENT_MS = 5_000
"""A dialer from which nothing has come for so long after the answer is gone; it sends silence."""

AHEAD_MS = 5_000
"""How far a capture time may be ahead of the call; a clock beyond that is none."""

WAITING_FRAMES = 500
LARGEST_LAG_MS = 2_000

_HEADER = struct.Struct(">BI")


class ExternalLine:
    """`ports.TelephonyCall` of a call whose media are elsewhere.

    `capture_lag_ms` is an upper bound, 0 to 2000, of the dialer's own buffers and its fastest way
    to us, and of the way of its report of the answer. `call_ms` gives the time since the answer as
    the call counts it, set by whoever makes the call. Frames that come before the answer, on hold
    or of a muted agent go nowhere.
    """

    capabilities = TelephonyCapabilities(
        separate_legs=True,
        records_elsewhere=False,
        capture_lag_ms=WAY_MS,
        dtmf=True,
        early_media=False,
    )

    def __init__(self, clock: Clock, number: str, capture_lag_ms: int = WAY_MS) -> None:
        if not 0 <= capture_lag_ms <= LARGEST_LAG_MS:
            raise InvalidInput(f"capture_lag_ms {capture_lag_ms}, expected 0 to {LARGEST_LAG_MS}")
        self.agent_leg, self.contact_leg = AGENT, CONTACT
        self.is_connected = False
        self.is_answered = False
        self.has_ended = False
        self.call_ms: Callable[[], int] = lambda: 0
        self._clock = clock
        self._lag_ms = capture_lag_ms
        self._legs = {0: AGENT, 1: CONTACT}
        self._last_ms: dict[str, int] = {}
        self._transit = LeastTransit()
        self._events: Log[CallEvent] = Log()
        self._frames = Frames(WAITING_FRAMES)
        self._heard_ms = clock.now_ms()
        self._is_muted = self._is_held = False
        self._tell(CallEventKind.RINGING, CONTACT, number=number)

    # What the dialer reports

    def answer(self) -> None:
        """The other side answered: call time begins. Once."""
        self._ensure_going(answered=False)
        if self.is_answered:
            raise Refused("the call was answered before; nothing was changed")
        self.is_answered = True
        self._heard_ms = self._clock.now_ms()
        self._tell(CallEventKind.ANSWERED, CONTACT)

    def machine(self) -> None:
        """A machine answered."""
        self._ensure_going()
        self._tell(CallEventKind.MACHINE, CONTACT)

    def press(self, party: int, digit: str) -> None:
        """A key of a party was heard; raises InvalidInput for nobody, and for what is no key."""
        self._ensure_going()
        ensure_digits(digit)
        if len(digit) != 1:
            raise InvalidInput(f"found {len(digit)} keys; report each one as it is pressed")
        self._tell(CallEventKind.DTMF, self.leg_of(party), digit=digit)

    def end(self, cause: EndCause) -> None:
        """The call is over; safe to call more than once."""
        if self.has_ended:
            return
        self.has_ended = True
        self._tell(CallEventKind.ENDED, CONTACT, cause=cause)
        self._events.close()
        self._frames.close()

    def leg_of(self, party: int) -> str:
        """The leg of a party; raises InvalidInput for nobody on the call."""
        try:
            return self._legs[party]
        except KeyError:
            raise InvalidInput(
                f"found party {party}; expected one of {', '.join(map(str, sorted(self._legs)))}"
            ) from None

    def add_leg(self, party: int, leg: str) -> None:
        """Somebody joined, and was reported before: from now on frames may come."""
        self._legs[party] = leg

    def receive(self, message: bytes) -> None:
        """Take one message; it never waits.

        Raises InvalidInput for a wrong size, a leg of nobody, a time that does not go up or is
        ahead of the call; the message has changed nothing then, and the socket should be closed.
        """
        if len(message) != MESSAGE_BYTES:
            raise InvalidInput(f"a message of {len(message)} bytes, expected {MESSAGE_BYTES}")
        party, start_ms = _HEADER.unpack_from(message)
        leg, now_ms = self.leg_of(party), self.call_ms()
        if not self.is_answered or self.has_ended:
            return
        if start_ms > now_ms + AHEAD_MS:
            raise InvalidInput(f"a capture time {start_ms - now_ms} ms ahead of the call")
        if start_ms <= self._last_ms.get(leg, -1):
            raise InvalidInput(f"a capture time {start_ms} ms not after the last one of its leg")
        self._last_ms[leg] = start_ms
        self._heard_ms = self._clock.now_ms()
        self._transit.meet(start_ms, now_ms)
        # The earlier of what it claims and of the fastest way so far. A dialer that counts from
        # before its report claims too much, and a backlog that comes first looks like the fastest
        # way: what was said before a permit must pass for newer by neither.
        captured_ms = min(start_ms, self._transit.arrival_ms(start_ms)) - self._lag_ms
        captured_ms = min(captured_ms, now_ms - FRAME_MS)
        if self._is_held or (self._is_muted and leg == AGENT):
            return
        self._frames.add((Frame(leg, captured_ms, bytes(message[_HEADER.size :])),))

    @property
    def is_silent(self) -> bool:
        """Whether a dialer that is connected has sent nothing for `SILENT_MS` since the answer."""
        quiet_ms = self._clock.now_ms() - self._heard_ms
        return self.is_answered and self.is_connected and quiet_ms >= SILENT_MS

    def renew(self) -> None:
        """The dialer is connected again; its silence counts from now."""
        self._heard_ms = self._clock.now_ms()

    # What a call asks for

    def events(self) -> AsyncIterator[CallEvent]:
        """Every event in order, from the first one for every reader, until the call's end."""
        return self._events.read()

    def frames(self) -> AsyncIterator[Frame]:
        """Frames of every leg in order of arrival, for one reader, until the call's end."""
        return self._frames.read()

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        """False: the dialer plays what it plays, and says so."""
        return False

    async def stop_playing(self) -> None:
        """Nothing plays here."""

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Raises Refused: keys are the dialer's own."""
        raise Refused("the dialer that carries this call presses keys itself")

    async def hold(self) -> None:
        """Keep every frame out until `resume`; the dialer puts people on hold itself."""
        self._is_held = True

    async def resume(self) -> None:
        """Let frames in again."""
        self._is_held = False

    async def hangup(self) -> None:
        """End the call as our own act; safe to call more than once."""
        self.end(EndCause.LOCAL_HANGUP)

    def mute(self, on: bool) -> None:
        """Keep the agent's frames out, or no longer."""
        self._is_muted = on

    def sentences(self) -> tuple[Sentence, ...]:
        """None: nobody here speaks for the agent."""
        return ()

    async def say(self, id: str) -> bool:
        """Raises Refused: the agent speaks elsewhere."""
        raise Refused("the agent of this call speaks through the dialer that carries it")

    def _ensure_going(self, *, answered: bool = True) -> None:
        if self.has_ended:
            raise Refused("the call is over; nothing can be reported about it any more")
        if answered and not self.is_answered:
            raise Refused("nobody has answered yet; report the answer first")

    def _tell(
        self,
        kind: CallEventKind,
        leg: str,
        *,
        digit: str | None = None,
        cause: EndCause | None = None,
        number: str | None = None,
    ) -> None:
        self._events.add(CallEvent(kind, self.call_ms(), leg, digit, cause, number))


class AgentElsewhere:
    """`ports.AgentLeg` of an agent who speaks through the dialer: connected while that is."""

    def __init__(self, line: ExternalLine) -> None:
        self._line = line

    @property
    def is_connected(self) -> bool:
        """Whether the dialer is connected."""
        return self._line.is_connected

    async def sounds(self) -> AsyncIterator[AgentSound]:
        """None: the agent's frames come with those of everybody else."""
        nothing: tuple[AgentSound, ...] = ()
        for sound in nothing:
            yield sound

    def play(self, pcm: bytes) -> None:
        """Nothing is heard here."""

    def flush(self) -> None:
        """Nothing waits to be heard."""

    async def close(self) -> None:
        """Nothing is open here."""
