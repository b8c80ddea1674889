"""How often signing in has failed from an address of late; it is known after a restart, too.

An address is kept as a keyed hash, for no longer than it counts, and only so many of them are. Of
IPv6 it is the network of a line (64 bits), for whoever has one has all its addresses.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

from askfirst.server.keys import KeyStore
from askfirst.server.signintables import address_failures

ALLOWED, COUNTED_FOR = 50, timedelta(minutes=15)
"""So many sign-ins may fail from one address in that time, whoever is tried."""

MOST_ADDRESSES = 10_000
"""Kept at once; the one that began first makes room."""

_NAME = "sign-in-addresses"


def has_left(connection: sa.Connection, keys: KeyStore, address: str, now: datetime) -> bool:
    """Whether an address may fail once more; asking counts nothing."""
    table = address_failures
    number = connection.execute(
        sa.select(table.c.number).where(
            table.c.digest == _digest(keys, address), table.c.began_at > now - COUNTED_FOR
        )
    ).scalar()
    return number is None or number < ALLOWED


def count(connection: sa.Connection, keys: KeyStore, address: str, now: datetime) -> None:
    """Count a failure of an address; what no longer counts is forgotten."""
    table = address_failures
    connection.execute(table.delete().where(table.c.began_at <= now - COUNTED_FOR))
    digest = _digest(keys, address)
    known = connection.execute(
        table.update().where(table.c.digest == digest).values(number=table.c.number + 1)
    )
    if known.rowcount:
        return
    _make_room(connection)
    connection.execute(table.insert().values(digest=digest, began_at=now, number=1))


def _make_room(connection: sa.Connection) -> None:
    table = address_failures
    kept = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    if kept >= MOST_ADDRESSES:
        first = sa.select(table.c.digest).order_by(table.c.began_at, table.c.digest)
        gone = first.limit(kept - MOST_ADDRESSES + 1).scalar_subquery()
        connection.execute(table.delete().where(table.c.digest.in_(gone)))


def _digest(keys: KeyStore, address: str) -> str:
    named = _line(address).encode("utf-8", "replace")
    return hmac.new(_secret(keys), named, hashlib.sha256).hexdigest()


@lru_cache(maxsize=4)
def _secret(keys: KeyStore) -> bytes:
    # Unwrapped once: nobody is kept from signing in because the server that wraps is away.
    return keys.salt(_NAME)


def _line(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), 64), strict=False))
