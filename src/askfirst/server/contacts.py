"""Contacts: written, read, archived; what they agreed to, and who of them is never recorded.

Every function works inside the caller's transaction (`database.transaction`, or `reading` for
those that only read) and takes the time as an argument. Looking for contacts is
`contactsearch`, what a contact is `contactcard`, what is due with them `followups`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.model import Role, Source
from askfirst.server.accounttables import users
from askfirst.server.contactcard import (
    Contact,
    Draft,
    KnownPlace,
    Number,
    aware,
    checked,
    checked_reason,
    searched,
    seat,
    sort_key,
    standard,
)
from askfirst.server.contacttables import (
    contact_numbers,
    contact_places,
    contacts,
    follow_ups,
)
from askfirst.server.database import consents, parties
from askfirst.server.ids import new_id
from askfirst.server.standingtables import standing_consents

MOST_CONSENTS = 500
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Consent:
    """One line of a contact's consent history, with the call and the ledger entry it rests on.

    `kind` is informed, agreed, refused or withdrawn; `at_ms` the call time of it.
    """

    id: str
    call: str
    party: int
    kind: str
    how: str
    proof: int
    uses: tuple[str, ...]
    at: datetime
    at_ms: int
    ledger: int


# Written


def add(
    connection: sa.Connection, draft: Draft, at: datetime, *, default_region: str | None = None
) -> str:
    """The id of a new contact.

    `default_region` is used for numbers without +. Raises InvalidRequest naming the field that
    cannot be kept, NotFound for an owner or user that there is not, and Refused when another
    contact has one of the numbers, archived or not.
    """
    return add_all(connection, [checked(draft, default_region)], at)[0]


def add_all(connection: sa.Connection, drafts: Sequence[Draft], at: datetime) -> list[str]:
    """The ids of new contacts, in the order of their drafts, which `checked` has given.

    No number may stand in two of the drafts. Raises as `add`, and then none is added.
    """
    aware(at)
    _check_users(connection, drafts)
    _check_numbers(connection, drafts, None)
    ids = [new_id("pers") for _ in drafts]
    stamps = {"created_at": at, "updated_at": at, "never_record": False}
    if drafts:
        connection.execute(
            contacts.insert(),
            [
                {"id": contact, **stamps, **_columns(draft)}
                for contact, draft in zip(ids, drafts, strict=True)
            ],
        )
    _write_parts(connection, list(zip(ids, drafts, strict=True)))
    return ids


def change(
    connection: sa.Connection,
    contact: str,
    draft: Draft,
    at: datetime,
    *,
    default_region: str | None = None,
) -> Contact:
    """The contact after everything that may be written about it became the draft.

    Raises as `add`, NotFound for an unknown contact and Refused for an archived one.
    """
    aware(at)
    if get(connection, contact).archived_at is not None:
        raise Refused(f"contact {contact} is archived; restore it before it is changed")
    kept = checked(draft, default_region)
    _check_users(connection, [kept])
    _check_numbers(connection, [kept], contact)
    _update(connection, contact, updated_at=at, **_columns(kept))
    for table in (contact_numbers, contact_places):
        connection.execute(table.delete().where(table.c.contact == contact))
    _write_parts(connection, [(contact, kept)])
    return get(connection, contact)


def archive(connection: sa.Connection, contact: str, at: datetime) -> None:
    """Take a contact out of lists and searches; its numbers and its "never record" stay.

    Raises NotFound for an unknown contact; one that is archived stays as it is.
    """
    aware(at)
    if get(connection, contact).archived_at is None:
        _update(connection, contact, archived_at=at, updated_at=at)


def restore(connection: sa.Connection, contact: str, at: datetime) -> None:
    """Put an archived contact back into lists; raises NotFound for an unknown one."""
    aware(at)
    if get(connection, contact).archived_at is not None:
        _update(connection, contact, archived_at=None, updated_at=at)


def learn_place(
    connection: sa.Connection, contact: str, code: str, source: Source, by: str, at: datetime
) -> Contact:
    """The contact after one more place was added; known ones stay, because places only add.

    Raises as `change`.
    """
    known = get(connection, contact).draft
    place = KnownPlace(code, source, at, by)
    return change(connection, contact, replace(known, places=(*known.places, place)), at)


def forget(connection: sa.Connection, number: str) -> int:
    """Delete every trace of the contact who has a number; says how many contacts went.

    For `forgetting.forget`, which also empties the database's log, and has put the objection to
    being recorded on the erasure list before: nobody has to keep the number for it.
    """
    found = holder(connection, number)
    return 0 if found is None else forget_contact(connection, found)


def forget_contact(connection: sa.Connection, contact: str) -> int:
    """Delete every trace of a contact, also of one without a number; says how many went.

    What they signed is an object that `standingconsents.forget` destroys before.
    """
    for table in (contact_numbers, contact_places, follow_ups, standing_consents):
        connection.execute(table.delete().where(table.c.contact == contact))
    return connection.execute(contacts.delete().where(contacts.c.id == contact)).rowcount


# Read


def get(connection: sa.Connection, contact: str) -> Contact:
    """The contact of an id, archived or not; raises NotFound."""
    found = get_all(connection, [contact])
    if not found:
        raise NotFound("no contact has this id; it was never there, or the person was forgotten")
    return found[0]


def get_all(connection: sa.Connection, ids: Collection[str]) -> list[Contact]:
    """The contacts of these ids, in the order of lists; ids that there are not are left out."""
    rows = connection.execute(
        sa.select(contacts)
        .where(contacts.c.id.in_(ids))
        .order_by(contacts.c.sort_key, contacts.c.id)
    ).all()
    numbers: dict[str, list[Number]] = {row.id: [] for row in rows}
    places: dict[str, list[KnownPlace]] = {row.id: [] for row in rows}
    for row in connection.execute(
        sa.select(contact_numbers)
        .where(contact_numbers.c.contact.in_(numbers))
        .order_by(contact_numbers.c.position)
    ):
        numbers[row.contact].append(Number(row.number, row.label, row.is_primary))
    for row in connection.execute(
        sa.select(contact_places)
        .where(contact_places.c.contact.in_(places))
        .order_by(contact_places.c.code, contact_places.c.source)
    ):
        place = KnownPlace(row.code, Source(row.source), row.since, row.by)
        places[row.contact].append(place)
    return [_contact(row, numbers[row.id], places[row.id]) for row in rows]


def holder(connection: sa.Connection, number: str, default_region: str | None = None) -> str | None:
    """The id of the contact who has a number, in any usual spelling; None if nobody has."""
    written = standard(number, default_region)
    if written is None:
        return None
    query = sa.select(contact_numbers.c.contact).where(contact_numbers.c.number == written)
    return connection.execute(query).scalar_one_or_none()


def holders(connection: sa.Connection, numbers: Iterable[str]) -> dict[str, str]:
    """The contacts who have some of these numbers (E.164), by number."""
    wanted, found = sorted(set(numbers)), dict[str, str]()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        query = sa.select(contact_numbers.c.number, contact_numbers.c.contact)
        for row in connection.execute(query.where(contact_numbers.c.number.in_(some))):
            found[row.number] = row.contact
    return found


def languages(connection: sa.Connection, call: str) -> frozenset[str]:
    """The languages that are written down for the contacts of a call; none where nobody knows."""
    query = (
        sa.select(contacts.c.language)
        .join(contact_numbers, contact_numbers.c.contact == contacts.c.id)
        .join(parties, parties.c.number == contact_numbers.c.number)
        .where(parties.c.call == call, parties.c.role != Role.AGENT.value)
    )
    return frozenset(each for each in connection.execute(query).scalars() if each)


def users_exist(connection: sa.Connection, ids: Iterable[str | None]) -> None:
    """Return if every id is that of a user, None aside; raises NotFound otherwise."""
    wanted = {each for each in ids if each is not None}
    found = connection.execute(sa.select(users.c.id).where(users.c.id.in_(wanted)))
    if wanted - set(found.scalars()):
        raise NotFound("no user has this id; expected the id of somebody of the account")


# Never record


def never_record(
    connection: sa.Connection, contact: str, by: str, at: datetime, why: str = ""
) -> None:
    """From now on no call with this contact is recorded, whatever the law would allow.

    Works on archived contacts too. The first to say so, and why, stays on record when it is said
    again. Raises NotFound for an unknown contact or user, InvalidRequest for a reason that cannot
    be kept.
    """
    aware(at)
    reason = checked_reason(why)
    if not get(connection, contact).never_record:
        _flag(connection, contact, True, by, at, reason)


def may_record_again(connection: sa.Connection, contact: str, by: str, at: datetime) -> None:
    """The contact has said that calls may be recorded again; only their own word counts.

    Raises NotFound for an unknown contact or user.
    """
    aware(at)
    if get(connection, contact).never_record:
        _flag(connection, contact, False, by, at, "")


def objected(connection: sa.Connection, number: str, default_region: str | None = None) -> bool:
    """Whether the contact who has a number is never to be recorded; archived ones count."""
    found = holder(connection, number, default_region)
    return found is not None and get(connection, found).never_record


# Consents


def consent_history(
    connection: sa.Connection, contact: str, limit: int = MOST_CONSENTS
) -> tuple[Consent, ...]:
    """What a contact was told, agreed to, refused and withdrew, the newest first.

    Found by the contact's numbers over all calls, those before it became a contact included.
    At most `limit` of them, from 1 to 500. Raises NotFound for an unknown contact.
    """
    get(connection, contact)
    own = sa.select(contact_numbers.c.number).where(contact_numbers.c.contact == contact)
    rows = connection.execute(
        sa.select(consents)
        .join(
            parties,
            (parties.c.call == consents.c.call) & (parties.c.number_in_call == consents.c.party),
        )
        .where(parties.c.number.in_(own), parties.c.role == Role.CONTACT.value)
        .order_by(consents.c.at.desc(), consents.c.ledger.desc())
        .limit(max(1, min(limit, MOST_CONSENTS)))
    )
    return tuple(
        Consent(
            id=row.id,
            call=row.call,
            party=row.party,
            kind=row.kind,
            how=row.how,
            proof=row.proof,
            uses=tuple(row.uses),
            at=row.at,
            at_ms=row.at_ms,
            ledger=row.ledger,
        )
        for row in rows
    )


def last_consent(connection: sa.Connection, contact: str) -> Consent | None:
    """The newest line of a contact's consent history, None without one; raises NotFound."""
    return next(iter(consent_history(connection, contact, 1)), None)


