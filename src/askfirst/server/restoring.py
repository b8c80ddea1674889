"""Restoring a backup, and trying beforehand whether it can be: the drill that a backup is for.

A backup is checked in a copy, so nothing of it is changed. What is restored appears under its
name only when it is whole, and what was erased since the backup has been erased again by then.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.ledger import Kind, timestamp
from askfirst.model import RecordingState
from askfirst.server import erasurelist
from askfirst.server.backup import DATABASE_FILE
from askfirst.server.backupmanifest import (
    DATABASE,
    KEYS,
    OBJECTS,
    Manifest,
    faults_of,
    manifest_of,
)
from askfirst.server.blobs import disk_trouble
from askfirst.server.custody import MASTER, WRAPPER
from askfirst.server.database import assets, outbox, reading, recordings, transaction
from askfirst.server.erasurereplay import replay, returned
from askfirst.server.playback import Playback
from askfirst.server.store import Store

SAMPLE = 5
"""How many recordings are opened in a check, spread over all."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `faults` say why the backup cannot be restored; none: it can.

    `opened` recordings of `recordings` that can be played were decrypted; `again` counts what the
    erasure list would erase again (recordings, calls, contacts).
    """

    made_at: datetime | None = None
    keys_until: datetime | None = None
    files: int = 0
    entries: int = 0
    recordings: int = 0
    opened: int = 0
    again: dict[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the backup can be restored."""
        return not self.faults


def check(
    folder: Path, key: Path | None = None, lists: Sequence[Path] = (), at: datetime | None = None
) -> Checked:
    """Try a backup: every hash, the keys, the whole ledger, and a sample of recordings.

    `key` is the file that wraps its keys, where the backup does not hold it. `lists` are erasure
    lists in use, so that what would be erased again is said in full. Nothing is changed.
    """
    try:
        manifest = manifest_of(folder)
    except AskfirstError as error:
        return Checked(faults=(str(error),))
    told = Checked(manifest.made_at, manifest.keys_until, len(manifest.files))
    faults = tuple(faults_of(folder, manifest))
    if faults:
        return Checked(told.made_at, told.keys_until, told.files, faults=faults)
    with tempfile.TemporaryDirectory(prefix="askfirst-check-") as room:
        trial = Path(room) / "data"
        try:
            _lay_out(folder, manifest, trial, key, lists, objects=False)
            store = Store.open(trial)
        except AskfirstError as error:
            return Checked(told.made_at, told.keys_until, told.files, faults=(str(error),))
        try:
            return _tried(folder, manifest, store)
        finally:
            store.close()


def restore(
    folder: Path,
    data: Path,
    at: datetime,
    key: Path | None = None,
    lists: Sequence[Path] = (),
) -> Checked:
    """Make a backup an installation again, in a folder that is not there, or empty.

    An erasure list that is there stays, and is merged with the backup's; `lists` are further ones.
    What is on them has been erased again when this returns. Raises Refused with every fault of a
    backup that does not hold, and where the folder holds anything else; nothing is there then.
    """
    _ensure_empty(data)
    kept = data / erasurelist.FOLDER / erasurelist.FILE
    lists = [*([kept] if kept.is_file() else []), *lists]
    found = check(folder, key, lists, at)
    if not found.holds:
        raise Refused("the backup cannot be restored: " + "; ".join(found.faults))
    room = data.absolute().parent / f".{data.name}.restoring-{secrets.token_hex(4)}"
    try:
        _lay_out(folder, manifest_of(folder), room, key, lists, objects=True)
        _settle(room, found, at)
        _put(room, data)
    except OSError as error:
        raise disk_trouble(f"restore into {data}", error) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return found


def _tried(folder: Path, manifest: Manifest, store: Store) -> Checked:
    faults = []
    size = 0
    try:
        size = store.ledger.verify().size
        if size < manifest.ledger_size:
            faults.append(f"the ledger has {size} entries, expected {manifest.ledger_size}")
    except AskfirstError as error:
        faults.append(f"the ledger does not hold: {error}")
    again = returned(store)
    gone = {*again.recordings, *again.asked}
    playable = [each for each in _playable(store) if each not in gone]
    opened = 0
    for recording in _spread(playable):
        try:
            _bring(folder, store, recording)
            Playback(store).asset(recording, "audio")
            opened += 1
        except (AskfirstError, OSError) as error:
            faults.append(f"{recording} cannot be opened: {error}")
    return Checked(
        manifest.made_at,
        manifest.keys_until,
        len(manifest.files),
        size,
        len(playable),
        opened,
        again.counts(),
        tuple(faults),
    )


