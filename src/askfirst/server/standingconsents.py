"""The register of standing consents: filed, listed, found for a call, withdrawn and forgotten.

Withdrawing comes first to the erasure list, which outlives a restore of the database: a consent
that was taken back is never brought back by a backup. Every function that takes a connection works
inside the caller's transaction; times and days are in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.ledger import Kind, commit
from askfirst.model import Element, Purpose, Role, Use
from askfirst.notice import LANGUAGES
from askfirst.server import audit, contacts, standingdocument
from askfirst.server.contacttables import contacts as contact_rows
from askfirst.server.database import calls, parties, reading, transaction
from askfirst.server.erasurelist import ErasureList, Listed
from askfirst.server.ids import new_id
from askfirst.server.standingdocument import DocumentForm
from askfirst.server.standingscope import PAPER_ELEMENTS, PAPER_USES, Scope
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store

USUAL_DAYS, MOST_DAYS = 365, 730
"""For how long a consent holds when nobody says, and at most: nobody remembers for longer what they
signed, and a consent has to be a present wish (EDPB guidelines 05/2020, 110)."""


class Why(StrEnum):
    """How a consent came to its end before its last day."""

    ASKED = "asked"
    REPLACED = "replaced"
    MISTAKE = "mistake"
    OBJECTED = "objected"
    SAID_NO = "said-no"


BY_HAND = (Why.ASKED, Why.REPLACED, Why.MISTAKE)
"""Reasons that somebody may give; the others follow from what the contact did."""


class Standing(StrEnum):
    """How a consent stands on a day."""

    COMING = "coming"
    HOLDS = "holds"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Filing:
    """A consent as somebody files it; without `numbers` it is for all that the contact has.

    `ends_on` is its last day; without one it is the usual time after it was given. Exactly one of
    `document` (the signed text) and `filed_at` (where the paper is) is wanted.
    """

    purposes: frozenset[Purpose]
    uses: frozenset[Use]
    elements: frozenset[Element]
    language: str
    given_on: date
    ends_on: date | None = None
    numbers: tuple[str, ...] = ()
    document: bytes | None = field(default=None, repr=False)
    filed_at: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class StandingConsent:
    """A consent on file. `withdrawn_by` None: the contact, in a call that nobody had."""

    scope: Scope
    contact: str
    marks: frozenset[str]
    language: str
    form: DocumentForm
    filed_by: str
    filed_at: datetime
    is_withdrawn: bool
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_why: Why | None = None

    @property
    def id(self) -> str:
        """Its id, which is in the ledger's entries."""
        return self.scope.id

    def standing(self, on: date) -> Standing:
        """How it stands on a day."""
        if self.is_withdrawn:
            return Standing.WITHDRAWN
        if on > self.scope.ends_on:
            return Standing.EXPIRED
        return Standing.HOLDS if self.scope.holds(on) else Standing.COMING


# Written


def file(store: Store, contact: str, filing: Filing, by: str, at: datetime) -> StandingConsent:
    """File a consent of a contact; it counts from its first day on, in calls that begin later.

    Raises InvalidRequest naming what cannot be kept, NotFound for an unknown contact, and Refused
    for one who is archived, is never to be recorded, or is forgotten meanwhile.
    """
    document = standingdocument.checked(filing.document, filing.filed_at)
    made = new_id("stc")
    with transaction(store.engine) as connection:
        # The row first: what a crash leaves behind is found by it, and destroyed with the contact.
        numbers = _ensure_can(connection, contact, filing)
        values = _values(store, filing, numbers, at.date())
        connection.execute(
            standing_consents.insert().values(
                id=made,
                contact=contact,
                form=document.form.value,
                filed_by=by,
                filed_at=at,
                **values,
            )
        )
    sealed = standingdocument.seal(store, made, document)
    digest = hashlib.sha256(document.content).hexdigest()
    with transaction(store.engine) as connection:
        done = connection.execute(
            standing_consents.update().where(standing_consents.c.id == made).values(document=sealed)
        )
        if done.rowcount == 1:
            _enter(store, connection, made, by, at, digest)
            return get(store.erasures, connection, made)
    standingdocument.destroy(store, made)
    raise Refused("the contact was forgotten meanwhile; nothing was kept")


def withdraw(
    store: Store, connection: sa.Connection, consent: str, why: Why, by: str | None, at: datetime
) -> bool:
    """Take a consent back at once, for calls that go on too; False if it was before.

    Raises NotFound.
    """
    get(store.erasures, connection, consent)
    return _end(store, connection, consent, why, by, at)


def withdraw_all(
    store: Store, connection: sa.Connection, contact: str, why: Why, by: str | None, at: datetime
) -> int:
    """Take back every consent of a contact that is not over; says how many."""
    rows = connection.execute(
        sa.select(standing_consents.c.id).where(
            standing_consents.c.contact == contact, standing_consents.c.withdrawn_at.is_(None)
        )
    ).scalars()
    return sum(_end(store, connection, each, why, by, at) for each in list(rows))