# Parts


def _contact(row: Any, numbers: Sequence[Number], places: Sequence[KnownPlace]) -> Contact:
    return Contact(
        id=row.id,
        name=row.name,
        company=row.company,
        email=row.email,
        owner=row.owner,
        notes=row.notes,
        language=row.language or "",
        numbers=tuple(numbers),
        places=tuple(places),
        never_record=row.never_record,
        never_record_at=row.never_record_at,
        never_record_by=row.never_record_by,
        never_record_why=row.never_record_why or "",
        created_at=row.created_at,
        updated_at=row.updated_at,
        archived_at=row.archived_at,
    )


def _columns(draft: Draft) -> dict[str, object]:
    return {
        "name": draft.name,
        "company": draft.company,
        "email": draft.email,
        "owner": draft.owner,
        "notes": draft.notes,
        "language": draft.language or None,
        "sort_key": sort_key(draft),
        "searched": searched(draft),
        "seat": seat(draft),
    }


def _write_parts(connection: sa.Connection, drafts: Iterable[tuple[str, Draft]]) -> None:
    numbers: list[dict[str, object]] = []
    places: list[dict[str, object]] = []
    for contact, draft in drafts:
        numbers += [
            {
                "number": each.number,
                "contact": contact,
                "position": position,
                "label": each.label,
                "is_primary": each.is_primary,
            }
            for position, each in enumerate(draft.numbers)
        ]
        places += [
            {
                "contact": contact,
                "code": each.code,
                "source": each.source.value,
                "since": each.since,
                "by": each.by,
            }
            for each in draft.places
        ]
    for table, rows in ((contact_numbers, numbers), (contact_places, places)):
        if rows:
            connection.execute(table.insert(), rows)


