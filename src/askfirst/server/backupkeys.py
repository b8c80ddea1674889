"""Taking the keys of what was erased out of the backups that were made before.

A backup remembers where it was made. Each day, and by `askfirst backup sweep`, the keys and salts
that the erasure list names are removed from the key store of every backup that is still there. One
that was moved, copied elsewhere or cannot be written is named, with the day on which its keys are
to be deleted: this program can do nothing about it.

The backup gets the present erasure list with it, so that it stays one that can be restored. Both
files are replaced whole, and their hashes in the manifest after them. A note beside the manifest
lets a sweep that was cut off between be finished by the next one.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import AskfirstError, Misconfigured
from askfirst.ledger import Kind
from askfirst.server import backupmanifest
from askfirst.server.backupmanifest import KEYS, MANIFEST, Held, Manifest
from askfirst.server.backuptables import backups
from askfirst.server.custody import STORE
from askfirst.server.database import reading, transaction
from askfirst.server.durable import replace_file, sync_folder
from askfirst.server.erasurelist import FILE, FOLDER, ErasureList, Listed
from askfirst.server.store import Store

KEYS_FILE = f"{KEYS}/{STORE}"
LIST_FILE = f"{FOLDER}/{FILE}"
NOTE = "keys-sweep.json"


class Problem(StrEnum):
    """Why the keys in a backup cannot be reached."""

    MISSING = "missing"
    CHANGED = "changed"
    UNWRITABLE = "unwritable"


@dataclass(frozen=True, slots=True)
class Swept:
    """A backup that was looked at. `removed` keys; `problem` None: nothing erased is left in it."""

    folder: Path
    keys_until: datetime | None
    removed: int = 0
    problem: Problem | None = None


def sweep(store: Store, at: datetime, others: Iterable[Path] = ()) -> list[Swept]:
    """Take what was erased out of every backup that is known, and out of others.

    What was removed stands in the ledger. Raises Unavailable where the database does not answer.
    """
    gone = store.erasures.ids(Listed.RECORDING) | store.erasures.ids(Listed.PARTY)
    with reading(store.engine) as connection:
        rows = connection.execute(sa.select(backups).order_by(backups.c.made_at)).all()
    known = {Path(row.folder): row.keys_until for row in rows}
    folders = dict.fromkeys([*known, *(other.absolute() for other in others)])
    swept = [_swept(store, folder, known.get(folder), gone) for folder in folders]
    with transaction(store.engine) as connection:
        for each in swept:
            reached = {} if each.problem else {"reached_at": at}
            connection.execute(
                backups.update()
                .where(backups.c.folder == str(each.folder))
                .values(problem=each.problem and each.problem.value, **reached)
            )
        if removed := sum(each.removed for each in swept):
            unreached = sum(each.problem is not None for each in swept)
            data = {"count": removed, "unreached": unreached}
            store.ledger.append(connection, Kind.BACKUP_SWEPT, at, data=data)
    return swept


def unreached(connection: sa.Connection) -> Sequence[Swept]:
    """The backups whose keys could not be reached the last time, the oldest first."""
    query = sa.select(backups).where(backups.c.problem.is_not(None)).order_by(backups.c.made_at)
    return [
        Swept(Path(row.folder), row.keys_until, problem=Problem(row.problem))
        for row in connection.execute(query)
    ]


def _swept(store: Store, folder: Path, keys_until: datetime | None, gone: frozenset[str]) -> Swept:
    try:
        manifest = backupmanifest.manifest_of(folder)
    except AskfirstError:
        return Swept(folder, keys_until, problem=Problem.MISSING)
    told = Swept(folder, manifest.keys_until)
    path = folder / KEYS_FILE
    try:
        if not path.is_file():
            return told  # its folder of keys was deleted, so nothing can be read from it
        manifest = _ended(folder, manifest)
        if backupmanifest.digest(path) != manifest.files[KEYS_FILE].sha256:
            return replace(told, problem=Problem.CHANGED)
        return replace(told, removed=_removed(store, folder, manifest, gone))
    except (KeyError, ValueError, sqlite3.Error, Misconfigured):
        return replace(told, problem=Problem.CHANGED)
    except (OSError, AskfirstError):
        return replace(told, problem=Problem.UNWRITABLE)


def _ended(folder: Path, manifest: Manifest) -> Manifest:
    """End a sweep that was cut off: the manifest follows a key store that is the new one."""
    note = folder / NOTE
    if not note.exists():
        return manifest
    told = json.loads(note.read_text(encoding="utf-8"))
    files = {name: Held(str(each["sha256"]), int(each["bytes"])) for name, each in told.items()}
    there = {
        name: held
        for name, held in files.items()
        if backupmanifest.digest(folder / name) == held.sha256
    }
    if there:
        manifest = _with(manifest, there)
        _write(folder / MANIFEST, backupmanifest.document(manifest))
    note.unlink()
    return manifest


def _removed(store: Store, folder: Path, manifest: Manifest, gone: frozenset[str]) -> int:
    keys = _copied(folder / KEYS_FILE)
    removed = _without(keys, gone)
    if removed == 0:
        _destroy(keys)
        return 0
    listed = _copied(folder / LIST_FILE)
    _bring(store, listed)
    # The list first: without its keys, what was erased must be known to be erased.
    parts = {LIST_FILE: listed, KEYS_FILE: keys}
    files = {
        name: Held(backupmanifest.digest(part), part.stat().st_size) for name, part in parts.items()
    }
    _write(
        folder / NOTE,
        {name: {"sha256": held.sha256, "bytes": held.bytes} for name, held in files.items()},
    )
    for name, part in parts.items():
        _put(part, folder / name)
    _write(folder / MANIFEST, backupmanifest.document(_with(manifest, files)))
    (folder / NOTE).unlink()
    return removed


def _copied(path: Path) -> Path:
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    shutil.copyfile(path, part)
    return part


def _put(part: Path, path: Path) -> None:
    """Put a new file in place of an old one, which has no name after that and no content."""
    with path.open("r+b") as before:
        part.replace(path)
        sync_folder(path.parent)
        before.write(bytes(os.fstat(before.fileno()).st_size))
        before.flush()
        os.fsync(before.fileno())


def _bring(store: Store, path: Path) -> None:
    """Merge the present erasure list into a copy of a backup's own."""
    held = ErasureList(path, store.keys.list_key())
    try:
        held.merge(store.erasures.path)
    finally:
        held.close()
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA journal_mode=DELETE")
    _flush(path)


def _without(path: Path, gone: frozenset[str]) -> int:
    """Delete the keys of what is gone from a key store, and every byte of them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("PRAGMA secure_delete=ON")
        scopes = {row[0] for row in opened.execute("SELECT DISTINCT recording FROM keys")}
        removed = 0
        opened.execute("BEGIN IMMEDIATE")
        for scope in sorted(scopes & gone):
            removed += opened.execute("DELETE FROM keys WHERE recording = ?", (scope,)).rowcount
        opened.execute("COMMIT")
        if removed:
            opened.execute("VACUUM")
    _flush(path)
    return removed


def _with(manifest: Manifest, files: Mapping[str, Held]) -> Manifest:
    return replace(manifest, files={**manifest.files, **files})


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _destroy(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def _write(path: Path, told: object) -> None:
    replace_file(path, json.dumps(told, indent=1).encode())
