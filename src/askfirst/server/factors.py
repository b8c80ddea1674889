"""Who needs a second factor, who has one, and what has to happen when that changes.

A second factor is an authenticator app (`totp`) or a passkey (`passkeys`); recovery codes stand in
for either. Every change is audited and ends the person's other sessions and whatever was begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.server import audit, passkeys, recoverycodes, rounds, sessions, totp
from askfirst.server.access import UserRole
from askfirst.server.accountkeys import NOBODY, OFFICERS
from askfirst.server.keys import KeyStore
from askfirst.server.passkeys import Passkey

OFFICER_ROLES = frozenset({UserRole.ADMIN, UserRole.COMPLIANCE})
"""Who runs the system and who hears everything: administrators and compliance."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person has besides a password: an app since when, passkeys, codes that are left."""

    app_since: datetime | None
    passkeys: tuple[Passkey, ...]
    codes_left: int

    @property
    def has_any(self) -> bool:
        """Whether the person has a second factor."""
        return self.app_since is not None or bool(self.passkeys)


def is_needed(wanted: str, roles: Iterable[UserRole]) -> bool:
    """Whether somebody of these roles needs a second factor; an unknown wish wants one."""
    if wanted == NOBODY:
        return False
    return wanted != OFFICERS or bool(OFFICER_ROLES.intersection(roles))


def of_user(connection: sa.Connection, user: str) -> Factors:
    """What a person has."""
    return Factors(
        totp.confirmed_at(connection, user),
        tuple(passkeys.of_user(connection, user)),
        recoverycodes.left(connection, user),
    )


def accept(
    connection: sa.Connection, keys: KeyStore, user: str, code: str, now: datetime
) -> str | None:
    """How a code proves the person, ``app`` or ``recovery-code``, now used; None: not at all."""
    if totp.accept(connection, keys, user, code, now):
        return "app"
    if of_user(connection, user).has_any and recoverycodes.use(connection, keys, user, code):
        return "recovery-code"
    return None


def changed(
    connection: sa.Connection, user: str, action: str, now: datetime, session: str, what: str = ""
) -> str:
    """Write down a change that a person made, and let only their own session go on.

    Gives that session's new token. Without any factor left it counts as one factor again, and the
    recovery codes are void.
    """
    audit.note(connection, now, user, action, what or user)
    rounds.end_all(connection, user)
    sessions.end_all(connection, user, but=session)
    has_any = of_user(connection, user).has_any
    if not has_any:
        recoverycodes.remove(connection, user)
    return sessions.renew(connection, session, 2 if has_any else 1)


def reset(connection: sa.Connection, user: str, actor: str, now: datetime) -> None:
    """Take away everything that a person has besides a password, and end their sessions.

    For an administrator whom somebody asks who has lost phone and codes; nothing of it is shown.
    """
    totp.remove(connection, user)
    passkeys.remove_all(connection, user)
    recoverycodes.remove(connection, user)
    rounds.end_all(connection, user)
    sessions.end_all(connection, user)
    audit.note(connection, now, actor, "factor.reset", user)
