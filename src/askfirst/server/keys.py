"""Keys: the one that wraps, and the store of all that are wrapped.

Every asset has a random key of its own; here it lies wrapped by a key-encryption key, in a
database file apart from everything else, so that destroying a row makes the asset unreadable
everywhere. Salts of ledger commitments and the ledger's signing seed are kept the same way. What
the keys encrypt is none of this module's business.

Deleting a row does not delete bytes: SQLite overwrites them only with `secure_delete`, and in WAL
mode only a truncating checkpoint takes them out of the log. A backup of this file keeps what it
had; flash storage may keep old blocks. Python cannot wipe a key from memory.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from askfirst.errors import (
    AskfirstError,
    InvalidInput,
    KeyUnreadable,
    Misconfigured,
    Refused,
    Unavailable,
)
from askfirst.server.blobs import disk_trouble
from askfirst.server.database import UtcDateTime
from askfirst.server.durable import create_file

KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_VERSION = b"\x01"
_BATCH = 1000  # rows held at once while wrapping everything anew

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
# Ids of our own rows hold a colon, which no id from outside may: nobody destroys them by name.
_SALT = "salt:"
_SEED = "ledger:seed"
_LIST = "erasures:list"
_SEARCH = "search:words"

_tables = sa.MetaData()
_keys = sa.Table(
    "keys",
    _tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("recording", sa.Text, nullable=False, index=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("segment_bytes", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
)
# What was erased stays erased: a job that was under way must not make a new key for it.
_erased = sa.Table(
    "erased",
    _tables,
    sa.Column("recording", sa.Text, primary_key=True),
    sa.Column("erased_at", UtcDateTime, nullable=False),
)


class KeyWrapper(Protocol):
    """Encrypts keys under a key-encryption key that it alone knows: a file, a KMS.

    `context` says what the key is for; unwrapping under another context must fail.
    """

    def wrap(self, key: bytes, context: str) -> bytes:
        """The key, encrypted. Raises Unavailable."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The key again. Raises KeyUnreadable."""
        ...

    def describe(self) -> str:
        """What this is, for people; tells one key from another, reveals none."""
        ...

    def close(self) -> None:
        """Let go of connections; the wrapper may be used again."""
        ...


