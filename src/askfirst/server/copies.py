"""Copies that were made for people: ordered, made by a job, kept encrypted in parts for a week.

No whole copy is ever in memory or in clear on a disk, and none can be downloaded before it is
whole. Each download asks again whether it may be given, and is an access to every recording in it,
which is in the ledger before the first byte.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import IO, Any, cast

import sqlalchemy as sa

from askfirst.errors import AskfirstError, NotFound, Refused
from askfirst.ledger import Kind
from askfirst.server.copyconcerns import Concern, new_since, standing
from askfirst.server.database import outbox, reading, recordings, transaction
from askfirst.server.ids import new_id
from askfirst.server.playback import Playback
from askfirst.server.requesttables import copies, subject_requests
from askfirst.server.sealing import write_part
from askfirst.server.store import Store

KEPT_FOR = timedelta(days=7)
PART_BYTES = 4 * 1024 * 1024
STANDING = "stc_"
"""With what the ids of standing consents begin, which stand among those of recordings."""

ORDER = "copy"
"""The kind of an order in the outbox; it refers to the making of a copy."""


class CopyState(StrEnum):
    """How far a copy has come."""

    WAITING = "waiting"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class CopyFault(StrEnum):
    """Why a copy could not be made."""

    STORE = "store"
    KEY = "key"
    NOBODY = "nobody"
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a request. Times are in UTC.

    `making` is the id of this making of it; `done` of `total` calls are in it. `fault` is a
    `CopyFault` where it failed, and a `Concern` where it may not be given any more.
    """

    request: str
    making: str
    state: CopyState
    bytes: int
    sha256: str
    is_masked: bool
    language: str
    done: int
    total: int
    fault: str | None
    created_at: datetime
    expires_at: datetime

    @property
    def is_under_way(self) -> bool:
        """Whether somebody waits for it."""
        return self.state in (CopyState.WAITING, CopyState.MAKING)


class Superseded(Refused):
    """Nobody waits for this making any more: it was ordered anew, or something in it erased."""


class _Parts:
    """Takes a stream and keeps it in encrypted parts."""

    def __init__(self, store: Store, making: str) -> None:
        self._store, self._making = store, making
        self._left = bytearray()
        self._hash = hashlib.sha256()
        self.ids: list[str] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self._left += data
        self._hash.update(data)
        self.size += len(data)
        while len(self._left) >= PART_BYTES:
            self._keep(bytes(self._left[:PART_BYTES]))
            del self._left[:PART_BYTES]
        return len(data)

    def flush(self) -> None:
        """Nothing waits for it: a part is kept when it is full."""

    def finish(self) -> str:
        """Keep what is left; gives the SHA-256 of the whole in hexadecimal."""
        if self._left:
            self._keep(bytes(self._left))
        return self._hash.hexdigest()

    def _keep(self, part: bytes) -> None:
        self.ids.append(write_part(self._store, self._making, part))


def order(store: Store, request: str, at: datetime, *, is_masked: bool, language: str) -> Copy:
    """Order the copy of a request, in place of one from before, which is destroyed.

    A job makes it, once the orders are handed over (`Jobs.dispatch`). Raises NotFound.
    """
    ref = new_id("cpy")

    def ordered(connection: sa.Connection) -> None:
        connection.execute(
            outbox.insert().values(id=f"{ORDER}:{ref}", kind=ORDER, ref=ref, created_at=at)
        )

    return _new(store, request, ref, at, ordered, is_masked=is_masked, language=language)


def make_now(
    store: Store,
    request: str,
    within: Mapping[str, Sequence[str]],
    write: Callable[[zipfile.ZipFile], None],
    at: datetime,
    *,
    language: str,
) -> Copy:
    """Make the copy of a request while somebody waits, in place of one from before.

    `within` as in `begin`, `write` as in `fill`. Raises NotFound, Superseded, and what `write`
    raises; nothing is kept then.
    """
    made = _new(store, request, new_id("cpy"), at, is_masked=False, language=language)
    begin(store, made.making, within, 0)
    try:
        fill(store, made.making, write, at)
    except AskfirstError:
        destroy_parts(store, made.making)
        with transaction(store.engine) as connection:
            connection.execute(copies.delete().where(copies.c.making == made.making))
        raise
    with reading(store.engine) as connection:
        return _copy(_row(connection, copies.c.making == made.making))