def _check_numbers(connection: sa.Connection, drafts: Iterable[Draft], but: str | None) -> None:
    drafts = list(drafts)
    taken = holders(connection, (each.number for draft in drafts for each in draft.numbers))
    for draft in drafts:
        for position, each in enumerate(draft.numbers, 1):
            other = taken.get(each.number)
            if other is not None and other != but:
                if get(connection, other).archived_at is not None:
                    raise Refused(
                        f"number {position} belongs to contact {other} already, which is archived; "
                        "restore it, or take the number from it first"
                    )
                raise Refused(
                    f"number {position} belongs to contact {other} already; change that one, or "
                    "take the number from it first"
                )


def _check_users(connection: sa.Connection, drafts: Iterable[Draft]) -> None:
    wanted: set[str | None] = set()
    for draft in drafts:
        wanted |= {draft.owner, *(each.by for each in draft.places)}
    users_exist(connection, wanted)


def _flag(
    connection: sa.Connection, contact: str, flag: bool, by: str, at: datetime, why: str
) -> None:
    users_exist(connection, {by})
    _update(
        connection,
        contact,
        never_record=flag,
        never_record_at=at,
        never_record_by=by,
        never_record_why=why or None,
        updated_at=at,
    )


def _update(connection: sa.Connection, contact: str, **values: object) -> None:
    connection.execute(contacts.update().where(contacts.c.id == contact).values(**values))
