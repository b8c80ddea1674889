"""The register of what people ask for: who, what, until when, and what became of it.

Nothing here keeps a number: a request is bound to it by a commitment under a salt of its own, as
the ledger binds parties, and can be shown to be somebody's only for as long as that salt is there.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.ledger import Kind, commit, timestamp
from askfirst.server import accounts, audit
from askfirst.server.account import account
from askfirst.server.contactcard import aware, standard
from askfirst.server.contacttables import contact_numbers, contacts
from askfirst.server.database import parties
from askfirst.server.ids import new_id
from askfirst.server.requesttables import subject_requests
from askfirst.server.store import Store
from askfirst.server.subjectrights import Erased, Who, found_of, who

ANSWERED_WITHIN = timedelta(days=30)
EXTENDED_BY = timedelta(days=60)
"""GDPR art. 12(3): one month, and two more where a request is complex or there are many."""


class RequestKind(StrEnum):
    """What a person asks for (GDPR art. 15, 17, 21 and 18)."""

    ACCESS = "access"
    ERASURE = "erasure"
    OBJECTION = "objection"
    RESTRICTION = "restriction"


class RequestState(StrEnum):
    """How far a request has come."""

    OPEN = "open"
    EXTENDED = "extended"
    ANSWERED = "answered"
    REFUSED = "refused"


class Delay(StrEnum):
    """Why a request takes longer (GDPR art. 12(3))."""

    COMPLEX = "complex"
    MANY = "many"


class Ground(StrEnum):
    """Why a request is refused (GDPR art. 11, 12(2), 12(5), 15(4), 17(3))."""

    NOT_IDENTIFIED = "not-identified"
    UNFOUNDED = "unfounded"
    EXCESSIVE = "excessive"
    RIGHTS_OF_OTHERS = "rights-of-others"
    LEGAL_DUTY = "legal-duty"
    LEGAL_CLAIMS = "legal-claims"


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A request. `found` counts what there was when it came; times are in UTC.

    `reason` is a `Delay` or a `Ground`, `handled_by` the user of the last step, `outcome` what an
    erasure did. `user` is the employee whose own data is asked for; such a request has no contact.
    `restricts_since` is since when it restricts the person's calls, None: it does not.
    """

    id: str
    kind: RequestKind
    contact: str | None
    found: dict[str, int]
    received_at: datetime
    due_at: datetime
    received_by: str
    state: RequestState = RequestState.OPEN
    reason: str | None = None
    handled_by: str | None = None
    answered_at: datetime | None = None
    outcome: Erased | None = None
    user: str | None = None
    restricts_since: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it was answered or refused."""
        return self.state in (RequestState.ANSWERED, RequestState.REFUSED)

    def is_overdue(self, at: datetime) -> bool:
        """Whether it waits for an answer past its day."""
        return not self.is_closed and at > self.due_at


def receive(
    store: Store,
    connection: sa.Connection,
    kind: RequestKind,
    person: Who,
    by: str,
    at: datetime,
    received_at: datetime | None = None,
) -> SubjectRequest:
    """A request that is kept with its deadline; about a person, and not about one recording.

    `received_at` is when it reached the company, where that was earlier. Raises InvalidRequest.
    """
    came_at = _came_at(at, received_at)
    if person.recording is not None:
        raise InvalidRequest("a request is about a person; give a number or contact", key="number")
    made = new_id("req")
    # A contact's numbers may change; only a number without a contact needs a commitment.
    bound = None
    if person.contact is None:
        bound = commit(store.keys.salt(made), person.numbers[0])
    found = found_of(connection, person)
    connection.execute(
        subject_requests.insert().values(
            id=made,
            kind=kind.value,
            contact=person.contact,
            person=bound,
            found=found,
            received_at=came_at,
            due_at=came_at + ANSWERED_WITHIN,
            received_by=by,
        )
    )
    audit.note(connection, at, by, "subject-request.received", made, {"kind": kind.value})
    store.ledger.append(
        connection, Kind.REQUEST_RECEIVED, at, data={"request": made, "right": kind.value}
    )
    return get(connection, made)


def receive_of_employee(
    store: Store,
    connection: sa.Connection,
    user: str,
    by: str,
    at: datetime,
    received_at: datetime | None = None,
) -> SubjectRequest:
    """A request for an employee's own data: by themselves, or by others for whoever has left.

    Raises NotFound, InvalidRequest as `receive`, and Refused where somebody else asks for a person
    who may sign in.
    """
    person = accounts.user(connection, user)
    if by != user and not person.is_disabled:
        raise Refused("this person may sign in and gets their data on the page My data; ask them")
    came_at = _came_at(at, received_at)
    made = new_id("req")
    connection.execute(
        subject_requests.insert().values(
            id=made,
            kind=RequestKind.ACCESS.value,
            user=user,
            found={},
            received_at=came_at,
            due_at=came_at + ANSWERED_WITHIN,
            received_by=by,
        )
    )
    said = {"kind": RequestKind.ACCESS.value, "user": user}
    audit.note(connection, at, by, "subject-request.received", made, said)
    store.ledger.append(
        connection,
        Kind.REQUEST_RECEIVED,
        at,
        data={"request": made, "right": RequestKind.ACCESS.value},
    )
    return get(connection, made)


def get(connection: sa.Connection, request: str) -> SubjectRequest:
    """The request of an id. Raises NotFound."""
    row = connection.execute(
        sa.select(subject_requests).where(subject_requests.c.id == request)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no request {request}")
    return _request(row)


def requests(connection: sa.Connection) -> list[SubjectRequest]:
    """Every request, what is due first."""
    order = (subject_requests.c.due_at, subject_requests.c.id)
    rows = connection.execute(sa.select(subject_requests).order_by(*order))
    return [_request(row) for row in rows]


def open_of_employee(connection: sa.Connection, user: str) -> SubjectRequest | None:
    """The request for an employee's own data that waits for an answer, the first due."""
    query = sa.select(subject_requests).where(subject_requests.c.user == user)
    rows = connection.execute(query.order_by(subject_requests.c.due_at, subject_requests.c.id))
    return next((each for each in map(_request, rows) if not each.is_closed), None)


