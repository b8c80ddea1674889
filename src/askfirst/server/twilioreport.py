"""What `askfirst doctor` says of Twilio; only files of this machine are read, nobody is asked.

What seals and opens is imported only where its parts are there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from askfirst.errors import AskfirstError
from askfirst.server.checkup import Finding, missing, ok, warning
from askfirst.server.elsewherereport import FRESH
from askfirst.server.settings import Settings

_PAGE = "Settings, Providers, Twilio"
_AGAIN = f"restore keys and data from the same backup, or type them in again under {_PAGE}"
_HOW = "docs/how-to/twilio.md"


def twilio(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether calls can go over Twilio: credentials, address, what else carries calls.

    Nothing where no credentials were ever typed in.
    """
    file = settings.data / "askfirst.db"
    if not file.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            (count,) = opened.execute("SELECT count(*) FROM twilio_accounts").fetchone()
            row = opened.execute("SELECT value FROM settings WHERE key = 'twilio'").fetchone()
            named = None if row is None else json.loads(row[0])
            held = opened.execute(
                "SELECT sealed, sender FROM twilio_accounts WHERE id = ?", (named,)
            ).fetchone()
            checked = opened.execute("SELECT done_at, problem FROM elsewhere_checks").fetchone()
    except (sqlite3.Error, TypeError, ValueError):
        return  # the finding about the database says so, or its tables are older
    if not count:
        return
    if named is None or held is None:
        yield ok("twilio", "no credentials are in force; no calls go over it")
        return
    yield _credentials(settings.data, str(named), *held)
    yield _address(settings)
    if settings.sip is not None:
        yield ok(
            "twilio-trunk",
            "a SIP trunk is set up too: calls go over it, and over Twilio where they show a number "
            "of Twilio's or come in there",
        )
    yield from _recordings(checked, now)


def _credentials(data: Path, named: str, sealed: bytes | None, sender: str | None) -> Finding:
    if sealed is None:
        return missing("twilio", "the credentials in force have no secrets any more", _AGAIN)
    does_open = _opens(data / "keys", named, sealed)
    if does_open is False:
        return missing("twilio", "the credentials in force do not open with these keys", _AGAIN)
    if sender is None:
        return warning(
            "twilio",
            "no number that calls show is set, so no calls go over it",
            f"choose one under {_PAGE}",
        )
    if does_open is None:
        return ok("twilio", "credentials are in force; whether they open is seen at the start")
    return ok("twilio", "credentials are in force and open with these keys")


def _opens(folder: Path, named: str, sealed: bytes) -> bool | None:
    """Whether secrets open with the key store; None where that cannot be told here."""
    if (folder / "wrapper.json").exists() or not (folder / "keys.db").is_file():
        return None  # a server wraps the keys, which is not asked
    if find_spec("sqlalchemy") is None or find_spec("cryptography") is None:
        return None  # the finding about the server's parts says so
    from askfirst.server.keys import KeyFile, read_salt
    from askfirst.server.twilioaccount import SCOPE, opened

    try:
        salt = read_salt(folder / "keys.db", KeyFile(folder / "master.key"), SCOPE)
        if salt is None:
            return False
        opened(salt, named, sealed)
    except (AskfirstError, sqlite3.Error):
        return False
    return True


def _address(settings: Settings) -> Finding:
    if settings.public_url is None:
        return missing(
            "twilio-address",
            "public_url is not set; Twilio cannot tell us of a call or bring its sound",
            f"put public_url into askfirst.toml: {_HOW}",
        )
    if not settings.origin.startswith("https:"):
        return missing(
            "twilio-address",
            "public_url is not https; Twilio's way to us has to be encrypted",
            f"give the machine a certificate, or put a proxy in front: {_HOW}",
        )
    return ok("twilio-address", f"Twilio reaches us at {settings.origin}")


def _recordings(checked: tuple[str | None, str | None] | None, now: datetime) -> Iterator[Finding]:
    """What `elsewherereport` does not say of the check for recordings there."""
    if checked is None:
        yield warning(
            "twilio-recordings",
            "it was never looked whether Twilio keeps recordings",
            "start askfirst; it looks at the start and daily",
        )
        return
    done = None if checked[0] is None else datetime.fromisoformat(checked[0]).replace(tzinfo=UTC)
    if checked[1] is not None and done is not None and now - done <= FRESH:
        yield warning(
            "twilio-recordings",
            f"the last look for recordings at Twilio was not whole; the last whole one is of "
            f"{done:%Y-%m-%d}",
            "look whether this machine reaches Twilio, and at the page of the compliance queue",
        )
