"""The agent's browser over WebRTC: one audio stream each way, no trickle, host candidates only.

Signalling belongs to whoever calls `answer`; nothing here knows the call or its gate.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from fractions import Fraction

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import (
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    OperationError,
)
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtp import RtpPacket
from aiortc.sdp import SessionDescription
from aiortc.utils import uint16_add
from av import Packet
from av.stream import Stream

from askfirst.errors import InvalidInput, PeerError, Refused, Unavailable
from askfirst.model import FRAME_BYTES, FRAME_MS
from askfirst.ports import AgentSound, Clock
from askfirst.telephony.agentsound import (
    SILENT_MS,
    WAITING_FRAMES,
    WAY_MS,
    HeardSounds,
    LeastTransit,
    check_frame,
)
from askfirst.telephony.browsercodec import Codec, Hearing, MuLaw, Opus

OFFER_BYTES = 64 * 1024
"""Longest offer that is read; a browser's with one audio line has about 5 KiB."""

_ANSWER_S = 10.0
_PCMU = "audio/pcmu"
_OPUS = "audio/opus"
_SILENCE = bytes(FRAME_BYTES)
_BEHIND_S = 0.1  # a sender that is later than this skips instead of hurrying
_RESTART = 100  # a sequence number this far back is a new stream, not a late packet
_BURST_FRAMES = 1000 // FRAME_MS

# aiortc's buffer for audio has no setting: it holds 80 ms, and after one lost packet 300 ms for
# the rest of the call, since it gives one packet for each that comes.
_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"

# What aiortc's parser and state machine raise for descriptions that they cannot use.
_FAULTS = (
    AssertionError,
    AttributeError,
    InternalError,
    InvalidAccessError,
    InvalidStateError,
    LookupError,
    OperationError,
    StopIteration,
    TypeError,
    ValueError,
)


