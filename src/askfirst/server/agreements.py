"""Agreements to be recorded: each agent's own, in writing, and taken back at any moment.

Where secrecy law protects the agent's own words (gate `agreement` of the workplace), an agent whose
agreement is not in force is recorded in no call. The text is filled in from the settings: when what
it says of purposes, periods or readers changes, it has to be agreed to anew. Nobody agrees for
somebody else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.rulefile import AGREEMENT
from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import audit
from askfirst.server.account import Account
from askfirst.server.accounts import User
from askfirst.server.agreementtables import agreements
from askfirst.server.employeenotice import digest_of, fill
from askfirst.server.ids import new_id

_FILE = "texts/agreement.toml"

LANGUAGES: Mapping[str, str] = {"en": "English", "nb": "Norsk", "de": "Deutsch"}
"""Languages in which it can be read and agreed to, each by its own name."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is agreed to, by language."""

    texts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A name of exactly these words; one in every language."""
        return digest_of(self.texts)


@dataclass(frozen=True, slots=True)
class Agreement:
    """That a user agreed, to which words, in which language; `revoked_at` None: not taken back."""

    id: str
    user: str
    digest: str
    language: str
    text: str
    agreed_at: datetime
    revoked_at: datetime | None


def present(wants: Account) -> Wording:
    """What would be agreed to now, filled in from the settings."""
    bodies = _texts()["body"]
    return Wording({code: fill(bodies[code].strip(), wants, code) for code in LANGUAGES})


def is_wanted(user: User, wants: Account, rules: Rulebook) -> bool:
    """Whether the law of a user's place wants their agreement."""
    place = user.place or wants.home_place
    files = lineage(place, rules) if place is not None else []
    return any(AGREEMENT in file.workplace.gates for file in files if file.workplace is not None)


def in_force(connection: sa.Connection, user: str, wants: Account) -> Agreement | None:
    """A user's agreement to the present words, None where there is none or it was taken back."""
    columns = agreements.c
    holds = columns.digest == present(wants).digest, columns.revoked_at.is_(None)
    return next(iter(_read(connection, columns.user == user, *holds)), None)


def of_user(connection: sa.Connection, user: str) -> list[Agreement]:
    """Everything that a user ever agreed to, the newest first."""
    return _read(connection, agreements.c.user == user)


def by_user(connection: sa.Connection, wants: Account) -> dict[str, Agreement]:
    """Of everybody who ever agreed: what is in force, else the newest, which is not."""
    digest = present(wants).digest
    found = {each.user: each for each in reversed(_read(connection))}
    holds = (each for each in _read(connection) if each.digest == digest and not each.revoked_at)
    return found | {each.user: each for each in holds}


def agree(
    connection: sa.Connection,
    user: str,
    wants: Account,
    digest: str,
    language: str,
    now: datetime,
) -> None:
    """A user agrees to the words that they had before them, in a language.

    Who has agreed to them already stays with that. Raises InvalidInput where `digest` names other
    words than the present ones, InvalidRequest for a language in which there are none.
    """
    wording = present(wants)
    if language not in LANGUAGES:
        raise InvalidRequest(
            f"language: found {language[:20]!r}; expected one of {', '.join(LANGUAGES)}",
            key="language",
        )
    if digest != wording.digest:
        raise InvalidInput("the agreement has changed since; read the present one")
    if in_force(connection, user, wants) is not None:
        return
    made = new_id("agr")
    values = {
        "id": made,
        "user": user,
        "digest": digest,
        "language": language,
        "text": wording.texts[language],
        "agreed_at": now,
    }
    connection.execute(agreements.insert().values(**values))
    audit.note(connection, now, user, "agreement.given", made, {"language": language})


def revoke(connection: sa.Connection, user: str, now: datetime) -> None:
    """A user takes back whatever they agreed to; nothing happens where that is nothing."""
    mine = agreements.c.user == user, agreements.c.revoked_at.is_(None)
    held = connection.execute(sa.select(agreements.c.id).where(*mine)).scalars().all()
    connection.execute(agreements.update().where(*mine).values(revoked_at=now))
    for each in held:
        audit.note(connection, now, user, "agreement.revoked", each)


def _read(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Agreement]:
    order = (agreements.c.agreed_at.desc(), agreements.c.id.desc())
    rows = connection.execute(sa.select(agreements).where(*where).order_by(*order))
    return [Agreement(**row._mapping) for row in rows]


@cache
def _texts() -> dict[str, Any]:
    file = resources.files("askfirst") / _FILE
    return tomllib.loads(file.read_text(encoding="utf-8"))