def requests_of(store: Store, connection: sa.Connection, person: Who) -> list[SubjectRequest]:
    """The requests of a person, found by contact and by what their numbers commit to."""
    rows = connection.execute(
        sa.select(subject_requests).order_by(subject_requests.c.received_at.desc())
    ).all()
    return [
        _request(row)
        for row in rows
        if (row.contact is not None and row.contact == person.contact)
        or any(_is_bound(store, row, number) for number in person.numbers)
    ]


def person_of(store: Store, connection: sa.Connection, request: str) -> Who | None:
    """Whose a request is; None once nothing is kept by which they could be found.

    A number is found again among those that are kept, by the commitment alone.
    """
    row = connection.execute(
        sa.select(subject_requests).where(subject_requests.c.id == request)
    ).one_or_none()
    if row is None:
        raise NotFound(f"no request {request}")
    if row.contact is not None:
        known = connection.execute(sa.select(contacts.c.id).where(contacts.c.id == row.contact))
        return who(connection, contact=row.contact) if known.first() else None
    region = account(connection).region
    stored = sa.union(
        sa.select(parties.c.number).where(parties.c.number.is_not(None)),
        sa.select(contact_numbers.c.number),
    )
    for text in connection.execute(stored).scalars():
        number = standard(text, region)
        if number is not None and _is_bound(store, row, number):
            return who(connection, number=number)
    return None


def extend(
    store: Store, connection: sa.Connection, request: str, why: Delay, by: str, at: datetime
) -> SubjectRequest:
    """Give a request 60 days more, once and before it is due. Raises NotFound, Refused."""
    found = _open(connection, request)
    if found.state is RequestState.EXTENDED:
        raise Refused("this request has been extended already; it can be extended once")
    if found.is_overdue(at):
        raise Refused("this request is overdue; it could be extended before its day only")
    due_at = found.due_at + EXTENDED_BY
    said = {"state": RequestState.EXTENDED.value, "reason": why.value}
    _update(connection, found, by, {**said, "due_at": due_at})
    _note(store, connection, Kind.REQUEST_EXTENDED, found, by, at, why.value)
    return get(connection, request)


