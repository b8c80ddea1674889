"""Forgetting a person: the number in every spelling, its salts, what was written, the contact.

A number stays on calls that go on or have a recording left. That it is to be forgotten there, too,
is kept as an order and done when the last recording of the call goes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError
from askfirst.model import RecordingState
from askfirst.server import callnotes, contacts, copies, queuetexts, standingconsents, waiting
from askfirst.server.account import account
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import plain, standard
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.database import calls, parties, reading, recordings, scrub, transaction
from askfirst.server.erasurelist import Listed
from askfirst.server.privatecall import FIRST_CONTACT, number_of_party
from askfirst.server.store import Store

log = logging.getLogger(__name__)

_END = 4
"""Digits at the end of a number that no way of writing it changes."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """In how many calls a number was forgotten.

    `is_scrubbed` is False while deleted text may stand in the database's log, because somebody
    was reading; the next sweep empties it.
    """

    calls: int
    is_scrubbed: bool = True


def spellings(connection: sa.Connection, numbers: Collection[str]) -> frozenset[str]:
    """Every way in which these numbers (E.164) are written on calls.

    Numbers without + are read as those of the account's country.
    """
    if not numbers:
        return frozenset()
    ends = {number[-_END:] for number in numbers}
    region = account(connection).region
    stored = sa.union(
        sa.select(parties.c.number).where(parties.c.number.is_not(None)),
        sa.select(calls.c.private_number).where(calls.c.private_number.is_not(None)),
    )
    found = {
        text
        for text in connection.execute(stored).scalars()
        # Most are ruled out by their last digits, without the number library.
        if _digits(text)[-_END:] in ends and standard(text, region) in numbers
    }
    return frozenset(found | set(numbers))


def forget(store: Store, numbers: Collection[str], contact: str | None = None) -> Forgotten:
    """Forget a person's numbers (E.164) in every ended call that has no recording left.

    The salts are destroyed with them, so that no commitment in the ledger can be tied to a number
    again; the entries stay. What the agent wrote about these calls goes too. Other calls follow
    when they are over and their last recording goes. The contact, and whoever has one of the
    numbers, is deleted; that this person was never to be recorded stays, as a keyed hash, on the
    erasure list.
    """
    at = utc_now()
    _enter(store, numbers, contact, at)
    for consent in _consents_of(store, numbers, contact):
        copies.destroy_with(store, consent)
    with transaction(store.engine) as connection:
        spelled = spellings(connection, numbers)
        rows = connection.execute(
            sa.select(parties.c.call, parties.c.number_in_call)
            .join(calls, calls.c.id == parties.c.call)
            .where(number_of_party().in_(spelled))
        ).all()
        # Kept before anything is done: a crash delays it and does not lose it.
        for row in rows:
            waiting.wait(connection, waiting.FORGET, row.call, row.number_in_call, at)
        for holder in _holders(connection, numbers, contact):
            standingconsents.forget(store, connection, holder, at)
        gone = sum(contacts.forget(connection, number) for number in numbers)
        if contact is not None:
            gone += contacts.forget_contact(connection, contact)
    done = _carry_out(store, at, {row.call for row in rows})
    if not done and not gone:
        return Forgotten(0)
    return Forgotten(done, _scrubbed(store))


def _enter(store: Store, numbers: Collection[str], contact: str | None, at: datetime) -> None:
    """Put somebody on the erasure list, before anything of them is forgotten."""
    with reading(store.engine) as connection:
        found = _holders(connection, numbers, contact)
        rows = connection.execute(
            sa.select(contact_rows.c.email, contact_rows.c.never_record, contact_rows.c.id).where(
                contact_rows.c.id.in_(found)
            )
        ).all()
        never: set[str] = set()
        for row in rows:
            if row.never_record:
                never |= {each.number for each in contacts.get(connection, row.id).numbers}
    store.erasures.say_never(sorted(never), at)
    store.erasures.add(Listed.CONTACT, sorted(found), at)
    store.erasures.add_people(numbers, [row.email for row in rows], at)


def _holders(
    connection: sa.Connection, numbers: Collection[str], contact: str | None
) -> frozenset[str]:
    """The contacts that go: the one that is named, and whoever has one of the numbers."""
    holders = {contacts.holder(connection, number) for number in numbers} | {contact}
    return frozenset(each for each in holders if each is not None)


def _consents_of(store: Store, numbers: Collection[str], contact: str | None) -> list[str]:
    """The standing consents of those who go, for the copies that they are in."""
    with reading(store.engine) as connection:
        holders = _holders(connection, numbers, contact)
        return [each for holder in holders for each in standingconsents.ids_of(connection, holder)]


def carry_out(store: Store, at: datetime, call: str | None = None) -> int:
    """Forget what waited for its call and can go now, of all calls or one; says how many."""
    done = _carry_out(store, at, None if call is None else {call})
    if done:
        _scrubbed(store)
    return done


def _carry_out(store: Store, at: datetime, of: Collection[str] | None) -> int:
    kept = sa.select(recordings.c.call).where(recordings.c.state != RecordingState.ERASED.value)
    with reading(store.engine) as connection:
        over = sa.select(calls.c.id).where(calls.c.ended_at.is_not(None), calls.c.id.not_in(kept))
        orders = [
            order
            for order in waiting.orders(connection, waiting.FORGET)
            if of is None or order.ref in of
        ]
        free = set(
            connection.execute(over.where(calls.c.id.in_({each.ref for each in orders}))).scalars()
        )
    done: set[str] = set()
    for order in orders:
        if order.ref not in free:
            continue
        try:
            _forget_in(store, order, at)
            done.add(order.ref)
        except AskfirstError as error:
            log.error("forgetting.waits call=%s error=%s", order.ref, type(error).__name__)
    return len(done)


def _forget_in(store: Store, order: Any, at: datetime) -> None:
    """Take one party's number out of a call that is over."""
    party = int(waiting.detail_of(order))
    store.erasures.add(Listed.PARTY, [f"{order.ref}/{party}"], at)
    store.keys.destroy_salt(f"{order.ref}/{party}")
    with transaction(store.engine) as connection:
        of_party = (parties.c.call == order.ref) & (parties.c.number_in_call == party)
        of_call = calls.c.id == order.ref
        known = sa.select(number_of_party()).join(calls, calls.c.id == parties.c.call)
        number = connection.execute(known.where(of_party)).scalar()
        connection.execute(parties.update().where(of_party).values(number=None))
        if party == FIRST_CONTACT:
            connection.execute(calls.update().where(of_call).values(private_number=None))
        decision = connection.execute(sa.select(calls.c.decision).where(of_call)).scalar()
        connection.execute(
            calls.update().where(of_call).values(decision=_without(decision, number))
        )
        callnotes.forget(connection, [order.ref], at)
        queuetexts.forget(store, connection, order.ref)
        waiting.end(connection, order, at)


def _scrubbed(store: Store) -> bool:
    is_scrubbed = scrub(store.engine)
    if not is_scrubbed:
        log.warning("forgetting.log-not-emptied")
    return is_scrubbed


def _digits(text: str) -> str:
    return "".join(each for each in plain(text) if each.isdecimal())


def _without(decision: Any, number: str | None) -> Any:
    """A stored decision without a number; its places and reasons stay."""
    if decision is None or number is None:
        return decision
    people = [
        {**party, "number": None} if _is_same(party["number"], number) else party
        for party in decision["parties"]
    ]
    return {**decision, "parties": people}


def _is_same(one: str | None, other: str) -> bool:
    """Whether two spellings in one call are of one number, its country written or not."""
    if one is None or one == other:
        return one is not None
    short, long = sorted((_digits(one).lstrip("0"), _digits(other).lstrip("0")), key=len)
    return len(short) > _END and long.endswith(short)
