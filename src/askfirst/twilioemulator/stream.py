"""The other side of a media stream: opens a WebSocket to us and carries a person's sound.

What is sent to it is played in real time, as Twilio does: marks come back when what was sent before
them has been played, and at once when it is cleared.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import numpy as np

from askfirst.audio.g711 import decode_mu, encode_mu
from askfirst.audio.halfband import Doubler, Halver
from askfirst.audio.mixing import to_pcm
from askfirst.model import FRAME_MS
from askfirst.telephony.progress import SILENCE

PIECE = 160
"""Octets of 20 ms at 8 kHz."""


class Socket(Protocol):
    """A WebSocket as its client has it."""

    async def receive(self) -> str | None:
        """The next message, None when the other side is gone."""
        ...

    async def send(self, text: str) -> None:
        """Send one; raises OSError when the other side is gone."""
        ...

    async def close(self) -> None:
        """End it; safe to call more than once."""
        ...


Connect = Callable[[str, Mapping[str, str]], Awaitable[Socket]]
"""Opens a WebSocket at an address with headers; raises OSError where nobody is there or lets in."""


class Stream:
    """One media stream of a call; `run` it, and `exchange` sound each 20 ms meanwhile.

    `faults` are messages of ours that Twilio would not understand. `is_stalled` lets nothing out.
    """

    def __init__(self, account: str, call: str, stream: str, parameters: Mapping[str, str]) -> None:
        self.sid = stream
        self.is_stalled = False
        self.faults: list[str] = []
        self.clears = 0
        self._account, self._call, self._parameters = account, call, parameters
        self._sequence = self._chunk = self._at_ms = 0
        self._out: asyncio.Queue[str | None] = asyncio.Queue()
        self._playing: deque[bytes | str] = deque()  # octets of 20 ms, or the name of a mark
        self._doubler, self._halver = Doubler(), Halver()
        self._is_over = False
        self._socket: Socket | None = None

    async def run(self, socket: Socket) -> None:
        """Carry messages until the other side closes the socket, or until cancelled."""
        self._socket = socket
        self._out.put_nowait(json.dumps({"event": "connected", "protocol": "Call"}))
        self._tell("start", start=self._start())
        sending = asyncio.create_task(self._send(socket))
        try:
            while (text := await socket.receive()) is not None:
                self._take(text)
        finally:
            self._is_over = True
            self._tell("stop", stop={"accountSid": self._account, "callSid": self._call})
            self._out.put_nowait(None)
            await sending
            await socket.close()

    def exchange(self, pcm: bytes) -> bytes:
        """Send 20 ms of the person, and give 20 ms of what the person hears."""
        if not self._is_over:
            octets = encode_mu(np.frombuffer(self._halver.feed(pcm), "<i2"))
            self._chunk += 1
            sound = {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str(self._at_ms),
                "payload": base64.b64encode(octets).decode(),
            }
            self._tell("media", media=sound)
        self._at_ms += FRAME_MS
        self._return_marks()
        if not self._playing:
            return SILENCE
        played = self._playing.popleft()
        assert isinstance(played, bytes)  # noqa: S101 - marks have been taken out
        pcm = self._doubler.feed(to_pcm(decode_mu(played)))
        self._return_marks()
        return pcm

    def press(self, digit: str) -> None:
        """The person presses a key."""
        self._tell("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def say(self, text: str) -> None:
        """Send a message as it is, whatever it is."""
        self._out.put_nowait(text)

    async def die(self) -> None:
        """Break off without a word."""
        self.is_stalled = True
        if self._socket is not None:
            await self._socket.close()

    def _start(self) -> dict[str, object]:
        return {
            "accountSid": self._account,
            "callSid": self._call,
            "streamSid": self.sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self._parameters),
        }

    def _tell(self, event: str, **more: object) -> None:
        if self.is_stalled:
            return
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.sid}
        self._out.put_nowait(json.dumps({**message, **more}))

    async def _send(self, socket: Socket) -> None:
        with contextlib.suppress(OSError):
            while (text := await self._out.get()) is not None:
                await socket.send(text)

    def _take(self, text: str) -> None:
        """Do what a message of the other side asks for."""
        try:
            message = json.loads(text)
            if message["streamSid"] != self.sid:
                raise ValueError("another stream's id")
            match message["event"]:
                case "media":
                    octets = base64.b64decode(message["media"]["payload"], validate=True)
                    padded = octets.ljust(-(-len(octets) // PIECE) * PIECE, b"\xff")
                    cut = range(0, len(padded), PIECE)
                    self._playing.extend(padded[at : at + PIECE] for at in cut)
                case "mark":
                    self._playing.append(str(message["mark"]["name"]))
                case "clear":
                    self._clear()
                case event:
                    raise ValueError(f"event {event}")
        except (ValueError, KeyError, TypeError) as fault:
            self.faults.append(str(fault))

    def _clear(self) -> None:
        self.clears += 1
        waiting, self._playing = self._playing, deque()
        for each in waiting:
            if isinstance(each, str):
                self._tell("mark", mark={"name": each})

    def _return_marks(self) -> None:
        while self._playing and isinstance(self._playing[0], str):
            self._tell("mark", mark={"name": self._playing.popleft()})
