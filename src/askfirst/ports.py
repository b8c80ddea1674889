"""What the edges implement: telephony, speech, clock. Protocols and their values, no code.

Adapters are found through entry points and never imported by name. A telephony provider gets
neither a path nor the vault nor the gate; a recogniser gets samples and gives words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from askfirst.model import Frame, Word


class Clock(Protocol):
    """Where time comes from; media time may run faster than the wall (demo) or jump (tests)."""

    def now_ms(self) -> int:
        """Milliseconds on a clock that never goes back; its zero has no meaning."""
        ...

    async def sleep_until(self, ms: int) -> None:
        """Return when `now_ms()` has reached `ms`, at once when it has already."""
        ...


@dataclass(frozen=True, slots=True)
class TelephonyCapabilities:
    """What a provider can do, as data.

    `capture_lag_ms` is an upper bound of the time from capture to delivery, the provider's
    jitter buffer included; 0 when frames carry their true capture time.
    """

    separate_legs: bool
    records_elsewhere: bool
    capture_lag_ms: int
    dtmf: bool
    early_media: bool


class CallEventKind(StrEnum):
    """What a provider reports about a call."""

    RINGING = "ringing"
    ANSWERED = "answered"
    JOINED = "joined"
    LEFT = "left"
    DTMF = "dtmf"
    MACHINE = "machine"
    HELD_BY_PEER = "held-by-peer"
    RESUMED_BY_PEER = "resumed-by-peer"
    ENDED = "ended"


class EndCause(StrEnum):
    """Why a call ended, the same words for every provider."""

    LOCAL_HANGUP = "local-hangup"
    REMOTE_HANGUP = "remote-hangup"
    BUSY = "busy"
    DECLINED = "declined"
    NO_ANSWER = "no-answer"
    NOT_FOUND = "not-found"
    UNREACHABLE = "unreachable"
    REDIRECTED = "redirected"
    MEDIA_TIMEOUT = "media-timeout"
    PROVIDER_ERROR = "provider-error"
    TRANSFERRED = "transferred"
    UNSUPPORTED = "unsupported"


class ConsultationStage(StrEnum):
    """How far a call beside the call has come; `over` is one that failed or has ended."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    TRANSFERRING = "transferring"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Consultation:
    """Whom an agent called while the others of a call wait, or to whom the call is handed on.

    `cause` is why it is over; while they talk, why the call could not be handed on.
    """

    number: str
    stage: ConsultationStage
    cause: EndCause | None = None


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One report of a provider; `at_ms` on the call clock (0 = answer, negative before).

    `leg` is the leg it concerns. `digit` is set for DTMF, `cause` for the end, `number` and
    `place` for a party that joined (place: a code the provider knows, else None).
    """

    kind: CallEventKind
    at_ms: int
    leg: str
    digit: str | None = None
    cause: EndCause | None = None
    number: str | None = None


class TelephonyCall(Protocol):
    """One call of a provider. The caller owns it and must let `events()` run to its end."""

    agent_leg: str
    contact_leg: str

    def events(self) -> AsyncIterator[CallEvent]:
        """Every event in order, never lossy, from the first one, also when asked late."""
        ...

    def frames(self) -> AsyncIterator[Frame]:
        """Frames of every leg that speaks, in order of arrival; each is 20 ms."""
        ...

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        """Play 20 ms frames to every party; True only if the last one was played to its end.

        The frames come back in `frames()` on the leg `announcement`, with their play times.
        """
        ...

    async def stop_playing(self) -> None:
        """End a running `play` at once; it then returns False."""
        ...

    async def send_dtmf(self, leg: str, digits: str) -> None:
        """Send digits to one leg."""
        ...

    async def hold(self) -> None:
        """Put the contact on hold."""
        ...

    async def resume(self) -> None:
        """Take the contact back."""
        ...

    async def hangup(self) -> None:
        """End the call; safe to call more than once."""
        ...


@runtime_checkable
class ConsultingCall(TelephonyCall, Protocol):
    """A call to which people can be added, and that can be handed on."""

    @property
    def consultation(self) -> Consultation | None:
        """Whom the agent called beside the others, and how that stands."""
        ...

    async def consult(self, number: str) -> None:
        """Let everybody wait and call one more number, which the agent alone hears.

        Nothing of it is in `frames()`. Raises Refused where that cannot be now.
        """
        ...

    def beside_leg(self) -> str:
        """The leg that `connect` would add. Raises Refused where nobody answered."""
        ...

    def connect(self) -> None:
        """Let who was called beside the others be one of them, after that was reported.

        They still wait. Raises Refused where nobody answered.
        """
        ...

    async def dismiss(self) -> None:
        """Hang up on who was called beside the others; they still wait."""
        ...

    async def transfer(self, number: str | None = None) -> None:
        """Hand the contact on: to a number, or to who was called beside; the others wait.

        It succeeds by the end of the call, and fails by `consultation`. Raises Refused where
        that cannot be.
        """
        ...

    def drop(self, leg: str) -> None:
        """Hang up on one who was added; a leg that is not there is fine."""
        ...


@dataclass(frozen=True, slots=True)
class AgentSound:
    """20 ms of what an agent says: mono s16le at 16 kHz, and when it was captured.

    `captured_ms` is the start of its capture as the `Clock` of the call counts.
    """

    captured_ms: int
    pcm: bytes


class AgentLeg(Protocol):
    """The sound of one agent's browser, both ways. Whoever made it closes it.

    A browser that does not answer any more leaves the call going on.
    """

    @property
    def is_connected(self) -> bool:
        """Whether the browser answers now."""
        ...

    def sounds(self) -> AsyncIterator[AgentSound]:
        """What the agent says, in order of arrival, until the leg is closed."""
        ...

    def play(self, pcm: bytes) -> None:
        """Let the agent hear 20 ms; what has waited longest is dropped beyond 60 ms."""
        ...

    def flush(self) -> None:
        """Forget what waits in both directions, as at an answer."""
        ...

    async def close(self) -> None:
        """End the leg; safe to call more than once."""
        ...


class Telephony(Protocol):
    """A provider of calls."""

    capabilities: TelephonyCapabilities

    async def dial(self, number: str) -> TelephonyCall:
        """Start a call to `number`; outcomes arrive as events, not as exceptions.

        Raises PeerError when the provider cannot even try.
        """
        ...


@dataclass(frozen=True, slots=True)
class RecognizerCapabilities:
    """What a recogniser can do, as data. `external` means audio leaves this machine.

    `vocabulary` means that it is a `TaughtRecognizer`, which can be told names and terms.
    """

    languages: frozenset[str]
    word_times: bool
    external: bool
    vocabulary: bool = False


class Recognizer(Protocol):
    """Speech in, words out. Runs outside the media path, in a process of its own."""

    name: str
    capabilities: RecognizerCapabilities

    def transcribe(self, pcm: bytes, language: str) -> list[Word]:
        """Words of one stretch of speech: mono s16le at 16 kHz, times from its start.

        Raises Unavailable when the engine's process died; the audio is not lost by that.
        """
        ...

    def close(self) -> None:
        """Release the process and its memory."""
        ...


@runtime_checkable
class TaughtRecognizer(Recognizer, Protocol):
    """A recogniser that can be told names and terms which it would not expect."""

    def transcribe_knowing(
        self, pcm: bytes, language: str, vocabulary: Sequence[str]
    ) -> list[Word]:
        """As `transcribe`; what stands in the vocabulary is heard more readily."""
        ...
