"""Tables of signing in: second factors, passkeys, who a provider says somebody is, what is begun.

No queries live here; people and sessions stand in `accounttables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.accounttables import users
from askfirst.server.database import UtcDateTime, metadata


def _person(**kwargs: bool) -> sa.Column[str]:
    return sa.Column("user", sa.String(48), sa.ForeignKey(users.c.id), **kwargs)  # type: ignore[arg-type]  # SQLAlchemy's overloads


authenticators = sa.Table(
    "authenticators",
    metadata,
    _person(primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("last_step", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("confirmed_at", UtcDateTime),  # before that it opens nothing
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    _person(nullable=False, index=True),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("credential", sa.LargeBinary(1023), nullable=False, unique=True),
    _person(nullable=False, index=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("used_at", UtcDateTime),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.String(300), primary_key=True),
    sa.Column("subject", sa.String(255), primary_key=True),
    _person(nullable=False, index=True),
    sa.Column("bound_at", UtcDateTime, nullable=False),
)

rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(20), nullable=False),
    _person(index=True),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

address_failures = sa.Table(
    "address_failures",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),  # a keyed hash, never the address
    sa.Column("began_at", UtcDateTime, nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
)
