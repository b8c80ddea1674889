"""Who is never to be recorded: contacts who said so, and people who said so and were forgotten.

The page before a call and the call itself ask here, so that a wish outlives the contact.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from askfirst.policy import Policy
from askfirst.server import contacts, standingconsents
from askfirst.server.contactcard import standard
from askfirst.server.contacttables import contacts as rows
from askfirst.server.erasurelist import ErasureList
from askfirst.server.standingconsents import Why
from askfirst.server.store import Store


def objected(
    erasures: ErasureList,
    connection: sa.Connection,
    number: str,
    default_region: str | None = None,
) -> bool:
    """Whether whoever has a number is never to be recorded, known to the account or forgotten."""
    if contacts.objected(connection, number, default_region):
        return True
    written = standard(number, default_region)
    return written is not None and erasures.is_never(written)


def policy_for(
    erasures: ErasureList,
    connection: sa.Connection,
    number: str,
    policy: Policy,
    default_region: str | None = None,
) -> Policy:
    """The policy of a call to a number: the account's, and the objection of whoever has it."""
    if policy.contact_objected or not objected(erasures, connection, number, default_region):
        return policy
    return replace(policy, contact_objected=True)


def never(
    store: Store, connection: sa.Connection, contact: str, by: str, at: datetime, why: str = ""
) -> None:
    """From now on no call with a contact is recorded; what they had signed is withdrawn.

    Raises as `contacts.never_record`.
    """
    contacts.never_record(connection, contact, by, at, why)
    standingconsents.withdraw_all(store, connection, contact, Why.OBJECTED, by, at)


def take_over(store: Store, connection: sa.Connection, by: str, at: datetime) -> int:
    """Mark the contacts written at a moment who have a number of somebody who said never.

    So their page shows the wish, and the contact's own word can end it. Says how many there were.
    """
    written = connection.execute(sa.select(rows.c.id).where(rows.c.updated_at == at)).scalars()
    marked = 0
    for contact in contacts.get_all(connection, list(written)):
        numbers = [each.number for each in contact.numbers]
        if not contact.never_record and any(map(store.erasures.is_never, numbers)):
            never(store, connection, contact.id, by, at)
            marked += 1
    return marked


def end(
    erasures: ErasureList, connection: sa.Connection, contact: str, by: str, at: datetime
) -> None:
    """The contact has said that calls may be recorded again; only their own word counts.

    Raises as `contacts.may_record_again`.
    """
    contacts.may_record_again(connection, contact, by, at)
    numbers = [each.number for each in contacts.get(connection, contact).numbers]
    erasures.say_again(numbers, at)
