"""The other end of one media worker: the process is started, heard, and ended.

What both tell each other about themselves goes over a pipe, one JSON object a line; requests do
not. The end of the pipe is the end of the other side: a worker whose master is gone hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from askfirst.errors import PeerError
from askfirst.telephony.siplink import ended

log = logging.getLogger(__name__)

HEARD_S = 10.0
"""A worker that says nothing for so long hangs, and is killed: it says every second that it lives.

Starting takes longer than any silence later."""

STARTS_S = 60.0
ENDS_S = 20.0
"""How long a worker may take to hang up everything and write it down."""

LONGEST = 1 << 20
"""Bytes of the longest line."""

MODULE = "askfirst.web.mediaworker"

Message = dict[str, Any]


def line_of(message: Mapping[str, Any]) -> bytes:
    """A message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


async def next_message(reader: asyncio.StreamReader) -> Message | None:
    """The next message, None at the end of the pipe. Raises PeerError for what is none."""
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError) as error:
        if isinstance(error, ValueError):
            raise PeerError(f"a line of more than {LONGEST} bytes") from error
        return None
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("a line that is no JSON object")
    return found


class WorkerLink:
    """One process. `run` it once; it ends with the process, or ends the process when cancelled.

    `start` is the first message that the process gets; `on_message` is told of every one of its
    own, on the loop.
    """

    def __init__(self, start: Mapping[str, Any], on_message: Callable[[Message], None]) -> None:
        self.process_id: int | None = None
        self._start = start
        self._on_message = on_message
        self._writer: asyncio.StreamWriter | None = None
        self._is_ending = False

    def end(self) -> None:
        """Have the process hang up everything and go, also one that only just starts."""
        self._is_ending = True
        self.tell(end=True)

    def tell(self, **message: object) -> None:
        """Tell the process something; nothing happens when it is gone."""
        if self._writer is not None:
            self._writer.write(line_of(message))

    async def run(self) -> None:
        """Start the process and return when it has ended."""
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as unless_started, theirs:
            unless_started.callback(ours.close)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                env=dict(os.environ),
            )  # fmt: skip
            unless_started.pop_all()
        reader, self._writer = await asyncio.open_connection(sock=ours, limit=LONGEST)
        self.process_id = process.pid
        try:
            self.tell(**self._start)
            if self._is_ending:
                self.tell(end=True)
            await self._hear(reader)
        finally:
            self._writer.close()
            self._writer = None
            await ended(process, ENDS_S)
            self.process_id = None

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        patience = STARTS_S
        while True:
            try:
                message = await asyncio.wait_for(next_message(reader), patience)
            except TimeoutError:
                log.error("media.worker-hangs pid=%s", self.process_id)
                if self.process_id is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.process_id, 9)
                return
            if message is None:
                return
            patience = HEARD_S
            self._on_message(message)