def said_no(store: Store, connection: sa.Connection, call: str, party: int, at: datetime) -> None:
    """A party of a call refused or withdrew: in doubt that is meant for what they signed, too.

    Whoever has no number of their own may be any of those who were called before them.
    """
    own = parties.c.number.is_not(None) & (parties.c.role == Role.CONTACT.value)
    rows = connection.execute(
        sa.select(parties.c.number_in_call, parties.c.number).where(
            parties.c.call == call, parties.c.number_in_call <= party, own
        )
    ).all()
    exact = [row.number for row in rows if row.number_in_call == party]
    agent = connection.execute(sa.select(calls.c.agent).where(calls.c.id == call)).scalar()
    holders = {contacts.holder(connection, each) for each in exact or [row.number for row in rows]}
    for contact in sorted(each for each in holders if each is not None):
        withdraw_all(store, connection, contact, Why.SAID_NO, agent, at)


def open_document(
    store: Store, consent: str, by: str, at: datetime
) -> tuple[StandingConsent, bytes]:
    """A consent and its signed text, or where that is; the access is in the ledger first.

    Raises NotFound, KeyUnreadable.
    """
    with transaction(store.engine) as connection:
        found = get(store.erasures, connection, consent)
        data = {"standing": consent, "person": by}
        store.ledger.append(connection, Kind.STANDING_OPENED, at, data=data)
        audit.note(connection, at, by, "standing-consent.opened", consent)
    return found, read_document(store, consent)


def read_document(store: Store, consent: str) -> bytes:
    """What `open_document` gives, where the access is written down by something else."""
    document = standing_consents.c.document
    with reading(store.engine) as connection:
        get(store.erasures, connection, consent)
        identity = connection.execute(
            sa.select(document).where(standing_consents.c.id == consent)
        ).scalar_one()
    return standingdocument.opened(store, identity)


def forget(store: Store, connection: sa.Connection, contact: str, at: datetime) -> int:
    """Delete every consent of a contact, with key and document; says how many went.

    They stand on the erasure list before, so that no backup brings one back.
    """
    ids = ids_of(connection, contact)
    store.erasures.add(Listed.STANDING, ids, at)
    for each in ids:
        standingdocument.destroy(store, each)
    connection.execute(standing_consents.delete().where(standing_consents.c.contact == contact))
    return len(ids)


# Read


def get(erasures: ErasureList, connection: sa.Connection, consent: str) -> StandingConsent:
    """A consent of an id, however it stands; raises NotFound."""
    found = _consents(erasures, connection, standing_consents.c.id == consent)
    if not found:
        raise NotFound("no standing consent has this id; it was never there, or was erased")
    return found[0]


def of_contact(
    erasures: ErasureList, connection: sa.Connection, contact: str
) -> Sequence[StandingConsent]:
    """Every consent of a contact, the newest first, those that are over as well."""
    return _consents(erasures, connection, standing_consents.c.contact == contact)


def scopes_for(erasures: ErasureList, connection: sa.Connection, number: str) -> tuple[Scope, ...]:
    """What whoever has a number (E.164) agreed to for it and has not taken back, of every day.

    Nothing for an archived contact, and for one who is never to be recorded.
    """
    holder = contacts.holder(connection, number)
    if holder is None:
        return ()
    contact = contacts.get(connection, holder)
    if contact.never_record or contact.archived_at is not None:
        return ()
    mark = erasures.number_mark(number)
    return tuple(
        each.scope
        for each in of_contact(erasures, connection, holder)
        if mark in each.marks and not each.is_withdrawn
    )


def all_stand(connection: sa.Connection, consents: Collection[str]) -> bool:
    """Whether each of these ids is on file and not withdrawn; its days are not asked for."""
    query = sa.select(sa.func.count()).where(
        standing_consents.c.id.in_(consents), standing_consents.c.withdrawn_at.is_(None)
    )
    return connection.execute(query).scalar_one() == len(set(consents))


def ending(
    erasures: ErasureList, connection: sa.Connection, on: date, within: int
) -> Sequence[StandingConsent]:
    """The consents that hold on a day and end within so many days of it, the first to end first."""
    soon = standing_consents.c.ends_on.between(on, on + timedelta(days=within))
    found = _consents(erasures, connection, soon & standing_consents.c.withdrawn_at.is_(None))
    held = [each for each in found if each.standing(on) is Standing.HOLDS]
    return sorted(held, key=lambda each: (each.scope.ends_on, each.id))


def ids_of(connection: sa.Connection, contact: str | None) -> list[str]:
    """The ids of everything on file of a contact, also of what was never finished."""
    query = sa.select(standing_consents.c.id).where(standing_consents.c.contact == contact)
    return list(connection.execute(query.order_by(standing_consents.c.id)).scalars())


# Parts


