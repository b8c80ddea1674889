"""Events of Twilio in a file until the database has them, one for each process.

A line of JSON is an event. Whoever starts takes up the files that nobody has open any more; what
was in the database already is known there. Only ids, states and codes are in them.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import mmap
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from askfirst.server.durable import sync_folder
from askfirst.server.twiliojournal import Event

log = logging.getLogger(__name__)

SUFFIX = ".events"

SIZE = 16 << 20
"""Bytes of a file; as many events as may wait are fewer."""

_File = tuple[Path, int]
"""A file that is open, and locked, as what."""

Given = TypeVar("Given")


class EventSpool:
    """The file of one process. `open` it, then `add` and `clear`; for one thread.

    Written to as memory, which waits for nobody. Each raises OSError where the disk does not do it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: _File | None = None
        self._memory: mmap.mmap | None = None
        self._used = 0
        self._left: list[_File] = []

    def open(self) -> list[Event]:
        """Make the file; gives the events that processes left which are gone."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        found: list[Event] = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            handle = _locked(path)
            if handle is not None:
                self._left.append((path, handle))
                found += _read(path)
        path = self._folder / f"{secrets.token_hex(8)}{SUFFIX}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._own = path, handle
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Memory of a file that has no room on the disk would end the process.
        os.posix_fallocate(handle, 0, SIZE)
        self._memory = mmap.mmap(handle, SIZE)
        sync_folder(self._folder)
        return found

    def add(self, events: Sequence[Event]) -> None:
        """Write events; the system has them then, and the disk soon."""
        lines = b"".join(map(_line, events))
        ends = self._used + len(lines)
        if self._memory is None or ends > SIZE:
            raise OSError("the file for events is not open, or full")
        self._memory[self._used : ends] = lines
        self._used = ends

    def sync(self) -> None:
        """Return when everything written is on the disk; also from another thread."""
        if self._memory is not None:
            self._memory.flush()

    def clear(self) -> None:
        """Forget everything; it is in the database."""
        if self._memory is not None:
            self._memory[: self._used] = bytes(self._used)
            self._used = 0
        self._remove(self._left)
        self._left = []

    def close(self, *, is_done: bool) -> None:
        """Close the file; unless everything `is_done` it stays for the next start."""
        held = [*self._left, *([] if self._own is None else [self._own])]
        memory, self._own, self._left, self._memory = self._memory, None, [], None
        if memory is not None:
            memory.close()
        if is_done:
            self._remove(held)
        else:
            for _, handle in held:
                os.close(handle)

    @staticmethod
    def _remove(files: Sequence[_File]) -> None:
        for path, handle in files:
            path.unlink(missing_ok=True)
            os.close(handle)


class Spooling:
    """An `EventSpool` on a loop: written to at once, and forced to the disk in a thread.

    Nothing here raises OSError: an event that the disk did not take is held in memory only, and
    the log says so.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = EventSpool(folder)
        self._syncing: asyncio.Task[None] | None = None
        self._is_behind = False
        self._is_used = False
        self._is_closed = False

    def start(self) -> list[Event]:
        """What processes left that are gone."""
        found = _tried(self._spool.open) or []
        self._is_used = bool(found)
        return found

    def keep(self, event: Event) -> None:
        """Write an event down, so that no end of the process loses it."""
        self._is_used = True
        _tried(lambda: self._spool.add([event]))

    def sync(self) -> None:
        """Force what was written to the disk, so that no end of the machine loses it; soon."""
        self._is_behind = True
        if self._syncing is None and not self._is_closed:
            self._syncing = asyncio.create_task(self._sync())

    def clear(self) -> None:
        """Forget everything that was kept; it is in the database."""
        if self._is_used:
            self._is_used = False
            _tried(self._spool.clear)

    async def close(self, *, is_done: bool) -> None:
        """Close it. Unless the database has everything, it stays for the next start."""
        self._is_closed = True
        if self._syncing is not None:
            await self._syncing
        if not is_done:
            await asyncio.to_thread(_tried, self._spool.sync)
        _tried(lambda: self._spool.close(is_done=is_done))

    async def _sync(self) -> None:
        while self._is_behind:
            self._is_behind = False
            await asyncio.to_thread(_tried, self._spool.sync)
        self._syncing = None


def _tried(work: Callable[[], Given]) -> Given | None:
    try:
        return work()
    except OSError as error:
        log.error("twilio.spool-failed error=%s", type(error).__name__)
        return None


def _locked(path: Path) -> int | None:
    """A file of a process that is gone, open and ours; None where somebody has it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _line(event: Event) -> bytes:
    told = {
        "key": event.key,
        "mark": event.mark,
        "call": event.call_sid,
        "number": event.number,
        "status": event.status,
        "fields": dict(event.fields),
        "at": event.at.isoformat(),
    }
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> list[Event]:
    """The events of a file; a line that was cut off by the end of its process was not answered."""
    found = []
    for line in path.read_bytes().rstrip(b"\0").splitlines():
        try:
            found.append(_event(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.warning("twilio.spool-line-unread file=%s", path.name)
    return found


def _event(told: Mapping[str, Any]) -> Event:
    """An event as it was written. Raises ValueError, KeyError, TypeError and AttributeError."""
    number, at = told["number"], datetime.fromisoformat(told["at"])
    if not (number is None or isinstance(number, int)) or at.tzinfo is None:
        raise ValueError("an event without a number or a time zone")
    fields = {str(name): str(value) for name, value in told["fields"].items()}
    return Event(
        str(told["key"]), str(told["mark"]), str(told["call"]), number, str(told["status"]),
        fields, at.astimezone(UTC),
    )  # fmt: skip
