"""What was promised to a contact for a day, and whether it was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.server.accounttables import users
from askfirst.server.contactcard import aware
from askfirst.server.contacts import get
from askfirst.server.contacttables import contacts, follow_ups
from askfirst.server.database import calls
from askfirst.server.ids import new_id

LONGEST_NOTE = 2_000
MOST_DUE = 500


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A promise to a contact: `due` is a day of the account's calendar, `owner` a user's id."""

    id: str
    contact: str
    call: str | None
    due: date
    note: str
    owner: str | None
    done_at: datetime | None


def promise(
    connection: sa.Connection,
    contact: str,
    due: date,
    *,
    note: str = "",
    owner: str | None = None,
    call: str | None = None,
) -> str:
    """The id of a new follow-up.

    Raises NotFound for a contact, owner or call that there is not, Refused for an archived
    contact, InvalidInput for a moment in the place of a day and InvalidRequest for a note that
    cannot be kept.
    """
    if isinstance(due, datetime):
        raise InvalidInput("a follow-up is due on a day; found a moment, expected a date")
    note = note.strip()
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise InvalidRequest(
            f"note: expected plain text of at most {LONGEST_NOTE} characters", key="note"
        )
    if get(connection, contact).archived_at is not None:
        raise Refused(f"contact {contact} is archived; restore it before anything is promised")
    for table, wanted in ((users, owner), (calls, call)):
        query = sa.select(table.c.id).where(table.c.id == wanted)
        if wanted is not None and connection.execute(query).first() is None:
            raise NotFound(f"nothing in {table.name} has this id; expected one that is there")
    made = new_id("fol")
    connection.execute(
        follow_ups.insert().values(
            id=made, contact=contact, call=call, due=due, note=note, owner=owner
        )
    )
    return made


def done(connection: sa.Connection, follow_up: str, at: datetime) -> str:
    """A follow-up is done, the first time counts; gives its contact. Raises NotFound."""
    aware(at)
    key = follow_ups.c.id == follow_up
    contact = connection.execute(sa.select(follow_ups.c.contact).where(key)).scalar()
    if contact is None:
        raise NotFound("no follow-up has this id")
    connection.execute(
        follow_ups.update().where(key, follow_ups.c.done_at.is_(None)).values(done_at=at)
    )
    return str(contact)


def move(connection: sa.Connection, follow_up: str, due: date | None) -> None:
    """Another day for a follow-up that is not done, or None: it is taken back. Raises NotFound."""
    key = (follow_ups.c.id == follow_up) & follow_ups.c.done_at.is_(None)
    if due is None:
        gone = connection.execute(follow_ups.delete().where(key)).rowcount
    else:
        gone = connection.execute(follow_ups.update().where(key).values(due=due)).rowcount
    if gone != 1:
        raise NotFound("no follow-up that is not done has this id")


def promised_in(connection: sa.Connection, call: str) -> FollowUp | None:
    """What was promised about a call, the newest promise, done or not; None without one."""
    query = sa.select(follow_ups).where(follow_ups.c.call == call)
    found = connection.execute(query.order_by(follow_ups.c.id.desc()).limit(1)).mappings().first()
    return None if found is None else FollowUp(**found)


def follow_ups_of(connection: sa.Connection, contact: str) -> tuple[FollowUp, ...]:
    """Everything promised to a contact, done or not, by day; raises NotFound."""
    get(connection, contact)
    rows = connection.execute(
        sa.select(follow_ups)
        .where(follow_ups.c.contact == contact)
        .order_by(follow_ups.c.due, follow_ups.c.id)
    )
    return tuple(FollowUp(**row) for row in rows.mappings())


def due_follow_ups(
    connection: sa.Connection, on: date, *, owner: str | None = None, limit: int = MOST_DUE
) -> tuple[FollowUp, ...]:
    """What is due on a day or was before and is not done, the oldest first.

    `owner` leaves only that user's. At most `limit`, from 1 to 500. Those of archived contacts
    are left out until the contact is restored.
    """
    if isinstance(on, datetime):
        raise InvalidInput("follow-ups are due on a day; found a moment, expected a date")
    query = (
        sa.select(follow_ups)
        .join(contacts, contacts.c.id == follow_ups.c.contact)
        .where(
            follow_ups.c.done_at.is_(None),
            follow_ups.c.due <= on,
            contacts.c.archived_at.is_(None),
        )
        .order_by(follow_ups.c.due, follow_ups.c.id)
        .limit(max(1, min(limit, MOST_DUE)))
    )
    if owner is not None:
        query = query.where(follow_ups.c.owner == owner)
    return tuple(FollowUp(**row) for row in connection.execute(query).mappings())
