"""Backups of an installation, made while it runs: consistent copies, and a manifest with hashes.

Database and key store are in separate folders, because the keys are to be deleted sooner: an
erasure is complete when the last backup of the keys from before it is gone. What wraps the keys is
left out unless it is asked for; a backup that holds both opens every recording in it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused, Unavailable
from askfirst.ledger import Kind, timestamp
from askfirst.server import erasurelist
from askfirst.server.account import account
from askfirst.server.blobs import create_file, disk_trouble
from askfirst.server.custody import MASTER, STORE, WRAPPER
from askfirst.server.database import assets, reading, transaction
from askfirst.server.node import RULES
from askfirst.server.overrides import FOLDER as OVERRIDES
from askfirst.server.overrides import SIGNERS
from askfirst.server.queuetables import queue_texts
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store

MANIFEST, FORMAT = "manifest.json", "askfirst backup 1"
DATABASE, KEYS, OBJECTS = "database", "keys", "objects"
"""Folders of a backup; the erasure list, rules and overrides are called as in an installation."""

DATABASE_FILE = "askfirst.db"
_OWN = (RULES, OVERRIDES)
_SIGNING = ("vcon-signing.pem", "vcon-signing.crt")


@dataclass(frozen=True, slots=True)
class Held:
    """A file of a backup as its manifest has it."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `keys_until` is when its folder `keys` is to be deleted."""

    made_at: datetime
    keys_until: datetime
    wrapped_by: str
    with_key: bool
    ledger_size: int
    files: Mapping[str, Held]

    @property
    def bytes(self) -> int:
        """How large all files are together."""
        return sum(each.bytes for each in self.files.values())


def make(store: Store, folder: Path, at: datetime, *, with_key: bool = False) -> Manifest:
    """Copy an installation into a new folder, whatever runs; what calls are recording is left out.

    With `with_key` the file that wraps the keys is copied, too. Raises InvalidInput where the
    folder holds something, Refused where the key that is asked for is in no file, Unavailable.
    """
    keys = store.folder / "keys"
    if with_key and not (keys / MASTER).is_file():
        raise Refused(
            f"the keys are not wrapped by a file ({store.keys.wrapped_by()}), so there is none to "
            "copy. Make the backup without --with-key"
        )
    _ensure_new(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # In this order: what is erased meanwhile is on the list, which is copied last.
        _copy_database(store.folder / DATABASE_FILE, folder / DATABASE / DATABASE_FILE)
        _copy_database(keys / STORE, folder / KEYS / STORE)
        for name in (WRAPPER, *_SIGNING, *((MASTER,) if with_key else ())):
            if (keys / name).is_file():
                _copy(keys / name, folder / KEYS / name)
        for own in _OWN:
            for path in sorted(path for path in (store.folder / own).rglob("*") if path.is_file()):
                _copy(path, folder / own / path.relative_to(store.folder / own))
        if (store.folder / SIGNERS).is_file():
            _copy(store.folder / SIGNERS, folder / SIGNERS)
        for name in _objects(folder / DATABASE / DATABASE_FILE):
            _copy_object(store, name, folder / OBJECTS / name)
        _copy_database(store.erasures.path, folder / erasurelist.FOLDER / erasurelist.FILE)
        return _finished(store, folder, at, with_key=with_key)
    except OSError as error:
        raise disk_trouble(f"make the backup {folder}", error) from error
    except sqlite3.Error as error:
        raise Unavailable(
            f"a database could not be copied into {folder}: {error}. Check free space, and make "
            "the backup again in a new folder"
        ) from error


def manifest_of(folder: Path) -> Manifest:
    """What a backup says that it holds. Raises NotFound for half a backup, InvalidInput."""
    path = folder / MANIFEST
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(
            f"{folder} has no {MANIFEST}: it is no backup, or one that was not finished. Use "
            "another one"
        ) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}; use another backup") from error
    try:
        if told["format"] != FORMAT:
            raise InvalidInput(f"{path} is of format {told['format']!r}, expected {FORMAT!r}")
        return Manifest(
            datetime.fromisoformat(told["made_at"]),
            datetime.fromisoformat(told["keys_until"]),
            str(told["wrapped_by"]),
            bool(told["with_key"]),
            int(told["ledger_size"]),
            {
                _inside(name): Held(str(held["sha256"]), int(held["bytes"]))
                for name, held in told["files"].items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(f"{path} is no manifest of a backup; use another backup") from error


def faults_of(folder: Path, manifest: Manifest) -> Iterator[str]:
    """What of a backup is not as its manifest has it, a line for each file."""
    for name, held in sorted(manifest.files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != held.bytes:
            yield f"{name} has {path.stat().st_size} bytes, expected {held.bytes}"
        elif digest(path) != held.sha256:
            yield f"{name} was changed: its SHA-256 is not that of the manifest"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finished(store: Store, folder: Path, at: datetime, *, with_key: bool) -> Manifest:
    """Write the manifest, without which a backup is none, and enter that there is one."""
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    with reading(store.engine) as connection:
        days = account(connection).backup_days
    with closing(_opened(folder / DATABASE / DATABASE_FILE)) as copy:
        row = copy.execute("SELECT size FROM ledger_head").fetchone()
    files = {
        path.relative_to(folder).as_posix(): Held(digest(path), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    made = Manifest(
        at,
        at + timedelta(days=days),
        store.keys.wrapped_by(),
        with_key,
        0 if row is None else int(row[0]),
        files,
    )
    told = {
        "format": FORMAT,
        "made_at": made.made_at.isoformat(),
        "keys_until": made.keys_until.isoformat(),
        "wrapped_by": made.wrapped_by,
        "with_key": with_key,
        "ledger_size": made.ledger_size,
        "files": {
            name: {"sha256": held.sha256, "bytes": held.bytes} for name, held in files.items()
        },
    }
    create_file(folder / MANIFEST, json.dumps(told, indent=1).encode(), unfinished_in=folder)
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection,
            Kind.BACKUP_MADE,
            at,
            data={"with_key": with_key, "keys_until": timestamp(made.keys_until)},
        )
    return made


def _ensure_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there already and not empty; name a new folder")


def _copy_database(source: Path, target: Path) -> None:
    """A copy of an SQLite file as it is at one moment, whoever writes to it meanwhile."""
    _room(target)
    with closing(_opened(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
        # A single file: nobody has to know that a log belongs to it.
        other.execute("PRAGMA journal_mode=DELETE")
    target.chmod(0o600)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def _objects(database: Path) -> list[str]:
    """The names of the objects that the copied database speaks of."""
    engine = sa.create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connection:
            signed = sa.select(standing_consents.c.document).where(
                standing_consents.c.document.is_not(None)
            )
            query = sa.union_all(sa.select(assets.c.blob), sa.select(queue_texts.c.id), signed)
            return sorted(connection.execute(query).scalars())
    finally:
        engine.dispose()


def _copy_object(store: Store, name: str, target: Path) -> None:
    try:
        content = store.blobs.read(name)
    except NotFound:  # erased since the database was copied; the list says so
        return
    _room(target)
    target.write_bytes(content)
    target.chmod(0o600)


def _copy(source: Path, target: Path) -> None:
    _room(target)
    shutil.copyfile(source, target)
    target.chmod(0o600)


def _room(target: Path) -> None:
    """Make the folder of a new file that nobody else can read."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.touch(mode=0o600)


def _inside(name: str) -> str:
    """A file's name in a manifest, which must not lead out of the backup."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(name)
    return name
