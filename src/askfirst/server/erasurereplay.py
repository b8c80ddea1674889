"""After a restore: what was erased since the backup is erased again before anything is served.

The erasure list says what went and who was forgotten. Whatever of it is there is erased once more,
whether the database, the key store or the objects brought it back, and the ledger says so. People
are known by keyed hashes; what came of a later call with them is no business of an older erasure.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, Unavailable
from askfirst.ledger import Kind
from askfirst.model import RecordingState, Role
from askfirst.server import contacts, erasure, standingconsents, standingdocument, waiting
from askfirst.server.account import account
from askfirst.server.contactcard import standard
from askfirst.server.contacttables import contact_numbers
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.database import (
    calls,
    erasures,
    outbox,
    parties,
    reading,
    recordings,
    scrub,
    transaction,
)
from askfirst.server.erasurelist import Listed
from askfirst.server.privatecall import number_of_party
from askfirst.server.requesttables import restrictions
from askfirst.server.store import Store

log = logging.getLogger(__name__)

REASON = "restored"


@dataclass(frozen=True, slots=True)
class Returned:
    """What is on the erasure list and is there again.

    `recordings` have rows that are not erased, `leftovers` are recordings of which only keys or
    bytes are back and `standing` such standing consents, `salts` those of forgotten parties (call
    and number in it), `forgets` parties whose number is back, `contacts` ids, `asked` recordings
    of people who were forgotten later.
    """

    recordings: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    salts: tuple[str, ...] = ()
    forgets: tuple[tuple[str, int], ...] = ()
    contacts: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        bare = (self.leftovers, self.salts, self.standing)
        return any((self.recordings, self.forgets, self.contacts, *bare))

    def counts(self) -> dict[str, int]:
        """How many recordings, calls and contacts are concerned."""
        return {
            "recordings": len({*self.recordings, *self.leftovers, *self.asked}),
            "calls": len({call for call, _ in self.forgets}),
            "contacts": len(self.contacts),
        }


def returned(store: Store) -> Returned:
    """What would be erased again; changes nothing."""
    erased, gone = store.erasures.ids(Listed.RECORDING), store.erasures.ids(Listed.PARTY)
    scopes = store.keys.scopes()
    bytes_of = {name.partition("/")[0] for name in store.blobs.names()}
    bytes_of |= {folder.name for folder in store.spool.iterdir()}
    with reading(store.engine) as connection:
        kept = set(
            connection.execute(
                # One whose call goes on is being erased right now, by whoever carries the call.
                sa.select(recordings.c.id)
                .join(calls)
                .where(
                    recordings.c.state != RecordingState.ERASED.value,
                    calls.c.ended_at.is_not(None),
                )
            ).scalars()
        )
        running = set(
            connection.execute(
                sa.select(recordings.c.id).join(calls).where(calls.c.ended_at.is_(None))
            ).scalars()
        )
        forgets = _parties_again(store, connection, gone)
        return Returned(
            recordings=tuple(sorted(erased & kept)),
            leftovers=tuple(sorted((erased & (scopes | bytes_of)) - kept - running)),
            salts=tuple(sorted(gone & scopes)),
            forgets=forgets,
            contacts=_contacts_again(store, connection),
            asked=_recordings_of(connection, {call for call, _ in forgets}, erased),
            standing=tuple(sorted(store.erasures.ids(Listed.STANDING) & (scopes | bytes_of))),
        )


def replay(store: Store, at: datetime) -> Returned:
    """Erase again what is on the erasure list and is there; gives what there was.

    For whoever opens an installation, before anything is served. Raises Unavailable where
    something could not be erased: nothing may be served then.
    """
    _complete(store, at)
    found = returned(store)
    if not found:
        return found
    log.warning("erasure.replayed recordings=%d", len(found.recordings) + len(found.leftovers))
    for recording in found.recordings:
        _erase_again(store, recording, at)
    for recording in found.leftovers:
        erasure.destroy(store, recording)
    for salt in found.salts:
        store.keys.destroy_salt(salt)
    for consent in found.standing:
        standingdocument.destroy(store, consent)
    with transaction(store.engine) as connection:
        # A hold or a duty of the present keeps these, as it did when they were asked for.
        for recording in found.asked:
            erasure.intend(store, connection, recording, REASON, at)
        for call, party in found.forgets:
            waiting.wait(connection, waiting.FORGET, call, party, at)
        for contact in found.contacts:
            standingconsents.forget(store, connection, contact, at)
            contacts.forget_contact(connection, contact)
        store.ledger.append(connection, Kind.ERASURE_REPLAYED, at, data=found.counts())
    erasure.carry_out(store, at)
    scrub(store.engine)
    if left := returned(store):
        raise Unavailable(
            f"after a restore {len(left.recordings) + len(left.leftovers)} recordings, "
            f"{len(left.forgets)} numbers and {len(left.contacts)} contacts on the erasure list "
            "could not be erased again; nothing is served. Check the disk and its rights, and "
            "start again"
        )
    return found


def _complete(store: Store, at: datetime) -> None:
    """Put on the list what the database knows to be erased: from before there was a list, or of
    one that was lost.
    """
    with reading(store.engine) as connection:
        gone = connection.execute(
            sa.select(erasures.c.recording).where(erasures.c.done_at.is_not(None))
        ).scalars()
        erased = set(gone)
        done = connection.execute(
            sa.select(outbox).where(outbox.c.kind == waiting.FORGET, outbox.c.sent_at.is_not(None))
        ).all()
    store.erasures.add(Listed.RECORDING, sorted(erased), at)
    store.erasures.add(
        Listed.PARTY, sorted(f"{order.ref}/{waiting.detail_of(order)}" for order in done), at
    )


def _erase_again(store: Store, recording: str, at: datetime) -> None:
    """Erase a recording that was erased before; a hold of then was released before that."""
    with transaction(store.engine) as connection:
        connection.execute(
            recordings.update()
            .where(recordings.c.id == recording)
            .values(legal_hold=False, mandatory=None)
        )
        connection.execute(restrictions.delete().where(restrictions.c.recording == recording))
        erasure.intend(store, connection, recording, REASON, at)
    try:
        erasure.erase(store, recording, at)
    except AskfirstError as error:
        log.error("erasure.waits recording=%s error=%s", recording, type(error).__name__)


def _parties_again(
    store: Store, connection: sa.Connection, gone: frozenset[str]
) -> tuple[tuple[str, int], ...]:
    """Parties whose number is there and was forgotten, bar those that wait for it already."""
    since = store.erasures.people(Listed.NUMBER)
    if not since and not gone:
        return ()
    region = account(connection).region
    number = number_of_party()
    query = sa.select(
        parties.c.call, parties.c.number_in_call, number.label("number"), calls.c.created_at
    ).join(calls)
    query = query.where(number.is_not(None), parties.c.role == Role.CONTACT.value)
    waits = {order.id for order in waiting.orders(connection, waiting.FORGET)}
    marks: dict[str, str] = {}

    def forgotten_at(text: str) -> datetime | None:
        if text not in marks:
            marks[text] = store.erasures.number_mark(_written(text, region))
        return since.get(marks[text])

    def is_again(row: Any) -> bool:
        if f"{row.call}/{row.number_in_call}" in gone:
            return True
        at = forgotten_at(row.number)
        return at is not None and row.created_at <= at

    return tuple(
        (row.call, row.number_in_call)
        for row in connection.execute(query.order_by(parties.c.call))
        if waiting.order_id(waiting.FORGET, row.call, row.number_in_call) not in waits
        and is_again(row)
    )


def _written(text: str, region: str | None) -> str:
    """A number as it is hashed; what is in E.164 needs no number library."""
    if text.startswith("+") and text[1:].isascii() and text[1:].isdigit():
        return text
    return standard(text, region) or text


def _contacts_again(store: Store, connection: sa.Connection) -> tuple[str, ...]:
    """Contacts on the list, and those who have an address of it and were not written since."""
    found = set(
        connection.execute(
            sa.select(contact_rows.c.id).where(
                contact_rows.c.id.in_(store.erasures.ids(Listed.CONTACT))
            )
        ).scalars()
    )
    numbers, mails = store.erasures.people(Listed.NUMBER), store.erasures.people(Listed.MAIL)
    if numbers:
        by_number = sa.select(
            contact_numbers.c.contact, contact_numbers.c.number, contact_rows.c.updated_at
        ).join(contact_rows)
        for row in connection.execute(by_number):
            at = numbers.get(store.erasures.number_mark(row.number))
            if at is not None and row.updated_at <= at:
                found.add(row.contact)
    if mails:
        by_mail = sa.select(contact_rows.c.id, contact_rows.c.email, contact_rows.c.updated_at)
        for row in connection.execute(by_mail.where(contact_rows.c.email != "")):
            at = mails.get(store.erasures.mail_mark(row.email))
            if at is not None and row.updated_at <= at:
                found.add(row.id)
    return tuple(sorted(found))


def _recordings_of(
    connection: sa.Connection, of: set[str], erased: frozenset[str]
) -> tuple[str, ...]:
    """Recordings of these calls that are not on the list themselves and nobody asked about yet."""
    asked = sa.select(outbox.c.ref).where(
        outbox.c.kind == waiting.ERASE, outbox.c.sent_at.is_(None)
    )
    query = sa.select(recordings.c.id).where(
        recordings.c.call.in_(of),
        recordings.c.state != RecordingState.ERASED.value,
        recordings.c.id.not_in(asked),
    )
    return tuple(sorted(set(connection.execute(query).scalars()) - erased))
