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
from collections.abc import Awaitable, Mapping, Sequence
from itertools import count
from typing import Any

from baresip import Account, BaresipError, Config, Runtime, UserAgent
from baresip.call import Call
from baresip.errors import TransferFailed
from baresip.events import Event, StackEvent

from askfirst.clock import run
from askfirst.model import FRAME_MS
from askfirst.telephony import sipwire
from askfirst.telephony.sipidentity import Identities
from askfirst.telephony.sipmedia import Media, heard, look_ahead, say
from askfirst.telephony.sipmessage import parsed
from askfirst.telephony.sipopening import Openings
from askfirst.telephony.siptrunk import CODECS, JITTER_MS, SECURITIES, Trunk
from askfirst.telephony.sipwire import Sound

log = logging.getLogger(__name__)
messages = logging.getLogger("baresip.native.sip")

WRITES = 262_144
"""Bytes that may wait for a slow reader; sound beyond that is dropped, events are not."""

HOLD_TRIES = 10
LEAVE_TRIES = 100
TRY_S = 0.01
SEEN_TRIES = 20
LOOK_AHEAD = 5
"""So many beats apart it is looked between two of them, to know better when sound comes."""

SLACK_NS = 4_000_000
"""How late the stack's threads may wake. Each call has three that do little and often; so they wake
together, at half of the cost."""

INCOMING = 1 << 30
"""Calls from outside are numbered from here; the other end of the pipe numbers its own."""

ASSERTED = "P-Asserted-Identity"
"""Whom the exchange vouches for as the caller (RFC 3325); a caller may write anything elsewhere."""

CALLED = "P-Called-Party-ID"
"""Which of our numbers was called, as the exchange has it (RFC 7315, 4.2); else it is in `To`."""

_PR_SET_DUMPABLE = 4
_PR_SET_TIMERSLACK = 29
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


