"""The process that speaks SIP: one stack, one trunk, and a pipe to whoever carries the calls.

It knows nothing of consent: sound goes through and is kept nowhere. The stack cannot be started
twice in a process and takes its process with it when it dies, so it has one of its own; when the
pipe ends, so does everything here. Run as a program with the pipe's descriptor as its argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import av
import numpy as np
from baresip import Account, BaresipError, Config, Runtime, UserAgent
from baresip.call import Call
from baresip.errors import TransferFailed
from baresip.events import Event, StackEvent

from askfirst.audio.mixing import to_pcm, to_samples
from askfirst.audio.resample import Doubler, Halver
from askfirst.clock import run
from askfirst.model import FRAME_BYTES, FRAME_MS, SAMPLE_RATE_HZ
from askfirst.telephony import sipwire
from askfirst.telephony.playout import Standing, is_quiet
from askfirst.telephony.siptrunk import CODECS, JITTER_MS, READ_MS, SECURITIES, Trunk
from askfirst.telephony.sipwire import Sound

log = logging.getLogger(__name__)

POLL_S = 0.01
WAITING_MS = 80
"""Sound that may wait to be sent; what comes on top would be heard as delay."""

WRITES = 262_144
"""Bytes that may wait for a slow reader; sound beyond that is dropped, events are not."""

HOLD_TRIES = 10
LEAVE_TRIES = 100
INCOMING = 1 << 30
"""Calls from outside are numbered from here; the other end of the pipe numbers its own."""

ASSERTED = "P-Asserted-Identity"
"""Whom the exchange vouches for as the caller (RFC 3325); a caller may write anything elsewhere."""

CALLED = "P-Called-Party-ID"
"""Which of our numbers was called, as the exchange has it (RFC 7315, 4.2); else it is in `To`."""

_PR_SET_DUMPABLE = 4
_EVENTS: Mapping[Event, str] = {
    Event.CALL_RINGING: "ringing",
    Event.CALL_PROGRESS: "ringing",
    Event.CALL_ESTABLISHED: "answered",
    Event.CALL_HOLD: "held",
    Event.CALL_RESUME: "resumed",
}
_TRUNK_EVENTS: Mapping[Event, str] = {
    Event.REGISTER_OK: "registered",
    Event.REGISTER_FAIL: "refused",
    Event.FALLBACK_FAIL: "refused",
}


Converter = Callable[[bytes], bytes]


class Media:
    """The sound of one call of the stack, at our rate both ways."""

    def __init__(self, call: Call) -> None:
        self._audio = call.audio
        self._in: Converter = _as_it_is
        self._out: Converter = _as_it_is
        self._rates: tuple[int, ...] = ()
        self._rest = b""
        self._standing = Standing(FRAME_MS)

    @property
    def rates(self) -> tuple[int, ...]:
        """Rate and channels of what comes in, then of what goes out; empty before any sound."""
        return self._rates

    def read(self, number: int) -> list[Sound]:
        """What was heard since the last time, in frames with the moment that each began.

        The newest byte may have lain for a packet's time, so it counts as that much older.
        """
        try:
            info = self._audio.info()
            if not info.rx_ready:
                return []
            self._follow(
                info.rx_sample_rate, info.rx_channels, info.tx_sample_rate, info.tx_channels
            )
            raw = self._audio.read(info.rx_capacity)
        except BaresipError:
            self._rest = b""  # renegotiated or not there yet: what was before is no beginning
            return []
        pcm = self._rest + self._in(raw)
        newest_ms = time.monotonic_ns() // 1_000_000 - READ_MS
        whole = len(pcm) // FRAME_BYTES
        self._rest = pcm[whole * FRAME_BYTES :]
        return [
            Sound(
                number,
                newest_ms - _ms(len(pcm) - position * FRAME_BYTES),
                pcm[position * FRAME_BYTES :][:FRAME_BYTES],
            )
            for position in range(whole)
        ]

    def write(self, pcm: bytes) -> None:
        """Send 20 ms, unless too much waits already."""
        try:
            info = self._audio.info()
            if not info.tx_ready:
                return
            self._follow(
                info.rx_sample_rate, info.rx_channels, info.tx_sample_rate, info.tx_channels
            )
            rate, channels = info.tx_sample_rate, info.tx_channels
            waiting_ms = info.tx_buffered * 1000 // (rate * channels * 2)
            self._standing.look(waiting_ms)
            if self._standing.is_due and is_quiet(pcm):
                self._standing.settle()
                return
            if waiting_ms > WAITING_MS:
                return
            self._audio.write(self._out(pcm))
        except BaresipError:
            return

    def flush(self) -> None:
        """Forget what waits to be sent."""
        with contextlib.suppress(BaresipError):
            self._audio.flush_tx()

    def _follow(self, *rates: int) -> None:
        """Resample anew when a negotiation has changed rates or channels."""
        if rates == self._rates:
            return
        self._rates, self._rest = rates, b""
        self._in = _converter(rates[:2], (SAMPLE_RATE_HZ, 1))
        if rates[2]:
            self._out = _converter((SAMPLE_RATE_HZ, 1), rates[2:])


class CarriedCall:
    """One call: what the stack says of it goes out under a number of our own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.call: Call | None = None
        self.media: Media | None = None
        self.is_wanted = True
        self.negotiating = asyncio.Lock()

    def bind(self, call: Call) -> None:
        """From now on it is this call of the stack."""
        self.call, self.media = call, Media(call)


