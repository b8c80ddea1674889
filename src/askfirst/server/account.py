"""What the account wants: one set of settings for everybody, each with who changed it and when.

A new account has recording switched on, and no lawful basis until somebody names one with a
purpose sentence and an owner. Wishes become the `Policy` of every call; nothing here loosens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.model import Purpose
from askfirst.notice import NoticeFacts
from askfirst.policy import Policy
from askfirst.server import audit
from askfirst.server.accountkeys import NOBODY, READERS, WARN
from askfirst.server.accounttables import setting_changes, settings
from askfirst.server.contactcard import countries
from askfirst.server.database import outbox

REDACTING = frozenset({"redacts_cards", "redacts_ids", "redacts_emails"})
"""Settings after which every recording is looked through again."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account's settings; the defaults are those of a new account.

    `retention` are periods in days, ``purposes`` by purpose and ``places`` by place; each counts in
    the place of `retention_days`. `mandatory_years` is for how many years an authority wants what a
    duty has recorded, by regime, with who asked.
    `backup_days` is how long backups of the keys are kept: so many days after an erasure, nothing
    of it can be read anywhere. `unverified_days` is how long a recording waits for somebody to
    verify it before it is erased; None: for ever. `second_person` are the kinds of changes that
    wait for somebody else's consent (`approvals`). `wishes` are further policy keys
    (`askfirst.policy`). `notice_version` counts the employee notice; 0: there is none yet.
    `notice_text` is what was published of it, by language; without one the packaged text counts
    (`employeenotice`). `announces` is whether announcements are played at the answer, `beeps`
    whether a soft tone is heard while a call is recorded, `hears_answers` whether announcements
    may be answered by a spoken yes or no, `asks_reason` whether whoever opens a recording of
    somebody else's call says why in words, `checklists` whether calls are looked through by
    questions, `private_calls` whether an agent may say that a call is private, the three `redacts`
    what is made silent in recordings and covered in transcripts, `first_country` what is wanted
    before the first call to a country, and `texts` the account's own phrases in notices, by
    language. `second_factor` is who needs one to sign in,
    `person_figures_basis` why figures about single persons may be shown (`personfigures`); None:
    only where a works agreement is on record. `vocabulary` are names and terms that a
    recogniser is told, where it can use them. `twilio` names the credentials at Twilio that are in
    force (`twilioaccount`). `is_demo` is set where everything in the account is
    made up, and by nobody else's wish.
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
    retention: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    mandatory_years: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backup_days: int = 14
    unverified_days: int | None = 14
    second_person: Sequence[str] = field(default_factory=list)
    announces: bool = True
    beeps: bool = False
    hears_answers: bool = False
    asks_reason: bool = False
    checklists: bool = False
    private_calls: bool = True
    redacts_cards: bool = True
    redacts_ids: bool = True
    redacts_emails: bool = False
    privacy_url: str | None = None
    first_country: str = WARN
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notice_version: int = 1
    notice_text: Mapping[str, str] | None = None
    second_factor: str = NOBODY
    person_figures_basis: str | None = None
    vocabulary: Sequence[str] = field(default_factory=list)
    twilio: str | None = None
    wishes: Mapping[str, object] | None = None
    is_demo: bool = False

    @property
    def is_set_up(self) -> bool:
        """Whether the first run has been finished."""
        return bool(self.company) and self.retention_days is not None

    @property
    def region(self) -> str | None:
        """The country of numbers that are written without one (ISO 3166-1)."""
        country = (self.home_place or "").partition("-")[0]
        return country if country in countries() else None

    def policy(self) -> Policy:
        """What the account's settings are to a decision."""
        stated = {
            **(self.wishes or {}),
            "recording_enabled": self.recording_enabled,
            "lawful_basis": self.lawful_basis,
            "purpose": self.purpose,
        }
        policy = Policy.parse(stated)
        # Nobody is told automatically where no announcement is played.
        return policy if self.announces else replace(policy, automatic_notice=False)

    def notice_facts(self, language: str | None = None) -> NoticeFacts:
        """What a notice in a language says of the account; without one, in the account's own.

        A sentence counts in the language that it was written in; elsewhere the purpose is said in
        packaged words.
        """
        spoken = language or self.language
        own = self.texts.get(spoken, {})
        sentence = own.get("purpose") or (self.purpose_sentence if spoken == self.language else "")
        return NoticeFacts(
            self.company,
            sentence or (Purpose(self.purpose) if self.purpose else None),
            self.stated_days,
            self.privacy_url,
            recipients=own.get("recipients"),
            destination=own.get("destination"),
            alternative=own.get("alternative"),
        )

    @property
    def stated_days(self) -> int | None:
        """How many days a recording of the account's purpose is kept at most, as notices say it."""
        own = self.retention.get("purposes", {}).get(self.purpose or "")
        if own is not None or self.retention_days is None:
            return own
        return max(self.retention_days, *self.retention.get("places", {}).values(), 0)

    def period(self, default: timedelta) -> timedelta:
        """How long a recording is kept where nothing else is said of its purpose and places."""
        return default if self.retention_days is None else timedelta(days=self.retention_days)


