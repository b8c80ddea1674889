"""Tokens with which programs act for a person: made once, kept as digests, limited by scopes.

A token never gives more than its person has at the moment of each request, and nothing that is not
among its scopes. Every function works inside the caller's transaction and takes the time as an
argument.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.server import accounts, audit
from askfirst.server.access import Permission
from askfirst.server.accounts import User
from askfirst.server.digests import of_secret
from askfirst.server.ids import new_id
from askfirst.server.tokentables import api_tokens

PREFIX = "askfirst_"
"""How every token begins, so that one that got lost is known for what it is."""

LONGEST_NAME = 80
MOST_TOKENS = 50
SHORTEST, USUAL, LONGEST = timedelta(days=1), timedelta(days=90), timedelta(days=366)
USED_EVERY = timedelta(minutes=1)
"""The time of the last use is written no more often than that."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; the secret itself is kept nowhere."""

    id: str
    user: str
    name: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


def make(
    connection: sa.Connection,
    user: User,
    name: str,
    scopes: Iterable[str],
    now: datetime,
    lasts: timedelta = USUAL,
) -> tuple[Token, str]:
    """A new token of a person, and its secret, which nobody can show again.

    Raises InvalidRequest naming `name`, `scopes` or `days`: a name of 1 to 80 characters, at least
    one permission that the person has, 1 to 366 days; Refused for a person with 50 tokens.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"name: found {len(name)} characters; expected 1 to {LONGEST_NAME}, such as the name "
            "of the program that will use the token",
            key="name",
        )
    if not SHORTEST <= lasts <= LONGEST:
        raise InvalidRequest(f"days: found {lasts.days}; expected 1 to {LONGEST.days}", key="days")
    allowed = _allowed(user, scopes)
    if len([each for each in of_user(connection, user.id) if _holds(each, now)]) >= MOST_TOKENS:
        raise Refused(f"found {MOST_TOKENS} tokens of this person; revoke one that is not used")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(new_id("tok"), user.id, name, allowed, now, now + lasts, None, None)
    connection.execute(
        api_tokens.insert().values(
            id=token.id,
            digest=of_secret(secret),
            user=token.user,
            name=token.name,
            scopes=sorted(allowed),
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )
    audit.note(connection, now, user.id, "token.made", token.id, {"scopes": sorted(allowed)})
    return token, secret


def of_user(connection: sa.Connection, user: str) -> list[Token]:
    """Every token that a person ever made, the newest first."""
    query = sa.select(api_tokens).where(api_tokens.c.user == user)
    rows = connection.execute(query.order_by(api_tokens.c.created_at.desc(), api_tokens.c.id))
    return [_token(row) for row in rows]


def revoke(connection: sa.Connection, user: str, token: str, now: datetime) -> None:
    """Let a token of a person open nothing any more; raises NotFound for one of somebody else."""
    its = (api_tokens.c.id == token) & (api_tokens.c.user == user)
    row = connection.execute(sa.select(api_tokens.c.revoked_at).where(its)).one_or_none()
    if row is None:
        raise NotFound("none of your tokens has this id")
    if row.revoked_at is None:
        connection.execute(api_tokens.update().where(its).values(revoked_at=now))
        audit.note(connection, now, user, "token.revoked", token)


def holder(connection: sa.Connection, secret: str, now: datetime) -> tuple[User, Token] | None:
    """Whose token a secret is, with the scopes as the person's limits.

    None for one that is unknown, expired or revoked, and while the person is locked out.
    """
    return _held(connection, api_tokens.c.digest == of_secret(secret), now)


def present(connection: sa.Connection, token: str, now: datetime) -> User | None:
    """The person of a token that has been accepted before, while it still holds."""
    found = _held(connection, api_tokens.c.id == token, now)
    return None if found is None else found[0]


def is_use_due(token: Token, now: datetime) -> bool:
    """Whether the time of the last use is to be written again."""
    return token.used_at is None or now - token.used_at >= USED_EVERY


def note_use(connection: sa.Connection, token: str, now: datetime) -> None:
    """A token is being used."""
    connection.execute(api_tokens.update().where(api_tokens.c.id == token).values(used_at=now))


def _held(
    connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime
) -> tuple[User, Token] | None:
    row = connection.execute(sa.select(api_tokens).where(which)).one_or_none()
    if row is None or not _holds(_token(row), now):
        return None
    user, token = accounts.user(connection, row.user), _token(row)
    return None if user.is_disabled else (replace(user, scopes=token.scopes), token)


def _allowed(user: User, scopes: Iterable[str]) -> frozenset[Permission]:
    known = {each.value: each for each in Permission}
    wanted = sorted(set(scopes))
    has = sorted(each.value for each in Permission if user.person.may(each))
    if not wanted:
        raise InvalidRequest(f"scopes: found none; choose of {', '.join(has)}", key="scopes")
    for word in wanted:
        if word not in has:
            shown = word if word in known else "an unknown word"
            raise InvalidRequest(
                f"scopes: found {shown}, which the person may not give; choose of {', '.join(has)}",
                key="scopes",
            )
    return frozenset(known[word] for word in wanted)


def _holds(token: Token, now: datetime) -> bool:
    return token.revoked_at is None and now < token.expires_at


def _token(row: sa.Row[Any]) -> Token:
    known = {each.value: each for each in Permission}
    return Token(
        id=row.id,
        user=row.user,
        name=row.name,
        # A scope that a later version does not know any more gives nothing.
        scopes=frozenset(known[word] for word in row.scopes if word in known),
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
    )
