"""Deciding an item of the queue: letting go, erasing, cutting, asking the agent, closing.

What is allowed depends on the reason. A decision is one transaction with everything it changes;
where two people decide at once, the second one is told. Where the account wants a second person,
what erases or releases waits as a proposal (`approvals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst import outcome as outcomes
from askfirst.errors import InvalidRequest, Refused
from askfirst.ledger import Kind
from askfirst.model import RecordingState
from askfirst.server import approvals, cutting, erasure, queuetexts
from askfirst.server.access import Permission, Person
from askfirst.server.approvals import Effect, Proposal
from askfirst.server.database import calls, outbox, reading, recordings, transaction
from askfirst.server.queue import (
    LOCKS,
    Finding,
    Item,
    ItemState,
    Reason,
    item,
    note_decided,
    open_items_of,
    raise_item,
)
from askfirst.server.queuetables import queue_items
from askfirst.server.queuetexts import TextKind
from askfirst.server.store import Store


class Decision(StrEnum):
    """What may be decided about an item."""

    GIVEN = "given"
    NOT_GIVEN = "not-given"
    KEEP_FROM = "keep-from"
    ASK_AGENT = "ask-agent"
    DISMISS = "dismiss"
    DELETED_THERE = "deleted-there"
    KNOWN = "known"


QUEUE_ERASE, QUEUE_KEEP = "queue-erase", "queue-keep"
_SECOND = {
    Decision.GIVEN: QUEUE_KEEP,
    Decision.NOT_GIVEN: QUEUE_ERASE,
    Decision.KEEP_FROM: QUEUE_ERASE,
}
"""Which kind of proposal a decision is, where the account wants a second person."""

_LOCKED = (Decision.GIVEN, Decision.NOT_GIVEN, Decision.KEEP_FROM, Decision.ASK_AGENT)
_ALLOWED: dict[Reason, tuple[Decision, ...]] = {
    **dict.fromkeys(LOCKS, _LOCKED),
    # It has no opening to cut up to, and nobody here made the call.
    Reason.IMPORTED: (Decision.GIVEN, Decision.NOT_GIVEN),
    Reason.COMPLAINT: (
        Decision.DISMISS,
        Decision.NOT_GIVEN,
        Decision.KEEP_FROM,
        Decision.ASK_AGENT,
    ),
    Reason.OBJECTION_POSSIBLE: (
        Decision.DISMISS,
        Decision.NOT_GIVEN,
        Decision.KEEP_FROM,
        Decision.ASK_AGENT,
    ),
    Reason.HOLD_EXPIRING: (Decision.DISMISS,),
    Reason.UNPLAYABLE: (Decision.DISMISS, Decision.NOT_GIVEN),
    Reason.EXPECTED_ABSENT: (Decision.DISMISS, Decision.ASK_AGENT),
    Reason.ELSEWHERE: (Decision.DISMISS, Decision.ASK_AGENT),
    Reason.NO_CALL: (Decision.DELETED_THERE, Decision.KNOWN),
}
_DESTROYS = (Decision.NOT_GIVEN, Decision.KEEP_FROM)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be done with an item, and why; `from_ms` is call time."""

    decision: Decision
    comment: str
    from_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a decision: the state of the item, and the proposal that now waits."""

    state: ItemState
    proposal: str | None = None


def allowed(found: Item) -> tuple[Decision, ...]:
    """The decisions that an item can have now."""
    has_sound = found.recording is not None and found.recording_state in (
        RecordingState.READY.value,
        RecordingState.QUARANTINED.value,
    )
    return tuple(
        each
        for each in _ALLOWED[found.reason]
        if (has_sound or each not in _SECOND) and (found.agent or each is not Decision.ASK_AGENT)
    )


def decide(store: Store, person: Person, identity: str, wish: Wish, at: datetime) -> Decided:
    """Decide an item, or propose it where the account wants a second person.

    Raises NotFound; InvalidRequest for a decision that the item cannot have, a place to cut that is
    not in the recording, or a comment that is too short; Refused where somebody else was first, or
    a hold or a duty keeps what would be erased.
    """
    person.ensure(Permission.QUEUE_DECIDE)
    with reading(store.engine) as connection:
        found = item(connection, identity)
        _ensure_open(found)
        _ensure_allowed(connection, found, wish, at)
        kind = _SECOND.get(wish.decision)
        waits = kind is not None and approvals.is_wanted(connection, kind)
    comment = queuetexts.seal(store, found.kept_with, queuetexts.checked(wish.comment))
    if kind is not None and waits:
        return _propose(store, found, wish, kind, comment, person, at)
    if wish.decision is Decision.ASK_AGENT:
        return _ask(store, found, comment, person, at)
    effect = effect_of(store, found, wish.decision, wish.from_ms, person.id, at)
    try:
        with transaction(store.engine) as connection:
            _ensure_first(
                note_decided(store, connection, found.id, wish.decision.value, at, person=person.id)
            )
            effect.write(connection)
            queuetexts.note(connection, found.id, TextKind.COMMENT, comment, person.id, at)
    except BaseException:
        effect.undo()
        raise
    effect.then()
    return Decided(ItemState.DECIDED)


def complain(
    store: Store, call: str, recording: str | None, text: str, person: str, at: datetime
) -> str:
    """Enter a complaint about a call; gives the item. One that is open gets this text besides."""
    sealed = queuetexts.seal(store, recording or call, queuetexts.checked(text))
    with transaction(store.engine) as connection:
        finding = Finding(Reason.COMPLAINT, call, recording)
        found = raise_item(store, connection, finding, at, person=person)
        if found is None:
            found = connection.execute(
                sa.select(queue_items.c.id).where(
                    queue_items.c.subject == (recording or call),
                    queue_items.c.reason == Reason.COMPLAINT.value,
                )
            ).scalar_one()
        queuetexts.note(connection, found, TextKind.COMPLAINT, sealed, person, at)
    return str(found)


def answer(store: Store, agent: str, identity: str, text: str, at: datetime) -> None:
    """The agent of a call answers what was asked about it; the item is open again.

    Raises Refused for somebody else, and for an item about which nobody asks.
    """
    with reading(store.engine) as connection:
        found = item(connection, identity)
    if found.agent != agent:
        raise Refused("this question is for the person who made the call")
    sealed = queuetexts.seal(store, found.kept_with, queuetexts.checked(text))
    with transaction(store.engine) as connection:
        _move(connection, found.id, ItemState.OPEN, ItemState.ASKED)
        queuetexts.note(connection, found.id, TextKind.ANSWER, sealed, agent, at)
        _note(store, connection, found, Kind.QUEUE_ANSWERED, agent, at)


def effect_of(
    store: Store, found: Item, decision: Decision, from_ms: int | None, person: str, at: datetime
) -> Effect:
    """What a decision does to the recording; prepared here, written by the caller."""
    recording, call = found.recording, found.call
    if recording is None or call is None or decision in (Decision.DISMISS, Decision.ASK_AGENT):
        return Effect(lambda _: None)
    if decision is Decision.GIVEN:
        return Effect(lambda connection: _release(store, connection, found, person, at))
    if decision is Decision.NOT_GIVEN:

        def erase(connection: sa.Connection) -> None:
            erasure.ensure_may_go(connection, recording, at)
            erasure.intend(store, connection, recording, Decision.NOT_GIVEN.value, at)

        return Effect(erase, lambda: _carried_out(store, call, at))
    cut = cutting.prepare(store, recording, from_ms or 0)

    def keep(connection: sa.Connection) -> None:
        erasure.ensure_may_go(connection, recording, at)
        cutting.put_in_place(store, connection, cut, person, at)
        _release(store, connection, found, person, at)

    return Effect(keep, lambda: _discarded(store), lambda: cutting.give_up(store, cut))


def permission_of(_proposal: Proposal) -> Permission:
    """Who decides may approve."""
    return Permission.QUEUE_DECIDE


def proposed_effect(store: Store, found: Proposal, person: Person, at: datetime) -> Effect:
    """What an approved proposal does: the decision, by the one who approves.

    Raises Refused where the item or its recording is no longer as it was.
    """
    with reading(store.engine) as connection:
        about = item(connection, str(found.ref))
    if about.state is not ItemState.PROPOSED:
        raise Refused("this item is no longer waiting for a second person; look at the queue")
    decision = Decision(found.after["decision"])
    effect = effect_of(store, about, decision, found.after.get("from_ms"), person.id, at)

    def write(connection: sa.Connection) -> None:
        _ensure_first(
            note_decided(
                store,
                connection,
                about.id,
                decision.value,
                at,
                person=found.proposed_by,
                states=(ItemState.PROPOSED,),
            )
        )
        effect.write(connection)

    return Effect(write, effect.then, effect.undo)


def proposal_dropped(connection: sa.Connection, found: Proposal) -> None:
    """The item of a proposal that was declined or has run out is open again."""
    connection.execute(
        queue_items.update()
        .where(queue_items.c.id == found.ref, queue_items.c.state == ItemState.PROPOSED.value)
        .values(state=ItemState.OPEN.value)
    )


def _propose(
    store: Store,
    found: Item,
    wish: Wish,
    kind: str,
    comment: str,
    person: Person,
    at: datetime,
) -> Decided:
    after: dict[str, object] = {"decision": wish.decision.value}
    if wish.from_ms is not None:
        after["from_ms"] = wish.from_ms
    with transaction(store.engine) as connection:
        _move(connection, found.id, ItemState.PROPOSED, ItemState.OPEN, ItemState.ASKED)
        queuetexts.note(connection, found.id, TextKind.COMMENT, comment, person.id, at)
        before = {"recording": found.recording_state}
        identity = approvals.propose(
            store, connection, kind, person.id, before, after, at, ref=found.id
        )
    return Decided(ItemState.PROPOSED, identity)


def _ask(store: Store, found: Item, question: str, person: Person, at: datetime) -> Decided:
    with transaction(store.engine) as connection:
        _move(connection, found.id, ItemState.ASKED, ItemState.OPEN, ItemState.ASKED)
        queuetexts.note(connection, found.id, TextKind.QUESTION, question, person.id, at)
        _note(store, connection, found, Kind.QUEUE_ASKED, person.id, at)
    return Decided(ItemState.ASKED)


def _release(
    store: Store, connection: sa.Connection, found: Item, person: str, at: datetime
) -> None:
    """Let a recording go that nothing else locks, and have its words heard."""
    recording = str(found.recording)
    row = connection.execute(sa.select(recordings).where(recordings.c.id == recording)).one()
    if row.state == RecordingState.READY.value:
        _hear(connection, found, at)
        return
    if row.failure is not None or row.state != RecordingState.QUARANTINED.value:
        raise Refused(f"recording {recording} is {row.state} or cannot be read; it is not let go")
    if erasure.is_intended(connection, recording) or erasure.is_waiting(connection, recording):
        raise Refused(
            f"recording {recording} is to be erased as soon as a hold or a duty allows; nobody "
            "lets it go"
        )
    others = [each for each in open_items_of(connection, recording) if each.id != found.id]
    if any(each.reason in LOCKS for each in others):
        return
    connection.execute(
        recordings.update()
        .where(recordings.c.id == recording)
        .values(state=RecordingState.READY.value)
    )
    call = connection.execute(sa.select(calls).where(calls.c.id == found.call)).one()
    settled = (
        outcomes.cut_off(True, call.language)
        if row.is_truncated
        else outcomes.released(call.language)
    )
    connection.execute(
        calls.update()
        .where(calls.c.id == found.call)
        .values(outcome=settled.code.value, outcome_reason=settled.reason)
    )
    store.ledger.append(
        connection,
        Kind.RECORDING_READY,
        at,
        call=found.call,
        recording=recording,
        # The proof stays what it is: that somebody believes it makes it no better.
        data={"item": found.id, "person": person, "proof": int(call.proof)},
    )
    _hear(connection, found, at)


def _hear(connection: sa.Connection, found: Item, at: datetime) -> None:
    order = f"hear:{found.id}:{int(at.timestamp())}"
    connection.execute(outbox.insert().values(id=order, kind="hear", ref=found.call, created_at=at))


def _carried_out(store: Store, call: str, at: datetime) -> None:
    erasure.carry_out(store, at, call)


def _discarded(store: Store) -> None:
    cutting.carry_out(store)


def _ensure_open(found: Item) -> None:
    match found.state:
        case ItemState.DECIDED:
            _ensure_first(False)
        case ItemState.PROPOSED:
            raise Refused("this item waits for a second person; approve or decline it first")
        case _:
            return


def _ensure_first(is_first: bool) -> None:
    if not is_first:
        raise Refused("somebody else has decided this item meanwhile; look at what they decided")


def _ensure_allowed(connection: sa.Connection, found: Item, wish: Wish, at: datetime) -> None:
    known = allowed(found)
    if wish.decision not in known:
        raise InvalidRequest(
            f"found the decision {wish.decision.value}; expected one of "
            f"{', '.join(known) or 'none'} for {found.reason.value}",
            key="decision",
        )
    if (wish.decision is Decision.KEEP_FROM) is not (wish.from_ms is not None):
        raise InvalidRequest(
            "found no place to cut, or one for a decision that cuts nothing; expected from_ms with "
            "keep-from alone",
            key="from_ms",
        )
    if wish.decision in _DESTROYS and found.recording is not None:
        erasure.ensure_may_go(connection, found.recording, at)


def _move(connection: sa.Connection, identity: str, state: ItemState, *states: ItemState) -> None:
    done = connection.execute(
        queue_items.update()
        .where(
            queue_items.c.id == identity, queue_items.c.state.in_([each.value for each in states])
        )
        .values(state=state.value)
    )
    if done.rowcount != 1:
        raise Refused("this item was changed by somebody else meanwhile; look at it again")


def _note(
    store: Store,
    connection: sa.Connection,
    found: Item,
    kind: Kind,
    person: str,
    at: datetime,
) -> None:
    data: dict[str, Any] = {"item": found.id, "reason": found.reason.value, "person": person}
    store.ledger.append(connection, kind, at, call=found.call, recording=found.recording, data=data)
