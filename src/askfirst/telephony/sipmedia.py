"""The sound of the stack's calls, at our rate both ways, for all of them in a row.

Nothing here waits: what there is gets read, and what can be sent is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import av
import numpy as np
from baresip import BaresipError
from baresip.call import Call

from askfirst.audio.halfband import Doubler, Halver, double_each, halve_each
from askfirst.model import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from askfirst.telephony.playout import LOOKS, Standing, is_quiet
from askfirst.telephony.siptrunk import READ_MS
from askfirst.telephony.sipwire import Sound, machine_ms

WAITING_MS = 80
"""Sound that may wait to be sent; what comes on top would be heard as delay."""

LOOK_FRAMES = 5
"""At every so many frames it is looked at how much waits, and at each one while that is too much;
to look costs more than to write."""

_READ_FRAMES = 8
"""So much is read at once; after a moment in which the machine stood still there is more."""


class Converter(Protocol):
    """Makes sound of one rate and number of channels out of that of another, as it comes."""

    def feed(self, pcm: bytes) -> bytes:
        """What has become of one more piece."""
        ...


class Media:
    """The sound of one call of the stack."""

    def __init__(self, number: int, call: Call) -> None:
        self.number = number
        self.hearing: Converter = _AsItIs()
        self.saying: Converter = _AsItIs()

        self._audio = call.audio
        self._rates: tuple[int, ...] = ()  # rate and channels of what comes in, then goes out
        self._most = 0
        self._ahead, self._ahead_ms = b"", 0
        self._rest = b""
        self._unseen = 0
        self._standing = Standing(FRAME_MS, LOOKS // LOOK_FRAMES)

    def look_ahead(self, now_ms: int) -> None:
        """Take what has come between two beats, so that it is known better when it came."""
        self._ahead, self._ahead_ms = self._read(), now_ms

    def read(self, now_ms: int) -> tuple[bytes, int]:
        """What has come since the last time, as the stack gives it, and when its end did."""
        ahead, self._ahead = self._ahead, b""
        raw = self._read()
        return ahead + raw, now_ms if raw else self._ahead_ms

    def _read(self) -> bytes:
        try:
            if not self._most:
                self._look()
            raw = piece = self._audio.read(self._most) if self._most else b""
            while self._most and len(piece) == self._most:
                piece = self._audio.read(self._most)
                raw += piece
        except BaresipError:
            self._forget()
            return b""
        return raw

    def framed(self, pcm: bytes, came_ms: int) -> list[Sound]:
        """Frames of what has come until a moment, with the one at which each began.

        The newest byte may have lain for a packet's time, so it counts as that much older.
        """
        pcm = self._rest + pcm
        whole = len(pcm) // FRAME_BYTES
        self._rest = pcm[whole * FRAME_BYTES :]
        newest_ms = came_ms - READ_MS
        return [
            Sound(
                self.number,
                newest_ms - _ms(len(pcm) - position * FRAME_BYTES),
                pcm[position * FRAME_BYTES :][:FRAME_BYTES],
            )
            for position in range(whole)
        ]

    def wants(self, pcm: bytes) -> bool:
        """Whether 20 ms are to be sent; they are not where too much waits already."""
        if self._unseen:
            self._unseen -= 1
            return True
        try:
            waiting_ms = self._look()
        except BaresipError:
            self._forget()
            return False
        if waiting_ms is None:
            return False
        self._standing.look(waiting_ms)
        if self._standing.is_due and is_quiet(pcm):
            self._standing.settle()
            return False
        if waiting_ms > WAITING_MS:
            return False
        self._unseen = LOOK_FRAMES - 1
        return True

    def write(self, raw: bytes) -> None:
        """Send what `saying` has made of 20 ms."""
        try:
            self._audio.write(raw)
        except BaresipError:
            self._forget()

    def flush(self) -> None:
        """Forget what waits to be sent."""
        with contextlib.suppress(BaresipError):
            self._audio.flush_tx()

    def _look(self) -> int | None:
        """How many milliseconds wait to be sent, None where nothing can be.

        Resamples anew when a negotiation has changed rates or channels.
        """
        info = self._audio.info()
        rates = (info.rx_sample_rate, info.rx_channels, info.tx_sample_rate, info.tx_channels)
        if rates != self._rates:
            self._rates, self._rest = rates, b""
            self.hearing = _converter(rates[:2], (SAMPLE_RATE_HZ, 1))
            if rates[2]:
                self.saying = _converter((SAMPLE_RATE_HZ, 1), rates[2:])
        if info.rx_ready:
            self._most = _READ_FRAMES * FRAME_MS * 2 * rates[0] * rates[1] // 1000
        if not info.tx_ready:
            return None
        return info.tx_buffered * 1000 // (2 * rates[2] * rates[3])

    def _forget(self) -> None:
        """Renegotiated or not there yet: what was before is no beginning."""
        self._most, self._ahead, self._rest, self._unseen = 0, b"", b"", 0


def heard(calls: Iterable[Media]) -> list[Sound]:
    """What has come in all of these calls since the last time."""
    now_ms = machine_ms()
    found = [(media, *media.read(now_ms)) for media in calls]
    found = [each for each in found if each[1]]
    converted = convert([media.hearing for media, _, _ in found], [raw for _, raw, _ in found])
    return [
        sound
        for (media, _, came_ms), pcm in zip(found, converted, strict=True)
        for sound in media.framed(pcm, came_ms)
    ]


def look_ahead(calls: Iterable[Media]) -> None:
    """Take what has come in all of these calls between two beats."""
    now_ms = machine_ms()
    for media in calls:
        media.look_ahead(now_ms)


def say(sounds: Sequence[tuple[Media, bytes]]) -> None:
    """Send 20 ms in each of these calls."""
    due = [(media, pcm) for media, pcm in sounds if media.wants(pcm)]
    converted = convert([media.saying for media, _ in due], [pcm for _, pcm in due])
    for (media, _), raw in zip(due, converted, strict=True):
        media.write(raw)


def convert(converters: Sequence[Converter], pieces: Sequence[bytes]) -> list[bytes]:
    """What each converter makes of its piece; no converter may be there twice."""
    found = list(pieces)
    doubling = [at for at, each in enumerate(converters) if isinstance(each, Doubler)]
    halving = [at for at, each in enumerate(converters) if isinstance(each, Halver)]
    doubled = double_each(
        [each for each in converters if isinstance(each, Doubler)], [pieces[at] for at in doubling]
    )
    halved = halve_each(
        [each for each in converters if isinstance(each, Halver)], [pieces[at] for at in halving]
    )
    for at, pcm in zip((*doubling, *halving), (*doubled, *halved), strict=True):
        found[at] = pcm
    for at, each in enumerate(converters):
        if not isinstance(each, Doubler | Halver):
            found[at] = each.feed(pieces[at])
    return found


class _AsItIs:
    def feed(self, pcm: bytes) -> bytes:
        return pcm


class _Resampler:
    """From any rate to any other, by FFmpeg's library."""

    def __init__(self, source: Sequence[int], target: Sequence[int]) -> None:
        self._rate, self._layout = source[0], _layout(source[1])
        self._by = av.AudioResampler("s16", _layout(target[1]), target[0])

    def feed(self, pcm: bytes) -> bytes:
        if not pcm:
            return b""
        samples = np.frombuffer(pcm, dtype=np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=self._layout)
        frame.sample_rate = self._rate
        return b"".join(piece.to_ndarray().tobytes() for piece in self._by.resample(frame))


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _converter(source: Sequence[int], target: Sequence[int]) -> Converter:
    match (*source, *target):
        case (8_000, 1, 16_000, 1):
            return Doubler()
        case (16_000, 1, 8_000, 1):
            return Halver()
        case _ if tuple(source) == tuple(target):
            return _AsItIs()
    return _Resampler(source, target)


def _ms(count: int) -> int:
    return count * 1000 // (2 * SAMPLE_RATE_HZ)
