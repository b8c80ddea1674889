"""The calls with one contact, as somebody may read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.model import Role
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.contacts import get
from askfirst.server.database import calls, parties

MOST_CALLS = 200


@dataclass(frozen=True, slots=True)
class ContactCall:
    """A call with a contact: when it was made, by whom, and how it ended."""

    id: str
    at: datetime
    agent: str | None
    outcome: str | None


def calls_with(
    connection: sa.Connection, person: Person, contact: str, limit: int = 20
) -> tuple[ContactCall, ...]:
    """The newest calls with a contact that a person may read, from 1 to 200 of them.

    Found by the contact's numbers, as its consents are. Raises NotFound for an unknown contact.
    """
    numbers = [each.number for each in get(connection, contact).numbers]
    of_contact = sa.select(parties.c.call).where(
        parties.c.number.in_(numbers), parties.c.role == Role.CONTACT.value
    )
    query = (
        sa.select(calls.c.id, calls.c.created_at, calls.c.agent, calls.c.outcome)
        .select_from(calls.outerjoin(users, users.c.id == calls.c.agent))
        .where(calls.c.id.in_(of_contact), within(person, Permission.CALLS_READ))
        .order_by(calls.c.id.desc())
        .limit(max(1, min(limit, MOST_CALLS)))
    )
    return tuple(
        ContactCall(row.id, row.created_at, row.agent, row.outcome)
        for row in connection.execute(query)
    )
