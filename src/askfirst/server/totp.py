"""Codes of an authenticator app as a second factor (TOTP, RFC 6238).

The secret is kept encrypted under a key of the key store and bound to its person. The step of the
last code is kept, so that no code counts twice. Every function works inside the caller's
transaction and takes the time as an argument.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import pyotp
import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from askfirst.errors import KeyUnreadable
from askfirst.server.keys import KeyStore
from askfirst.server.signintables import authenticators

STEP_SECONDS = 30
WINDOW = 1
"""How many steps a phone's clock may be wrong by, either way."""

DIGITS = 6
_NAME = "second-factor"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What somebody puts into their app, shown until a code has confirmed it."""

    secret: str
    address: str


def begin(connection: sa.Connection, keys: KeyStore, user: str, now: datetime) -> bool:
    """Make a secret for a person, which counts once a code has confirmed it.

    False, and nothing done, for a person who has one that counts.
    """
    if has(connection, user):
        return False
    remove(connection, user)
    sealed = _sealed(keys, user, pyotp.random_base32())
    connection.execute(
        authenticators.insert().values(user=user, sealed=sealed, last_step=0, created_at=now)
    )
    return True


def begun(
    connection: sa.Connection, keys: KeyStore, user: str, label: str, issuer: str
) -> Enrolment | None:
    """What was begun and is not confirmed; `label` and `issuer` are what the app shows.

    Raises KeyUnreadable.
    """
    row = connection.execute(sa.select(authenticators).filter_by(user=user)).one_or_none()
    if row is None or row.confirmed_at is not None:
        return None
    return _shown(_opened(keys, user, row.sealed), label, issuer)


def has(connection: sa.Connection, user: str) -> bool:
    """Whether a person has an authenticator app that counts."""
    return confirmed_at(connection, user) is not None


def confirmed_at(connection: sa.Connection, user: str) -> datetime | None:
    """Since when a person has one; None without."""
    its = sa.select(authenticators.c.confirmed_at).where(authenticators.c.user == user)
    found: datetime | None = connection.execute(its).scalar_one_or_none()
    return found


def confirm(connection: sa.Connection, keys: KeyStore, user: str, code: str, now: datetime) -> bool:
    """Let an enrolment count, by a code of the app; False for a wrong one or none begun."""
    step = _step(connection, keys, user, code, now, is_confirmed=False)
    if step is None:
        return False
    its = authenticators.c.user == user
    connection.execute(authenticators.update().where(its).values(last_step=step, confirmed_at=now))
    return True


def accept(connection: sa.Connection, keys: KeyStore, user: str, code: str, now: datetime) -> bool:
    """Whether a code is the person's and was not used; from now on it is. Raises KeyUnreadable."""
    step = _step(connection, keys, user, code, now, is_confirmed=True)
    if step is None:
        return False
    its = (authenticators.c.user == user) & (authenticators.c.last_step < step)
    return (
        connection.execute(authenticators.update().where(its).values(last_step=step)).rowcount > 0
    )


def remove(connection: sa.Connection, user: str) -> bool:
    """Take a person's secret away, confirmed or not; False where a confirmed one was not there."""
    had = has(connection, user)
    connection.execute(authenticators.delete().where(authenticators.c.user == user))
    return had


def _step(
    connection: sa.Connection,
    keys: KeyStore,
    user: str,
    code: str,
    now: datetime,
    *,
    is_confirmed: bool,
) -> int | None:
    """The step that a code is of, later than any that was used; None for every other code."""
    row = connection.execute(sa.select(authenticators).filter_by(user=user)).one_or_none()
    if row is None or (row.confirmed_at is not None) is not is_confirmed:
        return None
    code = "".join(code.split())
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    made = pyotp.TOTP(_opened(keys, user, row.sealed), digits=DIGITS, interval=STEP_SECONDS)
    here = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(here - WINDOW, here + WINDOW + 1):
        if hmac.compare_digest(made.generate_otp(step), code) and step > row.last_step:
            found = step
    return found


def _shown(secret: str, label: str, issuer: str) -> Enrolment:
    name = f"{quote(issuer, safe='')}:{quote(label, safe='@')}"
    address = f"otpauth://totp/{name}?secret={secret}&issuer={quote(issuer, safe='')}"
    return Enrolment(secret, address)


def _sealed(keys: KeyStore, user: str, secret: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(keys.salt(_NAME)).encrypt(nonce, secret.encode(), user.encode())


def _opened(keys: KeyStore, user: str, sealed: bytes) -> str:
    nonce, secret = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(keys.salt(_NAME)).decrypt(nonce, secret, user.encode()).decode()
    except InvalidTag as error:
        raise KeyUnreadable(
            "a second factor cannot be opened with this key store: restore both from the same "
            "backup, or let an administrator take the factor away so that a new one can be set up"
        ) from error