class Worker:
    """Everything of one process, on its loop."""

    def __init__(self, runtime: Runtime, writer: asyncio.StreamWriter) -> None:
        self._runtime = runtime
        self._writer = writer
        self._agent: UserAgent | None = None
        self._lines: dict[int, CarriedCall] = {}
        self._by_handle: dict[int, CarriedCall] = {}
        # The stack reports before `dial` gives us the handle; what came early is kept for that.
        self._early: dict[int, list[StackEvent]] = {}
        self._dialling = 0
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()
        runtime.subscribe(self._hear)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Do what the other end asks until it is gone."""
        polling = asyncio.create_task(self._poll())
        polling.add_done_callback(self._give_up)
        try:
            while (message := await sipwire.read(reader)) is not None:
                if isinstance(message, Sound):
                    line = self._lines.get(message.call)
                    if line is not None and line.media is not None:
                        line.media.write(message.pcm)
                else:
                    self._obey(message)
        finally:
            polling.cancel()
            await self._take_leave()

    def _give_up(self, polling: asyncio.Task[None]) -> None:
        """Nobody listens any more: the process ends with its calls, and another one is started."""
        if not polling.cancelled():
            log.error("sipworker.poll-failed", exc_info=polling.exception())
            self._writer.close()

    async def _take_leave(self) -> None:
        """Hang up what is left, and give the other sides the time to hear of it."""
        for line in tuple(self._lines.values()):
            if line.call is not None:
                await _quietly(line.call.hangup())
        for _ in range(LEAVE_TRIES):
            if not self._lines:
                return
            await asyncio.sleep(POLL_S)

    def _obey(self, message: Mapping[str, Any]) -> None:
        number = int(message.get("call", 0))
        line = self._lines.get(number)
        match message["do"]:
            case "dial":
                self._lines[number] = CarriedCall(number)
                self._start(self._dial(self._lines[number], message["uri"], message["headers"]))
            case "answer" if line is not None and line.call is not None:
                self._start(_quietly(line.call.answer()))
            case "reject" if line is not None and line.call is not None:
                self._start(_quietly(line.call.reject()))
            case "hangup" if line is not None:
                line.is_wanted = False
                if line.call is not None:
                    self._start(_quietly(line.call.hangup()))
            case "hold" if line is not None:
                self._start(self._hold(line, on=True))
            case "resume" if line is not None:
                self._start(self._hold(line, on=False))
            case "transfer" if line is not None and line.call is not None:
                self._start(
                    self._transfer(
                        line, line.call.transfer(message["uri"], timeout=message["within"])
                    )
                )
            case "replace" if line is not None and line.call is not None:
                other = self._lines.get(message["other"])
                if other is not None and other.call is not None:
                    handing = line.call.attended_transfer(other.call, timeout=message["within"])
                    self._start(self._transfer(line, handing))
                else:
                    self._tell("not-transferred", call=number, text="481 No Such Call")
            case "dtmf" if line is not None and line.call is not None:
                self._start(_quietly(line.call.send_dtmf(message["digits"])))
            case "flush" if line is not None and line.media is not None:
                line.media.flush()

    async def open(self, trunk: Trunk) -> None:
        """Be a user of a trunk from now on, and register there where it wants that."""
        # Exchanges name the called number, which is not the user that we are there.
        extra = ["catchall=yes"]
        if word := SECURITIES[trunk.security]:
            extra.append(f"mediaenc={word}")
        account = Account(
            user=trunk.user,
            domain=f"{trunk.server}:{trunk.port}",
            password=trunk.password,
            reg_interval=300 if trunk.registers else 0,
            transport=trunk.transport,  # type: ignore[arg-type]  # checked by the trunk
            audio_codecs=tuple(CODECS[each] for each in trunk.codecs),
            extra_params=tuple(extra),
        )
        # A request of the other side to call somebody else is refused: whom is called, we decide.
        self._agent = await UserAgent.create(self._runtime, account, transfer_policy="reject")
        self._agent.on_incoming(self._take)
        self._tell("trunk", state="open")
        if trunk.registers:
            self._start(_quietly(self._agent.register()))

    def _take(self, call: Call) -> None:
        """Somebody calls: it rings there until the other end of the pipe says what is done."""
        self._last += 1
        line = CarriedCall(INCOMING + self._last)
        line.bind(call)
        self._lines[line.number] = self._by_handle[call.handle] = line
        asserted = "" if "id" in call.headers.get("Privacy", "") else call.headers.get(ASSERTED, "")
        called = call.headers.get(CALLED) or call.headers.get("To", "")
        caller = asserted or call.peer or ""
        self._tell("incoming", call=line.number, caller=caller, called=called)

    async def _dial(self, line: CarriedCall, uri: str, headers: dict[str, str]) -> None:
        if self._agent is None:
            self._ended(line, "no trunk is open")
            return
        self._dialling += 1
        try:
            call = await self._agent.dial(uri, headers)
            line.bind(call)
            self._by_handle[call.handle] = line
            for event in self._early.pop(call.handle, []):
                self._report(line, event)
            if not line.is_wanted:
                await _quietly(call.hangup())
        except (BaresipError, ValueError):
            self._ended(line, "Network is unreachable [101]")
        finally:
            self._dialling -= 1
            if not self._dialling:
                self._early.clear()

    async def _hold(self, line: CarriedCall, *, on: bool) -> None:
        async with line.negotiating:
            for _ in range(HOLD_TRIES):
                if line.call is None:
                    return
                try:
                    await (line.call.hold() if on else line.call.resume())
                    return
                except BaresipError:
                    await asyncio.sleep(0.2)  # another negotiation is under way

    async def _transfer(self, line: CarriedCall, work: Awaitable[None]) -> None:
        """Hand a call on; that it ended so is the stack's own event."""
        async with line.negotiating:  # a hold that was asked for before it comes before it
            try:
                await work
            except (BaresipError, ValueError) as error:
                self._tell("not-transferred", call=line.number, text=_outcome(error))

    def _hear(self, event: StackEvent) -> None:
        if event.event in _TRUNK_EVENTS and not event.call:
            self._tell("trunk", state=_TRUNK_EVENTS[event.event], text=(event.text or "")[:80])
        if not event.call:
            return
        line = self._by_handle.get(event.call)
        if line is not None:
            self._report(line, event)
        elif self._dialling:
            self._early.setdefault(event.call, []).append(event)

    def _report(self, line: CarriedCall, event: StackEvent) -> None:
        if event.event is Event.CALL_CLOSED:
            self._ended(line, event.text or "", event.stats)
        elif event.event is Event.CALL_DTMF_START and event.text:
            self._tell("dtmf", call=line.number, digit=event.text[:1])
        elif event.event in _EVENTS:
            self._tell(_EVENTS[event.event], call=line.number)

    def _ended(self, line: CarriedCall, text: str, stats: Mapping[str, Any] | None = None) -> None:
        if self._lines.pop(line.number, None) is None:
            return
        if line.call is not None:
            self._by_handle.pop(line.call.handle, None)
        rates = line.media.rates if line.media is not None else ()
        counted = {**(stats or {}), "rates": rates}
        self._tell("ended", call=line.number, text=text[:80], stats=counted)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for line in tuple(self._lines.values()):
                for sound in line.media.read(line.number) if line.media is not None else ():
                    if self._writer.transport.get_write_buffer_size() < WRITES:
                        self._writer.write(sipwire.pack(sound))

    def _tell(self, event: str, **more: object) -> None:
        at_ms = time.monotonic_ns() // 1_000_000
        self._writer.write(sipwire.pack({"event": event, "at_ms": at_ms, **more}))

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(work: Awaitable[None]) -> None:
    """Do something to a call that may have gone meanwhile."""
    with contextlib.suppress(BaresipError, ValueError):
        await work