def answer(
    store: Store, connection: sa.Connection, request: str, by: str, at: datetime
) -> SubjectRequest:
    """Write down that a request was answered. Raises NotFound, Refused for a closed one."""
    found = _open(connection, request)
    values = {"state": RequestState.ANSWERED.value, "reason": None, "answered_at": at}
    _update(connection, found, by, values)
    _note(store, connection, Kind.REQUEST_ANSWERED, found, by, at)
    return get(connection, request)


def refuse(
    store: Store, connection: sa.Connection, request: str, why: Ground, by: str, at: datetime
) -> SubjectRequest:
    """Write down that a request was refused, and on which ground. Raises as `answer`."""
    found = _open(connection, request)
    values = {"state": RequestState.REFUSED.value, "reason": why.value, "answered_at": at}
    _update(connection, found, by, values)
    _note(store, connection, Kind.REQUEST_REFUSED, found, by, at, why.value)
    return get(connection, request)


def note_outcome(connection: sa.Connection, request: str, outcome: Erased, by: str) -> None:
    """Keep with a request what an erasure did, item by item."""
    found = get(connection, request)
    _update(connection, found, by, {"outcome": dict(outcome)})


def code(kind: type[StrEnum], given: str | None) -> Any:
    """A reason by its word. Raises InvalidInput naming those that there are."""
    if given not in set(kind):
        raise InvalidInput(f"found no reason; expected one of {', '.join(kind)}")
    return kind(given)


def _came_at(at: datetime, received_at: datetime | None) -> datetime:
    aware(at)
    came_at = received_at or at
    if came_at > at or at - came_at > timedelta(days=365):
        raise InvalidRequest(
            "found no day on which a request can have come; expected one of the past year",
            key="received_on",
        )
    return came_at


def _open(connection: sa.Connection, request: str) -> SubjectRequest:
    found = get(connection, request)
    if found.is_closed:
        raise Refused("this request is closed; receive a new one if the person asks again")
    return found


def _update(
    connection: sa.Connection, found: SubjectRequest, by: str, values: Mapping[str, object]
) -> None:
    connection.execute(
        subject_requests.update()
        .where(subject_requests.c.id == found.id)
        .values(handled_by=by, **values)
    )


def _note(
    store: Store,
    connection: sa.Connection,
    kind: Kind,
    found: SubjectRequest,
    by: str,
    at: datetime,
    why: str | None = None,
) -> None:
    said = {"request": found.id, "right": found.kind.value, "person": by}
    store.ledger.append(connection, kind, at, data=said if why is None else {**said, "why": why})
    audit.note(connection, at, by, f"subject-{kind.value}", found.id)


def _is_bound(store: Store, row: Any, number: str) -> bool:
    if row.person is None:
        return False
    return hmac.compare_digest(row.person, commit(store.keys.salt(row.id), number))


def _request(row: Any) -> SubjectRequest:
    return SubjectRequest(
        id=row.id,
        kind=RequestKind(row.kind),
        contact=row.contact,
        found=row.found,
        received_at=row.received_at,
        due_at=row.due_at,
        received_by=row.received_by,
        state=RequestState(row.state),
        reason=row.reason,
        handled_by=row.handled_by,
        answered_at=row.answered_at,
        outcome=row.outcome,
        user=row.user,
        restricts_since=row.restricts_since,
    )


def shown(request: SubjectRequest) -> dict[str, object]:
    """A request as programs see it."""
    answered, since = request.answered_at, request.restricts_since
    return {
        "id": request.id,
        "kind": request.kind,
        "contact": request.contact,
        "user": request.user,
        "found": request.found,
        "received_at": timestamp(request.received_at),
        "due_at": timestamp(request.due_at),
        "state": request.state,
        "reason": request.reason,
        "handled_by": request.handled_by,
        "answered_at": None if answered is None else timestamp(answered),
        "outcome": request.outcome,
        "restricts_since": None if since is None else timestamp(since),
    }
