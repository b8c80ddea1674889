"""Backups of an installation, made while it runs: consistent copies, and a manifest with hashes.

Database and key store are in separate folders, because the keys are to be deleted sooner: an
erasure is complete when the last backup of the keys from before it is gone. What wraps the keys is
left out unless it is asked for; a backup that holds both opens every recording in it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused, Unavailable
from askfirst.ledger import Kind, timestamp
from askfirst.server import erasurelist
from askfirst.server.account import account
from askfirst.server.backupmanifest import (
    DATABASE,
    KEYS,
    MANIFEST,
    OBJECTS,
    Held,
    Manifest,
    digest,
    document,
)
from askfirst.server.backuptables import backups
from askfirst.server.blobs import disk_trouble
from askfirst.server.custody import MASTER, STORE, WRAPPER
from askfirst.server.database import assets, reading, transaction
from askfirst.server.durable import create_file
from askfirst.server.node import RULES
from askfirst.server.overrides import FOLDER as OVERRIDES
from askfirst.server.overrides import SIGNERS
from askfirst.server.queuetables import queue_texts
from askfirst.server.standingtables import standing_consents
from askfirst.server.store import Store

DATABASE_FILE = "askfirst.db"
_OWN = (RULES, OVERRIDES)
_SIGNING = ("vcon-signing.pem", "vcon-signing.crt")


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
    create_file(
        folder / MANIFEST, json.dumps(document(made), indent=1).encode(), unfinished_in=folder
    )
    with transaction(store.engine) as connection:
        store.ledger.append(
            connection,
            Kind.BACKUP_MADE,
            at,
            data={"with_key": with_key, "keys_until": timestamp(made.keys_until)},
        )
        # One that was here before is no more; what is erased is to be taken out of this one.
        here = str(folder.absolute())
        connection.execute(backups.delete().where(backups.c.folder == here))
        connection.execute(
            backups.insert().values(folder=here, made_at=at, keys_until=made.keys_until)
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