def _outcome(error: Exception) -> str:
    """Why a call was not handed on, as a status of SIP."""
    if isinstance(error, TransferFailed) and error.status is not None:
        return f"{error.status} {error.reason}"[:80]
    # The other side said nothing in time; or it was never asked, because it cannot do that.
    return "408 Request Timeout" if "no transfer outcome" in str(error) else "501 Not Implemented"


def _as_it_is(pcm: bytes) -> bytes:
    return pcm


def _converter(source: Sequence[int], target: Sequence[int]) -> Converter:
    """What makes sound of one rate and number of channels out of that of another, as it comes."""
    if tuple(source) == tuple(target):
        return _as_it_is
    match (*source, *target):
        case (8_000, 1, 16_000, 1):
            feed = Doubler().feed
        case (16_000, 1, 8_000, 1):
            feed = Halver().feed
        case _:
            return partial(_resampled, _resampler(target), source)
    return lambda pcm: to_pcm(feed(to_samples(pcm)))


def _resampler(target: Sequence[int]) -> av.AudioResampler:
    return av.AudioResampler("s16", "mono" if target[1] == 1 else "stereo", target[0])


def _resampled(by: av.AudioResampler, source: Sequence[int], pcm: bytes) -> bytes:
    if not pcm:
        return b""
    rate, channels = source
    samples = np.frombuffer(pcm, dtype=np.int16).reshape(1, -1)
    layout = "mono" if channels == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
    frame.sample_rate = rate
    return b"".join(piece.to_ndarray().tobytes() for piece in by.resample(frame))


