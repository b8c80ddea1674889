"""What ends or is due soon, in one list: holds, overrides, records, deadlines, certificates.

Each source says what it has that ends within a time. A new one is a function and a line in
`SOURCES`, or in `_AROUND` where it needs more than the database. An ending is a kind, an id and a
day, and nothing that says who somebody is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from cryptography import x509

from askfirst.rules import Rulebook
from askfirst.server import accounts, employeenotice, overrideregister, standingconsents
from askfirst.server.account import account
from askfirst.server.approvals import open_proposals
from askfirst.server.checkpointsettings import CheckpointSettings
from askfirst.server.database import recordings
from askfirst.server.linktables import shares
from askfirst.server.overrideregister import Standing
from askfirst.server.requestregister import requests
from askfirst.server.signing import CERTIFICATE_FILE
from askfirst.server.sitetables import site_records
from askfirst.server.store import Store
from askfirst.server.tokentables import api_tokens

STAGES = (30, 7, 0)
"""Days before the end at which people are reminded."""

KEYS = "keys"
"""Where an installation keeps the certificate that signs."""

WITHIN = timedelta(days=STAGES[0])
A_YEAR = timedelta(days=365)
"""How long after its last review a rule file is to be read again."""


class Ends(StrEnum):
    """What kind of thing ends or is due."""

    HOLD = "legal-hold"
    OVERRIDE = "override"
    SITE = "site-record"
    SHARE = "share"
    REQUEST = "request"
    TOKEN = "token"  # noqa: S105 - a kind, no secret
    PROPOSAL = "proposal"
    NOTICE = "notice-reading"
    RULES = "rule-review"
    CERTIFICATE = "certificate"
    STANDING = "standing-consent"


@dataclass(frozen=True, slots=True, order=True)
class Ending:
    """Something that ends, or is due, on a day (UTC); `ref` is its id or code."""

    on: date
    kind: str
    ref: str

    def stage(self, today: date) -> int:
        """The reminder that is due: the smallest of `STAGES` that has been reached."""
        left = (self.on - today).days
        return min((each for each in STAGES if left <= each), default=STAGES[0])


Source = Callable[[sa.Connection, date, timedelta], Iterable[Ending]]
"""What ends on or after a day and within a time; what is due stays until it is done."""


@dataclass(frozen=True, slots=True)
class Around:
    """What an installation has besides its database; `certificates` are files in PEM."""

    store: Store
    rules: Rulebook
    certificates: tuple[Path, ...] = ()


def around(
    store: Store, rules: Rulebook, wanted: CheckpointSettings, *others: Path | None
) -> Around:
    """An installation with the certificates that sign, stamp, and those others that there are."""
    files = (store.folder / KEYS / CERTIFICATE_FILE, wanted.stamp_certificates, *others)
    return Around(store, rules, tuple(each for each in files if each is not None))


def ending_soon(
    here: Around, connection: sa.Connection, on: date, within: timedelta = WITHIN
) -> list[Ending]:
    """Everything that ends within a time of a day, what is first in front."""
    found = [each for source in SOURCES for each in source(connection, on, within)]
    found += [each for source in _AROUND for each in source(here, connection, on)]
    return sorted(each for each in found if each.on <= on + within)


def holds(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Legal holds that somebody is to look at again."""
    query = sa.select(recordings.c.id, recordings.c.hold_until).where(
        sa.literal_column("recordings.legal_hold", sa.Boolean), recordings.c.hold_until.is_not(None)
    )
    for row in connection.execute(query):
        yield Ending(row.hold_until.date(), Ends.HOLD, row.id)


def site_endings(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Records of sites, by their last day."""
    query = sa.select(site_records.c.id, site_records.c.until).where(
        site_records.c.ended_at.is_(None), site_records.c.until.between(on, on + within)
    )
    for row in connection.execute(query):
        yield Ending(row.until, Ends.SITE, row.id)


def share_endings(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Recordings that are shared with somebody outside."""
    return _expiring(connection, shares, Ends.SHARE, on, within)


def token_endings(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Tokens of programs."""
    return _expiring(connection, api_tokens, Ends.TOKEN, on, within)


def request_deadlines(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Requests of people about their data that nobody has answered."""
    for each in requests(connection):
        if not each.is_closed:
            yield Ending(each.due_at.date(), Ends.REQUEST, each.id)


def proposal_endings(connection: sa.Connection, on: date, within: timedelta) -> Iterator[Ending]:
    """Changes that wait for a second person and run out."""
    for each in open_proposals(connection):
        yield Ending(each.expires_at.date(), Ends.PROPOSAL, each.id)


SOURCES: tuple[Source, ...] = (
    holds,
    site_endings,
    share_endings,
    token_endings,
    request_deadlines,
    proposal_endings,
)
"""What the database knows that ends; one line for each."""


def override_endings(here: Around, connection: sa.Connection, on: date) -> Iterator[Ending]:
    """Overrides that count, or will."""
    for each in overrideregister.kept(here.store.folder, connection, here.rules, on):
        if each.override and each.standing in (Standing.IN_FORCE, Standing.COMING):
            yield Ending(each.override.until, Ends.OVERRIDE, each.digest)


def standing_endings(here: Around, connection: sa.Connection, on: date) -> Iterator[Ending]:
    """Standing consents, by the last day on which they hold."""
    erasures, within = here.store.erasures, WITHIN.days
    for each in standingconsents.ending(erasures, connection, on, within):
        yield Ending(each.scope.ends_on, Ends.STANDING, each.id)


def notice_readings(here: Around, connection: sa.Connection, on: date) -> Iterator[Ending]:
    """People whose law wants the employee notice read every year, by when they read it again."""
    wants = account(connection)
    for user in accounts.all_users(connection):
        due = employeenotice.read_again_on(user, wants, here.rules)
        if due not in (None, date.min) and not user.is_disabled:
            yield Ending(due, Ends.NOTICE, user.id)


def rule_reviews(here: Around, _connection: sa.Connection, _on: date) -> Iterator[Ending]:
    """Rule files, all that were read on one day as one, a year after that day."""
    for read in sorted({file.reviewed for file in here.rules.jurisdictions.values()}):
        yield Ending(read + A_YEAR, Ends.RULES, read.isoformat())


def certificate_endings(here: Around, _connection: sa.Connection, _on: date) -> Iterator[Ending]:
    """Certificates, by the name of their file and where they stand in it."""
    for path in here.certificates:
        for number, until in enumerate(_valid_until(path), 1):
            yield Ending(until.date(), Ends.CERTIFICATE, f"{path.name[:80]}-{number}")


_AROUND: tuple[Callable[[Around, sa.Connection, date], Iterable[Ending]], ...] = (
    override_endings,
    standing_endings,
    notice_readings,
    rule_reviews,
    certificate_endings,
)


def _expiring(
    connection: sa.Connection, table: sa.Table, kind: Ends, on: date, within: timedelta
) -> Iterator[Ending]:
    query = sa.select(table.c.id, table.c.expires_at).where(table.c.revoked_at.is_(None))
    for row in connection.execute(query):
        if on <= row.expires_at.date() <= on + within:
            yield Ending(row.expires_at.date(), kind, row.id)


def _valid_until(path: Path) -> list[datetime]:
    """Until when each certificate of a file is valid; what cannot be read is told by `doctor`."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []
    return [each.not_valid_after_utc for each in found]
