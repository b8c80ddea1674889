"""What `askfirst doctor` says of keys, the erasure list and backups; nothing is changed or asked.

Only the standard library is imported, so that this works where parts are missing; a server that
wraps the keys is not asked, since that would need its client.
"""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from askfirst.server.checkup import Finding, missing, ok, warning
from askfirst.server.openbao import TOKENS
from askfirst.server.settings import Settings

TRIED_WITHIN = timedelta(days=35)
"""A backup that nobody has tried for so long is a hope."""

_BACKUPS = '%"kind":"backup.%'


def keys(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether nobody else can read the keys, and what wraps them is there."""
    folder = settings.data / "keys"
    if not folder.is_dir():
        return
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield warning("keys", "others on this machine can read them", f"chmod 700 {folder}")
    else:
        yield ok("keys", "nobody else can read them")
    if (folder / "next.json").exists():
        yield warning(
            "key-change",
            "a change of the wrapping key was cut off",
            "start askfirst, or run askfirst keys status: either ends the change",
        )
    place = _json(folder / "wrapper.json")
    if place is not None:
        yield _openbao(place, environment)
    elif settings.openbao is not None:
        yield warning(
            "wrapping-key",
            "a file, while the settings name OpenBao",
            "run askfirst keys move openbao, or take the table out",
        )
    elif (folder / "keys.db").is_file():
        yield _master(folder / "master.key")


def erasures(data: Path) -> Iterator[Finding]:
    """Whether the erasure list is there and can be read by nobody else."""
    file = data / "erased" / "erased.db"
    if not (data / "askfirst.db").is_file():
        return
    if not file.is_file():
        yield warning(
            "erasures",
            "there is no erasure list; what is erased could come back with a backup",
            "put its newest copy there; otherwise the next start makes one of what it knows",
        )
        return
    try:
        with closing(_opened(file)) as opened:
            (count,) = opened.execute("SELECT count(*) FROM entries").fetchone()
    except sqlite3.Error:
        yield missing("erasures", f"{file} cannot be read", "restore it from its newest copy")
        return
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        yield warning("erasures", f"others can read {file}", f"chmod 600 {file}")
    else:
        yield ok("erasures", f"{count} entries on the list")


def backups(data: Path, now: datetime) -> Iterator[Finding]:
    """Whether a backup was made, and tried, lately enough."""
    if not (data / "askfirst.db").is_file():
        return
    found = _entries(data / "askfirst.db")
    if found is None:
        return  # the finding about the database says so
    made, tried = found.get("backup.made"), found.get("backup.checked")
    do = "askfirst restore check FOLDER: docs/how-to/backup.md"
    if made is None:
        yield warning("backup", "none was ever made", "askfirst backup make FOLDER")
    elif tried is None:
        yield warning("backup", f"the last is of {_day(made)}, and none was ever tried", do)
    elif tried["data"].get("holds") is not True:
        yield warning("backup", f"the one tried on {_day(tried)} cannot be restored", do)
    elif now - _at(tried) > TRIED_WITHIN:
        yield warning("backup", f"the last was tried on {_day(tried)}", do)
    else:
        yield ok("backup", f"the last is of {_day(made)}; tried on {_day(tried)}")


def _openbao(place: Mapping[str, Any], environment: Mapping[str, str]) -> Finding:
    where = f"OpenBao at {place.get('address')}"
    if find_spec("hvac") is None:
        return missing(
            "wrapping-key", f"{where}; its client is missing", "pip install 'askfirst[kms]'"
        )
    token = place.get("token_file")
    if token is not None and not Path(str(token)).is_file():
        return missing(
            "wrapping-key", f"{where}; the token file {token} is missing", "put it there"
        )
    if token is None and not any(environment.get(name) for name in TOKENS):
        return missing("wrapping-key", f"{where}; there is no token", f"set {TOKENS[0]}")
    return ok("wrapping-key", where)


def _master(file: Path) -> Finding:
    try:
        status = file.stat()
    except OSError:
        return missing(
            "wrapping-key", f"{file} is missing", "put it there from where you keep its copy"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        return missing("wrapping-key", f"others can read {file}", f"chmod 600 {file}")
    if status.st_size != 32:
        return missing(
            "wrapping-key", f"{file} holds {status.st_size} bytes, not 32", "put its copy there"
        )
    return ok("wrapping-key", f"a file; keep a copy of {file} apart from the backups")


def _entries(file: Path) -> dict[str, dict[str, Any]] | None:
    """The newest entry of each kind about backups; None where nothing can be read."""
    query = "SELECT entry FROM ledger_entries WHERE entry LIKE ? ORDER BY position"
    try:
        with closing(_opened(file)) as opened:
            rows = opened.execute(query, (_BACKUPS,)).fetchall()
        return {entry["kind"]: entry for entry in (json.loads(row[0]) for row in rows)}
    except (sqlite3.Error, ValueError, KeyError):
        return None


def _opened(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)


def _json(path: Path) -> Mapping[str, Any] | None:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _at(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(entry["at"])).astimezone(UTC)


def _day(entry: Mapping[str, Any]) -> str:
    return f"{_at(entry):%Y-%m-%d}"
