"""Whom a provider's word lets in: a known person, by the subject that was bound to them.

An address is only the first key: at the first sign-in the provider's subject is bound to the
person, and from then on the subject alone counts. So nobody gets in who is given the same address
later, by this provider or another. Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidInput, Refused
from askfirst.server import accounts, audit
from askfirst.server.access import UserRole
from askfirst.server.accounts import User
from askfirst.server.accounttables import users
from askfirst.server.oidc import Identity
from askfirst.server.signintables import identities
from askfirst.server.signon import SignOn


class NotLetIn(Refused):
    """The provider's word lets nobody in; `why` is a code for the audit log.

    `user` is whom it would have let in, where there is somebody.
    """

    def __init__(self, why: str, user: str | None = None) -> None:
        super().__init__(
            "single sign-on let nobody in; ask an administrator whether you may sign in here"
        )
        self.why = why
        self.user = user


def let_in(
    connection: sa.Connection, wants: SignOn, identity: Identity, now: datetime, language: str
) -> User:
    """The person that an identity is, added or bound first where the settings want it.

    Raises NotLetIn.
    """
    bound = connection.execute(
        sa.select(identities.c.user).filter_by(issuer=identity.issuer, subject=identity.subject)
    ).scalar_one_or_none()
    roles = _roles(wants, identity)
    if roles == set():
        raise NotLetIn("role", bound)
    found = bound or _by_address(connection, wants, identity, now, language, roles)
    user = accounts.user(connection, found)
    if user.is_disabled:
        raise NotLetIn("disabled", user.id)
    if roles is not None and roles != user.roles:
        user = _with_roles(connection, user, roles, now)
    if bound is None:
        _bind(connection, identity, user.id, now)
    return user


def unbind(connection: sa.Connection, user: str) -> int:
    """Forget who the provider says somebody is, so that another subject can be bound."""
    return connection.execute(identities.delete().where(identities.c.user == user)).rowcount


def is_bound(connection: sa.Connection, user: str) -> bool:
    """Whether somebody has signed in by a provider."""
    return connection.execute(sa.select(identities.c.user).filter_by(user=user)).first() is not None


def _by_address(
    connection: sa.Connection,
    wants: SignOn,
    identity: Identity,
    now: datetime,
    language: str,
    roles: set[UserRole] | None,
) -> str:
    email = identity.email
    if email is None:
        raise NotLetIn("unverified-address")
    if wants.domains and email.rpartition("@")[2] not in wants.domains:
        raise NotLetIn("domain")
    known = connection.execute(
        sa.select(users.c.id).where(users.c.email == email)
    ).scalar_one_or_none()
    if known is None:
        return _added(connection, wants, identity, email, now, language, roles)
    taken = sa.select(identities.c.subject).filter_by(issuer=identity.issuer, user=known)
    if connection.execute(taken).first() is not None:
        raise NotLetIn("other-subject", known)
    return str(known)


def _added(
    connection: sa.Connection,
    wants: SignOn,
    identity: Identity,
    email: str,
    now: datetime,
    language: str,
    roles: Iterable[UserRole] | None,
) -> str:
    if not wants.makes_users:
        raise NotLetIn("unknown")
    name = " ".join(identity.name.split())[: accounts.LONGEST_NAME]
    given = sorted(roles or {UserRole.AGENT})
    try:
        made = accounts.add_user(connection, email, name or email, given, now, language=language)
    except InvalidInput as error:
        raise NotLetIn("unknown") from error
    detail: audit.Detail = {"roles": [role.value for role in given], "by": "single-sign-on"}
    audit.note(connection, now, made.id, "user.added", made.id, detail)
    return made.id


def _roles(wants: SignOn, identity: Identity) -> set[UserRole] | None:
    """The roles that the provider gives; None where the account gives them."""
    if wants.roles_claim is None:
        return None
    stated = identity.claims.get(wants.roles_claim)
    values = stated if isinstance(stated, list) else [stated]
    return {wants.roles[each] for each in values if isinstance(each, str) and each in wants.roles}


def _with_roles(connection: sa.Connection, user: User, roles: set[UserRole], now: datetime) -> User:
    try:
        changed = accounts.change_user(connection, user.id, roles=sorted(roles))
    except Refused as error:  # nobody would be administrator
        raise NotLetIn("role", user.id) from error
    given = sorted(role.value for role in changed.roles)
    detail: audit.Detail = {"fields": ["roles"], "roles": given, "by": "single-sign-on"}
    audit.note(connection, now, user.id, "user.changed", user.id, detail)
    return changed


def _bind(connection: sa.Connection, identity: Identity, user: str, now: datetime) -> None:
    connection.execute(
        identities.insert().values(
            issuer=identity.issuer, subject=identity.subject, user=user, bound_at=now
        )
    )
    audit.note(connection, now, user, "identity.bound", user)