def begin(store: Store, making: str, within: Mapping[str, Sequence[str]], total: int) -> bool:
    """Begin, or begin anew after a crash; False where it was made already.

    `within` are the recordings whose sound or words go into it, and standing consents, each with
    what stands against it now. Raises Superseded.
    """
    with reading(store.engine) as connection:
        row = _row(connection, copies.c.making == making)
    if row is not None and row.state == CopyState.READY.value:
        return False
    destroy_parts(store, making)
    values = {
        "state": CopyState.MAKING.value,
        "recordings": list(within),
        "concerns": dict(within),
        "done": 0,
        "total": total,
    }
    _update(store, making, values)
    return True


def go_on(store: Store, making: str, done: int) -> None:
    """Write down that so many calls are in it. Raises Superseded."""
    _update(store, making, {"done": done})


def fill(store: Store, making: str, write: Callable[[zipfile.ZipFile], None], at: datetime) -> None:
    """Keep what `write` puts into a zip, and let it be downloaded for a week from `at`.

    Raises Superseded; nothing is kept then.
    """
    parts = _Parts(store, making)
    try:
        with zipfile.ZipFile(cast("IO[bytes]", parts), "w") as archive:
            write(archive)
        digest = parts.finish()
        values = {
            "state": CopyState.READY.value,
            "parts": parts.ids,
            "bytes": parts.size,
            "sha256": digest,
            "expires_at": at + KEPT_FOR,
        }
        _update(store, making, values)
    except Superseded:
        destroy_parts(store, making)
        raise


def fail(store: Store, making: str, fault: CopyFault) -> None:
    """Write down that a copy could not be made, and destroy what there is of it."""
    destroy_parts(store, making)
    with transaction(store.engine) as connection:
        connection.execute(
            copies.update()
            .where(copies.c.making == making, copies.c.state.in_(_UNDER_WAY))
            .values(state=CopyState.FAILED.value, fault=fault.value, recordings=[])
        )


def of_making(connection: sa.Connection, making: str) -> Copy | None:
    """The copy that a making is of; None where it was ordered anew since."""
    row = _row(connection, copies.c.making == making)
    return None if row is None else _copy(row)


def copy_of(store: Store, connection: sa.Connection, request: str, at: datetime) -> Copy | None:
    """The copy of a request as it stands now; None where there is none, or it has run out.

    One that was made and may not be given any more is `withdrawn`.
    """
    row = _row(connection, (copies.c.request == request) & (copies.c.expires_at > at))
    if row is None:
        return None
    found = _copy(row)
    concern = _came_up(store, connection, row) if found.state is CopyState.READY else None
    if concern is None:
        return found
    return _copy(row, state=CopyState.WITHDRAWN, fault=concern.value)


def download(
    store: Store, request: str, person: str, at: datetime, purpose: str = "subject-request"
) -> Iterator[bytes]:
    """The copy of a request, part by part; the accesses are in the ledger when this returns.

    Raises NotFound where there is none, none yet or none any more, and Refused where something has
    come up against a recording in it since it was made.
    """
    with transaction(store.engine) as connection:
        found = copy_of(store, connection, request, at)
        if found is not None and found.state is CopyState.WITHDRAWN:
            state = found.fault
            raise Refused(
                "this copy cannot be given any more, because of what became of a recording in it "
                f"since it was made: {state}; make a new one"
            )
        if found is None or found.state is not CopyState.READY:
            raise NotFound("there is no copy for this request, or none yet or any more; make one")
        row = _row(connection, copies.c.request == request)
        called = connection.execute(
            sa.select(recordings.c.id, recordings.c.call)
            .where(recordings.c.id.in_(row.recordings))
            .order_by(recordings.c.id)
        )
        for each in called:
            store.ledger.append(
                connection,
                Kind.ACCESS_EXPORTED,
                at,
                call=each.call,
                recording=each.id,
                data={"person": person, "purpose": purpose, "request": request},
            )
        for each in row.recordings:
            if each.startswith(STANDING):
                data = {"standing": each, "person": person, "request": request}
                store.ledger.append(connection, Kind.STANDING_OPENED, at, data=data)
    playback = Playback(store)
    return (playback.part(each) for each in row.parts)


