"""The compliance queue: what a person has to look at, one item for each recording and reason.

Items are made by finishing, by the checks and by people, and are closed by a decision, never by
time. An item is about a call of ours, or about what a carrier keeps that belongs to none. Each step
of an item is an entry of the ledger, in codes; what people write about it is kept encrypted
(`queuetexts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.outcome import to_check
from askfirst.server.accounttables import users
from askfirst.server.database import calls, parties, recordings
from askfirst.server.elsewheretables import recordings_elsewhere
from askfirst.server.ids import new_id
from askfirst.server.queuetables import queue_checks, queue_items
from askfirst.server.sealing import Stretch
from askfirst.server.store import Store

TARGET = timedelta(days=5)
"""How old an item may be before it is late."""

NOTICE_MS = 90_000
"""How much of the beginning is heard for a notice that was not found."""

MOST = 200
"""Items of one page, at most."""


class Reason(StrEnum):
    """Why a call or a recording is in the queue. Closed: a new one is a new line here."""

    NOT_HEARD = "not-heard"
    REFUSED_BUT_AUDIO = "refused-but-audio"
    OBJECTION_HEARD = "objection-heard"
    OBJECTION_POSSIBLE = "objection-possible"
    PLACE_NAMED = "place-named"
    JOINED_UNANSWERED = "joined-unanswered"
    COMPLAINT = "complaint"
    HOLD_EXPIRING = "hold-expiring"
    UNPLAYABLE = "unplayable"
    EXPECTED_ABSENT = "expected-absent"
    UNEXPECTED = "unexpected"
    ELSEWHERE = "elsewhere"
    NO_CALL = "elsewhere-no-call"
    IMPORTED = "imported"


class ItemState(StrEnum):
    """How far an item is: open, with the agent, with a second person, or decided."""

    OPEN = "open"
    ASKED = "asked"
    PROPOSED = "proposed"
    DECIDED = "decided"


LOCKS = frozenset(
    {
        Reason.NOT_HEARD,
        Reason.REFUSED_BUT_AUDIO,
        Reason.OBJECTION_HEARD,
        Reason.PLACE_NAMED,
        Reason.JOINED_UNANSWERED,
        Reason.UNEXPECTED,
        Reason.IMPORTED,
    }
)
"""Reasons for which a recording is quarantined until somebody has decided."""

AGAIN = frozenset({Reason.COMPLAINT, Reason.HOLD_EXPIRING, Reason.UNPLAYABLE, Reason.NO_CALL})
"""Reasons that may come up again after a decision; the others are decided once."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be looked at. Times are call time in ms; `code` is a place that was named.

    `subject` is the id of what it is about, where that is neither the call nor its recording;
    it must be there where `call` is None, because that belongs to no call of ours.
    """

    reason: Reason
    call: str | None
    recording: str | None = None
    party: int | None = None
    code: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """An item of the queue with what is needed to show it. Times are in UTC, `_ms` is call time.

    `is_held` is whether a hold or a duty keeps the recording. `call` and `proof` are None for what
    a carrier keeps and belongs to none of our calls; `called_at` is then when that was made.
    """

    id: str
    call: str | None
    recording: str | None
    subject: str
    reason: Reason
    state: ItemState
    party: int | None
    code: str | None
    from_ms: int | None
    to_ms: int | None
    raised_at: datetime
    raised_by: str | None
    decision: str | None
    decided_at: datetime | None
    decided_by: str | None
    agent: str | None
    agent_name: str | None
    team: str | None
    places: Sequence[str]
    proof: int | None
    called_at: datetime
    recording_state: str | None
    is_held: bool

    @property
    def kept_with(self) -> str:
        """With whose key goes what people write about it: the recording's, the call's, its own."""
        return self.recording or self.call or self.id

    def is_late(self, now: datetime) -> bool:
        """Whether the item is open for longer than the target."""
        return self.state is not ItemState.DECIDED and now - self.raised_at > TARGET


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items to list; None does not narrow. `after` is the id of the last one shown.

    `raised_before` leaves only what is older than that.
    """

    reason: Reason | None = None
    agent: str | None = None
    team: str | None = None
    place: str | None = None
    raised_before: datetime | None = None
    is_decided: bool = False
    after: str | None = None
    most: int = 50


def notice_window(stretches: Sequence[Stretch]) -> tuple[int, int]:
    """Where the notice should have been: the first ninety seconds that were kept, in call time."""
    first = min((each.from_ms for each in stretches), default=0)
    return first, first + NOTICE_MS


