"""What the pages share on which people look after how they sign in themselves."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from starlette.responses import Response

from askfirst.server import accounts, factors
from askfirst.server.accounts import User
from askfirst.web import signingin
from askfirst.web.visit import SignedOut, Visit


def own(visit: Visit) -> User:
    """Whose sign-in it is: who is signed in, or has yet to set up a factor; raises SignedOut."""
    user = visit.user or visit.enrolling
    if user is None:
        raise SignedOut(visit.path)
    return user


def session_of(visit: Visit) -> str:
    """The token of the visit's session; raises SignedOut without one."""
    if visit.session is None or visit.token is not None:
        raise SignedOut(visit.path)
    return visit.session


def needs_proof(connection: sa.Connection, user: User) -> bool:
    """Whether somebody has a password or an app to prove with who they are once more."""
    has_app = factors.of_user(connection, user.id).app_since is not None
    return has_app or accounts.has_password(connection, user.id)


def is_proved(visit: Visit, connection: sa.Connection, proof: str, now: datetime) -> bool:
    """Whether a password or code is the person's, before something is taken away.

    A wrong one counts as a failed sign-in. Whoever has neither has proved enough by the session.
    """
    user = own(visit)
    if not needs_proof(connection, user):
        return True
    if accounts.is_locked(connection, user.id, now):
        return False
    keys = visit.site.store.keys
    if accounts.is_password(connection, user.id, proof):
        return True
    if factors.accept(connection, keys, user.id, proof, now) is not None:
        return True
    accounts.count_failure(connection, user.id, now)
    return False


def given_anew(visit: Visit, token: str, next: str) -> Response:
    """The way on with a session under a new token."""
    return signingin.signed_in(visit.site, token, next)
