"""Follow-ups as somebody may see them: their own, their team's, or everybody's.

A follow-up is its owner's; one without an owner is that of whoever owns the contact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import reached_by
from askfirst.server.contacttables import contact_numbers, contacts, follow_ups

MOST = 100
"""Follow-ups of one group on a page, at most."""

_number = (
    sa.select(contact_numbers.c.number)
    .where(contact_numbers.c.contact == contacts.c.id, contact_numbers.c.is_primary)
    .limit(1)
    .scalar_subquery()
    .label("number")
)
_responsible = sa.func.coalesce(follow_ups.c.owner, contacts.c.owner)


@dataclass(frozen=True, slots=True)
class Due:
    """A follow-up that is not done, with the names that a list shows."""

    id: str
    contact: str
    contact_name: str
    company: str
    number: str | None
    call: str | None
    due: date
    note: str
    owner: str | None
    owner_name: str | None


@dataclass(frozen=True, slots=True)
class DueList:
    """What is not done, each group by day: before today, today, and after it."""

    overdue: tuple[Due, ...]
    today: tuple[Due, ...]
    coming: tuple[Due, ...]


def due_list(connection: sa.Connection, person: Person, on: date) -> DueList:
    """What a person reaches and is not done, on a day; at most `MOST` of each group.

    Those of archived contacts are left out until the contact is restored.
    """
    day = follow_ups.c.due
    return DueList(
        _group(connection, person, day < on),
        _group(connection, person, day == on),
        _group(connection, person, day > on),
    )


def ensure_reaches_follow_up(connection: sa.Connection, person: Person, follow_up: str) -> None:
    """Raise NotFound for a follow-up that is not there, Refused for one beyond the reach."""
    query = _joined(sa.select(_responsible.label("owner"), users.c.team))
    row = connection.execute(query.where(follow_ups.c.id == follow_up)).one_or_none()
    if row is None:
        raise NotFound("no follow-up has this id")
    if not person.reaches(Permission.CALLS_READ, row.owner, row.team):
        raise Refused("this follow-up is not among those that you reach")


def reached_of(connection: sa.Connection, person: Person, contact: str) -> frozenset[str]:
    """Which follow-ups of a contact a person reaches."""
    query = _joined(sa.select(follow_ups.c.id)).where(
        follow_ups.c.contact == contact, reached_by(person, Permission.CALLS_READ, _responsible)
    )
    return frozenset(connection.execute(query).scalars())


def _group(
    connection: sa.Connection, person: Person, when: sa.ColumnElement[bool]
) -> tuple[Due, ...]:
    query = _joined(
        sa.select(
            follow_ups.c.id,
            follow_ups.c.contact,
            contacts.c.name.label("contact_name"),
            contacts.c.company,
            _number,
            follow_ups.c.call,
            follow_ups.c.due,
            follow_ups.c.note,
            _responsible.label("owner"),
            users.c.name.label("owner_name"),
        )
    ).where(
        follow_ups.c.done_at.is_(None),
        contacts.c.archived_at.is_(None),
        when,
        reached_by(person, Permission.CALLS_READ, _responsible),
    )
    query = query.order_by(follow_ups.c.due, follow_ups.c.id).limit(MOST)
    return tuple(Due(**row) for row in connection.execute(query).mappings())


def _joined(query: sa.Select[Any]) -> sa.Select[Any]:
    joined = follow_ups.join(contacts, contacts.c.id == follow_ups.c.contact)
    return query.select_from(joined.outerjoin(users, users.c.id == _responsible))
