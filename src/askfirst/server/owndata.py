"""What is kept about an employee, for themselves (GDPR art. 15): account, notice, signing in, log.

Everything is read, nothing is changed. What is about other people is left out: another user is
nobody by name, no secret and no digest of one is in it, and no words that are about somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import (
    accounts,
    checklists,
    coached,
    employeenotice,
    factors,
    sessions,
    sites,
    tokens,
)
from askfirst.server.account import account
from askfirst.server.accounttables import audit, users
from askfirst.server.carriedcalls import CarriedCalls
from askfirst.server.coachingtables import playlists
from askfirst.server.notetables import saved_views
from askfirst.server.owncalls import PROGRAM, SOMEBODY, YOU, Row, acts, calls_carried, openings
from askfirst.server.owncalls import reviews as reviews_of
from askfirst.server.queuetables import proposals
from askfirst.server.requesttables import subject_requests
from askfirst.server.signintables import identities
from askfirst.server.store import Store

_USER = "usr_"
"""How ids of users begin."""


def own_data(
    store: Store, connection: sa.Connection, own: CarriedCalls, rules: Rulebook, at: datetime
) -> Mapping[str, list[Row]]:
    """Everything about the employee of `own` at a moment, row by row, by what it is.

    Raises NotFound for nobody.
    """
    user = own.user
    return {
        "account": [_account(connection, user)],
        "notice": _notice(connection, user),
        "signing-in": _signing_in(connection, user),
        "sessions": _sessions(connection, user, at),
        "sites": _sites(connection, user, rules),
        "calls": calls_carried(connection, own),
        "openings": openings(store, connection, own),
        "reviews": reviews_of(store, connection, own),
        "coaching": _coaching(store, connection, own),
        "checklists": _checklists(store, connection, user),
        "playlists": _playlists(connection, user),
        "approvals": _approvals(connection, user),
        "requests": _requests(connection, user),
        "acts": acts(connection, user),
        "audit": _audit(connection, user),
        "views": _views(connection, user),
    }


def _account(connection: sa.Connection, user: str) -> Row:
    row = connection.execute(sa.select(users).where(users.c.id == user)).one()
    return {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "roles": list(row.roles),
        "team": row.team,
        "place": row.place,
        "language": row.language,
        "theme": row.theme,
        "created_at": row.created_at,
        "disabled_at": row.disabled_at,
        "failures": row.failures,
        "locked_until": row.locked_until,
        "time_factor": row.time_factor,
        "is_away": row.is_away,
    }


def _notice(connection: sa.Connection, user: str) -> list[Row]:
    """Which version was read when, with its words; a version that was changed in no word is one."""
    versions = employeenotice.versions(connection)
    # A version that nobody has read through the program yet is kept nowhere but in force.
    present = employeenotice.present(connection)
    texts = {each.number: each.texts for each in (present, *versions)}
    return [
        {"version": each.version, "at": each.at, "texts": dict(texts.get(each.version, {}))}
        for each in employeenotice.readings(connection)
        if each.user == user
    ]


def _signing_in(connection: sa.Connection, user: str) -> list[Row]:
    """Ways to sign in by kind and dates; of passkeys, tokens and providers also the name."""
    has = factors.of_user(connection, user)
    found: list[Row] = []
    if accounts.has_password(connection, user):
        found.append({"kind": "password"})
    if has.app_since is not None:
        found.append({"kind": "app", "created_at": has.app_since})
    found += [
        {"kind": "passkey", "name": each.name, "created_at": each.created_at, "at": each.used_at}
        for each in has.passkeys
    ]
    if has.codes_left:
        found.append({"kind": "recovery-codes", "left": has.codes_left})
    bound = connection.execute(sa.select(identities).where(identities.c.user == user))
    found += [
        {"kind": "single-sign-on", "name": each.issuer, "created_at": each.bound_at}
        for each in bound
    ]
    found += [
        {
            "kind": "token",
            "name": each.name,
            "created_at": each.created_at,
            "at": each.used_at,
            "expires_at": each.expires_at,
            "revoked_at": each.revoked_at,
            "scopes": sorted(each.scopes),
        }
        for each in tokens.of_user(connection, user)
    ]
    return found


def _sessions(connection: sa.Connection, user: str, at: datetime) -> list[Row]:
    return [
        {
            "created_at": each.created_at,
            "seen_at": each.seen_at,
            "expires_at": each.expires_at,
            "browser": each.agent,
            "factors": each.factors,
        }
        for each in sessions.of_user(connection, user, at)
    ]


def _sites(connection: sa.Connection, user: str, rules: Rulebook) -> list[Row]:
    """What is and was on record about where they work: postings and agreements."""
    place = accounts.user(connection, user).place or account(connection).home_place
    codes = {file.code for file in lineage(place, rules)} if place else set()
    return [
        {
            "place": each.jurisdiction,
            "kind": each.gate,
            "since": each.since,
            "until": each.until,
            "ended_at": each.ended_at,
            "note": each.note,
        }
        for each in sites.records(connection)
        if each.jurisdiction in codes
    ]


def _coaching(store: Store, connection: sa.Connection, own: CarriedCalls) -> list[Row]:
    """What is written about their time of calls, the newest first."""
    return [
        {
            "at": each.at,
            "call": each.call,
            "kind": each.form.value,
            "by": _who(each.person, own.user),
            "from_ms": each.from_ms,
            "to_ms": each.to_ms,
            "text": each.text,
        }
        for each in coached.of_calls(store, connection, own).said
    ]


def _checklists(store: Store, connection: sa.Connection, user: str) -> list[Row]:
    return [
        {
            "at": each.at,
            "call": each.call,
            "by": _who(each.person, user),
            "name": each.name,
            "questions": [
                {"question": one.question, "answer": one.reply.value, "text": one.words}
                for one in each.answered
            ],
            "answer": each.answer,
        }
        for each in checklists.about(store, connection, user)
    ]


def _playlists(connection: sa.Connection, user: str) -> list[Row]:
    query = sa.select(playlists).where(playlists.c.owner == user).order_by(playlists.c.id)
    return [
        {
            "name": each.name,
            "created_at": each.made_at,
            "text": each.description,
            "audience": each.audience,
        }
        for each in connection.execute(query)
    ]


def _approvals(connection: sa.Connection, user: str) -> list[Row]:
    query = (
        sa.select(proposals)
        .where(sa.or_(proposals.c.proposed_by == user, proposals.c.decided_by == user))
        .order_by(proposals.c.proposed_at, proposals.c.id)
    )
    return [
        {
            "at": each.proposed_at,
            "kind": each.kind,
            "proposed_by": _who(each.proposed_by, user),
            "keys": sorted(each.before.keys() | each.after.keys()),
            "reason": each.reason if each.proposed_by == user else "",
            "state": each.state,
            "decided_by": _who(each.decided_by, user),
            "decided_at": each.decided_at,
        }
        for each in connection.execute(query)
    ]


def _requests(connection: sa.Connection, user: str) -> list[Row]:
    """Requests for their own data, and those of others that they took in or handled."""
    theirs = (
        subject_requests.c.user,
        subject_requests.c.received_by,
        subject_requests.c.handled_by,
    )
    query = (
        sa.select(subject_requests)
        .where(sa.or_(*(each == user for each in theirs)))
        .order_by(subject_requests.c.received_at, subject_requests.c.id)
    )
    return [
        {
            "at": each.received_at,
            "request": each.id,
            "kind": each.kind,
            "about": YOU if each.user == user else SOMEBODY,
            "state": each.state,
            "due_at": each.due_at,
            "answered_at": each.answered_at,
        }
        for each in connection.execute(query)
    ]


def _audit(connection: sa.Connection, user: str) -> list[Row]:
    """Lines of the audit log by them or about them; other users stand there as somebody else."""
    names_them = sa.cast(audit.c.detail, sa.Text).contains(user, autoescape=True)
    query = (
        sa.select(audit)
        .where(sa.or_(audit.c.actor == user, audit.c.object == user, names_them))
        .order_by(audit.c.position)
    )
    return [
        {
            "at": each.at,
            "by": _who(each.actor, user, PROGRAM),
            "action": each.action,
            "object": _without_others(each.object, user),
            "detail": {
                key: _without_others(value, user) for key, value in sorted(each.detail.items())
            },
        }
        for each in connection.execute(query)
    ]


def _views(connection: sa.Connection, user: str) -> list[Row]:
    query = sa.select(saved_views).where(saved_views.c.user == user).order_by(saved_views.c.id)
    return [
        {
            "name": each.name,
            "created_at": each.created_at,
            "filters": {
                key: _without_others(value, user) for key, value in sorted(each.filters.items())
            },
        }
        for each in connection.execute(query)
    ]


def _who(person: str | None, user: str, nobody: str | None = None) -> str | None:
    if person is None:
        return nobody
    return YOU if person == user else SOMEBODY


def _without_others(value: Any, user: str) -> Any:
    """A value of a log in which no other user can be told from the next."""
    if isinstance(value, list):
        return [_without_others(each, user) for each in value]
    if isinstance(value, str) and value.startswith(_USER):
        return YOU if value == user else SOMEBODY
    return value
