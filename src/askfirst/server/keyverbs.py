"""The verbs of the command line that keep keys and backups: arguments in, exit status out."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from askfirst.errors import InvalidInput, Misconfigured
from askfirst.ledger import Kind, timestamp
from askfirst.server import backup, backupkeys, custody, erasurelist, restoring
from askfirst.server.backupkeys import Swept
from askfirst.server.backupmanifest import KEYS
from askfirst.server.clock import utc_now
from askfirst.server.commands import NO, YES, opened
from askfirst.server.custody import MASTER
from askfirst.server.database import reading, transaction
from askfirst.server.keeping import keeping
from askfirst.server.restoring import Checked
from askfirst.server.settings import FILE, read_settings
from askfirst.server.store import Store

CHECK = "check"


def backup_make(chosen: argparse.Namespace) -> int:
    """Copy the installation into a new folder, while it runs."""
    with opened(chosen.data) as store:
        made = backup.make(store, chosen.folder, utc_now(), with_key=chosen.with_key)
    if chosen.json:
        _print(
            {
                "folder": str(chosen.folder),
                "files": len(made.files),
                "bytes": made.bytes,
                "made_at": timestamp(made.made_at),
                "keys_until": timestamp(made.keys_until),
                "with_key": made.with_key,
            }
        )
        return YES
    print(f"{chosen.folder}: {len(made.files)} files, {made.bytes} bytes")
    if made.with_key:
        print(f"with keys/{MASTER}: whoever has this folder can open every recording in it")
    else:
        print(f"without the key: {made.wrapped_by}; keep it apart, nothing opens without it")
    print(f"delete its folder {KEYS} by {made.keys_until:%Y-%m-%d}")
    return YES


def backup_sweep(chosen: argparse.Namespace) -> int:
    """Take the keys of what was erased out of all backups; 1 where one cannot be reached."""
    with opened(chosen.data) as store:
        swept = backupkeys.sweep(store, utc_now(), chosen.folder)
    if chosen.json:
        _print([_backup(each) for each in swept])
    for each in swept if not chosen.json else ():
        if each.problem is None:
            print(f"{each.folder}: {each.removed} keys of what was erased were taken out")
        else:
            print(_out_of_reach(each))
    return NO if any(each.problem for each in swept) else YES


def _backup(swept: Swept) -> dict[str, object]:
    until = swept.keys_until
    return {
        "folder": str(swept.folder),
        "keys_until": None if until is None else timestamp(until),
        "removed": swept.removed,
        "problem": swept.problem,
    }


def _out_of_reach(swept: Swept) -> str:
    return (
        f"{swept.folder}: OUT OF REACH ({swept.problem}); "
        f"delete its folder {KEYS}, wherever it is now, by {_day(swept.keys_until)}"
    )


def restore(chosen: argparse.Namespace) -> int:
    """Restore a backup, or with ``check`` only try whether that would work."""
    first, *rest = chosen.folder
    if len(chosen.folder) > 2 or (rest and first != CHECK) or chosen.folder == [CHECK]:
        raise InvalidInput(
            "found words after restore that are no folder; expected restore FOLDER, or restore "
            "check FOLDER"
        )
    if rest:
        return _check(chosen, Path(rest[0]))
    folder = Path(first)
    found = restoring.restore(folder, chosen.data, utc_now(), chosen.key, chosen.erasures)
    if chosen.json:
        _print({"folder": str(chosen.data), **_shown(found)})
    else:
        print(f"{chosen.data}: restored as of {_day(found.made_at)}; {_again(found, 'were')}")
    return YES


def keys_status(chosen: argparse.Namespace) -> int:
    """Say where the keys are, and when they were rotated, backed up and tried."""
    with opened(chosen.data) as store, reading(store.engine) as connection:
        found = keeping(store, connection, utc_now())
        far = backupkeys.unreached(connection)
    if chosen.json:
        told = {
            name: timestamp(value) if isinstance(value, datetime) else value
            for name, value in asdict(found).items()
        }
        _print({**told, "out_of_reach": [_backup(each) for each in far]})
        return YES
    tried = "never" if found.tried_at is None else _day(found.tried_at)
    if found.tried_at is not None and not found.tried_well:
        tried += ", and it could not be restored"
    for name, value in (
        ("wrapped by", found.wrapped_by),
        ("keys", f"{found.count}, the oldest of {_day(found.since)}"),
        ("rotated", _day(found.rotated_at)),
        ("backup", _day(found.backed_up_at)),
        ("tried", tried),
        ("erasure list", f"{found.listed} entries"),
        ("kept for", f"{found.backup_days} days"),
        ("erased now", f"unreadable in backups by {_day(found.void_at)}"),
    ):
        print(f"{name:<14}{value}")
    for each in far:
        print(_out_of_reach(each))
    return YES


def keys_rotate(chosen: argparse.Namespace) -> int:
    """Wrap every key with a new one, and destroy the old one."""
    with opened(chosen.data) as store:
        count = custody.rotate(store.folder / "keys", store.keys)
        return _changed(chosen, store, Kind.KEYS_ROTATED, count)


def keys_move(chosen: argparse.Namespace) -> int:
    """Wrap every key with one that is elsewhere: in OpenBao, or in a file again."""
    to = None
    if chosen.to == "openbao":
        to = read_settings(chosen.settings or Path(FILE), os.environ, {}).openbao
        if to is None:
            raise Misconfigured(
                f"the settings have no table [openbao]; put its address and key into {FILE}: "
                "docs/how-to/backup.md"
            )
    with opened(chosen.data) as store:
        count = custody.move(store.folder / "keys", store.keys, to)
        return _changed(chosen, store, Kind.KEYS_MOVED, count)


def _changed(chosen: argparse.Namespace, store: Store, kind: Kind, count: int) -> int:
    place = "file" if custody.place_of(store.folder / "keys") is None else "openbao"
    with transaction(store.engine) as connection:
        store.ledger.append(connection, kind, utc_now(), data={"count": count, "place": place})
    if chosen.json:
        _print({"count": count, "place": place})
    else:
        print(f"{count} keys are wrapped by a new key ({place}); the old one opens nothing more")
        print("backups of the key store from before need the old key; make a new backup now")
    return YES


def _check(chosen: argparse.Namespace, folder: Path) -> int:
    """Try a backup; where an installation is in use, it is entered that this was done."""
    now = utc_now()
    in_use = chosen.data / erasurelist.FOLDER / erasurelist.FILE
    lists = [*chosen.erasures, *([in_use] if in_use.is_file() else [])]
    own = chosen.data / "keys" / MASTER
    key = chosen.key or (own if own.is_file() else None)
    found = restoring.check(folder, key, lists)
    if (chosen.data / backup.DATABASE_FILE).is_file():
        with opened(chosen.data) as store, transaction(store.engine) as connection:
            told = {"holds": found.holds, "faults": len(found.faults)}
            store.ledger.append(connection, Kind.BACKUP_CHECKED, now, data=told)
    if chosen.json:
        _print({"holds": found.holds, **_shown(found), "faults": list(found.faults)})
        return YES if found.holds else NO
    for fault in found.faults:
        print(f"FAULT: {fault}")
    if found.keys_until is not None and found.keys_until < now:
        print(f"its folder {KEYS} was to be deleted by {_day(found.keys_until)}")
    if not found.holds:
        print("this backup cannot be restored")
        return NO
    print(
        f"the backup of {_day(found.made_at)} can be restored: {found.files} files, "
        f"{found.entries} ledger entries, {found.opened} of {found.recordings} recordings opened; "
        f"{_again(found, 'would be')}"
    )
    return YES


def _shown(found: Checked) -> dict[str, object]:
    return {
        "made_at": None if found.made_at is None else timestamp(found.made_at),
        "files": found.files,
        "entries": found.entries,
        "recordings": found.recordings,
        "opened": found.opened,
        "erased_again": found.again,
    }


def _again(found: Checked, what: str) -> str:
    counted = ", ".join(f"{number} {name}" for name, number in found.again.items())
    return f"{counted} {what} erased again"


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _print(document: object) -> None:
    print(json.dumps(document, ensure_ascii=False, indent=1))