@dataclass(frozen=True, slots=True)
class Past:
    """What a setting became, who wanted it, and when."""

    key: str
    value: object
    by: str | None
    at: datetime


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


def account_at(connection: sa.Connection, at: datetime) -> Account:
    """The account's settings as they were at a moment (aware)."""
    query = (
        sa.select(setting_changes.c.key, setting_changes.c.value)
        .where(setting_changes.c.changed_at <= at)
        .order_by(setting_changes.c.position)
    )
    stood = {row.key: row.value for row in connection.execute(query)}
    known = {each.name for each in fields(Account)}
    return replace(Account(), **{key: value for key, value in stood.items() if key in known})


def last_changes(connection: sa.Connection) -> dict[str, Changed]:
    """Who changed each setting last; what was never changed is not in it."""
    rows = connection.execute(sa.select(settings))
    return {row.key: Changed(row.changed_by, row.changed_at) for row in rows}


def history(connection: sa.Connection, keys: Iterable[str]) -> list[Past]:
    """Every value that these settings ever got, the oldest first."""
    rows = connection.execute(
        sa.select(setting_changes)
        .where(setting_changes.c.key.in_(set(keys)))
        .order_by(setting_changes.c.position)
    )
    return [Past(row.key, row.value, row.changed_by, row.changed_at) for row in rows]


def change(
    connection: sa.Connection, values: Mapping[str, object], actor: str | None, now: datetime
) -> Account:
    """Change settings, all or none, and write down who did; gives the settings as they are then.

    A new text of the employee notice is a new version of it. Raises InvalidRequest naming the
    first key that there is not or whose value cannot be used.
    """
    before = account(connection)
    found = _read(values)
    highest = _highest_notice(connection, before)
    if found.get("notice_text", before.notice_text) != before.notice_text:
        # First in order, so that the history reads: from now on this version, with this text.
        found = {"notice_version": 0, **found}
        found["notice_version"] = highest + 1
    after = replace(before, **found)  # type: ignore[arg-type]  # readers give the types
    _ensure_consistent(after)
    _ensure_wishes(before, after)
    _ensure_read_again(before, after, highest)
    changed = [key for key in found if getattr(before, key) != getattr(after, key)]
    for key in changed:
        _write(connection, key, getattr(after, key), actor, now)
    if REDACTING.intersection(changed):
        order = {"id": f"redact:{uuid4().hex}", "kind": "redact", "ref": "account"}
        connection.execute(outbox.insert().values(**order, created_at=now))
    if changed:
        audit.note(connection, now, actor, "settings.changed", detail={"keys": sorted(changed)})
    return after


def wanted(before: Account, values: Mapping[str, object]) -> Account:
    """Settings as they would be after a change; nothing is written. Raises as `change` does of a
    key that there is not, or a value that cannot be used.
    """
    return replace(before, **_read(values))  # type: ignore[arg-type]  # readers give the types


def _read(values: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        if key not in READERS:
            raise InvalidRequest(
                f"unknown setting {key!r}; known: {', '.join(sorted(READERS))}", key=key
            )
        found[key] = READERS[key](key, value)
    return found


def keep_notice(connection: sa.Connection, texts: Mapping[str, str], now: datetime) -> None:
    """Keep the packaged text of the employee notice as the one that was read, version unchanged.

    For `employeenotice`; from then on no other setting changes what the notice says.
    """
    _write(connection, "notice_text", dict(texts), None, now)


def _write(
    connection: sa.Connection, key: str, value: object, actor: str | None, now: datetime
) -> None:
    row = {"value": value, "changed_by": actor, "changed_at": now}
    done = connection.execute(settings.update().where(settings.c.key == key).values(**row))
    if done.rowcount == 0:
        connection.execute(settings.insert().values(key=key, **row))
    connection.execute(setting_changes.insert().values(key=key, **row))


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


def _highest_notice(connection: sa.Connection, before: Account) -> int:
    """The highest version that the employee notice ever had; no number is used again."""
    past = (each.value for each in history(connection, ["notice_version"]))
    return max(before.notice_version, 1, *(each for each in past if isinstance(each, int)))


def _ensure_read_again(before: Account, after: Account, highest: int) -> None:
    """Nobody has read a version that is still to come; 0 takes the notice out of force."""
    if after.notice_version not in (0, before.notice_version) and after.notice_version < highest:
        raise InvalidRequest(
            f"the employee notice has been at version {highest}; expected that or a later one, "
            "because people have read the earlier ones",
            key="notice_version",
        )


def _ensure_wishes(before: Account, after: Account) -> None:
    """What was promised cannot be broken by the same settings."""
    policy = after.policy()
    shared = policy.external_share_links or policy.external_processors
    if before.wishes != after.wishes and policy.no_third_party_guarantee and shared:
        raise InvalidRequest(
            "recordings are guaranteed not to be shared with third parties, and links or outside "
            "processors would share them; take the guarantee back first",
            key="wishes",
        )
