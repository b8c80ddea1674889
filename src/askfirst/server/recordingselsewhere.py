"""Looks for recordings that a carrier keeps although nobody here ever asks for one.

Twilio is asked, at the start and daily, for everything that its account holds. What stands there
is an alarm, an item of the queue: of its call where that is ours, else of its own. Of its own, it
ends when Twilio tells of it no more, and comes again where somebody had said that it was deleted.
A check that could not be made is told as such, and never means that nothing is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, Misconfigured, PeerError, Refused, Unavailable
from askfirst.server.database import calls, transaction
from askfirst.server.elsewheretables import elsewhere_checks, recordings_elsewhere
from askfirst.server.importtables import imports
from askfirst.server.queue import Finding, ItemState, Reason, note_decided, raise_item
from askfirst.server.queuedecision import Decision
from askfirst.server.queuetables import queue_items
from askfirst.server.store import Store
from askfirst.telephony.twilioclient import TwilioClient
from askfirst.telephony.twiliovalues import TwilioRecording

log = logging.getLogger(__name__)

PAGE_SIZE = 1000
ATTEMPTS = 2
"""A list whose page expired is begun again once."""

GONE, BROUGHT = "gone", "brought-over"
"""How an item of its own ends by itself: it is there no more, or it has a call of ours by now."""

FRESH = timedelta(days=2)
"""A check is made daily; older than this it says nothing of now."""


class Standing(StrEnum):
    """What is known of recordings there, and if nothing, why."""

    NEVER = "never"
    CREDENTIALS = "credentials"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ANSWER = "answer"
    STALE = "stale"
    FOUND = "found"
    NOTHING = "nothing"


_PROBLEMS: tuple[tuple[type[AskfirstError], Standing], ...] = (
    (Misconfigured, Standing.CREDENTIALS),
    (Refused, Standing.REFUSED),
    (Unavailable, Standing.UNREACHABLE),
    (PeerError, Standing.ANSWER),
)

Client = Callable[[], TwilioClient | None]
CallOf = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Watch:
    """Whom to ask: `client` makes a client, or none without an account; `call_of` gives our call
    for a call of the carrier (its CallSid), None where it is not ours."""

    client: Client
    call_of: CallOf = lambda _: None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the checks say; times in UTC. `problem` is that of the last one that was tried.

    `done_at` None: no check was ever made whole, so nothing is known. `strangers` counts what
    belongs to none of our calls and is still there, `ours` what does.
    """

    tried_at: datetime | None = None
    done_at: datetime | None = None
    problem: str | None = None
    strangers: int = 0
    ours: int = 0

    def standing(self, now: datetime) -> Standing:
        """What may be said now; that nothing is there only after a whole and fresh check."""
        if self.problem is not None:
            return Standing(self.problem)
        if self.done_at is None:
            return Standing.NEVER
        if now - self.done_at > FRESH:
            return Standing.STALE
        return Standing.FOUND if self.strangers or self.ours else Standing.NOTHING

    def count(self, now: datetime) -> int | None:
        """How many recordings are there; None where that is not known now."""
        is_known = self.standing(now) in (Standing.FOUND, Standing.NOTHING)
        return self.strangers + self.ours if is_known else None


def run(store: Store, watch: Watch, at: datetime) -> int | None:
    """Check once; how many are new, None where there is no account or the check failed.

    That it failed, and why in one word, is written down. Not for a running event loop.
    """
    client = watch.client()
    if client is None:
        return None
    try:
        found = asyncio.run(_listed(client))
    except AskfirstError as error:
        problem = next(
            (word for kind, word in _PROBLEMS if isinstance(error, kind)), Standing.ANSWER
        )
        log.error("elsewhere.check-failed problem=%s", problem.value)
        with transaction(store.engine) as connection:
            _note(connection, {"tried_at": at, "problem": problem.value})
        return None
    with transaction(store.engine) as connection:
        raised = _keep(store, connection, found, watch.call_of, at)
        _note(connection, {"tried_at": at, "done_at": at, "problem": None})
    return raised


