"""Calls as somebody may read them: a page of the list, and one call with all that is known.

Every query is narrowed by the reader's permission before it runs; a call that the reader does not
reach is Refused. Transcripts and audio are not read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.ledger import Kind
from askfirst.model import OutcomeCode, Role
from askfirst.server.access import Permission, Person, Reach
from askfirst.server.accounttables import users
from askfirst.server.callfilter import CallFilter, newest, with_numbers
from askfirst.server.database import calls, consents, parties, recordings, timeline
from askfirst.server.ownnumbers import not_for
from askfirst.server.request import INBOUND
from askfirst.server.store import Store

MOST = 200
"""Calls of one page, at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls to list. `before` is the id of the call that the page goes on behind.

    `numbers` (E.164) leaves only calls to one of them, `ids` only these calls; None does not
    narrow, none finds nothing. `fits` are further conditions on `calls`.
    `zone` is the one whose days `also` names.
    """

    outcome: OutcomeCode | None = None
    agent: str | None = None
    is_recorded: bool | None = None
    before: str | None = None
    most: int = 50
    also: CallFilter = field(default_factory=CallFilter)
    numbers: frozenset[str] | None = None
    ids: frozenset[str] | None = None
    zone: tzinfo = UTC
    fits: Sequence[sa.ColumnElement[bool]] = ()


@dataclass(frozen=True, slots=True)
class CallLine:
    """A call in a list. Times are in UTC; `number` is the first contact's.

    `owes` is whether anybody had to be told or asked.
    """

    id: str
    created_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    provider: str
    direction: str
    own_number: str | None
    persona: str | None
    agent: str | None
    agent_name: str | None
    number: str | None
    places: Sequence[str]
    mode: str | None
    owes: bool
    outcome: str | None
    outcome_reason: str | None
    proof: int
    verdict: str | None
    verdict_at_ms: int | None
    recording: str | None
    recording_state: str | None
    duration_ms: int | None
    first_contact_ms: int | None
    expires_at: datetime | None
    legal_hold: bool
    private_at: datetime | None

    @property
    def is_private(self) -> bool:
        """Whether its agent says that it is private; then nobody else reads with whom it was."""
        return self.private_at is not None

    @property
    def is_inbound(self) -> bool:
        """Whether the contact called us."""
        return self.direction == INBOUND

    @property
    def is_message(self) -> bool:
        """Whether they called, nobody took it, and they could leave a message."""
        return self.is_inbound and self.answered_at is not None and self.agent is None

    @property
    def is_missed(self) -> bool:
        """Whether they called and nobody took it."""
        return self.is_inbound and self.answered_at is None and self.ended_at is not None

    @property
    def seconds(self) -> int | None:
        """How long the conversation was; None while it lasts or where nobody answered."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return round((self.ended_at - self.answered_at).total_seconds())


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call in full: what was decided, what happened, who agreed, who has opened it."""

    line: CallLine
    decision: Mapping[str, Any] | None
    parties: Sequence[Mapping[str, Any]]
    timeline: Sequence[Mapping[str, Any]]
    consents: Sequence[Mapping[str, Any]]
    opened: Sequence[Mapping[str, Any]]


def call_lines(connection: sa.Connection, person: Person, wanted: Wanted) -> list[CallLine]:
    """The newest calls that a person may read and that fit, one page of them."""
    query = _lines(person).where(within(person, Permission.CALLS_READ)).order_by(calls.c.id.desc())
    if wanted.outcome is not None:
        query = query.where(calls.c.outcome == wanted.outcome.value)
    if wanted.agent is not None:
        query = query.where(calls.c.agent == wanted.agent)
    if wanted.is_recorded is not None:
        kept = newest.c.duration_ms.is_not(None)
        query = query.where(kept if wanted.is_recorded else sa.not_(kept))
    query = query.where(*wanted.also.conditions(wanted.zone), *wanted.fits)
    if wanted.numbers is not None:
        query = query.where(with_numbers(sorted(wanted.numbers)))
    if wanted.ids is not None:
        query = query.where(calls.c.id.in_(sorted(wanted.ids)))
    if wanted.before is not None:
        query = query.where(calls.c.id < wanted.before)
    rows = connection.execute(query.limit(max(1, min(wanted.most, MOST))))
    return [_line(row) for row in rows]


def call_record(
    store: Store,
    connection: sa.Connection,
    person: Person,
    call: str,
    permission: Permission = Permission.CALLS_READ,
) -> CallRecord:
    """One call in full; of a private one its people and decision for its agent alone.

    Raises NotFound, Refused where the permission does not reach it.
    """
    ensure_reaches(connection, person, permission, call)
    line = _line(connection.execute(_lines(person).where(calls.c.id == call)).one())
    decision = connection.execute(sa.select(calls.c.decision).where(calls.c.id == call)).scalar()
    is_hidden = line.is_private and line.agent != person.id
    people = _rows(connection, parties, call, parties.c.number_in_call)
    return CallRecord(
        line=line,
        decision=None if is_hidden else decision,
        parties=[] if is_hidden else people,
        timeline=_rows(connection, timeline, call, timeline.c.position),
        consents=[] if is_hidden else _rows(connection, consents, call, consents.c.ledger),
        opened=_opened(store, call),
    )


def call_of(connection: sa.Connection, recording: str) -> str:
    """The call of a recording. Raises NotFound."""
    query = sa.select(recordings.c.call).where(recordings.c.id == recording)
    found: str | None = connection.execute(query).scalar()
    if found is None:
        raise NotFound(f"no recording {recording}")
    return found


def language_of(connection: sa.Connection, call: str) -> str:
    """The language that a call is announced and heard in."""
    query = sa.select(calls.c.language).where(calls.c.id == call)
    return str(connection.execute(query).scalar_one())


def ensure_reaches(
    connection: sa.Connection, person: Person, permission: Permission, call: str
) -> None:
    """Raise NotFound for a call that is not there, Refused where the permission ends before it."""
    person.ensure(permission)
    query = (
        sa.select(within(person, permission).label("is_reached"))
        .select_from(calls.outerjoin(users, users.c.id == calls.c.agent))
        .where(calls.c.id == call)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        raise NotFound(f"no call {call}")
    if not found.is_reached:
        raise Refused(f"call {call} is not among those that you reach with {permission.value}")


def reaches(connection: sa.Connection, person: Person, permission: Permission, call: str) -> bool:
    """Whether a permission of a person reaches a call. Raises NotFound."""
    try:
        ensure_reaches(connection, person, permission, call)
    except Refused:
        return False
    return True


def _lines(person: Person) -> sa.Select[Any]:
    own_private = sa.case((calls.c.agent == person.id, calls.c.private_number))
    last = (
        sa.select(sa.func.max(recordings.c.id))
        .where(recordings.c.call == calls.c.id)
        .correlate(calls)
        .scalar_subquery()
    )
    first_contact = (
        sa.select(sa.func.min(parties.c.number_in_call))
        .where(parties.c.call == calls.c.id, parties.c.role != Role.AGENT.value)
        .correlate(calls)
        .scalar_subquery()
    )
    joined = (
        calls.outerjoin(users, users.c.id == calls.c.agent)
        .outerjoin(newest, newest.c.id == last)
        .outerjoin(
            parties, (parties.c.call == calls.c.id) & (parties.c.number_in_call == first_contact)
        )
    )
    return sa.select(
        calls,
        users.c.name.label("agent_name"),
        sa.func.coalesce(parties.c.number, own_private).label("number"),
        parties.c.places,
        newest.c.id.label("recording"),
        newest.c.state.label("recording_state"),
        newest.c.duration_ms,
        newest.c.first_contact_ms,
        newest.c.expires_at,
        newest.c.legal_hold,
    ).select_from(joined)


def _line(row: Any) -> CallLine:
    found = row._mapping
    decision = found["decision"] or {}
    copied = {key: found[key] for key in CallLine.__slots__ if key in found}
    return CallLine(
        **{
            **copied,
            "places": tuple(found["places"] or ()),
            "mode": decision.get("mode"),
            "owes": bool(decision.get("requirements")),
            "legal_hold": bool(found["legal_hold"]),
        }
    )


def within(person: Person, permission: Permission) -> sa.ColumnElement[bool]:
    """Which rows of calls, outer joined with their agents among the users, a permission reaches.

    A call that nobody took may be read by everybody at whom it rang, and its message heard.
    """
    reached = reached_by(person, permission, calls.c.agent)
    if not person.may(permission):
        return reached
    match permission:
        case Permission.CALLS_READ | Permission.CERTIFICATES_READ | Permission.DASHBOARDS_READ:
            return sa.or_(reached, _untaken_by(person))
        case Permission.RECORDINGS_LISTEN:
            message = sa.and_(_untaken_by(person), calls.c.answered_at.is_not(None))
            return sa.or_(reached, message)
        case _:
            return reached


def _untaken_by(person: Person) -> sa.ColumnElement[bool]:
    """Calls from outside that nobody took and that rang at a person, as numbers are kept now."""
    if not person.may(Permission.CALLS_MAKE):
        return sa.false()
    is_for_others = sa.func.coalesce(calls.c.own_number, "").in_(not_for(person))
    return sa.and_(
        calls.c.direction == INBOUND,
        calls.c.agent.is_(None),
        sa.not_(is_for_others),
    )


def reached_by(
    person: Person, permission: Permission, whose: sa.ColumnElement[Any]
) -> sa.ColumnElement[bool]:
    """Which rows a permission reaches: `whose` they are, outer joined with that user's row."""
    own = whose == person.id
    match person.reach(permission):
        case Reach.ALL:
            return sa.true()
        case Reach.TEAM if person.team is not None:
            return sa.or_(own, users.c.team == person.team)
        case Reach.TEAM | Reach.OWN:
            return own
        case _:
            return sa.false()


def _rows(
    connection: sa.Connection, table: sa.Table, call: str, order: sa.Column[Any]
) -> list[Mapping[str, Any]]:
    query = sa.select(table).where(table.c.call == call).order_by(order)
    return [dict(row._mapping) for row in connection.execute(query)]


_DETAILS = ("why", "share", "link", "from_ms", "to_ms")


def _opened(store: Store, call: str) -> list[Mapping[str, Any]]:
    """Who has opened the recording, from the ledger, in order."""
    kinds = {kind.value for kind in Kind if kind.value.startswith("access.")}
    found: list[Mapping[str, Any]] = []
    for _, entry in store.ledger.entries(call):
        if entry["kind"] in kinds:
            data = entry.get("data")
            said: Mapping[str, Any] = data if isinstance(data, dict) else {}
            found.append(
                {
                    "at": entry["at"],
                    "kind": entry["kind"],
                    "person": said.get("person"),
                    "purpose": said.get("purpose"),
                    **{key: said[key] for key in _DETAILS if key in said},
                }
            )
    return found
