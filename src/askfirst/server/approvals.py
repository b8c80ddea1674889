"""The second person: a change that waits until somebody else with the same permission agrees.

A proposal keeps what was and what is to be, in codes. Whoever proposed it can never approve it, by
whatever way; it runs out after some days. What a kind of proposal does is a small table
(`approvalkinds`), so that anything that wants a second person asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.server import audit
from askfirst.server.access import Permission, Person
from askfirst.server.account import account
from askfirst.server.database import reading, transaction
from askfirst.server.ids import new_id
from askfirst.server.queuetables import proposals
from askfirst.server.store import Store

LASTS = timedelta(days=7)
LONGEST_REASON = 300


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


_ENTRIES = {
    ProposalState.APPROVED: Kind.APPROVAL_GIVEN,
    ProposalState.DECLINED: Kind.APPROVAL_DECLINED,
    ProposalState.EXPIRED: Kind.APPROVAL_EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that somebody wants. `before` and `after` hold codes by key; times are in UTC."""

    id: str
    kind: str
    ref: str | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    state: ProposalState
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    def differences(self) -> list[tuple[str, Any, Any]]:
        """What would be different: key, what it was when this was proposed, what it would be."""
        keys = sorted(self.before.keys() | self.after.keys())
        pairs = [(key, self.before.get(key), self.after.get(key)) for key in keys]
        return [each for each in pairs if each[1] != each[2]]


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does: `write` in one transaction, `then` after it, `undo` where it failed."""

    write: Callable[[sa.Connection], None]
    then: Callable[[], None] = _nothing
    undo: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class ProposalKind:
    """What a kind of proposal needs and does.

    `permission` is that of the change itself; `effect` prepares it for the person who approves,
    and may raise Refused where it has become impossible; `dropped` is written where the proposal
    is declined or runs out.
    """

    permission: Callable[[Proposal], Permission]
    effect: Callable[[Store, Proposal, Person, datetime], Effect]
    dropped: Callable[[sa.Connection, Proposal], None] = lambda _connection, _proposal: None


Kinds = Mapping[str, ProposalKind]


def is_wanted(connection: sa.Connection, kind: str) -> bool:
    """Whether the account wants a second person for a kind of change."""
    return kind in account(connection).second_person


def propose(
    store: Store,
    connection: sa.Connection,
    kind: str,
    person: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    at: datetime,
    *,
    ref: str | None = None,
    reason: str = "",
) -> str:
    """Keep a change until somebody else approves it, in the caller's transaction; gives its id.

    Raises InvalidInput for a reason that is too long.
    """
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(
            f"found a reason of {len(reason)} characters; expected at most {LONGEST_REASON}"
        )
    identity = new_id("prop")
    connection.execute(
        proposals.insert().values(
            id=identity,
            kind=kind,
            ref=ref,
            before=dict(before),
            after=dict(after),
            reason=reason,
            state=ProposalState.OPEN.value,
            proposed_by=person,
            proposed_at=at,
            expires_at=at + LASTS,
        )
    )
    data = {"proposal": identity, "kind": kind, "person": person}
    store.ledger.append(connection, Kind.APPROVAL_ASKED, at, data=data)
    audit.note(connection, at, person, "approval.asked", identity, {"kind": kind})
    return identity


def approve(store: Store, kinds: Kinds, identity: str, person: Person, at: datetime) -> Proposal:
    """Carry out what somebody else has proposed; gives the proposal as it was.

    Raises NotFound; Refused for one's own proposal, without the permission of the change, for one
    that is decided or has run out, and where the change has become impossible: it then stays open.
    """
    with reading(store.engine) as connection:
        found = proposal(connection, identity)
    _ensure_decides(found, kinds, person, at)
    effect = kinds[found.kind].effect(store, found, person, at)
    try:
        with transaction(store.engine) as connection:
            _close(store, connection, found, ProposalState.APPROVED, person.id, at)
            effect.write(connection)
    except BaseException:
        effect.undo()
        raise
    effect.then()
    return found


def decline(store: Store, kinds: Kinds, identity: str, person: Person, at: datetime) -> Proposal:
    """Let a proposal go; whoever made it may take it back so. Raises as `approve`."""
    with reading(store.engine) as connection:
        found = proposal(connection, identity)
    person.ensure(kinds[found.kind].permission(found))
    with transaction(store.engine) as connection:
        _close(store, connection, found, ProposalState.DECLINED, person.id, at)
        kinds[found.kind].dropped(connection, found)
    return found


def expire(store: Store, kinds: Kinds, at: datetime) -> int:
    """Close what nobody has approved in time; says how many. Nothing of them happens."""
    with transaction(store.engine) as connection:
        query = sa.select(proposals).where(
            proposals.c.state == ProposalState.OPEN.value, proposals.c.expires_at <= at
        )
        due = [_proposal(row) for row in connection.execute(query)]
        for each in due:
            _close(store, connection, each, ProposalState.EXPIRED, None, at)
            kinds[each.kind].dropped(connection, each)
    return len(due)


def proposal(connection: sa.Connection, identity: str) -> Proposal:
    """One proposal. Raises NotFound."""
    row = connection.execute(sa.select(proposals).where(proposals.c.id == identity)).one_or_none()
    if row is None:
        raise NotFound(f"no proposal {identity}")
    return _proposal(row)


def open_proposals(connection: sa.Connection) -> list[Proposal]:
    """Every proposal that waits, the oldest first."""
    query = sa.select(proposals).where(proposals.c.state == ProposalState.OPEN.value)
    return [_proposal(row) for row in connection.execute(query.order_by(proposals.c.id))]


def decided_proposals(connection: sa.Connection, most: int = 20) -> list[Proposal]:
    """The newest proposals that wait no more."""
    query = sa.select(proposals).where(proposals.c.state != ProposalState.OPEN.value)
    ordered = query.order_by(proposals.c.decided_at.desc(), proposals.c.id.desc())
    return [_proposal(row) for row in connection.execute(ordered.limit(most))]


def may_decide(found: Proposal, kinds: Kinds, person: Person) -> bool:
    """Whether a person may approve a proposal: somebody else's, with the permission it needs."""
    return person.id != found.proposed_by and person.may(kinds[found.kind].permission(found))


def _ensure_decides(found: Proposal, kinds: Kinds, person: Person, at: datetime) -> None:
    person.ensure(kinds[found.kind].permission(found))
    if person.id == found.proposed_by:
        raise Refused(
            "this is your own proposal; somebody else with the same permission approves it"
        )
    if found.state is not ProposalState.OPEN:
        _refuse_taken()
    if at >= found.expires_at:
        raise Refused("this proposal has run out; propose the change again")


def _refuse_taken() -> NoReturn:
    raise Refused("this proposal was decided by somebody else meanwhile; look at it again")


def _close(
    store: Store,
    connection: sa.Connection,
    found: Proposal,
    state: ProposalState,
    person: str | None,
    at: datetime,
) -> None:
    done = connection.execute(
        proposals.update()
        .where(proposals.c.id == found.id, proposals.c.state == ProposalState.OPEN.value)
        .values(state=state.value, decided_by=person, decided_at=at)
    )
    if done.rowcount != 1:
        _refuse_taken()
    by = {"person": person} if person else {}
    data = {"proposal": found.id, "kind": found.kind, **by}
    store.ledger.append(connection, _ENTRIES[state], at, data=data)
    audit.note(connection, at, person, f"approval.{state.value}", found.id, {"kind": found.kind})


def _proposal(row: Any) -> Proposal:
    return Proposal(**{**row._mapping, "state": ProposalState(row.state)})
