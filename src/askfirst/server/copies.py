"""Copies that were made for people: kept encrypted in parts for a week, and given in parts.

No whole copy is ever in memory or in clear on a disk. Each download is an access to every
recording in it, which is in the ledger before the first byte.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, cast

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.ledger import Kind
from askfirst.server.database import reading, recordings, transaction
from askfirst.server.playback import Playback
from askfirst.server.requesttables import copies
from askfirst.server.sealing import write_part
from askfirst.server.store import Store

KEPT_FOR = timedelta(days=7)
PART_BYTES = 4 * 1024 * 1024
STANDING = "stc_"
"""With what the ids of standing consents begin, which stand among those of recordings."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that can be downloaded until `expires_at` (UTC)."""

    request: str
    bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime


class _Parts:
    """Takes a stream and keeps it in encrypted parts."""

    def __init__(self, store: Store, request: str) -> None:
        self._store, self._request = store, request
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
        self.ids.append(write_part(self._store, self._request, part))


def make(
    store: Store,
    request: str,
    within: Sequence[str],
    write: Callable[[zipfile.ZipFile], None],
    at: datetime,
) -> Copy:
    """Keep what `write` puts into a zip as the copy of a request, in place of one from before.

    `within` are the recordings whose sound or words are in it, and standing consents. Raises
    Refused where one of them was erased meanwhile; nothing is kept then.
    """
    destroy(store, request)
    # First the row: what a crash leaves behind is found by it and destroyed in its time.
    with transaction(store.engine) as connection:
        connection.execute(
            copies.insert().values(
                request=request,
                parts=[],
                bytes=0,
                sha256="",
                recordings=list(within),
                created_at=at,
                expires_at=at + KEPT_FOR,
            )
        )
    parts = _Parts(store, request)
    with zipfile.ZipFile(cast("IO[bytes]", parts), "w") as archive:
        write(archive)
    digest = parts.finish()
    with transaction(store.engine) as connection:
        done = connection.execute(
            copies.update()
            .where(copies.c.request == request)
            .values(parts=parts.ids, bytes=parts.size, sha256=digest)
        )
    if done.rowcount != 1:
        _destroy_parts(store, request)
        raise Refused("something in this copy was erased while it was made; make it again")
    return Copy(request, parts.size, digest, at, at + KEPT_FOR)


def copy_of(connection: sa.Connection, request: str, at: datetime) -> Copy | None:
    """The copy of a request; None where none is finished, or it has run out."""
    row = connection.execute(
        sa.select(copies).where(
            copies.c.request == request, copies.c.expires_at > at, copies.c.sha256 != ""
        )
    ).one_or_none()
    if row is None:
        return None
    return Copy(row.request, row.bytes, row.sha256, row.created_at, row.expires_at)


def within(connection: sa.Connection, request: str) -> list[str]:
    """The recordings whose sound or words are in the copy of a request."""
    query = sa.select(copies.c.recordings).where(copies.c.request == request)
    return list(connection.execute(query).scalar() or ())


def download(
    store: Store, request: str, person: str, at: datetime, purpose: str = "subject-request"
) -> Iterator[bytes]:
    """The copy of a request, part by part; the accesses are in the ledger when this returns.

    Raises NotFound where there is none, or none any more.
    """
    with transaction(store.engine) as connection:
        if copy_of(connection, request, at) is None:
            raise NotFound("there is no copy for this request, or it has run out; make it again")
        row = connection.execute(sa.select(copies).where(copies.c.request == request)).one()
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
        for standing in row.recordings:
            if standing.startswith(STANDING):
                data = {"standing": standing, "person": person, "request": request}
                store.ledger.append(connection, Kind.STANDING_OPENED, at, data=data)
    playback = Playback(store)
    return (playback.part(each) for each in row.parts)


def destroy(store: Store, request: str) -> None:
    """Destroy the copy of a request, keys first; one that is not there is none."""
    with reading(store.engine) as connection:
        known = connection.execute(sa.select(copies).where(copies.c.request == request)).first()
    if known is None:
        return
    _destroy_parts(store, request)
    with transaction(store.engine) as connection:
        connection.execute(copies.delete().where(copies.c.request == request))


def _destroy_parts(store: Store, request: str) -> None:
    for name in store.blobs.names():
        if name.startswith(f"{request}/"):
            store.keys.destroy(name)
            store.blobs.delete(name)


def destroy_with(store: Store, recording: str) -> None:
    """Destroy every copy that a recording, or a standing consent, is in."""
    with reading(store.engine) as connection:
        rows = connection.execute(sa.select(copies.c.request, copies.c.recordings)).all()
    for row in rows:
        if recording in row.recordings:
            destroy(store, row.request)


def expire(store: Store, at: datetime) -> int:
    """Destroy the copies whose week is over; says how many."""
    with reading(store.engine) as connection:
        query = sa.select(copies.c.request).where(copies.c.expires_at <= at)
        over = list(connection.execute(query).scalars())
    for each in over:
        destroy(store, each)
    return len(over)