class KeyFile:
    """A key-encryption key of 32 random bytes in a file that only its owner may read.

    Wraps with AES-256-GCM under random nonces, the context as associated data. Back the file up
    apart from the data: without it no recording can ever be opened. Raises KeyUnreadable when the
    file is missing or holds no key, Misconfigured when others could read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        key = _read_key(path)
        self._cipher = AESGCM(key)
        self._fingerprint = sha256(b"askfirst key file" + key).hexdigest()[:12]

    @classmethod
    def create(cls, path: Path) -> KeyFile:
        """Make a new key, durable on return. Raises Refused if the file exists, Unavailable."""
        try:
            create_file(path, secrets.token_bytes(KEY_BYTES), unfinished_in=path.parent)
        except FileExistsError as error:
            raise Refused(
                f"The key file {path} already exists, and what it wrapped needs it. Use it, or "
                "choose another name."
            ) from error
        except OSError as error:
            raise disk_trouble(f"make the key file {path}", error) from error
        return cls(path)

    @classmethod
    def open_or_create(cls, path: Path) -> KeyFile:
        """The key in this file, made first if there is none; for the first start."""
        try:
            return cls(path) if path.exists() else cls.create(path)
        except Refused:
            return cls(path)  # another process was faster

    def wrap(self, key: bytes, context: str) -> bytes:
        """A version byte, the nonce, the encrypted key and its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + self._cipher.encrypt(nonce, key, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """The key again. Raises KeyUnreadable."""
        if wrapped[:1] != _VERSION or len(wrapped) < 1 + _NONCE_BYTES + _TAG_BYTES:
            raise KeyUnreadable(
                f"Found {len(wrapped)} bytes that are no wrapped key of version 1. Restore the "
                "key store from a backup."
            )
        nonce, sealed = wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, sealed, context.encode())
        except InvalidTag as error:
            raise KeyUnreadable(
                f"The {self.describe()} does not open this wrapped key: it was wrapped by another "
                "key, for something else, or was changed. Configure the key file that was in use."
            ) from error

    def describe(self) -> str:
        """Path and fingerprint."""
        return f"key file {self._path} ({self._fingerprint})"

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key without opening it; `segment_bytes` is that of its stream."""

    id: str
    kind: str
    recording: str
    segment_bytes: int
    created_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class KeyStore:
    """Wrapped keys in an SQLite file of their own; safe for threads and for several processes.

    `now` gives aware times; `busy_seconds` is how long to wait for another process. `held` is a
    descriptor with a lock that says that the store is in use, closed with it. The caller closes
    the store. Every method may raise Unavailable, and then has changed nothing, except
    where it says otherwise.
    """

    def __init__(
        self,
        path: Path,
        wrapper: KeyWrapper,
        now: Callable[[], datetime] = _utc_now,
        busy_seconds: float = 30.0,
        held: int | None = None,
    ) -> None:
        self._wrapper = wrapper
        self._held = held
        self._now = now
        self._engine = _engine(path, busy_seconds)
        try:
            with _alone(path.parent):
                if not path.exists():
                    # Wrapped keys are no secret of themselves, but nobody else needs them.
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                with self._transaction("IMMEDIATE") as connection:
                    _tables.create_all(connection)
        except OSError as error:
            self.close()
            raise disk_trouble(f"open the key store {path}", error) from error
        except Unavailable:
            self.close()
            raise

    def create(self, key_id: str, *, recording: str, kind: str, segment_bytes: int) -> bytes:
        """A new random key of 32 bytes, stored durably before it is given.

        Raises Refused if the id is taken or the recording was erased.
        """
        _check(key_id, recording, kind)
        key = secrets.token_bytes(KEY_BYTES)
        row = self._row(key_id, kind, recording, key, segment_bytes)
        with self._transaction("IMMEDIATE") as connection:
            if connection.execute(sa.select(_erased).filter_by(recording=recording)).first():
                raise Refused(
                    f"Recording {recording} was erased, so nothing may be added to it. Begin a new "
                    "recording."
                )
            if connection.execute(sa.select(_keys.c.id).filter_by(id=key_id)).first():
                raise Refused(f"There is already a key {key_id}. Take a new id for a new asset.")
            connection.execute(insert(_keys).values(row))
        return key

    def get(self, key_id: str) -> bytes:
        """The key. Raises KeyUnreadable when it is gone or cannot be unwrapped."""
        _check(key_id)
        with self._transaction("DEFERRED") as connection:
            row = connection.execute(sa.select(_keys).filter_by(id=key_id)).first()
        return self._unwrapped(row, key_id)

    def describe(self, key_id: str) -> StoredKey:
        """What is known of a key. Raises KeyUnreadable when it is gone."""
        _check(key_id)
        with self._transaction("DEFERRED") as connection:
            row = connection.execute(sa.select(_keys).filter_by(id=key_id)).first()
        if row is None:
            raise _gone(key_id)
        return _stored(row)

    def of_recording(self, recording: str) -> list[StoredKey]:
        """Every key of a recording by id, salts left out."""
        _check(recording)
        wanted = sa.select(_keys).filter_by(recording=recording).order_by(_keys.c.id)
        with self._transaction("DEFERRED") as connection:
            rows = connection.execute(wanted).all()
        return [_stored(row) for row in rows if not row.id.startswith(_SALT)]

    def salt(self, scope: str) -> bytes:
        """The 32-byte salt of a recording or person, made at the first call.

        After `destroy_recording` or `destroy_salt` the next call makes a new one: what was
        committed under the old one can no longer be shown.
        """
        _check(scope)
        return self._get_or_create(_SALT + scope, "salt", scope)

    def signing_seed(self) -> bytes:
        """The 32-byte seed of the ledger's signature, made at the first call."""
        return self._get_or_create(_SEED, "seed", "")

    def list_key(self) -> bytes:
        """The 32-byte key of the hashes on the erasure list, made at the first call."""
        return self._get_or_create(_LIST, "list", "")

    def search_key(self) -> bytes:
        """The 32-byte key of the words in the search index, made at the first call."""
        return self._get_or_create(_SEARCH, "search", "")

    def wrapped_by(self) -> str:
        """What wraps the keys, for people; reveals none."""
        return self._wrapper.describe()

    def count(self) -> int:
        """How many keys, salts and seeds there are."""
        with self._transaction("DEFERRED") as connection:
            counted = connection.execute(sa.select(sa.func.count()).select_from(_keys))
            return int(counted.scalar_one())

    def oldest(self) -> datetime | None:
        """When the first key was made; None while there is none."""
        with self._transaction("DEFERRED") as connection:
            found = connection.execute(
                sa.select(sa.func.min(_keys.c.created_at, type_=UtcDateTime()))
            )
            at: datetime | None = found.scalar()
            return at

    def scopes(self) -> frozenset[str]:
        """Every recording and person (call and number in it) that a key or salt is kept for."""
        with self._transaction("DEFERRED") as connection:
            return frozenset(connection.execute(sa.select(_keys.c.recording).distinct()).scalars())

    def destroy(self, key_id: str) -> bool:
        """Destroy one key and its bytes; False if there was none.

        Raises Unavailable as `destroy_recording` does; repeat it then.
        """
        _check(key_id)
        return self._delete(sa.delete(_keys).filter_by(id=key_id)) > 0

    def destroy_salt(self, scope: str) -> bool:
        """Destroy the salt of a recording or person; False if there was none."""
        _check(scope)
        return self._delete(sa.delete(_keys).filter_by(id=_SALT + scope)) > 0

    def destroy_recording(self, recording: str) -> int:
        """Destroy every key and salt of a recording, bar new keys for it, and say how many.

        The rows are gone at once. If Unavailable says that the log could not be emptied, old
        bytes are still in it: call again until it works, before calling the erasure done.
        """
        _check(recording)
        gone = {"recording": recording, "erased_at": self._now()}
        return self._delete(
            sa.delete(_keys).filter_by(recording=recording),
            insert(_erased).values(gone).on_conflict_do_nothing(),
        )

    def ensure_alone(self) -> None:
        """Return when no other process has the store in use, and none may take it from now on.

        Raises Unavailable where one has.
        """
        try:
            if self._held is not None:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(
                "another process has this installation open, and would go on with the old key; "
                "nothing was changed. Stop it first"
            ) from error

    def rewrap(self, new_wrapper: KeyWrapper) -> int:
        """Wrap everything with another key-encryption key, all or nothing, and say how many.

        Stop other processes before, and start them with the new key after. The old key may be
        destroyed once the store has been opened with the new one; backups of this store that
        are older become void with it. Raises KeyUnreadable when one key cannot be unwrapped.
        """
        change = sa.update(_keys).where(_keys.c.id == sa.bindparam("row"))
        change = change.values(wrapped=sa.bindparam("new"))
        count, after = 0, ""
        with self._transaction("IMMEDIATE") as connection:
            batch = sa.select(_keys).order_by(_keys.c.id).limit(_BATCH)
            while rows := connection.execute(batch.where(_keys.c.id > after)).all():
                changes = []
                for row in rows:
                    context = _context(row.id, row.kind, row.recording)
                    wrapped = new_wrapper.wrap(self._unwrapped(row, row.id), context)
                    changes.append({"row": row.id, "new": wrapped})
                connection.execute(change, changes)
                count, after = count + len(rows), rows[-1].id
        self._wrapper = new_wrapper
        self._scrub()
        return count

    def close(self) -> None:
        """Close the database and the wrapper; safe to call again."""
        self._engine.dispose()
        self._wrapper.close()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _row(
        self, key_id: str, kind: str, scope: str, key: bytes, segment_bytes: int
    ) -> dict[str, Any]:
        # Wrapping comes before the transaction: a KMS may take its time.
        return {
            "id": key_id,
            "kind": kind,
            "recording": scope,
            "wrapped": self._wrapper.wrap(key, _context(key_id, kind, scope)),
            "segment_bytes": segment_bytes,
            "created_at": self._now(),
        }

    def _get_or_create(self, key_id: str, kind: str, scope: str) -> bytes:
        wanted = sa.select(_keys).filter_by(id=key_id)
        with self._transaction("DEFERRED") as connection:
            row = connection.execute(wanted).first()
        if row is None:
            new = self._row(key_id, kind, scope, secrets.token_bytes(KEY_BYTES), 0)
            with self._transaction("IMMEDIATE") as connection:
                # Another process may have been faster; then its row stands.
                connection.execute(insert(_keys).values(new).on_conflict_do_nothing())
                row = connection.execute(wanted).first()
        return self._unwrapped(row, key_id)

    def _unwrapped(self, row: sa.Row[Any] | None, key_id: str) -> bytes:
        if row is None:
            raise _gone(key_id)
        key = self._wrapper.unwrap(row.wrapped, _context(row.id, row.kind, row.recording))
        if len(key) != KEY_BYTES:
            raise KeyUnreadable(
                f"Key {key_id} has {len(key)} bytes, expected {KEY_BYTES}. Restore the key store "
                "from a backup."
            )
        return key

    def _delete(self, *statements: sa.Executable) -> int:
        """Run a deletion and what belongs to it, then empty the log; the deletion's count."""
        with self._transaction("IMMEDIATE") as connection:
            counts = [connection.execute(statement).rowcount for statement in statements]
        self._scrub()
        return counts[0]

    def _scrub(self) -> None:
        with self._transaction("") as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        if busy:
            raise Unavailable(
                "The keys are deleted, but their old bytes are still in the key store's log, "
                "because another process is reading it. Repeat the deletion."
            )

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.execution_options(begin=begin).begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            found = getattr(error, "orig", None) or error
            if isinstance(found, AskfirstError):
                raise found from error  # a naive time, refused while the statement was made
            raise Unavailable(
                f"The key store does not answer: {found}. Nothing was changed. Check free space "
                "and rights of its folder, then try again."
            ) from error


