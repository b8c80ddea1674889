"""Settings that a second person may have to agree to: what tightens takes effect at once.

A change is taken apart, key by key, policies too. What can only make recording rarer, or keep more
of a promise, is done; the rest waits as one proposal and nothing of it happens before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.ledger import Kind
from askfirst.server import account, approvals, twilioaccount, twilioexchange
from askfirst.server.access import Permission, Person
from askfirst.server.account import Account
from askfirst.server.accountkeys import SECOND_FACTOR
from askfirst.server.approvals import Effect, Proposal
from askfirst.server.store import Store

KIND = "settings"
RECORDING = "recording_enabled"
WISHES = "wishes"
GUARDED = frozenset(
    {
        RECORDING,
        WISHES,
        "announces",
        "hears_answers",
        "first_country",
        "home_place",
        "lawful_basis",
        "purpose",
        "backup_days",
        "retention_days",
        "retention",
        "mandatory_years",
        "unverified_days",
        "second_person",
        "second_factor",
        "asks_reason",
        "redacts_cards",
        "redacts_ids",
        "redacts_emails",
        "notice_version",
        "person_figures_basis",
        "checklists",
        "twilio",
    }
)
"""Settings that change what is recorded, kept, opened or shown of people; no other is another's
matter."""

_ALWAYS = frozenset({"second_person"})
"""What waits for a second person as soon as the account wants one for anything: the rule itself."""

_TIGHTER_ON = frozenset(
    {
        "always_ask",
        "require_works_agreement",
        "forbid_if_localisation_violated",
        "asks_reason",
        "redacts_cards",
        "redacts_ids",
        "redacts_emails",
        "special_category_expected",
    }
)
_TIGHTER_OFF = frozenset(
    {
        RECORDING,
        "checklists",
        "external_share_links",
        "hears_answers",
        "works_agreement_on_file",
        # Conditions under which a law asks for less: to state one loosens.
        "automatic_notice",
        "no_third_party_guarantee",
    }
)
_LESS = frozenset({"retention_days", "backup_days"})
"""Periods: what is kept for a shorter time is kept more strictly."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The settings after a change, and the proposal that waits for the rest of it, if any."""

    account: Account
    proposal: str | None = None


def change(
    store: Store,
    connection: sa.Connection,
    wanted: Mapping[str, Any],
    person: str,
    at: datetime,
    reason: str = "",
) -> Changed:
    """Change settings, or propose what needs a second person; raises InvalidRequest as `account`.

    What is wrong is said before anything is done, also of what would only be proposed.
    """
    before = account.account(connection)
    guarded = _guarded(before)
    if not guarded.intersection(wanted):
        done = account.change(connection, wanted, person, at)
        _enter_provider(store, connection, before, done, person, at)
        return Changed(done)
    with connection.begin_nested() as tried:
        after = account.change(connection, wanted, person, at)
        tried.rollback()
    now, later = _taken_apart(before, after, wanted, guarded)
    done = account.change(connection, now, person, at) if now else before
    _enter_provider(store, connection, before, done, person, at)
    if not later:
        return Changed(done)
    was = {key: _value(before, key) for key in later}
    return Changed(
        done, approvals.propose(store, connection, KIND, person, was, later, at, reason=reason)
    )


def settings_permission(found: Proposal) -> Permission:
    """The permission of the change that was proposed."""
    only_switch = set(found.after) == {RECORDING}
    return Permission.RECORDING_MANAGE if only_switch else Permission.SETTINGS_WRITE


def settings_effect(store: Store, found: Proposal, person: Person, at: datetime) -> Effect:
    """Change the settings as proposed. Raises Refused where one of them was changed meanwhile."""
    if RECORDING in found.after:
        person.ensure(Permission.RECORDING_MANAGE)

    def write(connection: sa.Connection) -> None:
        present = account.account(connection)
        moved = [key for key, was in found.before.items() if _value(present, key) != was]
        if moved:
            raise Refused(
                f"{', '.join(sorted(moved))} was changed since this was proposed; decline it and "
                "propose the change again"
            )
        wishes = dict(present.wishes or {})
        values: dict[str, Any] = {}
        for key, value in found.after.items():
            if key.startswith(f"{WISHES}."):
                wishes[key.removeprefix(f"{WISHES}.")] = value
                values[WISHES] = wishes
            else:
                values[key] = value
        done = account.change(connection, values, person.id, at)
        _enter_provider(store, connection, present, done, person.id, at)

    return Effect(write)


