"""What a browser has begun and not finished: half a sign-in, a passkey's challenge, a way out.

A round is bound to one browser by a random token in a cookie, of which the database has the digest
only. It has one kind, lasts minutes, and is used once. It is no session and opens nothing. Every
function works inside the caller's transaction and takes the time as an argument.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from askfirst.server.digests import of_secret
from askfirst.server.signintables import rounds

LASTS = timedelta(minutes=10)
MOST_TRIES = 5

Detail = Mapping[str, str]


class RoundKind(StrEnum):
    """What a round is for; it is good for nothing else."""

    SIGN_IN = "sign-in"
    PASSKEY = "passkey"
    NEW_PASSKEY = "new-passkey"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Round:
    """What was begun: for whom, where that is known, and what has to be remembered of it."""

    user: str | None
    detail: Detail


def begin(
    connection: sa.Connection,
    kind: RoundKind,
    now: datetime,
    *,
    user: str | None = None,
    detail: Detail | None = None,
) -> str:
    """A new round; gives the token for the browser's cookie."""
    token = secrets.token_urlsafe(32)
    connection.execute(rounds.delete().where(rounds.c.expires_at <= now))
    connection.execute(
        rounds.insert().values(
            digest=of_secret(token),
            purpose=kind.value,
            user=user,
            detail=dict(detail or {}),
            tries=0,
            expires_at=now + LASTS,
        )
    )
    return token


def look(connection: sa.Connection, token: str, kind: RoundKind, now: datetime) -> Round | None:
    """What a token began; None for another kind, and once it is used, spent or too old."""
    row = connection.execute(
        sa.select(rounds).where(
            rounds.c.digest == of_secret(token),
            rounds.c.purpose == kind.value,
            rounds.c.expires_at > now,
            rounds.c.tries < MOST_TRIES,
        )
    ).one_or_none()
    return None if row is None else Round(row.user, row.detail)


def take(connection: sa.Connection, token: str, kind: RoundKind, now: datetime) -> Round | None:
    """What a token began, which from now on opens nothing; None as `look`."""
    found = look(connection, token, kind, now)
    end(connection, token)
    return found


def count_try(connection: sa.Connection, token: str) -> None:
    """Count a wrong try; after `MOST_TRIES` the round is spent."""
    connection.execute(
        rounds.update().where(rounds.c.digest == of_secret(token)).values(tries=rounds.c.tries + 1)
    )


def end(connection: sa.Connection, token: str) -> None:
    """Let a token open nothing any more."""
    connection.execute(rounds.delete().where(rounds.c.digest == of_secret(token)))


def end_all(connection: sa.Connection, identity: str) -> None:
    """Let nothing that a person has begun be finished, after a change of how they sign in."""
    connection.execute(rounds.delete().where(rounds.c.user == identity))
