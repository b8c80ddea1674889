"""What an agent writes about a call, during it and after: how it went, notes, who else was there.

Everything of one call is one small document with a version. Whoever writes names the version that
was read; a document that has changed since is not overwritten. Notes are words about a person and
go when the person is forgotten.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, Refused
from askfirst.model import Role
from askfirst.server import audit, contacts, followups
from askfirst.server.access import Permission, Person
from askfirst.server.callreader import ensure_reaches
from askfirst.server.contactcard import Draft, Number, aware, folded
from askfirst.server.database import calls, parties
from askfirst.server.notetables import call_notes
from askfirst.server.privatecall import readable

LONGEST_NOTES = 4_000


class Disposition(StrEnum):
    """How the conversation went, in the agent's word.

    Not called outcome: a call's outcome (`model.OutcomeCode`) is what became of its recording, and
    is settled by the program and never by a person.
    """

    REACHED = "reached"
    ARRANGED = "arranged"
    CALL_BACK = "call-back"
    LEFT_MESSAGE = "left-message"
    NOT_INTERESTED = "not-interested"
    NO_ANSWER = "no-answer"
    WRONG_NUMBER = "wrong-number"


class AnyoneElse(StrEnum):
    """Whether anybody else was on the line; a yes means that somebody may not have been asked."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Written:
    """What is written about a call. `follow_up_on` is a day of the account's calendar."""

    disposition: Disposition | None = None
    notes: str = ""
    anyone_else: AnyoneElse | None = None
    follow_up_on: date | None = None


@dataclass(frozen=True, slots=True)
class CallNote:
    """What is written about a call, its version (0: nothing yet) and since when it is so."""

    call: str
    version: int
    written: Written
    updated_at: datetime | None = None
    is_forgotten: bool = False


class Conflict(Refused):
    """Somebody, perhaps the same person in another window, has written since; nothing changed."""


def read(connection: sa.Connection, person: Person, call: str) -> CallNote:
    """What is written about a call that a person reaches; raises NotFound, Refused.

    Of a private call nothing, for anybody but its agent.
    """
    ensure_reaches(connection, person, Permission.CALLS_READ, call)
    shown = sa.select(calls.c.id).where(calls.c.id == call, readable(person))
    if connection.execute(shown).first() is None:
        return CallNote(call, 0, Written())
    return _note(connection, call)


def may_write(connection: sa.Connection, person: Person, call: str) -> bool:
    """Whether a person is the call's agent, who alone writes about it."""
    agent = connection.execute(sa.select(calls.c.agent).where(calls.c.id == call)).scalar()
    return agent is not None and agent == person.id and person.may(Permission.CALLS_MAKE)


def save(
    connection: sa.Connection,
    person: Person,
    call: str,
    version: int,
    written: Written,
    at: datetime,
    *,
    default_region: str | None = None,
) -> CallNote:
    """What is written about a call afterwards; also while the call goes on.

    `version` is the one that was read. What is written already may be sent again, with any
    version. A day for a follow-up adds a contact where nobody has the call's number. Raises
    NotFound, Refused for anybody but the call's agent, Conflict, and InvalidRequest naming the
    field that cannot be kept.
    """
    aware(at)
    ensure_reaches(connection, person, Permission.CALLS_READ, call)
    if not may_write(connection, person, call):
        raise Refused("only the agent of a call writes about it")
    before = _note(connection, call)
    if before.is_forgotten:
        raise Refused("the person of this call was forgotten; nothing is written about them again")
    new = Written(
        written.disposition, _plain(written.notes), written.anyone_else, written.follow_up_on
    )
    if new == before.written:
        return before
    if version != before.version:
        raise Conflict(
            f"found version {version}, expected {before.version}: somebody has written about this "
            "call since. Read it again, then write once more"
        )
    if new.follow_up_on != before.written.follow_up_on:
        _promise(connection, person, call, new.follow_up_on, at, default_region)
    yes = AnyoneElse.YES
    if (new.anyone_else is yes) is not (before.written.anyone_else is yes):
        told = "call.someone-else" if new.anyone_else is yes else "call.nobody-else"
        audit.note(connection, at, person.id, told, call)
    _write(connection, call, before.version, new, at)
    return CallNote(call, before.version + 1, new, at)