class WebRtcLeg:
    """`ports.AgentLeg` over aiortc: `answer` once, then sound both ways; `sounds()` has one reader.

    `clock` must run as fast as the wall, for a browser does. `capture_lag_ms` bounds the time from
    the start of a frame's capture to its fastest delivery: a packet of 20 ms (longer packets are
    accounted for), no jitter buffer at all, and `way_ms` for the browser's capture path and the
    network. What is slower than the fastest is placed by its RTP time. Whoever made the leg
    closes it, in the same running loop.
    """

    def __init__(self, clock: Clock, way_ms: int = WAY_MS) -> None:
        self.is_connected = False
        self.capture_lag_ms = FRAME_MS + way_ms
        self._clock = clock
        # Packets come in bursts after a moment in which the loop stood still, and all are taken.
        self._heard = HeardSounds(_BURST_FRAMES)
        self._hearing: Hearing | None = None
        self._last_ms = 0
        self._transit = LeastTransit()
        self._waiting: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._connection: RTCPeerConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_closed = False

    async def answer(self, offer_sdp: str) -> str:
        """The SDP answer to a browser's whole offer, with every candidate of ours in it.

        PCMU if it is offered, else Opus. Raises InvalidInput for an offer that cannot be read, has
        other than one audio line, or neither codec, and another may then be tried; Refused after
        an answer or `close()`; Unavailable when no network address can be offered.
        """
        if self._is_closed or self._connection is not None:
            raise Refused("this leg has answered or is closed, expected a new one. Make another.")
        codec = _codec_for(offer_sdp)
        connection = self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        has_answered = False
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await self._negotiate(connection, offer_sdp, codec)
            has_answered = True
        except (OSError, TimeoutError) as error:
            raise Unavailable(
                f"no way to the browser was found ({type(error).__name__}), expected a free port "
                f"within {_ANSWER_S:.0f} s. Try again, or use the WebSocket instead."
            ) from error
        except _FAULTS as error:
            if self._is_closed:
                raise Refused("the leg was closed before it had answered. Make another.") from error
            raise _unreadable(error) from error
        finally:
            if not has_answered:
                self._connection = None
                await self._stop_listening()
                await connection.close()
        return answer

    async def _negotiate(self, connection: RTCPeerConnection, offer: str, codec: str) -> str:
        coding = MuLaw() if codec == _PCMU else Opus()
        self._hearing = Hearing(coding)
        voice = _Voice(self._waiting, coding)
        transceiver = connection.addTransceiver(voice, "sendrecv")
        transceiver.setCodecPreferences([_capability(codec)])
        if not hasattr(transceiver.receiver, _JITTER_BUFFER):
            raise Unavailable(
                "aiortc keeps its jitter buffer elsewhere than versions 1.14 to 1.16, expected one "
                "of them. Install the pinned version, or use the WebSocket instead."
            )
        setattr(transceiver.receiver, _JITTER_BUFFER, _InOrder(self._take))
        connection.on("connectionstatechange", self._follow_state)
        connection.on("track", self._listen_to)
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        answer: str = connection.localDescription.sdp
        if "a=candidate:" not in answer:
            raise Unavailable(
                "this machine has no network address besides its loopback, expected one to offer "
                "to the browser. Use the WebSocket instead."
            )
        # One media section, so these two lines end it: packets of 20 ms keep capture_lag_ms true.
        return f"{answer}a=ptime:{FRAME_MS}\r\na=maxptime:{FRAME_MS}\r\n"

    @property
    def is_closed(self) -> bool:
        """Whether `close()` was called."""
        return self._is_closed

    def sounds(self) -> AsyncIterator[AgentSound]:
        """What the agent says, in order, until the leg is closed; beyond a second the oldest go."""
        return self._heard.read()

    def play(self, pcm: bytes) -> None:
        """Let the agent hear 20 ms; beyond 60 ms what has waited longest is dropped.

        InvalidInput for anything but 640 bytes; ignored after `close()`.
        """
        check_frame(pcm)
        if not self._is_closed:
            self._waiting.append(pcm)

    def flush(self) -> None:
        """Forget what waits in both directions."""
        self._waiting.clear()
        self._heard.flush()
        if self._hearing is not None:
            self._hearing.flush()

    async def close(self) -> None:
        """End the leg and its connection; safe to call more than once."""
        self._is_closed = True
        self.is_connected = False
        self._waiting.clear()
        self._heard.close()
        await self._stop_listening()
        if self._connection is not None:
            await self._connection.close()

    def _follow_state(self) -> None:
        connection = self._connection
        self.is_connected = (
            not self._is_closed
            and connection is not None
            and connection.connectionState == "connected"
        )

    def _listen_to(self, track: MediaStreamTrack) -> None:
        if self._listening is None and not self._is_closed:
            self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Follow whether anything comes: a browser that dies without a word fails late, in 30 s."""
        self._last_ms = self._clock.now_ms()
        try:
            while True:
                left_ms = self._last_ms + SILENT_MS - self._clock.now_ms()
                if left_ms <= 0:
                    self.is_connected = False
                    left_ms = SILENT_MS
                with suppress(TimeoutError):
                    async with asyncio.timeout(left_ms / 1000):
                        await track.recv()  # gives nothing, but ends with the track
        except MediaStreamError:
            return
        finally:
            # However listening ends, nobody must believe that the agent is still heard.
            self.is_connected = False

    def _take(self, payload: bytes, timestamp: int) -> None:
        """Take what the browser has just sent."""
        hearing = self._hearing
        if hearing is None or self._is_closed:
            return
        sent_ms = hearing.sent_ms(timestamp)
        try:
            frames = hearing.frames(payload, sent_ms)
        except PeerError:
            return
        self._last_ms = self._clock.now_ms()
        self._follow_state()
        self._transit.meet(sent_ms, self._last_ms)
        lag_ms = self.capture_lag_ms + max(0, int(hearing.packet_ms) - FRAME_MS)
        for start_ms, pcm in frames:
            self._heard.add(AgentSound(self._transit.arrival_ms(start_ms) - lag_ms, pcm))


def _unreadable(error: BaseException | None) -> InvalidInput:
    # The error's own words may quote the offer, which holds addresses: only its kind is told.
    kind = type(error).__name__
    return InvalidInput(f"an offer that cannot be used ({kind}), expected a browser's whole SDP.")


def _codec_for(offer: str) -> str:
    """The codec that the answer will name, after checking what aiortc would fail on later."""
    if len(offer) > OFFER_BYTES:
        raise InvalidInput(f"an offer of {len(offer)} characters, expected at most {OFFER_BYTES}.")
    try:
        lines = SessionDescription.parse(offer).media
    except _FAULTS as error:
        raise _unreadable(error) from error
    if [line.kind for line in lines] != ["audio"] or not lines[0].port:
        raise InvalidInput(
            f"an offer with {len(lines)} media lines, expected one of audio. Offer a microphone "
            "and neither video nor data."
        )
    line = lines[0]
    if line.dtls is None or not line.dtls.fingerprints:
        raise InvalidInput("an offer without a DTLS fingerprint and role, expected a browser's.")
    offered = {(codec.mimeType.lower(), codec.clockRate) for codec in line.rtp.codecs}
    for codec in (_PCMU, _OPUS):
        if (codec, _capability(codec).clockRate) in offered:
            return codec
    raise InvalidInput("an offer without PCMU and Opus, expected one of them.")


def _capability(codec: str) -> RTCRtpCodecCapability:
    known = RTCRtpReceiver.getCapabilities("audio")
    codecs = [] if known is None else known.codecs
    return next(each for each in codecs if each.mimeType.lower() == codec)


class _InOrder(JitterBuffer):
    """Hands each packet over at once and drops what comes late: it is placed by its time anyway.

    Nothing is left for aiortc, which would decode it in a thread of its own.
    """

    def __init__(self, take: Callable[[bytes, int], None]) -> None:
        super().__init__(capacity=1)
        self._take = take
        self._newest: int | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        number = packet.sequence_number
        if self._newest is not None and uint16_add(self._newest, -number) < _RESTART:
            return False, None
        self._newest = number
        if packet.payload:
            self._take(packet.payload, packet.timestamp)
        return False, None


class _Voice(MediaStreamTrack):
    """What the agent hears: 20 ms of what waits every 20 ms, silence when nothing does."""

    kind = "audio"

    def __init__(self, waiting: deque[bytes], encoder: Codec) -> None:
        super().__init__()
        self._to_play = waiting
        self._encoder = encoder
        self._index = 0
        self._due_s: float | None = None

    async def recv(self) -> Packet[Stream]:
        """The next packet, when it is due; MediaStreamError once stopped, as aiortc expects."""
        if self.readyState != "live":
            raise MediaStreamError
        now_s = asyncio.get_running_loop().time()
        if self._due_s is None:
            self._due_s = now_s
        behind_s = now_s - self._due_s
        if behind_s > _BEHIND_S:
            skipped = int(behind_s * 1000) // FRAME_MS
            self._index += skipped
            self._due_s += skipped * FRAME_MS / 1000
        elif behind_s < 0:
            await asyncio.sleep(-behind_s)
        pcm = self._to_play.popleft() if self._to_play else _SILENCE
        packet = Packet(self._encoder.payload(pcm, self._index))
        packet.pts = self._index * self._encoder.clock_hz * FRAME_MS // 1000
        packet.time_base = Fraction(1, self._encoder.clock_hz)
        self._index += 1
        self._due_s += FRAME_MS / 1000
        return packet