def _lay_out(
    folder: Path,
    manifest: Manifest,
    data: Path,
    key: Path | None,
    lists: Iterable[Path],
    *,
    objects: bool,
) -> None:
    """Copy a backup to where it can be opened, with its key and every erasure list merged."""
    data.mkdir(mode=0o700)
    for name in manifest.files:
        part, _, rest = name.partition("/")
        if part == OBJECTS and not objects:
            continue
        target = data / (DATABASE_FILE if part == DATABASE else name)
        if part == DATABASE and rest != DATABASE_FILE:
            continue
        _copy(folder / name, target)
    if not (data / KEYS / "keys.db").is_file():
        raise InvalidInput(
            f"{folder} has no key store: its folder {KEYS} was deleted, as it is to be after its "
            "time, so no recording in it can be opened. Use a newer backup"
        )
    master = data / KEYS / MASTER
    if key is not None:
        _copy(key, master)
    if not master.exists() and not (data / KEYS / WRAPPER).exists():
        raise InvalidInput(
            f"the backup does not hold the key that wraps its keys ({manifest.wrapped_by}); name "
            "that file with --key"
        )
    with _list_of(data) as held:
        for other in lists:
            held.merge(other)


@contextmanager
def _list_of(data: Path) -> Iterator[erasurelist.ErasureList]:
    """The erasure list of an installation, under the key in its key store."""
    store = Store.open(data)
    try:
        yield store.erasures
    finally:
        store.close()


def _settle(data: Path, found: Checked, at: datetime) -> None:
    """Make what was laid out an installation: erase again, and let unfinished jobs begin anew."""
    store = Store.open(data)
    try:
        unfinished = (
            RecordingState.SPOOL.value,
            RecordingState.SEALED.value,
            RecordingState.CHECKING.value,
        )
        calls = sa.select(recordings.c.call).where(recordings.c.state.in_(unfinished))
        with transaction(store.engine) as connection:
            # The job engine's own file is in no backup: it takes these up again.
            connection.execute(
                outbox.update()
                .where(outbox.c.kind == "finish", outbox.c.ref.in_(calls))
                .values(sent_at=None)
            )
            made = "" if found.made_at is None else timestamp(found.made_at)
            store.ledger.append(connection, Kind.BACKUP_RESTORED, at, data={"made_at": made})
        replay(store, at)
        store.ledger.checkpoint(at)
    finally:
        store.close()


def _put(room: Path, data: Path) -> None:
    """Give the restored installation its name; the list that was there is merged into it."""
    if data.exists():
        before = room.with_name(f"{room.name}-before")
        data.rename(before)
        room.rename(data)
        shutil.rmtree(before)
    else:
        room.rename(data)


def _ensure_empty(data: Path) -> None:
    if not data.exists():
        return
    if not data.is_dir() or {path.name for path in data.iterdir()} - {erasurelist.FOLDER}:
        raise Refused(
            f"{data} is there already and not empty; nothing is overwritten. Name a new folder, "
            f"or one that holds nothing but {erasurelist.FOLDER}/{erasurelist.FILE}"
        )


def _playable(store: Store) -> list[str]:
    with reading(store.engine) as connection:
        query = sa.select(recordings.c.id).where(recordings.c.state == RecordingState.READY.value)
        return list(connection.execute(query.order_by(recordings.c.id)).scalars())


def _spread(found: Sequence[str]) -> Sequence[str]:
    step = max(1, len(found) // SAMPLE)
    return found[::step][:SAMPLE]


def _bring(folder: Path, store: Store, recording: str) -> None:
    """Copy one recording's audio to the copy that is tried."""
    with reading(store.engine) as connection:
        audio = sa.select(assets.c.blob).filter_by(recording=recording, kind="audio")
        name = connection.execute(audio).scalar_one()
    if not store.blobs.names().count(name):
        _copy(folder / OBJECTS / name, store.folder / "objects" / name)


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600)
        shutil.copyfile(source, target)
    except OSError as error:
        raise disk_trouble(f"copy {source} to {target}", error) from error
