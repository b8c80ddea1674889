"""A demonstration inside an installation: made where there is nobody yet, removed by one act.

Its calls are real ones of the simulator, through everything that an agent's call goes through, at
the speed of the demonstration. Nothing of it is put into an account that has people already.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.clock import LoopClock, run_scaled
from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import RecordingState, Source
from askfirst.server import account, accounts, audit, contacts, demopeople, erasure
from askfirst.server.accounttables import settings
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import Draft, KnownPlace, Number, checked
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.database import (
    calls,
    metadata,
    outbox,
    parties,
    reading,
    recordings,
    scrub,
    transaction,
)
from askfirst.server.node import Node
from askfirst.server.simulation import request_for, simulate
from askfirst.server.store import Store
from askfirst.telephony.persona import Persona, packaged_personas

log = logging.getLogger(__name__)

SPEED = 60.0
SIMULATOR = "simulator"
_MARK, _CONTENT = "is_demo", "demo"
_UNFINISHED = tuple(
    state.value for state in (RecordingState.SPOOL, RecordingState.SEALED, RecordingState.CHECKING)
)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Removed:
    """What went when a demonstration was removed."""

    contacts: int
    calls: int
    recordings: int


def prepare(store: Store, now: datetime) -> list[tuple[accounts.User, str]]:
    """Make the demonstration's account where there is none; its people with one-time links.

    A second time only new links are made. Raises InvalidInput for an account with other people in
    it, and then nothing is changed.
    """
    with transaction(store.engine) as connection:
        if not account.account(connection).is_demo:
            if accounts.has_users(connection):
                raise InvalidInput(
                    f"the installation in {store.folder} has people of its own; a demonstration is "
                    "never mixed into it. Name another folder with --data"
                )
            _make(connection, now)
        people = _content(connection)["users"]
        everybody = [accounts.user(connection, each) for each in people]
        return [
            (each, accounts.make_link(connection, each.id, now))
            for each in everybody
            if not each.is_disabled
        ]


def guest(connection: sa.Connection, token: str, now: datetime) -> accounts.User:
    """Whom of the demonstration's people a one-time link is for; it is not used up by asking.

    Raises NotFound where there is no demonstration, Refused for a link of anybody else.
    """
    if not account.account(connection).is_demo:
        raise NotFound("there is no demonstration in this installation")
    identity = accounts.link_holder(connection, token, now)
    if identity is None or identity not in _content(connection)["users"]:
        raise Refused("this link is for somebody else; start the program again for another")
    return accounts.user(connection, identity)


def _make(connection: sa.Connection, now: datetime) -> None:
    account.change(connection, demopeople.SETTINGS, None, now)
    version = account.account(connection).notice_version
    people = []
    for email, name, roles in demopeople.USERS:
        user = accounts.add_user(
            connection, email, name, roles, now, team=demopeople.TEAM, place="NO"
        )
        people.append(user.id)
        if email != demopeople.ADMINISTRATOR:  # whoever looks at the demonstration is real
            accounts.acknowledge(connection, user.id, version, now)
    audit.note(connection, now, None, "account.begun")
    agent = people[[email for email, _, _ in demopeople.USERS].index(demopeople.AGENT)]
    made = contacts.add_all(connection, [checked(each) for each in _drafts(agent, now)], now)
    _keep(connection, _MARK, True, now)
    content = {"users": people, "agent": agent, "contacts": made, "called": []}
    _keep(connection, _CONTENT, content, now)


def _drafts(owner: str, now: datetime) -> Iterator[Draft]:
    personas = packaged_personas()
    for persona, name, company in demopeople.CALLED:
        place = personas[persona].contact_place
        known = (KnownPlace(place, Source.GIVEN, now),) if place else ()
        yield _draft(owner, name, company, personas[persona].number, known)
    for name, company, number in demopeople.OTHERS:
        yield _draft(owner, name, company, number)


def _draft(
    owner: str, name: str, company: str, number: str, places: tuple[KnownPlace, ...] = ()
) -> Draft:
    return Draft(
        name=name, company=company, owner=owner, numbers=(Number(number, "", True),), places=places
    )


# Calls


def missing(store: Store) -> list[Persona]:
    """The personas that a demonstration has not called yet, in order; none without one."""
    with reading(store.engine) as connection:
        if not account.account(connection).is_demo:
            return []
        called = set(_content(connection)["called"])
    personas = packaged_personas()
    return [personas[name] for name, _, _ in demopeople.CALLED if name not in called]


def call_all(
    node: Node, stopping: threading.Event, told: Callable[[str], object] = lambda _: None
) -> int:
    """Call every persona that is missing, one after the other, until all are or it is to stop.

    Gives how many calls were made; for a thread of its own, since it runs a loop. `told` gets the
    name of each persona before its call. A call that fails is made again at the next start.
    """
    made = 0
    for persona in missing(node.store):
        if stopping.is_set():
            break
        told(persona.name)
        with reading(node.store.engine) as connection:
            agent = _content(connection)["agent"]
        request = replace(request_for(persona), agent=agent)
        try:
            run_scaled(simulate(node, LoopClock(), persona, request, markers=False), SPEED)
        except AskfirstError:
            log.exception("demo.call-failed persona=%s", persona.name)
            continue
        made += 1
        with transaction(node.store.engine) as connection:
            content = _content(connection)
            called = [*content["called"], persona.name]
            _keep(connection, _CONTENT, {**content, "called": called}, utc_now())
    return made


# Removal


def remove(store: Store, actor: str, now: datetime) -> Removed:
    """Remove a demonstration: contacts, calls, recordings with their keys, and its other people.

    The ledger stays whole and names nobody. Raises NotFound where there is no demonstration,
    Refused while one of its calls goes on and while a recording is still being worked on.
    """
    with reading(store.engine) as connection:
        if not account.account(connection).is_demo:
            raise NotFound("there is no demonstration in this account; nothing was removed")
        going, its_calls, its_recordings = _extent(connection)
    if going:
        raise Refused("a demo call goes on; end it, then remove the demo data")
    if any(row.state in _UNFINISHED for row in its_recordings):
        raise Refused("a demo recording is still being checked; try again in a minute")
    erased = 0
    for row in its_recordings:
        if row.state != RecordingState.ERASED.value:
            _erase(store, row, now)
            erased += 1
    for call, party in _parties(store, its_calls):
        store.keys.destroy_salt(f"{call}/{party}")
    with transaction(store.engine) as connection:
        if _extent(connection)[1] != its_calls:
            raise Refused("a demo call was made meanwhile; try again")
        content = _content(connection)
        _drop(connection, recordings, [row.id for row in its_recordings])
        _drop(connection, calls, its_calls)
        _drop(connection, contact_rows, content["contacts"])
        for user in content["users"]:
            if user != actor:
                accounts.disable(connection, user, now)
        accounts.void_links(connection, actor)  # those that the program printed
        connection.execute(settings.delete().where(settings.c.key.in_((_MARK, _CONTENT))))
        removed = Removed(len(content["contacts"]), len(its_calls), erased)
        counts = {"contacts": removed.contacts, "calls": removed.calls, "recordings": erased}
        audit.note(connection, now, actor, "demo.removed", detail=counts)
    scrub(store.engine)
    return removed


def _extent(connection: sa.Connection) -> tuple[bool, list[str], list[sa.Row[Any]]]:
    """Whether a demo call goes on, every demo call, and every recording of one."""
    its = calls.c.provider == SIMULATOR
    found = connection.execute(sa.select(calls.c.id, calls.c.ended_at).where(its)).all()
    query = sa.select(recordings).join(calls).where(its).order_by(recordings.c.id)
    going = any(row.ended_at is None for row in found)
    return going, sorted(row.id for row in found), list(connection.execute(query).all())


def _erase(store: Store, row: sa.Row[Any], now: datetime) -> None:
    with transaction(store.engine) as connection:
        if row.legal_hold:
            connection.execute(
                recordings.update().where(recordings.c.id == row.id).values(legal_hold=False)
            )
            store.ledger.append(connection, Kind.LEGAL_HOLD_RELEASED, now, recording=row.id)
        # A mandatory period is that of a real account; nobody has to keep what was made up.
        connection.execute(
            recordings.update().where(recordings.c.id == row.id).values(mandatory=None)
        )
        erasure.intend(store, connection, row.id, "demo-removed", now)
    erasure.erase(store, row.id, now)


def _parties(store: Store, its_calls: Sequence[str]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    with reading(store.engine) as connection:
        for some in _some(its_calls):
            query = sa.select(parties.c.call, parties.c.number_in_call)
            rows = connection.execute(query.where(parties.c.call.in_(some)))
            found += [(row.call, row.number_in_call) for row in rows]
    return found


def _drop(connection: sa.Connection, table: sa.Table, ids: Sequence[str]) -> None:
    """Delete rows by id, with what belongs to them; what only points to them forgets it.

    The entries of the ledger are of the second kind: they stay as they were hashed.
    """
    for other in metadata.sorted_tables:
        for key in other.foreign_keys:
            if key.column.table is not table or other is table:
                continue
            for some in _some(ids):
                here = key.parent.in_(some)
                if key.parent.nullable:
                    connection.execute(other.update().where(here).values({key.parent: None}))
                    continue
                if "id" in other.c:
                    its = connection.execute(sa.select(other.c.id).where(here)).scalars()
                    _drop(connection, other, list(its))
                connection.execute(other.delete().where(here))
    for some in _some(ids):
        connection.execute(outbox.delete().where(outbox.c.ref.in_(some)))
        connection.execute(table.delete().where(table.c.id.in_(some)))


def _some(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _content(connection: sa.Connection) -> dict[str, Any]:
    query = sa.select(settings.c.value).where(settings.c.key == _CONTENT)
    found = connection.execute(query).scalar_one_or_none()
    return dict(found or {"users": [], "agent": None, "contacts": [], "called": []})


def _keep(connection: sa.Connection, key: str, value: object, now: datetime) -> None:
    values = {"value": value, "changed_by": None, "changed_at": now}
    done = connection.execute(settings.update().where(settings.c.key == key).values(**values))
    if done.rowcount == 0:
        connection.execute(settings.insert().values(key=key, **values))
