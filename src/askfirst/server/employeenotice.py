"""The employee notice: what employees are told about recording, and who has read which version.

It is a notice and no consent. As long as nobody has published a text the packaged one counts,
filled in from the settings; the first reading keeps it as it was read. Publishing another text
makes a new version, and nobody's calls are recorded until they have read it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput
from askfirst.model import Purpose
from askfirst.notice import purpose_words
from askfirst.rulefile import YEARLY
from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import account, accounts, audit
from askfirst.server.access import TABLE, Permission, Reach
from askfirst.server.account import Account
from askfirst.server.accounts import LANGUAGES, User
from askfirst.server.accounttables import notice_readings

_FILE = "texts/employee.toml"

A_YEAR = timedelta(days=365)
"""For how long a reading holds where the law wants the notice every year."""


def digest_of(texts: Mapping[str, str]) -> str:
    """A name of exactly these words in exactly these languages (SHA-256, in hex)."""
    said = "\0".join(f"{language}={texts[language]}" for language in sorted(texts))
    return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the notice: its text by language, who published it and when.

    `number` 0: none is in force, and nobody is recorded. `by` None: it is the packaged text; `at`
    None: nobody has read or published it yet.
    """

    number: int
    texts: Mapping[str, str]
    by: str | None
    at: datetime | None

    @property
    def digest(self) -> str:
        """A name of exactly these words, so that a form can say what was on the page."""
        return digest_of(self.texts)


@dataclass(frozen=True, slots=True)
class Reading:
    """That a user has read a version of the notice."""

    user: str
    version: int
    at: datetime


def proposed(wants: Account) -> dict[str, str]:
    """The packaged text by language, filled in from the settings as they are."""
    return {language: _filled(wants, language) for language in LANGUAGES}


def in_language(wants: Account, version: Version, language: str) -> str | None:
    """What a version says in a language; the packaged one also in German, which papers have.

    None where somebody published a text of their own, and not in that language.
    """
    if language in version.texts:
        return version.texts[language]
    return _filled(wants, language) if version.texts == proposed(wants) else None


def present(connection: sa.Connection) -> Version:
    """The version that is in force."""
    wants = account.account(connection)
    published = versions(connection)
    if wants.notice_text is None:
        return Version(wants.notice_version, proposed(wants), None, None)
    last = published[-1] if published else None
    by, at = (last.by, last.at) if last else (None, None)
    return Version(wants.notice_version, wants.notice_text, by, at)


def versions(connection: sa.Connection) -> list[Version]:
    """Every version that was published or read, the oldest first."""
    number, found = 1, []
    for past in account.history(connection, ("notice_version", "notice_text")):
        if past.key == "notice_version" and isinstance(past.value, int):
            number = past.value
        elif isinstance(past.value, dict):
            found.append(Version(number, past.value, past.by, past.at))
    return found


def publish(connection: sa.Connection, texts: Mapping[str, str], by: str, now: datetime) -> Version:
    """Publish a text in every language as the next version; everybody has to read it again.

    Raises InvalidRequest for a text that cannot be kept, InvalidInput for one that is in force.
    """
    before = present(connection)
    after = account.change(connection, {"notice_text": dict(texts)}, by, now)
    if after.notice_version == before.number or after.notice_text == before.texts:
        raise InvalidInput(
            f"this is the text of version {before.number}, which is in force; change something, "
            "or leave it as it is"
        )
    return present(connection)


def read(
    connection: sa.Connection, user: str, number: int, now: datetime, digest: str | None = None
) -> None:
    """A user has read the version in force; `digest` names the words that they had before them.

    Raises InvalidInput for another version or other words, and where no notice is in force.
    """
    version = present(connection)
    if number == 0 or number != version.number or digest not in (None, version.digest):
        raise InvalidInput("the notice has changed since; read the present one")
    if version.at is None:
        account.keep_notice(connection, version.texts, now)
    accounts.acknowledge(connection, user, number, now)
    audit.note(connection, now, user, "notice.read", detail={"version": number})


def is_current(user: User, wants: Account, rules: Rulebook, on: date) -> bool:
    """Whether somebody has read the version in force, and lately enough for the law of their place.

    Some laws want the notice given every year; a reading then holds for `A_YEAR`.
    """
    if user.notice_version != wants.notice_version:
        return False
    again = read_again_on(user, wants, rules)
    return again is None or on < again


def read_again_on(user: User, wants: Account, rules: Rulebook) -> date | None:
    """The day from which somebody's reading holds no more; None where it holds for good.

    Of somebody who has read nothing it is the first of all days.
    """
    place = user.place or wants.home_place
    files = lineage(place, rules) if place is not None else []
    if not any(YEARLY in file.workplace.gates for file in files if file.workplace is not None):
        return None
    read_at = user.notice_read_at
    return date.min if read_at is None else read_at.date() + A_YEAR


def readings(connection: sa.Connection) -> list[Reading]:
    """Who has read which version, the newest first."""
    rows = connection.execute(
        sa.select(notice_readings).order_by(
            notice_readings.c.version.desc(), notice_readings.c.at.desc()
        )
    )
    return [Reading(row.user, row.version, row.at) for row in rows]


def _filled(wants: Account, language: str) -> str:
    return fill(_texts()["body"][language], wants, language)


def fill(text: str, wants: Account, language: str) -> str:
    """A text with company, purposes, roles and period as the settings have them."""
    texts = _texts()
    own = wants.notice_facts(language).purpose
    if own is None:
        purposes = texts["purposes"]["undecided"][language]
    else:
        purposes = purpose_words(own, language) if isinstance(own, Purpose) else own
    days = wants.stated_days
    if days is None:
        period = texts["period"]["undecided"][language]
    elif days == 1:
        period = texts["period"]["day"][language]
    else:
        period = texts["period"]["days"][language].replace("{days}", str(days))
    filled = {
        "{company}": wants.company,
        "{purposes}": purposes,
        "{roles}": _roles(language),
        "{period}": period,
    }
    for name, said in filled.items():
        text = text.replace(name, said.rstrip("."))
    return text


def _roles(language: str) -> str:
    """Who may open calls of others, from the table of permissions and not from memory."""
    texts = _texts()
    wide = [
        texts["role"][role.value][language]
        for role, permissions in TABLE.items()
        if permissions.get(Permission.RECORDINGS_LISTEN, Reach.NONE) > Reach.OWN
    ]
    joined: str = texts["and"][language]
    return joined.join([*([", ".join(wide[:-1])] if wide[:-1] else []), *wide[-1:]])


@cache
def _texts() -> dict[str, Any]:
    file = resources.files("askfirst") / _FILE
    return tomllib.loads(file.read_text(encoding="utf-8"))