def raise_item(
    store: Store,
    connection: sa.Connection,
    finding: Finding,
    at: datetime,
    *,
    person: str | None = None,
) -> str | None:
    """Put a finding into the queue, in the caller's transaction; gives the item's id.

    None where it is there already, or was decided and cannot come up again. Quarantines the
    recording where the reason locks it (`LOCKS`). `person` is who entered it; None: the program.
    Raises InvalidInput for a finding that is about nothing.
    """
    subject = finding.subject or finding.recording or finding.call
    if subject is None:
        raise InvalidInput("found an item about nothing; expected its call, recording or subject")
    known = connection.execute(
        sa.select(queue_items.c.id, queue_items.c.state).where(
            queue_items.c.subject == subject, queue_items.c.reason == finding.reason.value
        )
    ).one_or_none()
    again = finding.reason in AGAIN
    if known is not None and not (again and known.state == ItemState.DECIDED.value):
        return None
    values = {
        "state": ItemState.OPEN.value,
        "party": finding.party,
        "code": finding.code,
        "from_ms": finding.from_ms,
        "to_ms": finding.to_ms,
        "raised_at": at,
        "raised_by": person,
        "decision": None,
        "decided_at": None,
        "decided_by": None,
    }
    if known is None:
        identity = new_id("que")
        connection.execute(
            queue_items.insert().values(
                id=identity,
                call=finding.call,
                recording=finding.recording,
                subject=subject,
                reason=finding.reason.value,
                **values,
            )
        )
    else:
        identity = str(known.id)
        connection.execute(
            queue_items.update().where(queue_items.c.id == identity).values(**values)
        )
    if finding.reason in LOCKS and finding.recording is not None:
        _lock(store, connection, finding.recording, finding.reason, at)
    store.ledger.append(
        connection,
        Kind.QUEUE_RAISED,
        at,
        call=finding.call,
        recording=finding.recording,
        party=finding.party,
        data={
            "item": identity,
            "reason": finding.reason.value,
            **({"person": person} if person else {}),
            **({"place": finding.code} if finding.code else {}),
            **({} if finding.from_ms is None else {"from_ms": finding.from_ms}),
            **({} if finding.subject is None else {"elsewhere": elsewhere_id(finding.subject)}),
        },
    )
    return identity


def elsewhere_id(sid: str) -> str:
    """An id of Twilio (two letters and 32 hexadecimal digits) in the form that the ledger takes."""
    return f"twilio_{sid[2:].lower()}"


def note_decided(
    store: Store,
    connection: sa.Connection,
    item: str,
    decision: str,
    at: datetime,
    *,
    person: str | None,
    states: Sequence[ItemState] = (ItemState.OPEN, ItemState.ASKED),
) -> bool:
    """Close an item that is in one of these states; False where it is in none of them any more.

    The one who comes second changes nothing, and is to be told.
    """
    row = connection.execute(
        queue_items.update()
        .where(queue_items.c.id == item, queue_items.c.state.in_([each.value for each in states]))
        .values(state=ItemState.DECIDED.value, decision=decision, decided_at=at, decided_by=person)
        .returning(queue_items.c.call, queue_items.c.recording, queue_items.c.reason)
    ).one_or_none()
    if row is None:
        return False
    store.ledger.append(
        connection,
        Kind.QUEUE_DECIDED,
        at,
        call=row.call,
        recording=row.recording,
        data={
            "item": item,
            "reason": row.reason,
            "decision": decision,
            **({"person": person} if person else {}),
        },
    )
    return True


def items(connection: sa.Connection, wanted: Wanted) -> list[Item]:
    """The items that fit, the oldest first; what is decided the newest first."""
    is_decided = queue_items.c.state == ItemState.DECIDED.value
    newest_first = wanted.is_decided
    query = _items().where(is_decided if wanted.is_decided else sa.not_(is_decided))
    if wanted.reason is not None:
        query = query.where(queue_items.c.reason == wanted.reason.value)
    if wanted.agent is not None:
        query = query.where(calls.c.agent == wanted.agent)
    if wanted.team is not None:
        query = query.where(users.c.team == wanted.team)
    if wanted.place is not None:
        listed = sa.cast(parties.c.places, sa.Text)
        query = query.where(listed.contains(f'"{wanted.place}', autoescape=True))
    if wanted.raised_before is not None:
        query = query.where(queue_items.c.raised_at <= wanted.raised_before)
    if wanted.after is not None:
        behind = (
            queue_items.c.id < wanted.after if newest_first else queue_items.c.id > wanted.after
        )
        query = query.where(behind)
    order = queue_items.c.id.desc() if newest_first else queue_items.c.id
    rows = connection.execute(query.order_by(order).limit(max(1, min(wanted.most, MOST))))
    return [_item(row) for row in rows]


