"""Legal holds as a list, and several of them placed or released at once.

Each recording is a hold of its own, with its own entry in the ledger: one that fails does not stop
the others, and is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput
from askfirst.model import RecordingState
from askfirst.server import holdrelease, legalholds, subjectrights
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import ensure_reaches
from askfirst.server.database import calls, reading, recordings
from askfirst.server.store import Store
from askfirst.server.subjectrights import Who

log = logging.getLogger(__name__)

MOST = 200
"""Lines of one page, and recordings chosen at once, at most."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that stands. Times are in UTC; `since` and `by` None: from before they were kept."""

    recording: str
    call: str
    called_at: datetime
    agent_name: str | None
    since: datetime | None
    by: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Done:
    """How many holds were changed, wait for a second person, or could not be changed."""

    changed: int = 0
    waiting: int = 0
    failed: int = 0


def holds(connection: sa.Connection, *, after: str | None = None, most: int = 50) -> list[Hold]:
    """The holds that stand, the newest recording first; `after` is the last one shown."""
    query = _holds().order_by(recordings.c.id.desc()).limit(max(1, min(most, MOST)))
    if after is not None:
        query = query.where(recordings.c.id < after)
    return [_hold(row) for row in connection.execute(query)]


def every_hold(connection: sa.Connection) -> Iterator[Hold]:
    """All holds that stand, the oldest recording first, as they are read."""
    for row in connection.execute(_holds().order_by(recordings.c.id)):
        yield _hold(row)


def count(connection: sa.Connection) -> int:
    """How many holds stand."""
    query = sa.select(sa.func.count()).select_from(recordings).where(_is_held())
    return int(connection.execute(query).scalar_one())


def recordings_of(connection: sa.Connection, person: Who) -> list[str]:
    """Every recording of somebody's calls that is not erased."""
    query = sa.select(recordings.c.id).where(
        recordings.c.call.in_(subjectrights.calls_of(connection, person)),
        recordings.c.state != RecordingState.ERASED.value,
    )
    return list(connection.execute(query.order_by(recordings.c.id)).scalars())


def place_all(
    store: Store,
    chosen: Iterable[str],
    person: Person,
    reason: str,
    at: datetime,
    until: datetime | None = None,
) -> Done:
    """Hold each of the chosen recordings. Raises InvalidInput for a reason or a time that no hold
    can have.
    """
    legalholds.ensure_reason(reason)
    if until is not None and until <= at:
        raise InvalidInput("found a past day as the end of a hold; expected a later one")

    def place(recording: str) -> str | None:
        legalholds.place(store, recording, person.id, reason, at, until)
        return None

    return _each(store, chosen, person, place)


def release_all(
    store: Store, chosen: Iterable[str], person: Person, reason: str, at: datetime
) -> Done:
    """Release each of the chosen holds, or propose it where the account wants a second person.

    Raises InvalidInput for a reason that no release can have.
    """
    legalholds.ensure_reason(reason)
    return _each(
        store,
        chosen,
        person,
        lambda recording: holdrelease.release(store, recording, person.id, reason, at),
    )


def _each(
    store: Store, chosen: Iterable[str], person: Person, change: Callable[[str], str | None]
) -> Done:
    changed = waiting = failed = 0
    for recording in dict.fromkeys(chosen):
        try:
            with reading(store.engine) as connection:
                call = connection.execute(
                    sa.select(recordings.c.call).where(recordings.c.id == recording)
                ).scalar()
                ensure_reaches(connection, person, Permission.RECORDINGS_HOLD, call or recording)
            if change(recording) is None:
                changed += 1
            else:
                waiting += 1
        except AskfirstError as error:
            log.warning("hold.failed recording=%s error=%s", recording, type(error).__name__)
            failed += 1
    return Done(changed, waiting, failed)


def _is_held() -> sa.ColumnElement[bool]:
    # In these words, so that the index of held recordings is used.
    return sa.literal_column("recordings.legal_hold", sa.Boolean)


def _holds() -> sa.Select[Any]:
    return (
        sa.select(
            recordings.c.id,
            recordings.c.call,
            recordings.c.held_at,
            recordings.c.held_by,
            recordings.c.hold_until,
            calls.c.created_at.label("called_at"),
            users.c.name.label("agent_name"),
        )
        .select_from(
            recordings.join(calls, calls.c.id == recordings.c.call).outerjoin(
                users, users.c.id == calls.c.agent
            )
        )
        .where(_is_held())
    )


def _hold(row: Any) -> Hold:
    return Hold(
        row.id, row.call, row.called_at, row.agent_name, row.held_at, row.held_by, row.hold_until
    )
