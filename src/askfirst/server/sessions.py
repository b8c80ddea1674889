"""Sessions: who is signed in, in which browser, since when, and until when at the latest.

A session is a random token in a cookie; the database has its digest only, so that whoever reads it
takes over none. It ends at its time, when nobody has done anything for a while, and when somebody
ends it. Every function works inside the caller's transaction and takes the time as an argument.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.server.accounts import User, user_of
from askfirst.server.accounttables import sessions, users
from askfirst.server.digests import of_secret

SEEN_EVERY = timedelta(minutes=1)
"""The time of the last visit is written no more often than that."""


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session.

    `name` tells it from others and opens nothing. `factors` is 2 where the person has proved twice
    who they are, by a second factor or a passkey. `agent` is what the browser says of itself.
    """

    name: str
    user: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    agent: str
    factors: int

    def is_touch_due(self, now: datetime) -> bool:
        """Whether a visit at this time is to be written down."""
        return now - self.seen_at >= SEEN_EVERY


def begin(
    connection: sa.Connection,
    identity: str,
    now: datetime,
    lasts: timedelta,
    agent: str,
    *,
    idle: timedelta | None = None,
    factors: int = 1,
) -> str:
    """A new session; gives the token, which is in no database.

    It ends after `lasts`, and earlier where nothing is done for as long as `idle`.
    """
    token = secrets.token_urlsafe(32)
    connection.execute(sessions.delete().where(sa.not_(_holds(now))))
    connection.execute(
        sessions.insert().values(
            digest=of_secret(token),
            user=identity,
            created_at=now,
            seen_at=now,
            expires_at=now + lasts,
            idles_at=None if idle is None else now + idle,
            agent=agent[:200],
            factors=factors,
        )
    )
    return token


def find(connection: sa.Connection, token: str, now: datetime) -> tuple[User, Session] | None:
    """Whose session a token is; None when it has ended or the person is disabled."""
    row = connection.execute(
        sa.select(users, *_COLUMNS)
        .join(sessions, sessions.c.user == users.c.id)
        .where(sessions.c.digest == of_secret(token), users.c.disabled_at.is_(None), _holds(now))
    ).one_or_none()
    return None if row is None else (user_of(row), _session(row))


def holder(connection: sa.Connection, token: str, now: datetime) -> User | None:
    """Who is signed in by a token; None as `find`."""
    found = find(connection, token, now)
    return None if found is None else found[0]


def present(connection: sa.Connection, identity: str, now: datetime) -> User | None:
    """A person who has a session, whichever; None without one or when disabled."""
    row = connection.execute(
        sa.select(users)
        .join(sessions, sessions.c.user == users.c.id)
        .where(users.c.id == identity, users.c.disabled_at.is_(None), _holds(now))
        .limit(1)
    ).one_or_none()
    return None if row is None else user_of(row)


def touch(connection: sa.Connection, token: str, now: datetime, idle: timedelta) -> None:
    """Write down that somebody did something, so that the session goes on."""
    connection.execute(
        sessions.update()
        .where(sessions.c.digest == of_secret(token), _holds(now))
        .values(seen_at=now, idles_at=now + idle)
    )


def renew(connection: sa.Connection, token: str, factors: int) -> str:
    """The same session under a new token, after a rise or fall in what has been proved.

    Whoever had the old token has nothing. Its end stays where it was.
    """
    fresh = secrets.token_urlsafe(32)
    connection.execute(
        sessions.update()
        .where(sessions.c.digest == of_secret(token))
        .values(digest=of_secret(fresh), factors=factors)
    )
    return fresh


def of_user(connection: sa.Connection, identity: str, now: datetime) -> list[Session]:
    """Every session of a person that has not ended, the last seen first."""
    rows = connection.execute(
        sa.select(*_COLUMNS)
        .where(sessions.c.user == identity, _holds(now))
        .order_by(sessions.c.seen_at.desc(), sessions.c.digest)
    )
    return [_session(row) for row in rows]


def name_of(token: str) -> str:
    """The name of the session that a token opens."""
    return of_secret(token)


def end(connection: sa.Connection, token: str) -> None:
    """End one session; one that is gone is no fault."""
    connection.execute(sessions.delete().where(sessions.c.digest == of_secret(token)))


def end_named(connection: sa.Connection, identity: str, name: str) -> bool:
    """End a session of a person by its name; False where they have none of it."""
    its = (sessions.c.user == identity) & (sessions.c.digest == name)
    return connection.execute(sessions.delete().where(its)).rowcount > 0


def end_all(connection: sa.Connection, identity: str, *, but: str | None = None) -> int:
    """End every session of a person, except for that of the token `but`; says how many."""
    its = sessions.c.user == identity
    if but is not None:
        its &= sessions.c.digest != of_secret(but)
    return connection.execute(sessions.delete().where(its)).rowcount


_COLUMNS = (
    sessions.c.digest.label("session_name"),
    sessions.c.user.label("session_user"),
    sessions.c.created_at.label("session_created_at"),
    sessions.c.seen_at,
    sessions.c.expires_at,
    sessions.c.agent,
    sessions.c.factors,
)


def _holds(now: datetime) -> sa.ColumnElement[bool]:
    return (sessions.c.expires_at > now) & (
        sessions.c.idles_at.is_(None) | (sessions.c.idles_at > now)
    )


def _session(row: sa.Row[*tuple[Any, ...]]) -> Session:
    found = row._mapping
    return Session(
        name=found["session_name"],
        user=found["session_user"],
        created_at=found["session_created_at"],
        seen_at=found["seen_at"],
        expires_at=found["expires_at"],
        agent=found["agent"],
        factors=found["factors"],
    )
