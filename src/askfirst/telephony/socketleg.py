"""The agent's browser over a WebSocket, for networks that let no UDP through.

A message is a header of 12 bytes and 20 ms of sound (640 bytes, mono s16le at 16 kHz). The header,
big-endian: version (1 byte, now 1), three bytes of zero, sequence number (4 bytes, one more for
each frame, from any start), capture time (4 bytes, milliseconds on the sender's own clock at the
start of the frame, never going back). Both directions are alike; to the browser the time is ours.
No web framework is known here: whoever owns the socket calls `receive` and lends its `send`.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from askfirst.errors import InvalidInput
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

VERSION = 1

_HEADER = struct.Struct(">B3sII")
_ZEROS = bytes(3)
_WRAP = 1 << 32

MESSAGE_BYTES = _HEADER.size + FRAME_BYTES


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the protocol; `sequence` and `at_ms` from 0 to 2**32 - 1."""

    sequence: int
    at_ms: int
    pcm: bytes


def pack(message: Message) -> bytes:
    """The 652 bytes of a message; InvalidInput for sound that is not one frame or a value beyond
    32 bits.
    """
    check_frame(message.pcm)
    for name, value in (("sequence", message.sequence), ("time", message.at_ms)):
        if not 0 <= value < _WRAP:
            raise InvalidInput(f"{name} {value}, expected 0 to {_WRAP - 1}. Start a new socket.")
    return _HEADER.pack(VERSION, _ZEROS, message.sequence, message.at_ms) + message.pcm


def unpack(data: bytes) -> Message:
    """The message of 652 bytes; InvalidInput for any other size, version or reserved bytes."""
    if len(data) != MESSAGE_BYTES:
        raise InvalidInput(
            f"a message of {len(data)} bytes, expected {MESSAGE_BYTES} (header of {_HEADER.size}, "
            f"{FRAME_BYTES} of sound). Send one frame of {FRAME_MS} ms in each message."
        )
    version, reserved, sequence, at_ms = _HEADER.unpack_from(data)
    if version != VERSION:
        raise InvalidInput(f"version {version}, expected {VERSION}. Reload the page.")
    if reserved != _ZEROS:
        raise InvalidInput("reserved bytes other than zero, expected none. Reload the page.")
    return Message(sequence, at_ms, bytes(data[_HEADER.size :]))


class SocketLeg:
    """`ports.AgentLeg` over binary WebSocket messages; `sounds()` is for one reader.

    `send` sends one message and raises OSError (such as ConnectionError) when the browser is
    gone; anything else it raises comes out of `close()`. `capture_lag_ms` bounds the time from
    the start of a frame's capture to its fastest delivery: the frame itself and `way_ms` for
    the browser's capture path and the network. Stalls beyond it are seen in the sender's times.
    `lost` counts frames missing in the sequence, `late` those dropped because a later one had
    come. Must be made in a running loop, whose owner calls `close()`.
    """

    def __init__(
        self, clock: Clock, send: Callable[[bytes], Awaitable[None]], way_ms: int = WAY_MS
    ) -> None:
        self.is_connected = True
        self.capture_lag_ms = FRAME_MS + way_ms
        self.lost = 0
        self.late = 0
        self._clock = clock
        self._send = send
        self._heard = HeardSounds()
        self._transit = LeastTransit()
        self._last: Message | None = None
        self._waiting: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._more = asyncio.Event()
        self._alive = asyncio.Event()
        self._is_gone = False
        self._started_ms = self._alive_ms = clock.now_ms()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._speak()), loop.create_task(self._watch())]

    @property
    def is_closed(self) -> bool:
        """Whether `close()` was called."""
        return not self._tasks

    def receive(self, message: bytes) -> None:
        """Take one message of the browser; it never waits.

        Raises InvalidInput for a wrong size or version, or a time that goes back; the message
        then has changed nothing, and the socket should be closed. After `close()` it is ignored.
        """
        taken = unpack(message)
        last = self._last
        if last is not None and taken.sequence <= last.sequence:
            self.late += 1
            return
        if last is not None and taken.at_ms < last.at_ms:
            raise InvalidInput(
                f"a capture time {last.at_ms - taken.at_ms} ms before the last one, expected times "
                "that never go back. Use one clock for a socket's whole life."
            )
        if self._is_gone:
            return
        if last is not None:
            self.lost += taken.sequence - last.sequence - 1
        self._last = taken
        now_ms = self._alive_ms = self._clock.now_ms()
        self.is_connected = True
        self._alive.set()
        self._transit.meet(taken.at_ms, now_ms)
        captured_ms = self._transit.arrival_ms(taken.at_ms) - self.capture_lag_ms
        self._heard.add(AgentSound(captured_ms, taken.pcm))

    def sounds(self) -> AsyncIterator[AgentSound]:
        """What the agent says, in order, until the leg is closed; beyond 60 ms the oldest go."""
        return self._heard.read()

    def play(self, pcm: bytes) -> None:
        """Let the agent hear 20 ms; beyond 60 ms what has waited longest is dropped.

        InvalidInput for anything but 640 bytes; ignored once the browser is gone.
        """
        check_frame(pcm)
        if not self._is_gone:
            self._waiting.append(pcm)
            self._more.set()

    def flush(self) -> None:
        """Forget what waits in both directions."""
        self._waiting.clear()
        self._heard.flush()

    async def close(self) -> None:
        """End the leg, not the socket; safe to call more than once.

        Raises what `send` raised if that was no OSError.
        """
        self._end()
        self._heard.close()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended

    def _end(self) -> None:
        self._is_gone = True
        self.is_connected = False
        self._waiting.clear()

    async def _speak(self) -> None:
        """Send what waits, one after the other; a socket that is full lets the oldest drop."""
        sequence = 0
        try:
            while True:
                while self._waiting:
                    at_ms = (self._clock.now_ms() - self._started_ms) % _WRAP
                    await self._send(pack(Message(sequence, at_ms, self._waiting.popleft())))
                    sequence = (sequence + 1) % _WRAP
                self._more.clear()
                await self._more.wait()
        except OSError:
            return  # is_connected says so; the call goes on without this browser
        finally:
            # However sending ends, nobody must believe that the agent still hears.
            self._end()

    async def _watch(self) -> None:
        """Notice a browser that stays silent; the next message brings it back."""
        while True:
            await self._clock.sleep_until(self._alive_ms + SILENT_MS)
            if self._clock.now_ms() >= self._alive_ms + SILENT_MS:
                self.is_connected = False
                self._alive.clear()
                await self._alive.wait()
