"""Events of Twilio on the disk while the database does not answer at once, a file for each process.

A line of JSON is an event. Whoever starts takes up the files that nobody has open any more; what
was in the database already is known there. Only ids, states and codes are in them.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from askfirst.server.durable import sync_folder
from askfirst.server.twiliojournal import Event

log = logging.getLogger(__name__)

SUFFIX = ".events"

Given = TypeVar("Given")


class EventSpool:
    """The file of one process. `open` it, then `add` and `clear`; for one thread at a time.

    Each raises OSError where the disk does not do it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: tuple[Path, int] | None = None
        self._left: list[tuple[Path, int]] = []

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
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._own = path, handle
        sync_folder(self._folder)
        return found

    def add(self, events: Sequence[Event]) -> None:
        """Put events on the disk."""
        if self._own is None:
            raise OSError("the file for events is not open")
        os.write(self._own[1], b"".join(map(_line, events)))
        os.fdatasync(self._own[1])

    def clear(self) -> None:
        """Forget everything; it is in the database."""
        if self._own is not None:
            os.ftruncate(self._own[1], 0)
        self._remove(self._left)
        self._left = []

    def close(self, *, is_done: bool) -> None:
        """Close the file; unless everything `is_done` it stays for the next start."""
        held = [*self._left, *([] if self._own is None else [self._own])]
        self._own, self._left = None, []
        if is_done:
            self._remove(held)
        else:
            for _, handle in held:
                os.close(handle)

    @staticmethod
    def _remove(files: Sequence[tuple[Path, int]]) -> None:
        for path, handle in files:
            path.unlink(missing_ok=True)
            os.close(handle)


class Spooling:
    """An `EventSpool` on a loop: events of one moment go to the disk together.

    Nothing here raises OSError: an event that the disk did not take is held in memory only, and
    the log says so.
    """

    def __init__(self, folder: Path) -> None:
        self._spool = EventSpool(folder)
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._adding: asyncio.Task[None] | None = None
        self._is_used = False

    async def start(self) -> list[Event]:
        """What processes left that are gone."""
        self._thread = ThreadPoolExecutor(1, "twilio-spool")
        found = await self._try(self._spool.open) or []
        self._is_used = bool(found)
        return found

    def keep(self, event: Event) -> asyncio.Future[None]:
        """Put an event on the disk; done when it is there."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, kept))
        if self._adding is None:
            self._adding = asyncio.create_task(self._add())
        return kept

    async def clear(self) -> None:
        """Forget everything that was kept; it is in the database."""
        if self._is_used and self._adding is None:
            self._is_used = False
            await self._try(self._spool.clear)

    async def close(self, left: Sequence[Event]) -> None:
        """Close it. Where events are `left` that the database has not taken, they stay here."""
        if self._adding is not None:
            await self._adding
        if left:
            await self._put(left)
        await self._try(lambda: self._spool.close(is_done=not left))
        if self._thread is not None:
            self._thread.shutdown()

    async def _add(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            await self._put([event for event, _ in some])
            for _, kept in some:
                if not kept.done():
                    kept.set_result(None)
        self._adding = None

    async def _put(self, events: Sequence[Event]) -> None:
        self._is_used = True
        await self._try(lambda: self._spool.add(events))

    async def _try(self, work: Callable[[], Given]) -> Given | None:
        assert self._thread is not None  # noqa: S101 - started
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
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
    for line in path.read_bytes().splitlines():
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