def tightens(key: str, before: Any, after: Any) -> bool:
    """Whether a new value of a setting, or of a policy ``wishes.…``, can only make things stricter.

    False in doubt: it then waits.
    """
    key = key.removeprefix(f"{WISHES}.")
    if key in _TIGHTER_ON:
        return after is True
    if key in _TIGHTER_OFF:
        return after is False
    if key in _LESS:
        return before is not None and after is not None and bool(after <= before)
    if key == "retention":
        return _shortens(before, after)
    if key in ("lawful_basis", "twilio"):
        return after is None
    if key == "notice_version":
        return bool(after == 0)
    if key == "unknown_location":
        return bool(after == "forbid")
    if key == "first_country":
        return bool(after == "review")
    if key == "forbid_jurisdictions":
        return set(after or ()) >= set(before or ())
    if key == "external_processors":
        return set(after or ()) <= set(before or ())
    if key == "minimum_proof":
        return after is not None and (before is None or after >= before)
    if key == "second_factor":
        return SECOND_FACTOR.index(after) >= SECOND_FACTOR.index(before)
    if key == "person_figures_basis":
        return after is None
    if key == "second_person":
        return set(after or ()) >= set(before or ())
    return False


def _enter_provider(
    store: Store,
    connection: sa.Connection,
    before: Account,
    after: Account,
    person: str,
    at: datetime,
) -> None:
    """Let the ledger say which credentials of a provider are in force, and wipe those that do not
    count any more."""
    if before.twilio != after.twilio:
        data = {"provider": "twilio", "credentials": after.twilio or "none", "person": person}
        store.ledger.append(connection, Kind.PROVIDER_CHANGED, at, data=data)
        if before.twilio is not None:
            twilioexchange.end(connection, before.twilio, at)
        twilioaccount.wipe(connection, at)


def _guarded(before: Account) -> frozenset[str]:
    """The settings that a second person may have to agree to, as the account wants it now."""
    if KIND in before.second_person:
        return GUARDED
    return _ALWAYS if before.second_person else frozenset()


def _shortens(before: Mapping[str, Mapping[str, int]], after: Any) -> bool:
    """Whether the same purposes and places have periods, and none a longer one."""
    mine, theirs = (
        {(kind, name): days for kind, each in periods.items() for name, days in each.items()}
        for periods in (before, after)
    )
    return mine.keys() == theirs.keys() and all(theirs[key] <= mine[key] for key in mine)


def _taken_apart(
    before: Account, after: Account, wanted: Mapping[str, Any], guarded: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is done at once, and what waits: by setting, policies by ``wishes.…``."""
    now: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for key in wanted:
        value = getattr(after, key)
        if key == WISHES and WISHES in guarded:
            continue
        was = getattr(before, key)
        if key not in guarded or value == was or tightens(key, was, value):
            now[key] = value
        else:
            later[key] = value
    if WISHES in wanted and WISHES in guarded:
        mine = dict(before.wishes or {})
        for key in sorted(mine.keys() | (after.wishes or {}).keys()):
            name = f"{WISHES}.{key}"
            was, value = _value(before, name), _value(after, name)
            if value == was:
                mine[key] = value
            elif tightens(name, was, value):
                mine[key] = value
                now[WISHES] = mine
            else:
                later[name] = value
    return now, later


def _value(wants: Account, key: str) -> Any:
    """A setting as JSON has it; a policy that was never set is its default."""
    if not key.startswith(f"{WISHES}."):
        return getattr(wants, key)
    name = key.removeprefix(f"{WISHES}.")
    value = getattr(wants.policy(), name)
    return list(value) if isinstance(value, tuple) else value
