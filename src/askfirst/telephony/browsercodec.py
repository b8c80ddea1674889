"""Sound to and from a browser as RTP carries it: PCMU or Opus, here 20 ms of mono at 16 kHz.

It is ours because aiortc gives each packet to a thread and back, and measures and encodes each
frame in Python at three times the rate.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from av import AudioFrame, AudioResampler, CodecContext, FFmpegError, Packet

from askfirst.audio.g711 import decode_mu, encode_mu
from askfirst.audio.halfband import HALF_BAND_DELAY, Doubler, Halver
from askfirst.audio.mixing import to_pcm, to_samples
from askfirst.errors import PeerError
from askfirst.model import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ

_OPUS_BITS = 24_000  # wide-band speech; more is not heard at 16 kHz mono
_OPUS_HZ = 48_000
_FRAME_SAMPLES = FRAME_BYTES // 2
_GAP_MS = 1.0
_WRAP = 1 << 32


class Codec(Protocol):
    """One stream each way; `late_ms` is by how much what comes out is later than what went in."""

    clock_hz: int
    """The rate of the packets' time base."""

    late_ms: float

    def payload(self, pcm: bytes, index: int) -> bytes:
        """The RTP payload of 20 ms, the `index`-th of the stream."""
        ...

    def begin_again(self) -> None:
        """What comes next has nothing to do with what came before."""
        ...

    def sound(self, payload: bytes) -> tuple[bytes, float]:
        """The sound of a payload and how long that lasts in ms, PeerError for what is none."""
        ...


class MuLaw:
    """PCMU: half the rate, then the law (RFC 3551, 4.5.14)."""

    clock_hz = 8_000
    late_ms = HALF_BAND_DELAY * 1000 / clock_hz

    def __init__(self) -> None:
        self._halver = Halver()
        self._doubler = Doubler()

    def payload(self, pcm: bytes, index: int) -> bytes:
        """As `Codec`."""
        return encode_mu(to_samples(self._halver.feed(pcm)))

    def begin_again(self) -> None:
        """As `Codec`."""
        self._doubler = Doubler()

    def sound(self, payload: bytes) -> tuple[bytes, float]:
        """As `Codec`; each octet is a sample."""
        return self._doubler.feed(to_pcm(decode_mu(payload))), len(payload) * 1000 / self.clock_hz


class Opus:
    """Opus at 16 kHz mono; its time is counted at 48 kHz (RFC 7587, 4.1)."""

    clock_hz = _OPUS_HZ
    late_ms = 0.0

    def __init__(self) -> None:
        encoder = CodecContext.create("libopus", "w")
        encoder.format = "s16"
        encoder.layout = "mono"
        encoder.sample_rate = SAMPLE_RATE_HZ
        encoder.time_base = Fraction(1, SAMPLE_RATE_HZ)
        encoder.bit_rate = _OPUS_BITS
        encoder.options = {"application": "voip", "compression_level": "5"}
        self._encoder = encoder
        decoder = CodecContext.create("libopus", "r")
        decoder.format = "s16"
        decoder.layout = "mono"
        decoder.sample_rate = _OPUS_HZ
        self._decoder = decoder
        self.begin_again()

    def payload(self, pcm: bytes, index: int) -> bytes:
        """As `Codec`."""
        frame = AudioFrame(format="s16", layout="mono", samples=_FRAME_SAMPLES)
        frame.planes[0].update(pcm)
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = index * _FRAME_SAMPLES
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        return b"".join(bytes(each) for each in self._encoder.encode(frame))

    def begin_again(self) -> None:
        """As `Codec`."""
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)

    def sound(self, payload: bytes) -> tuple[bytes, float]:
        """As `Codec`."""
        try:
            frames = self._decoder.decode(Packet(payload))
            pcm = b"".join(
                bytes(piece.planes[0])[: piece.samples * 2]
                for frame in frames
                for piece in self._resampler.resample(frame)
            )
        except (FFmpegError, ValueError) as error:
            raise PeerError(f"a packet of {len(payload)} bytes that is no Opus") from error
        return pcm, sum(frame.samples for frame in frames) * 1000 / _OPUS_HZ


class Hearing:
    """Makes packets of any length into 20 ms at 16 kHz, each with its start in ms of RTP time."""

    def __init__(self, codec: Codec) -> None:
        self.packet_ms = 0.0
        """How long the newest packet was."""

        self._codec = codec
        self._is_begun = False
        self._rest = b""
        self._start_ms = 0.0  # of the first sample in `_rest`
        self._next_ms = 0.0  # where the next packet begins if none is missing
        self._last: int | None = None
        self._time = 0

    def flush(self) -> None:
        """Forget the samples that do not yet fill a frame."""
        self._is_begun = False

    def sent_ms(self, timestamp: int) -> float:
        """The time of a packet since the first one, by the sender's clock; it wraps at 32 bits."""
        if self._last is not None:
            self._time += (timestamp - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        self._last = timestamp
        return self._time * 1000 / self._codec.clock_hz

    def frames(self, payload: bytes, sent_ms: float) -> list[tuple[float, bytes]]:
        """The frames that are full now; PeerError for what is no packet of the codec."""
        if not self._is_begun or abs(sent_ms - self._next_ms) > _GAP_MS:
            # Samples before a gap must not fill a frame that is said to begin there.
            self._codec.begin_again()
            self._is_begun, self._rest = True, b""
            self._start_ms = sent_ms - self._codec.late_ms
        pcm, self.packet_ms = self._codec.sound(payload)
        self._next_ms = sent_ms + self.packet_ms
        self._rest += pcm
        full = []
        while len(self._rest) >= FRAME_BYTES:
            full.append((self._start_ms, self._rest[:FRAME_BYTES]))
            self._rest = self._rest[FRAME_BYTES:]
            self._start_ms += FRAME_MS
        return full
