"""What is done for a person's request: erasing, restricting, and never recording them again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.server import copies, erasure, objections, restrictions
from askfirst.server.database import calls, reading, transaction
from askfirst.server.personfile import kept_calls
from askfirst.server.requestregister import (
    RequestKind,
    SubjectRequest,
    get,
    note_outcome,
    person_of,
    receive,
    requests_of,
)
from askfirst.server.store import Store
from askfirst.server.subjectrights import Erased, Who, calls_of, erase_person


def take(
    store: Store,
    kind: RequestKind,
    person: Who,
    by: str,
    at: datetime,
    received_at: datetime | None = None,
) -> SubjectRequest:
    """Receive a request; an objection holds from now on, whatever is answered to it.

    Whoever objects is never recorded again: their contact is marked, and their numbers stand on
    the list as keyed hashes, which outlives the contact. Raises InvalidRequest.
    """
    with transaction(store.engine) as connection:
        received = receive(store, connection, kind, person, by, at, received_at)
        if kind is RequestKind.OBJECTION:
            store.erasures.say_never(sorted(person.numbers), at)
            if person.contact is not None:
                objections.never(store, connection, person.contact, by, at)
    return received


def erase(store: Store, request: str, by: str, at: datetime, *, dry_run: bool = False) -> Erased:
    """Erase whoever a request of erasure is about, and keep the outcome of each item with it.

    Copies that were made for the person go first. Raises NotFound, and Refused for a request that
    is closed or of another kind.
    """
    person = _person(store, request, RequestKind.ERASURE)
    if not dry_run:
        with reading(store.engine) as connection:
            theirs = [each.id for each in requests_of(store, connection, person)]
        for each in theirs:
            copies.destroy(store, each)
    done = erase_person(store, person, by, at, dry_run=dry_run)
    if not dry_run:
        with transaction(store.engine) as connection:
            note_outcome(connection, request, done, by)
    return done


def restrict(store: Store, request: str, by: str, at: datetime) -> int:
    """Restrict every recording that is kept of a person; says how many were new.

    Calls that go on and those to come are restricted as well, until it is lifted; what hears a
    running call live is ended by whoever asks (`running_calls`). Raises as `erase`.
    """
    person = _person(store, request, RequestKind.RESTRICTION)
    with transaction(store.engine) as connection:
        kept = [each.recording for each in kept_calls(store, connection, person, at)]
        wanted: Sequence[str] = [each for each in kept if each is not None]
        return restrictions.place(store, connection, request, wanted, by, at)


def running_calls(store: Store, request: str) -> list[str]:
    """The calls (ids) that go on and that the person of a request is on."""
    with reading(store.engine) as connection:
        person = person_of(store, connection, request)
        if person is None:
            return []
        theirs = sa.select(calls.c.id).where(
            calls.c.ended_at.is_(None), calls.c.id.in_(calls_of(connection, person))
        )
        return list(connection.execute(theirs).scalars())


def lift(store: Store, request: str, by: str, at: datetime) -> int:
    """End what a request restricts, and carry out the erasures that waited for it."""
    with transaction(store.engine) as connection:
        get(connection, request)
        lifted = restrictions.lift(store, connection, request, by, at)
    if lifted:
        erasure.carry_out(store, at)
    return lifted


def _person(store: Store, request: str, kind: RequestKind) -> Who:
    with reading(store.engine) as connection:
        found = get(connection, request)
        person = person_of(store, connection, request)
    if found.kind is not kind:
        raise Refused(f"this request asks for {found.kind}; receive one that asks for {kind}")
    if found.is_closed:
        raise Refused("this request is closed; receive a new one if the person asks again")
    if person is None:
        raise NotFound("nothing is kept any more by which this person could be found")
    return person
