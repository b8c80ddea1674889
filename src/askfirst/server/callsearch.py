"""Words looked for in what people write: contacts, and notes of the calls that somebody reaches.

What was said is searched in `transcriptsearch`, by an index that holds no word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callreader import Wanted, call_lines, within
from askfirst.server.contactcard import Contact, folded, plain, standard
from askfirst.server.contactsearch import Search, find
from askfirst.server.database import calls
from askfirst.server.notetables import call_notes
from askfirst.server.privatecall import readable

LONGEST = 200
_AROUND = 60


@dataclass(frozen=True, slots=True)
class CallHit:
    """A call that was found: by its notes, with the words around, or by whom it was with."""

    call: str
    created_at: datetime
    found_in: str
    text: str | None = None


def search_contacts(
    connection: sa.Connection, text: str, region: str | None, most: int
) -> tuple[Contact, ...]:
    """Contacts by name, company, e-mail or number. Raises InvalidRequest for no usable text."""
    return find(connection, Search(_checked(text), default_region=region), limit=most).contacts


def search_calls(
    connection: sa.Connection,
    person: Person,
    text: str,
    people: tuple[Contact, ...],
    region: str | None,
    most: int,
) -> list[CallHit]:
    """Calls that a person reaches, with notes of these words or with these people; newest first.

    Raises InvalidRequest for no usable text.
    """
    wanted = folded(_checked(text)).split()
    query = (
        sa.select(calls.c.id, calls.c.created_at, call_notes.c.notes)
        .select_from(
            call_notes.join(calls, calls.c.id == call_notes.c.call).outerjoin(
                users, users.c.id == calls.c.agent
            )
        )
        .where(
            within(person, Permission.CALLS_READ),
            readable(person),
            *(call_notes.c.searched.contains(word, autoescape=True) for word in wanted),
        )
        .order_by(calls.c.id.desc())
        .limit(most)
    )
    found = {
        row.id: CallHit(row.id, row.created_at, "notes", _around(row.notes, wanted[0]))
        for row in connection.execute(query)
    }
    numbers = {each.number for contact in people for each in contact.numbers}
    number = standard(text, region)
    numbers |= {number} if number is not None else set()
    if numbers:
        for line in call_lines(connection, person, Wanted(most=most, numbers=frozenset(numbers))):
            found.setdefault(line.id, CallHit(line.id, line.created_at, "contact"))
    return sorted(found.values(), key=lambda hit: hit.call, reverse=True)[:most]


def _checked(text: str) -> str:
    tidied = plain(text)
    if not tidied or len(tidied) > LONGEST or "\0" in tidied or not folded(tidied).split():
        raise InvalidRequest(f"q: expected 1 to {LONGEST} characters", key="q")
    return tidied


def _around(notes: str, word: str) -> str:
    """Some of the notes, with a word in it where the letters say so."""
    at = max(0, notes.casefold().find(word))
    begin = max(0, at - _AROUND)
    cut = " ".join(notes[begin : at + _AROUND].split())
    return f"{'… ' if begin else ''}{cut}{' …' if at + _AROUND < len(notes) else ''}"