def _end(
    store: Store, connection: sa.Connection, consent: str, why: Why, by: str | None, at: datetime
) -> bool:
    """Withdraw a consent, also one that is only being filed."""
    # First on the list, which is durable at once: in doubt it is withdrawn.
    store.erasures.add(Listed.WITHDRAWN, [consent], at)
    done = connection.execute(
        standing_consents.update()
        .where(standing_consents.c.id == consent, standing_consents.c.withdrawn_at.is_(None))
        .values(withdrawn_at=at, withdrawn_by=by, withdrawn_why=why.value)
    )
    if done.rowcount != 1:
        return False
    data = {"standing": consent, "reason": why.value, **({"person": by} if by else {})}
    store.ledger.append(connection, Kind.STANDING_WITHDRAWN, at, data=data)
    audit.note(connection, at, by, "standing-consent.withdrawn", consent, {"reason": why.value})
    return True


def _ensure_can(connection: sa.Connection, contact: str, filing: Filing) -> tuple[str, ...]:
    """The numbers for which a consent of a contact is to be filed; raises as `file`."""
    found = contacts.get(connection, contact)
    if found.archived_at is not None:
        raise Refused(f"contact {contact} is archived; restore it before a consent is filed")
    if found.never_record:
        raise Refused(
            "this contact asked never to be recorded; only their own word ends that, and then a "
            "consent can be filed"
        )
    own = tuple(each.number for each in found.numbers)
    numbers = filing.numbers or own
    if not numbers or not set(numbers) <= set(own):
        raise InvalidRequest(
            "numbers: expected at least one number that the contact has", key="numbers"
        )
    return numbers


def _values(store: Store, filing: Filing, numbers: Iterable[str], today: date) -> dict[str, object]:
    ends_on = filing.ends_on or filing.given_on + timedelta(days=USUAL_DAYS)
    _ensure_some("purposes", filing.purposes, tuple(Purpose))
    _ensure_some("uses", filing.uses, PAPER_USES)
    _ensure_some("elements", filing.elements, PAPER_ELEMENTS)
    if filing.language not in LANGUAGES:
        raise InvalidRequest(f"language: expected one of {', '.join(LANGUAGES)}", key="language")
    # Elsewhere it may be tomorrow already; what counts in a call is the day in UTC.
    if filing.given_on > today + timedelta(days=1):
        raise InvalidRequest(
            "given_on: found a day that is still to come; expected the day of the signature",
            key="given_on",
        )
    if not max(filing.given_on, today) <= ends_on <= filing.given_on + timedelta(days=MOST_DAYS):
        raise InvalidRequest(
            f"ends_on: expected a day that is not over, at most {MOST_DAYS} days after the "
            "signature",
            key="ends_on",
        )
    return {
        "numbers": sorted(map(store.erasures.number_mark, numbers)),
        "purposes": sorted(filing.purposes),
        "uses": sorted(filing.uses),
        "elements": sorted(filing.elements),
        "language": filing.language,
        "given_on": filing.given_on,
        "ends_on": ends_on,
    }


def _ensure_some(what: str, found: Collection[str], known: Collection[str]) -> None:
    if not found or not set(found) <= set(known):
        raise InvalidRequest(
            f"{what}: expected at least one of {', '.join(sorted(known))}", key=what
        )


def _enter(
    store: Store, connection: sa.Connection, consent: str, by: str, at: datetime, digest: str
) -> None:
    """Say in the ledger what was filed; the document as a commitment, its numbers not at all."""
    row = connection.execute(
        sa.select(standing_consents).where(standing_consents.c.id == consent)
    ).one()
    data = {
        "standing": consent,
        "person": by,
        "purposes": row.purposes,
        "uses": row.uses,
        "elements": row.elements,
        "given_on": row.given_on.isoformat(),
        "ends_on": row.ends_on.isoformat(),
        "form": row.form,
    }
    commits = {"document": commit(store.keys.salt(consent), digest)}
    store.ledger.append(connection, Kind.STANDING_FILED, at, data=data, commits=commits)
    audit.note(connection, at, by, "standing-consent.filed", consent)


def _consents(
    erasures: ErasureList, connection: sa.Connection, condition: sa.ColumnElement[bool]
) -> list[StandingConsent]:
    rows = connection.execute(
        sa.select(standing_consents)
        .join(contact_rows)
        .where(condition, standing_consents.c.document.is_not(None))
        .order_by(standing_consents.c.given_on.desc(), standing_consents.c.id.desc())
    ).all()
    gone = erasures.ids(Listed.WITHDRAWN) if rows else frozenset[str]()
    return [_consent(row, gone) for row in rows]


def _consent(row: Any, gone: Collection[str]) -> StandingConsent:
    return StandingConsent(
        scope=Scope(
            row.id,
            frozenset(map(Purpose, row.purposes)),
            frozenset(map(Use, row.uses)),
            frozenset(map(Element, row.elements)),
            row.given_on,
            row.ends_on,
        ),
        contact=row.contact,
        marks=frozenset(row.numbers),
        language=row.language,
        form=DocumentForm(row.form),
        filed_by=row.filed_by,
        filed_at=row.filed_at,
        is_withdrawn=row.withdrawn_at is not None or row.id in gone,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by,
        withdrawn_why=None if row.withdrawn_why is None else Why(row.withdrawn_why),
    )