def destroy(store: Store, request: str) -> None:
    """Destroy the copy of a request, keys first; one that is not there is none."""
    with reading(store.engine) as connection:
        row = _row(connection, copies.c.request == request)
    if row is None:
        return
    destroy_parts(store, row.making)
    with transaction(store.engine) as connection:
        connection.execute(copies.delete().where(copies.c.making == row.making))


def destroy_parts(store: Store, making: str) -> None:
    """Destroy keys and bytes of a making; safe to repeat."""
    for name in store.blobs.names():
        if name.startswith(f"{making}/"):
            store.destroy_object(name)


def destroy_with(store: Store, recording: str) -> None:
    """Close and destroy every copy that a recording, or a standing consent, is in.

    What it was for stays to be told.
    """
    with reading(store.engine) as connection:
        rows = connection.execute(sa.select(copies)).all()
    for row in rows:
        if recording not in row.recordings:
            continue
        # First closed; the recording stays named, so that a repeat destroys what a crash left.
        closed = {"state": CopyState.WITHDRAWN.value, "fault": Concern.ERASED.value, "parts": []}
        with transaction(store.engine) as connection:
            connection.execute(
                copies.update().where(copies.c.making == row.making).values(**closed)
            )
        destroy_parts(store, row.making)


def expire(store: Store, at: datetime) -> int:
    """Destroy the copies whose week is over; says how many."""
    with reading(store.engine) as connection:
        query = sa.select(copies.c.request).where(copies.c.expires_at <= at)
        over = list(connection.execute(query).scalars())
    for each in over:
        destroy(store, each)
    return len(over)


_UNDER_WAY = (CopyState.WAITING.value, CopyState.MAKING.value)


def _new(
    store: Store,
    request: str,
    making: str,
    at: datetime,
    also: Callable[[sa.Connection], None] = lambda _: None,
    *,
    is_masked: bool,
    language: str,
) -> Copy:
    """The row of a copy that nothing is in yet, with what else is written in its transaction."""
    known = sa.select(subject_requests.c.id).where(subject_requests.c.id == request)
    with reading(store.engine) as connection:
        if connection.execute(known).first() is None:
            raise NotFound(f"no request {request}")
    destroy(store, request)
    with transaction(store.engine) as connection:
        # Somebody else may have ordered one since; the newest order wins, theirs is given up.
        connection.execute(copies.delete().where(copies.c.request == request))
        connection.execute(
            copies.insert().values(
                request=request,
                making=making,
                state=CopyState.WAITING.value,
                parts=[],
                bytes=0,
                sha256="",
                recordings=[],
                is_masked=is_masked,
                language=language,
                created_at=at,
                expires_at=at + KEPT_FOR,
            )
        )
        also(connection)
        return _copy(_row(connection, copies.c.request == request))


def _came_up(store: Store, connection: sa.Connection, row: Any) -> Concern | None:
    """What stands against a recording in a copy and did not when it was made."""
    before = row.concerns or {}
    for recording in row.recordings:
        if recording.startswith(STANDING):
            continue  # erasing it closes the copy (`destroy_with`)
        now = standing(store, connection, recording)
        concern = new_since(before.get(recording, ()), now)
        if concern is not None:
            return concern
    return None


def _update(store: Store, making: str, values: Mapping[str, object]) -> None:
    with transaction(store.engine) as connection:
        done = connection.execute(
            copies.update()
            .where(copies.c.making == making, copies.c.state.in_(_UNDER_WAY))
            .values(**values)
        )
    if done.rowcount != 1:
        raise Superseded("this copy was ordered anew, or something in it erased; make it again")


def _row(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Any:
    return connection.execute(sa.select(copies).where(which)).one_or_none()


def _copy(row: Any, **changed: Any) -> Copy:
    values = {name: getattr(row, name) for name in Copy.__slots__} | changed
    return Copy(**{**values, "state": CopyState(values["state"])})