def _ms(count: int) -> int:
    return count * 1000 // (2 * SAMPLE_RATE_HZ)


def _verifying(trunk: Trunk) -> str:
    return f"sip_verify_server yes\nsip_cafile {trunk.ca_file}\n"


def _listening(trunk: Trunk) -> str:
    """Where calls come in: every IPv4 address of the machine, or the one that the trunk names."""
    address = trunk.address or "0.0.0.0"  # noqa: S104 - the trunk names the port
    return f"[{address}]:{trunk.listen}" if ":" in address else f"{address}:{trunk.listen}"


async def main(descriptor: int) -> None:
    """Serve the pipe of a descriptor until its other end is closed."""
    pipe = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=pipe)
    opening = await sipwire.read(reader)
    if not isinstance(opening, dict):
        return
    trunk = Trunk.from_json(opening)
    runtime = Runtime(native_log_level="error")
    await runtime.start(
        Config(
            net_interface=trunk.address,
            expose_headers=(ASSERTED, CALLED, "Privacy", "To"),
            rtp_timeout=trunk.silence,
            # Our own count decides, and is honest about it; this is for calls that come in.
            max_concurrent_calls=trunk.most_calls + 1,
            native_log_level="error",
            extra_config_text=(
                "audio_jitter_buffer_type adaptive\n"
                f"audio_jitter_buffer_ms {JITTER_MS[0]}-{JITTER_MS[1]}\n"
                + ("" if trunk.listen is None else f"sip_listen {_listening(trunk)}\n")
                + (_verifying(trunk) if trunk.transport == "tls" else "")
            ),
        )
    )
    worker = Worker(runtime, writer)
    try:
        await worker.open(trunk)
        await worker.serve(reader)
    finally:
        writer.close()
        await runtime.close()


if __name__ == "__main__":
    # The terminal's interrupt is for the parent, who then hangs up and closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Sound passes through this process: nothing of it may reach a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # What the stack logs holds numbers; what matters of it comes as events.
    logging.getLogger("baresip").addHandler(logging.NullHandler())
    logging.getLogger("baresip").propagate = False
    run(main(int(sys.argv[1])))