class CarriedCall:
    """One call: what the stack says of it goes out under a number of our own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.call: Call | None = None
        self.media: Media | None = None
        self.is_wanted = True
        self.negotiating = asyncio.Lock()

    @property
    def call_id(self) -> str | None:
        """Its Call-ID, None before the stack has told it."""
        return None if self.call is None else self.call.call_id

    def bind(self, call: Call) -> None:
        """From now on it is this call of the stack."""
        self.call, self.media = call, Media(self.number, call)


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
        self._told_early: dict[str, str] = {}
        self._dialling = 0
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._identities = Identities()
        self._openings = Openings()
        runtime.subscribe(self._hear)

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Do what the other end asks until it is gone."""
        listening = asyncio.create_task(self._listen())
        listening.add_done_callback(self._give_up)
        try:
            while (message := await sipwire.read(reader)) is not None:
                if isinstance(message, list):
                    self._say(message)
                else:
                    self._obey(message)
        finally:
            listening.cancel()
            await self._take_leave()

    def _give_up(self, listening: asyncio.Task[None]) -> None:
        """Nobody listens any more: the process ends with its calls, and another one is started."""
        if not listening.cancelled():
            log.error("sipworker.listening-failed", exc_info=listening.exception())
            self._writer.close()

    async def _take_leave(self) -> None:
        """Hang up what is left, and give the other sides the time to hear of it."""
        for line in tuple(self._lines.values()):
            if line.call is not None:
                await _quietly(line.call.hangup())
        for _ in range(LEAVE_TRIES):
            if not self._lines:
                return
            await asyncio.sleep(TRY_S)

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
                # The library misses it as well, and would never again hold or hand on a call
                # that it does not know to be answered.
                call._on_stack_event(event)
                self._report(line, event)
            if (number := self._told_early.pop(call.call_id or "", None)) is not None:
                self._tell("identity", call=line.number, number=number)
            if not line.is_wanted:
                await _quietly(call.hangup())
        except (BaresipError, ValueError):
            self._ended(line, "Network is unreachable [101]")
        finally:
            self._dialling -= 1
            if not self._dialling:
                self._early.clear()
                self._told_early.clear()

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
        elif event.event is Event.CALL_ESTABLISHED and line.number < INCOMING:
            self._start(self._answered(line))
        elif event.event in _EVENTS:
            self._tell(_EVENTS[event.event], call=line.number)

    async def _answered(self, line: CarriedCall) -> None:
        """Tell of an answer once it is known who gives it, which comes from another thread."""
        for _ in range(SEEN_TRIES):
            if line.call_id is None or self._identities.has_answer(line.call_id):
                break
            await asyncio.sleep(TRY_S)
        if line.number in self._lines:
            self._tell("answered", call=line.number)

    def see(self, shown: str, at_ms: int) -> None:
        """Take a message of the stack, as it showed it at a moment; it is kept nowhere."""
        message = parsed(shown)
        self._openings.see(message, at_ms)
        told = self._identities.see(message)
        if told is None:
            return
        for line in self._lines.values():
            if line.call_id == told.call_id:
                self._tell("identity", call=line.number, number=told.number)
                return
        if self._dialling:
            self._told_early[told.call_id] = told.number

    def _ended(self, line: CarriedCall, text: str, stats: Mapping[str, Any] | None = None) -> None:
        if self._lines.pop(line.number, None) is None:
            return
        if line.call is not None:
            self._by_handle.pop(line.call.handle, None)
        opening = self._openings.of(line.call_id)
        counted = dict(stats or {})
        if opening is not None:
            counted |= {"codec": opening.codec, "exchange_ms": opening.exchange_ms}
        self._tell("ended", call=line.number, text=text[:80], stats=counted)

    async def _listen(self) -> None:
        """At each beat, tell all that was heard since the last one."""
        for beat in count():
            if beat % LOOK_AHEAD == 0:
                await asyncio.sleep(sipwire.to_beat_ms(FRAME_MS // 2) / 1000)
                look_ahead(self._media())
            await asyncio.sleep(sipwire.to_beat_ms() / 1000)
            sounds = heard(self._media())
            if sounds and self._writer.transport.get_write_buffer_size() < WRITES:
                self._writer.write(sipwire.pack(sounds))

    def _media(self) -> list[Media]:
        return [line.media for line in self._lines.values() if line.media is not None]

    def _say(self, sounds: Sequence[Sound]) -> None:
        lines = [(self._lines.get(sound.call), sound.pcm) for sound in sounds]
        say([(line.media, pcm) for line, pcm in lines if line is not None and line.media])

    def _tell(self, event: str, **more: object) -> None:
        at_ms = sipwire.machine_ms()
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


def _verifying(trunk: Trunk) -> str:
    return f"sip_verify_server yes\nsip_cafile {trunk.ca_file}\n"


def _listening(trunk: Trunk) -> str:
    """Where calls come in: every IPv4 address of the machine, or the one that the trunk names."""
    address = trunk.address or "0.0.0.0"  # noqa: S104 - the trunk names the port
    return f"[{address}]:{trunk.listen}" if ":" in address else f"{address}:{trunk.listen}"


class _Messages(logging.Handler):
    """Gives what the stack shows of its messages to a worker, on its loop, and to nobody else."""

    def __init__(self, loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
        super().__init__()
        self._loop, self._worker = loop, worker

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            now_ms = sipwire.machine_ms()
            self._loop.call_soon_threadsafe(self._worker.see, record.getMessage(), now_ms)


def _process_control(what: int, value: int) -> None:
    ctypes.CDLL(None).prctl(what, ctypes.c_ulong(value), 0, 0, 0)


async def main(descriptor: int) -> None:
    """Serve the pipe of a descriptor until its other end is closed."""
    pipe = socket.socket(fileno=descriptor)
    reader, writer = await asyncio.open_connection(sock=pipe)
    opening = await sipwire.read(reader)
    if not isinstance(opening, dict):
        return
    trunk = Trunk.from_json(opening)
    runtime = Runtime(native_log_level="error")
    _process_control(_PR_SET_TIMERSLACK, SLACK_NS)  # its threads inherit it
    await runtime.start(
        Config(
            net_interface=trunk.address,
            expose_headers=(ASSERTED, CALLED, "Privacy", "To"),
            rtp_timeout=trunk.silence,
            # Our own count decides, and is honest about it; this is for calls that come in.
            max_concurrent_calls=trunk.most_calls + 1,
            native_log_level="error",
            sip_trace=True,
            extra_config_text=(
                "audio_jitter_buffer_type adaptive\n"
                f"audio_jitter_buffer_ms {JITTER_MS[0]}-{JITTER_MS[1]}\n"
                + ("" if trunk.listen is None else f"sip_listen {_listening(trunk)}\n")
                + (_verifying(trunk) if trunk.transport == "tls" else "")
            ),
        )
    )
    _process_control(_PR_SET_TIMERSLACK, 0)  # the usual one, for this thread alone
    worker = Worker(runtime, writer)
    messages.addHandler(_Messages(asyncio.get_running_loop(), worker))
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
    _process_control(_PR_SET_DUMPABLE, 0)
    # What the stack logs holds numbers; what matters of it comes as events.
    logging.getLogger("baresip").addHandler(logging.NullHandler())
    logging.getLogger("baresip").propagate = False
    messages.setLevel(logging.DEBUG)
    messages.propagate = False
    run(main(int(sys.argv[1])))