def state(connection: sa.Connection) -> Elsewhere:
    """What the checks have said so far."""
    row = connection.execute(sa.select(elsewhere_checks)).one_or_none()
    if row is None:
        return Elsewhere()
    there = recordings_elsewhere.c.gone_at.is_(None)
    return Elsewhere(
        row.tried_at,
        row.done_at,
        row.problem,
        strangers=_count(connection, there, recordings_elsewhere.c.call.is_(None)),
        ours=_count(connection, there, recordings_elsewhere.c.call.is_not(None)),
    )


async def _listed(client: TwilioClient) -> list[TwilioRecording]:
    async with client:
        for attempt in range(ATTEMPTS):
            try:
                pages = client.recordings(page_size=PAGE_SIZE)
                return [each async for page in pages for each in page]
            except Unavailable:
                if attempt + 1 == ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def _keep(
    store: Store,
    connection: sa.Connection,
    found: list[TwilioRecording],
    call_of: CallOf,
    at: datetime,
) -> int:
    known = {row.sid: row for row in connection.execute(sa.select(recordings_elsewhere))}
    items = _items(connection)
    there = {each.sid for each in found if each.status not in ("absent", "deleted")}
    raised = 0
    for each in found:
        if each.sid not in there:
            continue
        row, item = known.get(each.sid), items.get(each.sid)
        if row is not None and row.call is not None:
            continue
        call = _call(connection, each, call_of)
        if row is None:
            raised += 1
            connection.execute(recordings_elsewhere.insert().values(**_row(each, call, at)))
            log.error("elsewhere.found sid=%s call=%s", each.sid, call)
        if call is not None:
            key = recordings_elsewhere.c.sid == each.sid
            connection.execute(recordings_elsewhere.update().where(key).values(call=call))
            raise_item(store, connection, Finding(Reason.ELSEWHERE, call, subject=each.sid), at)
            _end(store, connection, item, BROUGHT, at)
        elif item is None or item.decision not in (None, Decision.KNOWN.value):
            raise_item(store, connection, Finding(Reason.NO_CALL, None, subject=each.sid), at)
    for sid, row in known.items():
        gone = None if sid in there else row.gone_at or at
        if gone is not None:
            _end(store, connection, items.get(sid), GONE, at)
        if gone != row.gone_at:
            key = recordings_elsewhere.c.sid == sid
            connection.execute(recordings_elsewhere.update().where(key).values(gone_at=gone))
    return raised


def _items(connection: sa.Connection) -> dict[str, Any]:
    """The items about what belongs to no call of ours, decided or not, by the recording's id."""
    query = sa.select(queue_items).where(queue_items.c.reason == Reason.NO_CALL.value)
    return {row.subject: row for row in connection.execute(query)}


def _end(store: Store, connection: sa.Connection, item: Any, why: str, at: datetime) -> None:
    """Close an item of its own that nobody has decided."""
    if item is not None and item.state != ItemState.DECIDED.value:
        note_decided(store, connection, item.id, why, at, person=None)


def _call(connection: sa.Connection, found: TwilioRecording, call_of: CallOf) -> str | None:
    """Our call: one that we carried, or one whose recording was brought over."""
    call = None if found.call_sid is None else call_of(found.call_sid)
    if call is None:
        query = sa.select(imports.c.call).where(imports.c.ref == found.sid)
        call = connection.execute(query).scalar()
    # A call that was begun to be brought over and never came is no call of ours.
    kept = sa.select(calls.c.id).where(calls.c.id == call)
    return None if call is None else connection.execute(kept).scalar()


def _row(found: TwilioRecording, call: str | None, at: datetime) -> dict[str, Any]:
    return {
        "sid": found.sid,
        "call_sid": found.call_sid,
        "call": call,
        "source": found.source[:40],
        "made_at": found.created_at,
        "found_at": at,
    }


def _note(connection: sa.Connection, values: dict[str, Any]) -> None:
    if connection.execute(elsewhere_checks.update().values(**values)).rowcount == 0:
        connection.execute(elsewhere_checks.insert().values(id=1, **values))


def _count(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(recordings_elsewhere).where(*which)
    return int(connection.execute(query).scalar_one())
