"""Brings recordings over that Twilio keeps: who was on the call, what the law asked, and the sound.

A dry run reads lists alone and fetches no sound. Sound is held in memory, never in clear on a
disk. At Twilio something is deleted only after ours was read again; what it tells of a recording
stays there for 40 days.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from askfirst.auditing import Law
from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused, Unavailable
from askfirst.server.auditrun import Existing
from askfirst.server.importing import Brought, Importer, Line, Origin
from askfirst.server.importplan import planned
from askfirst.server.importtables import DELETED
from askfirst.server.store import Store
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioCall, TwilioRecording

SOURCE = "twilio"
ATTEMPTS = 2
"""A list whose page expired is begun again once."""

PAGE_SIZE = 1000
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_PROGRAM = re.compile(r"(?:client|sip|sips):", re.IGNORECASE)
_WITHHELD = frozenset({"anonymous", "restricted", "unknown", "unavailable", "", "+266696687"})
"""What stands for a caller who shows no number; the digits spell it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to bring: calls of agents at a place, from a day on; `ours` are our side's numbers
    besides those that the account owns. `language` is what is spoken."""

    agent: str
    since: datetime | None = None
    ours: frozenset[str] = frozenset()
    language: str = "en"
    is_dry: bool = False
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class _Sides:
    contacts: tuple[str | None, ...]
    direction: str
    is_own_second: bool


async def run(
    client: TwilioClient,
    wish: Wish,
    law: Law,
    store: Store,
    importer: Callable[[], Importer] | None,
    now: Callable[[], datetime],
) -> AsyncIterator[Line]:
    """What became of each recording, the oldest first. One that fails leaves the others alone.

    `store` is asked who may not come, in a dry run too. `importer` is made when it is needed
    first; None only for a dry run. Raises Misconfigured for credentials that do not hold, and what
    the lists raise.
    """
    owned = frozenset({each.number for each in await client.numbers()}) | wish.ours
    made: Importer | None = None
    for found in reversed(await _listed(client, wish.since)):
        if found.status in ("deleted", "absent"):
            continue
        try:
            existing, origin = await _described(client, found, wish, owned)
        except AskfirstError as error:
            yield _failed(found, error)
            continue
        line = planned(store, law, existing, origin, found.call_sid, now())
        if wish.is_dry or importer is None or line.refused is not None:
            yield line
            continue
        made = made or importer()
        yield await _brought(client, found, existing, origin, line, wish, made, now)


async def _listed(client: TwilioClient, since: datetime | None) -> list[TwilioRecording]:
    """The whole list before anything is fetched: fetching takes longer than pages live."""
    for attempt in range(ATTEMPTS):
        try:
            pages = client.recordings(since, PAGE_SIZE)
            return [each async for page in pages for each in page]
        except Unavailable:
            if attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


async def _described(
    client: TwilioClient, found: TwilioRecording, wish: Wish, owned: frozenset[str]
) -> tuple[Existing, Origin]:
    if found.status != "completed":
        raise Unavailable(f"Twilio has it as {found.status}; start again when it is completed")
    if found.call_sid is None:
        raise InvalidInput("it belongs to no call, so nobody knows who was on it; look at Twilio")
    call = await client.call(found.call_sid)
    pages = client.calls(parent=call.sid)
    sides = sides_of(call, [each async for page in pages for each in page], owned)
    # Who else was in a conference is nowhere told: somebody whose place is not known.
    others = (None,) if "Conference" in found.source else ()
    at = call.started_at or found.started_at or found.created_at
    existing = Existing(
        name=found.sid,
        path=Path(),
        numbers=(*sides.contacts, *others),
        agent=wish.agent,
        on=at.date(),
        language=wish.language,
        is_inbound=sides.is_own_second,
    )
    entered = f"{SOURCE}_{found.sid[2:].lower()}"
    return existing, Origin(SOURCE, found.sid, entered, at, sides.direction)


def sides_of(call: TwilioCall, dialled: Sequence[TwilioCall], owned: frozenset[str]) -> _Sides:
    """Who is the contact and on which channel: Twilio puts the leg of the call itself first.

    That leg is whoever called in, or whom Twilio called for a program. Raises InvalidInput where
    nobody, or nobody but us, can be told apart: guessing would put one's words into the other's
    mouth.
    """
    is_inbound_leg = call.direction == "inbound"
    first = call.sender if is_inbound_leg else call.to
    others = [each.to for each in dialled]
    if not others and _is_ours(first, owned):
        others = [call.to if is_inbound_leg else call.sender]
    is_first_ours = _is_ours(first, owned)
    contacts = [each for each in (first, *others) if not _is_ours(each, owned)]
    if not contacts:
        raise InvalidInput(
            "nobody but our own numbers is on the call; where one of them is the contact's, take "
            "it out of --ours"
        )
    if not is_first_ours and len(contacts) > 1:
        raise InvalidInput(
            "which of its numbers is ours cannot be told; name those of your agents with --ours"
        )
    # Whoever called in reached us; in every other case it was our side that called.
    direction = "inbound" if is_inbound_leg and not is_first_ours else "outbound"
    numbers = tuple(dict.fromkeys(_number(each) for each in contacts))
    return _Sides(numbers, direction, is_own_second=not is_first_ours)


def _is_ours(party: str, owned: frozenset[str]) -> bool:
    return party in owned or _PROGRAM.match(party) is not None


def _number(party: str) -> str | None:
    """A number; None for one that is withheld, whose place then is not known."""
    if party.strip().lower() in _WITHHELD:
        return None
    if not _NUMBER.fullmatch(party):
        raise InvalidInput("a side of the call is no telephone number; look at the call at Twilio")
    return party


async def _brought(
    client: TwilioClient,
    found: TwilioRecording,
    existing: Existing,
    origin: Origin,
    line: Line,
    wish: Wish,
    importer: Importer,
    now: Callable[[], datetime],
) -> Line:
    known = importer.known(SOURCE, found.sid)
    try:
        if known is None:
            brought = await _fetched(client, found, existing, origin, importer, now())
            line = replace(
                line, outcome=brought.state, brought=brought, recording=brought.recording
            )
        elif known.verified_at is None:  # cut off between the two
            importer.verify(SOURCE, found.sid, now())
    except AskfirstError as error:
        return replace(line, outcome="error", error=_said(error, existing))
    if not wish.deletes:
        return line
    if known is not None and known.state == DELETED:
        return replace(line, deletion="deleted")
    try:
        importer.ensure_may_delete(SOURCE, found.sid, now())
        await client.delete_recording(found.sid)
        importer.note_deleted(origin, now())
    except AskfirstError as error:
        return replace(line, deletion=_said(error, existing))
    return replace(line, deletion="deleted")


async def _fetched(
    client: TwilioClient,
    found: TwilioRecording,
    existing: Existing,
    origin: Origin,
    importer: Importer,
    at: datetime,
) -> Brought:
    if found.encrypted:
        raise Refused(
            "Twilio has it encrypted with a key of yours; decrypt it and bring it over as a file"
        )
    with _in_memory() as (file, path):
        await client.media(found.sid, file, found.channels)
        file.flush()
        return importer.bring(replace(existing, path=path), origin, at)


@contextmanager
def _in_memory() -> Iterator[tuple[BinaryIO, Path]]:
    """A file that has a path and no place on any disk, gone with this process."""
    handle = os.memfd_create("recording", os.MFD_CLOEXEC)
    with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor has no path to open
        yield file, Path(f"/proc/self/fd/{handle}")


def _failed(found: TwilioRecording, error: AskfirstError) -> Line:
    at = found.started_at or found.created_at
    what = "it or its call is not there (any more)" if isinstance(error, NotFound) else str(error)
    return Line(found.sid, found.call_sid, at, "error", error=what)


def _said(error: AskfirstError, existing: Existing) -> str:
    """An error without the name of the file in memory, which is a number."""
    return re.sub(r"\A\d+ ", f"{existing.name} ", str(error))