def contact_of(
    connection: sa.Connection, call: str, default_region: str | None = None
) -> tuple[str | None, str | None]:
    """The number that a call was to, and the contact who has it; None for what is not known."""
    number: str | None = connection.execute(
        sa.select(parties.c.number)
        .where(parties.c.call == call, parties.c.role == Role.CONTACT.value)
        .order_by(parties.c.number_in_call)
        .limit(1)
    ).scalar()
    if number is None:
        return None, None
    return number, contacts.holder(connection, number, default_region)


def forget(connection: sa.Connection, of: Collection[str], at: datetime) -> int:
    """Take out what is written about these calls, for good; says about how many it was.

    A row without words stays, so that a page that is still open does not bring them back.
    """
    found = {
        row.call: row.version
        for row in connection.execute(sa.select(call_notes).where(call_notes.c.call.in_(of)))
    }
    connection.execute(call_notes.delete().where(call_notes.c.call.in_(of)))
    rows = [
        {
            "call": call,
            "version": found.get(call, 0) + 1,
            "notes": "",
            "searched": "",
            "updated_at": at,
            "forgotten_at": at,
        }
        for call in of
    ]
    if rows:
        connection.execute(call_notes.insert(), rows)
    return len(found)


def _note(connection: sa.Connection, call: str) -> CallNote:
    row = connection.execute(sa.select(call_notes).where(call_notes.c.call == call)).one_or_none()
    promised = followups.promised_in(connection, call)
    due = None if promised is None else promised.due
    if row is None:
        return CallNote(call, 0, Written(follow_up_on=due))
    written = Written(
        Disposition(row.disposition) if row.disposition else None,
        row.notes,
        AnyoneElse(row.anyone_else) if row.anyone_else else None,
        due,
    )
    return CallNote(call, row.version, written, row.updated_at, row.forgotten_at is not None)


def _write(connection: sa.Connection, call: str, version: int, new: Written, at: datetime) -> None:
    values = {
        "version": version + 1,
        "disposition": new.disposition,
        "notes": new.notes,
        "searched": folded(new.notes),
        "anyone_else": new.anyone_else,
        "updated_at": at,
    }
    if version == 0:
        connection.execute(call_notes.insert().values(call=call, **values))
        return
    key = (call_notes.c.call == call) & (call_notes.c.version == version)
    if connection.execute(call_notes.update().where(key).values(**values)).rowcount != 1:
        raise Conflict("somebody has written about this call since. Read it again")


def _promise(
    connection: sa.Connection,
    person: Person,
    call: str,
    due: date | None,
    at: datetime,
    region: str | None,
) -> None:
    """Promise, move or take back the follow-up of a call; what was done stays done."""
    promised = followups.promised_in(connection, call)
    if promised is not None and promised.done_at is None:
        followups.move(connection, promised.id, due)
        return
    if due is None:
        return
    number, contact = contact_of(connection, call, region)
    if number is None:
        raise InvalidRequest(
            "follow_up_on: the number of this call is not known; nothing can be promised for it",
            key="follow_up_on",
        )
    if contact is None:
        person.ensure(Permission.CONTACTS_WRITE)
        draft = Draft(owner=person.id, numbers=(Number(number),))
        contact = contacts.add(connection, draft, at, default_region=region)
        audit.note(connection, at, person.id, "contact.added", contact)
    followups.promise(connection, contact, due, owner=person.id, call=call)


def _plain(notes: str) -> str:
    """Notes as they are kept: lines end as ours do, and nothing follows the last word."""
    notes = notes.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    if len(notes) > LONGEST_NOTES:
        raise InvalidRequest(
            f"notes: found {len(notes)} characters; expected at most {LONGEST_NOTES}", key="notes"
        )
    for each in notes:
        # Cc are control characters, NUL among them; Cs are halves of characters.
        if each not in "\n\t" and unicodedata.category(each) in ("Cc", "Cs"):
            raise InvalidRequest(
                "notes: found a control character; expected plain text", key="notes"
            )
    return notes
