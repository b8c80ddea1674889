"""What is kept about people whose calls are kept: whom it is about, how much, and its erasure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NotRequired, TypedDict

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound
from askfirst.ledger import Kind, timestamp
from askfirst.model import RecordingState
from askfirst.server import audit, contacts, erasure, forgetting, keeping
from askfirst.server.account import Account, account
from askfirst.server.contactcard import standard
from askfirst.server.contacttables import follow_ups
from askfirst.server.database import (
    assets,
    calls,
    consents,
    parties,
    reading,
    recordings,
    transaction,
)
from askfirst.server.keepers import keeper_of
from askfirst.server.notetables import call_notes
from askfirst.server.restrictions import RESTRICTED
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store


class ErasedItem(TypedDict):
    """What became of one recording; a mandatory one has what keeps it, and until when (RFC 3339).

    `until` is None while its call goes on or where nobody knows the duty.
    """

    id: str
    outcome: str
    rule: NotRequired[str]
    until: NotRequired[str | None]


class Erased(TypedDict):
    """What an erasure did, or would do; see `erase_person`."""

    dry_run: bool
    items: list[ErasedItem]
    calls: int
    notes: int
    forgotten_in: int
    traces_left: bool
    backups_void_at: str


@dataclass(frozen=True, slots=True)
class Who:
    """Whom something is about: a contact, numbers (E.164), or one recording."""

    contact: str | None = None
    numbers: tuple[str, ...] = ()
    recording: str | None = None


def who(
    connection: sa.Connection,
    *,
    number: str | None = None,
    contact: str | None = None,
    recording: str | None = None,
    default_region: str | None = None,
) -> Who:
    """Whom exactly one of these names, a contact with all its numbers.

    Raises InvalidRequest, NotFound.
    """
    given = [each for each in (number, contact, recording) if each]
    if len(given) != 1:
        raise InvalidRequest(
            f"found {len(given)} of number, contact and recording; expected one of them",
            key="number",
        )
    if number:
        written = standard(number, default_region)
        if written is None:
            raise InvalidRequest(
                "number: expected a telephone number with + in front", key="number"
            )
        holder = contacts.holder(connection, written)
        others = _numbers_of(connection, holder) if holder is not None else ()
        return Who(holder, (written, *(each for each in others if each != written)))
    if contact:
        return Who(contact, _numbers_of(connection, contact))
    return Who(recording=recording)


def found_of(connection: sa.Connection, person: Who) -> dict[str, int]:
    """How many calls, recordings that are not erased, transcripts and so on are about somebody."""
    of = calls_of(connection, person)
    kept = recordings.c.state != RecordingState.ERASED.value
    written = call_notes.c.forgotten_at.is_(None)
    counts = {
        "calls": sa.select(sa.func.count()).select_from(calls).where(calls.c.id.in_(of)),
        "recordings": sa.select(sa.func.count())
        .select_from(recordings)
        .where(recordings.c.call.in_(of), kept),
        "transcripts": sa.select(sa.func.count())
        .select_from(assets.join(recordings))
        .where(recordings.c.call.in_(of), assets.c.kind == "transcript"),
        "consents": sa.select(sa.func.count()).select_from(consents).where(consents.c.call.in_(of)),
        "notes": sa.select(sa.func.count())
        .select_from(call_notes)
        .where(call_notes.c.call.in_(of), written),
        "follow_ups": sa.select(sa.func.count())
        .select_from(follow_ups)
        .where(follow_ups.c.contact == person.contact),
        "standing": sa.select(sa.func.count())
        .select_from(standing_consents)
        .where(standing_consents.c.contact == person.contact),
    }
    found = {name: int(connection.execute(query).scalar_one()) for name, query in counts.items()}
    return {**found, "contacts": int(person.contact is not None)}


def erase_person(
    store: Store, person: Who, by: str | None, at: datetime, *, dry_run: bool
) -> Erased:
    """Erase recordings and forget numbers, contact and notes, or say what would be erased.

    `items` has an outcome for each recording: erased, would-erase, held, mandatory, restricted,
    or running where its call goes on; the last four are erased, and the numbers forgotten, once
    that is over. A rule that wants a recording kept for a time counts as mandatory. `calls` and
    `notes` count what is about the person, `forgotten_in` the calls that the numbers were taken out
    of. `traces_left` says that the database's log could not be emptied now and may hold deleted
    text until the next sweep. `backups_void_at` is when the last backup goes from which it could
    still be read (RFC 3339). Raises NotFound where nothing fits.
    """
    with reading(store.engine) as connection:
        wants = account(connection)
        void_at = keeping.void_at(wants, at)
        rows = recordings_of(connection, person)
        found = found_of(connection, person)
    if not rows and not any(found.values()):
        raise NotFound("no recording, call or contact fits; nothing was erased")
    items = [_item(row, _erased(store, row, at, dry_run=dry_run), wants, at) for row in rows]
    forgotten = forgetting.Forgotten(0)
    if not dry_run:
        forgotten = forgetting.forget(store, person.numbers, person.contact)
        with transaction(store.engine) as connection:
            erased = sum(item["outcome"] == "erased" for item in items)
            detail = {"recordings": erased, "forgotten_in": forgotten.calls}
            audit.note(connection, at, by, "erasure.ordered", person.recording, detail)
            if person.recording is None:
                counts = {"erased_count": erased, "kept_count": len(items) - erased}
                store.ledger.append(connection, Kind.PERSON_ERASED, at, data=counts)
    return {
        "dry_run": dry_run,
        "items": items,
        "calls": found["calls"],
        "notes": found["notes"],
        "forgotten_in": forgotten.calls,
        "traces_left": not forgotten.is_scrubbed,
        "backups_void_at": timestamp(void_at),
    }


def _item(row: Any, outcome: str, wants: Account, at: datetime) -> ErasedItem:
    """The outcome of one recording, with the rule where one keeps it."""
    keeper = keeper_of(row, wants, at) if outcome == "mandatory" else None
    if keeper is None:
        return {"id": row.id, "outcome": outcome}
    until = None if keeper.until is None else timestamp(keeper.until)
    return {"id": row.id, "outcome": outcome, "rule": keeper.rule, "until": until}


def _erased(store: Store, row: Any, at: datetime, *, dry_run: bool) -> str:
    """Erase one recording where nothing forbids it, and say what became of it."""
    if row.state == RecordingState.ERASED.value:
        return "erased"
    is_ruled = row.kept_until is not None and at < row.kept_until
    is_kept = row.legal_hold or row.mandatory is not None or row.is_restricted or is_ruled
    if not dry_run:
        with transaction(store.engine) as connection:
            erasure.intend(store, connection, row.id, "request", at)
        if not is_kept and row.ended_at is not None:
            erasure.erase(store, row.id, at)
    if row.ended_at is None:
        return "running"
    if is_kept:
        return "held" if row.legal_hold else "restricted" if row.is_restricted else "mandatory"
    return "would-erase" if dry_run else "erased"


def recordings_of(connection: sa.Connection, person: Who) -> Sequence[Any]:
    query = sa.select(
        recordings.c.id,
        recordings.c.state,
        recordings.c.legal_hold,
        recordings.c.mandatory,
        recordings.c.kept_until,
        recordings.c.kept_by,
        recordings.c.id.in_(RESTRICTED).label("is_restricted"),
        calls.c.ended_at,
    ).join(calls, calls.c.id == recordings.c.call)
    wanted = (
        recordings.c.id == person.recording
        if person.recording is not None
        else recordings.c.call.in_(calls_of(connection, person))
    )
    return connection.execute(query.where(wanted).order_by(recordings.c.id)).all()


def _numbers_of(connection: sa.Connection, contact: str) -> tuple[str, ...]:
    return tuple(each.number for each in contacts.get(connection, contact).numbers)


def calls_of(connection: sa.Connection, person: Who) -> sa.Select[tuple[str]]:
    """The calls (ids) that somebody was on, or that a recording is of."""
    if person.recording is not None:
        of_recording = sa.select(recordings.c.call)
        return of_recording.where(recordings.c.id == person.recording)
    spelled = forgetting.spellings(connection, person.numbers)
    return sa.select(parties.c.call).where(parties.c.number.in_(spelled))
