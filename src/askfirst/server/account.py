"""What the account wants: one set of settings for everybody, each with who changed it and when.

A new account has recording switched on, and no lawful basis until somebody names one with a
purpose sentence and an owner. Wishes become the `Policy` of every call; nothing here loosens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from askfirst.errors import InvalidInput, InvalidRequest
from askfirst.model import Purpose
from askfirst.notice import SHORTEST_PURPOSE_WORDS, NoticeFacts
from askfirst.policy import PLACE_CODE, Policy
from askfirst.server import audit
from askfirst.server.accounts import LANGUAGES
from askfirst.server.accounttables import settings

SHORTEST_DAYS, LONGEST_DAYS = 1, 3_650
_OWN_KEYS = frozenset({"recording_enabled", "lawful_basis", "purpose", "contact_objected"})


@dataclass(frozen=True, slots=True)
class Account:
    """The account's settings; the defaults are those of a new account.

    `wishes` are further policy keys (`askfirst.policy`). `notice_version` counts the employee
    notice; 0: there is none yet. `announces` is whether announcements are played at the answer.
    """

    company: str = ""
    home_place: str | None = None
    language: str = "en"
    recording_enabled: bool = True
    lawful_basis: str | None = None
    lawful_basis_owner: str | None = None
    purpose: str | None = None
    purpose_sentence: str | None = None
    purpose_owner: str | None = None
    retention_days: int | None = None
    announces: bool = True
    privacy_url: str | None = None
    notice_version: int = 1
    wishes: Mapping[str, object] | None = None

    @property
    def is_set_up(self) -> bool:
        """Whether the first run has been finished."""
        return bool(self.company) and self.retention_days is not None

    def policy(self) -> Policy:
        """What the account's settings are to a decision."""
        stated = {
            **(self.wishes or {}),
            "recording_enabled": self.recording_enabled,
            "lawful_basis": self.lawful_basis,
            "purpose": self.purpose,
        }
        return Policy.parse(stated)

    def notice_facts(self) -> NoticeFacts:
        """What a notice says of the account."""
        purpose = self.purpose_sentence or (Purpose(self.purpose) if self.purpose else None)
        return NoticeFacts(self.company, purpose, self.retention_days, self.privacy_url)

    def retention(self, default: timedelta) -> timedelta:
        """How long a recording is kept where no rule says otherwise."""
        return default if self.retention_days is None else timedelta(days=self.retention_days)


@dataclass(frozen=True, slots=True)
class Changed:
    """Who changed a setting last, and when."""

    by: str | None
    at: datetime


def account(connection: sa.Connection) -> Account:
    """The account's settings."""
    stored = {
        row.key: row.value
        for row in connection.execute(sa.select(settings.c.key, settings.c.value))
    }
    known = {each.name for each in fields(Account)}
    return replace(Account(), **{key: value for key, value in stored.items() if key in known})


def last_changes(connection: sa.Connection) -> dict[str, Changed]:
    """Who changed each setting last; what was never changed is not in it."""
    rows = connection.execute(sa.select(settings))
    return {row.key: Changed(row.changed_by, row.changed_at) for row in rows}


def change(
    connection: sa.Connection, values: Mapping[str, object], actor: str | None, now: datetime
) -> Account:
    """Change settings, all or none, and write down who did; gives the settings as they are then.

    Raises InvalidRequest naming the first key that there is not or whose value cannot be used.
    """
    before = account(connection)
    found: dict[str, object] = {}
    for key, value in values.items():
        if key not in _READERS:
            raise InvalidRequest(
                f"unknown setting {key!r}; known: {', '.join(sorted(_READERS))}", key=key
            )
        found[key] = _READERS[key](key, value)
    after = replace(before, **found)  # type: ignore[arg-type]  # readers give the types
    _ensure_consistent(after)
    changed = [key for key in found if getattr(before, key) != getattr(after, key)]
    for key in changed:
        values_ = {"value": getattr(after, key), "changed_by": actor, "changed_at": now}
        done = connection.execute(settings.update().where(settings.c.key == key).values(**values_))
        if done.rowcount == 0:
            connection.execute(settings.insert().values(key=key, **values_))
    if changed:
        audit.note(connection, now, actor, "settings.changed", detail={"keys": sorted(changed)})
    return after


def _ensure_consistent(account: Account) -> None:
    """A basis has an owner and a purpose sentence; nobody records on a word that nobody owns."""
    if account.lawful_basis is not None:
        for key in ("lawful_basis_owner", "purpose", "purpose_sentence", "purpose_owner"):
            if not getattr(account, key):
                raise InvalidRequest(
                    f"a lawful basis is named and {key} is missing; name the basis, its owner, the "
                    "purpose, a sentence that explains it, and who owns that",
                    key=key,
                )
    try:
        account.policy()
    except InvalidRequest as error:
        raise InvalidRequest(str(error), key="wishes") from error


def _refuse(key: str, value: object, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{key} is {str(value)[:80]!r}; expected {expected}", key=key)


def _text(most: int) -> Callable[[str, object], str]:
    def read(key: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            raise _refuse(key, value, f"1 to {most} characters")
        return " ".join(value.split())

    return read


def _maybe(inner: Callable[[str, object], object]) -> Callable[[str, object], object]:
    def read(key: str, value: object) -> object:
        return None if value is None or value == "" else inner(key, value)

    return read


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse(key, value, "true or false")
    return value


def _place(key: str, value: object) -> str:
    if not isinstance(value, str) or not PLACE_CODE.fullmatch(value):
        raise _refuse(key, value, "a place code such as NO or US-CA")
    return value


def _language(key: str, value: object) -> str:
    if not isinstance(value, str) or value not in LANGUAGES:
        raise _refuse(key, value, " or ".join(LANGUAGES))
    return value


def _purpose(key: str, value: object) -> str:
    if not isinstance(value, str) or value not in set(Purpose):
        raise _refuse(key, value, ", ".join(Purpose))
    return value


def _sentence(key: str, value: object) -> str:
    text = _text(200)(key, value)
    if len(text.split()) < SHORTEST_PURPOSE_WORDS:
        raise _refuse(key, value, f"a sentence of {SHORTEST_PURPOSE_WORDS} words or more")
    return text


def _days(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refuse(key, value, "a whole number of days")
    if not SHORTEST_DAYS <= value <= LONGEST_DAYS:
        raise _refuse(key, value, f"{SHORTEST_DAYS} to {LONGEST_DAYS} days")
    return value


def _version(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refuse(key, value, "a version of the notice")
    return value


def _wishes(key: str, value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise _refuse(key, value, "policy keys and their values")
    if own := _OWN_KEYS.intersection(value):
        raise _refuse(key, sorted(own), "keys that are no settings of their own")
    try:
        Policy.parse(value)
    except InvalidInput as error:
        raise InvalidRequest(str(error), key=key) from error
    return dict(value)


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "company": _text(120),
    "home_place": _maybe(_place),
    "language": _language,
    "recording_enabled": _flag,
    "lawful_basis": _maybe(_text(60)),
    "lawful_basis_owner": _maybe(_text(120)),
    "purpose": _maybe(_purpose),
    "purpose_sentence": _maybe(_sentence),
    "purpose_owner": _maybe(_text(120)),
    "retention_days": _maybe(_days),
    "announces": _flag,
    "privacy_url": _maybe(_text(200)),
    "notice_version": _version,
    "wishes": _wishes,
}