def _engine(path: Path, busy_seconds: float) -> sa.Engine:
    # isolation_level None: the driver must not begin transactions by itself. A deferred one that
    # reads and then writes fails as "locked" however long one waits.
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": busy_seconds, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        if how := connection.get_execution_options().get("begin"):
            connection.exec_driver_sql(f"BEGIN {how}")

    return engine


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes out while tables are made: two switches to WAL do not wait in turn.

    The folder is locked and not the database, because closing a database file that SQLite has
    open elsewhere in this process would drop SQLite's own locks.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # Asked of the open file, so that what was checked is what is read.
            status = os.fstat(file.fileno())
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise KeyUnreadable(
            f"The key file {path} cannot be read: {error.strerror}. Put the file from your backup "
            "there, readable by the service's user alone."
        ) from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(
            f"The key file {path} has mode {stat.S_IMODE(status.st_mode):04o}: others can reach "
            f"the key. Expected 0600. Run: chmod 600 {path}"
        )
    if len(key) != KEY_BYTES or not stat.S_ISREG(status.st_mode):
        raise KeyUnreadable(
            f"The key file {path} holds {status.st_size} bytes, expected exactly {KEY_BYTES}. Put "
            "the file from your backup there."
        )
    return key


def read_salt(file: Path, wrapper: KeyWrapper, scope: str) -> bytes | None:
    """A salt of a key store's file, None where it has none; nothing is made or changed.

    Raises KeyUnreadable where the wrapper does not fit, sqlite3.Error for a file that is no store.
    """
    key_id = _SALT + scope
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        row = opened.execute("SELECT wrapped FROM keys WHERE id = ?", (key_id,)).fetchone()
    return None if row is None else wrapper.unwrap(row[0], _context(key_id, "salt", scope))


def _context(key_id: str, kind: str, scope: str) -> str:
    # Spaces are in none of the three, so two rows never share a context.
    return f"askfirst key 1 {kind} {key_id} {scope or '-'}"


def _check(*words: str) -> None:
    for word in words:
        if not _ID.fullmatch(word):
            raise InvalidInput(
                f"{word!r} cannot name a key, recording, person or kind. Expected 1 to 200 "
                "letters, digits, '_', '.', '/' or '-', the first a letter or digit."
            )


def _stored(row: sa.Row[Any]) -> StoredKey:
    return StoredKey(row.id, row.kind, row.recording, row.segment_bytes, row.created_at)


def _gone(key_id: str) -> KeyUnreadable:
    return KeyUnreadable(
        f"There is no key {key_id}: it was destroyed with its recording, or never made. What it "
        "sealed cannot be opened; if this is a mistake, restore the key store from a backup."
    )
