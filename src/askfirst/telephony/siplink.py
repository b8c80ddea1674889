"""The other end of the process that speaks SIP: it is started, watched, and started again.

When the process dies every call of it ends as a fault of the provider, and a new one is started;
nothing of a call survives in it, so nothing of a call can be wrong afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from askfirst.errors import AskfirstError, PeerError, Refused, Unavailable
from askfirst.ports import Clock
from askfirst.telephony import sipwire
from askfirst.telephony.siptrunk import Trunk
from askfirst.telephony.sipwire import Sound

log = logging.getLogger(__name__)

READY_S = 15.0
"""How long a process may take until it speaks for its trunk."""

ENDS_S = 5.0
"""How long a process may take to hang up what is left."""

AGAIN_S = (0.2, 1.0, 5.0, 15.0)
"""Pauses before a process is started again, the last one for ever."""

WRITES = 65_536
"""Bytes that may wait for a process that does not read; sound beyond that is dropped."""

_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")


class Listener(Protocol):
    """Who is told of one call. Called on the loop."""

    def on_event(self, event: Mapping[str, Any]) -> None:
        """Something happened: a message of `sipworker`."""
        ...

    def on_sound(self, heard_ms: int, pcm: bytes) -> None:
        """20 ms were heard that began at a moment of our clock."""
        ...

    def on_lost(self) -> None:
        """The process is gone, and the call with it."""
        ...


class SipLink:
    """One process and its calls, on one loop; `close` it when no calls are wanted any more.

    `trunk_state` is open, registered, refused or down; `on_change` is called when it changes.
    `restarts` counts the processes that died; `elsewhere` are lines of the trunk that processes
    beside this one use. `on_incoming` gives who is to be told of a call from
    outside (our count of it, the caller's address, the one that was called), None where nobody
    takes it.
    """

    def __init__(self, clock: Clock, trunk: Trunk) -> None:
        self.trunk = trunk
        self.trunk_state = "down"
        self.trunk_text = ""
        self.restarts = 0
        self.elsewhere = 0
        self.process_id: int | None = None
        self.on_change: Callable[[], object] = lambda: None
        self.on_incoming: Callable[[int, str, str], Listener | None] = lambda *_: None
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._listeners: dict[int, Listener] = {}
        self._sounds: list[Sound] = []
        self._last = 0
        self._ready = asyncio.Event()
        self._is_closed = False
        self._task = asyncio.create_task(self._supervise())

    @property
    def calls(self) -> int:
        """How many calls there are."""
        return len(self._listeners)

    @property
    def is_busy(self) -> bool:
        """Whether no line of the trunk is free."""
        return self.calls + self.elsewhere >= self.trunk.most_calls

    async def place(self, uri: str, headers: Mapping[str, str], listener: Listener) -> int:
        """Start a call and give its number. Its outcomes are told to the listener.

        Raises Refused when all lines are busy, Unavailable while no process is ready.
        """
        await self.ready()
        if self.is_busy:
            raise Refused(f"all {self.trunk.most_calls} lines are busy; try again in a moment")
        self._last += 1
        self._listeners[self._last] = listener
        self.tell(self._last, "dial", uri=uri, headers=dict(headers))
        return self._last

    def tell(self, call: int, do: str, **more: object) -> None:
        """Ask the process to do something in a call; nothing happens when either is gone."""
        if self._writer is not None:
            self._writer.write(sipwire.pack({"do": do, "call": call, **more}))

    def send(self, call: int, pcm: bytes) -> None:
        """Let a call hear 20 ms; what calls send in one turn of the loop goes together."""
        if not self._sounds:
            asyncio.get_running_loop().call_soon(self._send)
        self._sounds.append(Sound(call, 0, pcm))

    def _send(self) -> None:
        sounds, self._sounds = self._sounds, []
        writer = self._writer
        if writer is not None and writer.transport.get_write_buffer_size() < WRITES:
            writer.write(sipwire.pack(sounds))

    def beat_ms(self) -> int:
        """When the next sounds of the process are there, and ours are due."""
        return self._clock.now_ms() + sipwire.to_beat_ms(sipwire.LATER_MS)

    async def close(self) -> None:
        """End the process and every call of it; safe to call more than once."""
        self._is_closed = True
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def ready(self) -> None:
        """Return when the process speaks for its trunk; raises Unavailable where it does not."""
        try:
            await asyncio.wait_for(self._ready.wait(), READY_S)
        except TimeoutError:
            raise Unavailable("the process that speaks SIP does not start; see the log") from None

    async def _supervise(self) -> None:
        while True:
            try:
                await self._run()
            except (OSError, AskfirstError):
                log.exception("sip.process-failed")
            pause = AGAIN_S[min(self.restarts, len(AGAIN_S) - 1)]
            self.restarts += 1
            log.error("sip.process-ended restarts=%d", self.restarts)
            await asyncio.sleep(pause)

    async def _run(self) -> None:
        """Start a process and carry its messages until it ends, or until we are cancelled."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.callback(ours.close)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "askfirst.telephony.sipworker", str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
            )  # fmt: skip
            unless_started.pop_all()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self.process_id = process.pid
        try:
            self._writer.write(sipwire.pack(self.trunk.to_json()))
            while (message := await sipwire.read(reader)) is not None:
                self._hear(message)
        finally:
            self._writer.close()
            self._writer = None
            self._lose()
            # It sees the end of the pipe, hangs up what is left and goes.
            await ended(process, ENDS_S)

    def _hear(self, message: sipwire.Message) -> None:
        """Tell what a message is about. Raises PeerError for what the process never says."""
        if isinstance(message, list):
            self._hear_sounds(message)
            return
        event = message
        match event:
            case {"event": "trunk", "state": str(state)}:
                self.trunk_state, self.trunk_text = state, str(event.get("text", ""))
                self._ready.set()
                self.on_change()
            case {"event": "incoming", "call": int(call), "caller": str(caller)}:
                self._take(call, caller, str(event.get("called", "")))
            case {"event": str(kind), "call": int(call)}:
                self._tell_call(call, event)
                if kind == "ended":
                    self._listeners.pop(call, None)
            case _:
                raise PeerError("a message without an event, expected one of our own process")

    def _take(self, call: int, caller: str, called: str) -> None:
        """Let a call from outside ring, or refuse it where nobody takes it or no line is free."""
        try:
            listener = None if self.is_busy else self.on_incoming(call, caller, called)
        except Exception:
            log.exception("sip.incoming-failed")
            listener = None
        if listener is None:
            self.tell(call, "reject")
        else:
            self._listeners[call] = listener

    def _hear_sounds(self, sounds: Sequence[Sound]) -> None:
        behind_ms = self._clock.now_ms() - sipwire.machine_ms()
        for call, heard_ms, pcm in sounds:
            listener = self._listeners.get(call)
            if listener is None:
                continue
            try:
                listener.on_sound(heard_ms + behind_ms, pcm)
            except Exception:
                self._drop(call, listener)

    def _tell_call(self, call: int, event: Mapping[str, Any]) -> None:
        listener = self._listeners.get(call)
        if listener is None:
            return
        try:
            listener.on_event(event)
        except Exception:
            self._drop(call, listener)

    def _drop(self, call: int, listener: Listener) -> None:
        """End a call that failed at what it was told, and no other with it."""
        log.exception("sip.call-failed")
        del self._listeners[call]
        self.tell(call, "hangup")
        listener.on_lost()

    def _lose(self) -> None:
        self._ready.clear()
        self.trunk_state, self.trunk_text, self.process_id = "down", "", None
        lost, self._listeners = self._listeners, {}
        for listener in lost.values():
            listener.on_lost()
        self.on_change()


async def ended(process: asyncio.subprocess.Process, within_s: float) -> None:
    """Return when a process that was told to end has, or was killed because it did not."""
    try:
        await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        process.kill()
        await process.wait()
