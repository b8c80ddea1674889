"""What `askfirst doctor` says of recordings that a carrier keeps; only the database is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from askfirst.server.checkup import Finding, ok, warning

FRESH = timedelta(days=2)
"""As `recordingselsewhere.FRESH`, which needs more than the standard library."""

_DO = {
    "credentials": "mend the credentials of Twilio",
    "refused": "give the key of Twilio the right to list recordings",
    "unreachable": "look whether this machine reaches Twilio",
    "answer": "look for an update of askfirst",
}

_COUNTS = """
SELECT count(*) - count(queue_items.id), count(queue_items.id) FROM recordings_elsewhere
LEFT JOIN queue_items ON queue_items.subject = recordings_elsewhere.sid
AND queue_items.decision = 'known' WHERE gone_at IS NULL
"""


def elsewhere(data: Path, now: datetime) -> Iterator[Finding]:
    """Whether the carrier keeps recordings, as the last check said, and how old that is.

    Nothing where no check was ever tried: then no carrier is set up.
    """
    file = data / "askfirst.db"
    if not file.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            row = opened.execute("SELECT done_at, problem FROM elsewhere_checks").fetchone()
            count, known = opened.execute(_COUNTS).fetchone()
    except (sqlite3.Error, TypeError):
        return  # the finding about the database says so, or its tables are older
    if row is None:
        return
    done = None if row[0] is None else datetime.fromisoformat(row[0]).replace(tzinfo=UTC)
    name = "elsewhere"
    if done is None or now - done > FRESH:
        when = "was never made" if done is None else f"was last made on {done:%Y-%m-%d}"
        says = f"the check for recordings at Twilio {when}; what it keeps is not known"
        yield warning(name, says, _DO.get(row[1] or "", "start askfirst; it checks daily"))
    elif count:
        says = f"recordings that Twilio keeps and nobody here asked for: {count}"
        yield warning(name, says, "look at the compliance queue: docs/how-to/move-from-twilio.md")
    else:
        but = f" but {known} that somebody here knows of" if known else ""
        yield ok(name, f"Twilio keeps no recording{but}, as it said on {done:%Y-%m-%d}")