def item(connection: sa.Connection, identity: str) -> Item:
    """One item. Raises NotFound."""
    row = connection.execute(_items().where(queue_items.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"no item {identity} in the queue")
    return _item(row)


def open_items_of(connection: sa.Connection, recording: str) -> list[Item]:
    """What is not yet decided about a recording, the oldest first."""
    query = _items().where(
        queue_items.c.recording == recording, queue_items.c.state != ItemState.DECIDED.value
    )
    return [_item(row) for row in connection.execute(query.order_by(queue_items.c.id))]


def asked_of(connection: sa.Connection, agent: str) -> list[Item]:
    """The items about which an agent was asked and has not answered, the oldest first."""
    query = _items().where(calls.c.agent == agent, queue_items.c.state == ItemState.ASKED.value)
    return [_item(row) for row in connection.execute(query.order_by(queue_items.c.id))]


def counts(connection: sa.Connection) -> Mapping[Reason, int]:
    """How many items of each reason are not decided; every reason is in it."""
    rows = connection.execute(
        sa.select(queue_items.c.reason, sa.func.count())
        .where(queue_items.c.state != ItemState.DECIDED.value)
        .group_by(queue_items.c.reason)
    )
    found = {Reason(reason): int(count) for reason, count in rows}
    return {reason: found.get(reason, 0) for reason in Reason}


def oldest(connection: sa.Connection) -> datetime | None:
    """When the oldest item that is not decided was raised; None where there is none."""
    query = sa.select(sa.func.min(queue_items.c.raised_at)).where(
        queue_items.c.state != ItemState.DECIDED.value
    )
    found: datetime | None = connection.execute(query).scalar()
    return found


def last_check(connection: sa.Connection) -> datetime | None:
    """When everything was checked last; None: never yet."""
    found: datetime | None = connection.execute(sa.select(queue_checks.c.at)).scalar()
    return found


def _lock(
    store: Store, connection: sa.Connection, recording: str, reason: Reason, at: datetime
) -> None:
    """Quarantine a recording that is ready; one that is anything else stays as it is."""
    changed = connection.execute(
        recordings.update()
        .where(recordings.c.id == recording, recordings.c.state == RecordingState.READY.value)
        .values(state=RecordingState.QUARANTINED.value)
        .returning(recordings.c.call)
    ).one_or_none()
    if changed is None:
        return
    language = connection.execute(
        sa.select(calls.c.language).where(calls.c.id == changed.call)
    ).scalar_one()
    outcome = to_check(language)
    connection.execute(
        calls.update()
        .where(calls.c.id == changed.call)
        .values(outcome=outcome.code.value, outcome_reason=outcome.reason)
    )
    store.ledger.append(
        connection,
        Kind.RECORDING_QUARANTINED,
        at,
        call=changed.call,
        recording=recording,
        data={"reason": reason.value},
    )


def _items() -> sa.Select[Any]:
    first_contact = (
        sa.select(sa.func.min(parties.c.number_in_call))
        .where(parties.c.call == calls.c.id, parties.c.role != "agent")
        .correlate(calls)
        .scalar_subquery()
    )
    joined = (
        queue_items.outerjoin(calls, calls.c.id == queue_items.c.call)
        .outerjoin(users, users.c.id == calls.c.agent)
        .outerjoin(recordings, recordings.c.id == queue_items.c.recording)
        .outerjoin(recordings_elsewhere, recordings_elsewhere.c.sid == queue_items.c.subject)
        .outerjoin(
            parties, (parties.c.call == calls.c.id) & (parties.c.number_in_call == first_contact)
        )
    )
    is_kept = sa.or_(recordings.c.legal_hold.is_(True), recordings.c.mandatory.is_not(None))
    return sa.select(
        queue_items,
        calls.c.agent,
        users.c.name.label("agent_name"),
        users.c.team,
        parties.c.places,
        calls.c.proof,
        sa.func.coalesce(calls.c.created_at, recordings_elsewhere.c.made_at).label("called_at"),
        recordings.c.state.label("recording_state"),
        is_kept.label("is_held"),
    ).select_from(joined)


def _item(row: Any) -> Item:
    found = dict(row._mapping)
    return Item(
        **{
            **found,
            "reason": Reason(found["reason"]),
            "state": ItemState(found["state"]),
            "places": tuple(found["places"] or ()),
            "is_held": bool(found["is_held"]),
        }
    )
