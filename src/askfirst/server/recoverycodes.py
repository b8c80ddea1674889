"""Ten codes for the day on which a phone or key is lost: shown once, each good for one sign-in.

They are kept as digests under a key of the key store: whoever reads the database can neither use
one nor try which fits. Every function works inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

import sqlalchemy as sa

from askfirst.server.keys import KeyStore
from askfirst.server.signintables import recovery_codes

NUMBER = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another
_LENGTH, _GROUP = 16, 4
_NAME = "recovery-codes"


def make(connection: sa.Connection, keys: KeyStore, user: str) -> list[str]:
    """Ten new codes of a person; the earlier ones open nothing any more."""
    remove(connection, user)
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(NUMBER)]
    connection.execute(
        recovery_codes.insert(),
        [{"digest": _digest(keys, user, code), "user": user} for code in codes],
    )
    return ["-".join(code[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)) for code in codes]


def use(connection: sa.Connection, keys: KeyStore, user: str, code: str) -> bool:
    """Use up a code of a person; False where it is none, or was used."""
    plain = "".join(each for each in code.lower() if each.isalnum())
    its = recovery_codes.c.digest == _digest(keys, user, plain)
    return connection.execute(recovery_codes.delete().where(its)).rowcount > 0


def left(connection: sa.Connection, user: str) -> int:
    """How many codes a person has left."""
    its = sa.select(sa.func.count()).where(recovery_codes.c.user == user)
    return int(connection.execute(its).scalar_one())


def remove(connection: sa.Connection, user: str) -> None:
    """Let none of a person's codes open anything."""
    connection.execute(recovery_codes.delete().where(recovery_codes.c.user == user))


def _digest(keys: KeyStore, user: str, code: str) -> str:
    named = f"{user}\n{code}".encode("utf-8", "replace")
    return hmac.new(keys.salt(_NAME), named, hashlib.sha256).hexdigest()
