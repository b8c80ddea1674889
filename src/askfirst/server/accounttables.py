"""Tables of the account: who may sign in, who is signed in, what is and was set, what was done.

No queries live here; the tables stand in the same database as calls and ledger.
"""

from __future__ import annotations

import sqlalchemy as sa

from askfirst.server.database import UtcDateTime, metadata


def _person(name: str, **kwargs: bool) -> sa.Column[str]:
    return sa.Column(name, sa.String(48), sa.ForeignKey("users.id"), **kwargs)  # type: ignore[arg-type]  # SQLAlchemy's overloads


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(48), primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),
    sa.Column("name", sa.String(120), nullable=False),
    sa.Column("password", sa.String(200)),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("team", sa.String(80)),
    sa.Column("place", sa.String(8)),
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("theme", sa.String(8), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("disabled_at", UtcDateTime),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("locked_until", UtcDateTime),
    sa.Column("notice_version", sa.Integer),
    sa.Column("notice_read_at", UtcDateTime),
    sa.Column("time_factor", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Column("is_away", sa.Boolean, nullable=False, server_default="0"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    _person("user", nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
    sa.Column("idles_at", UtcDateTime),  # when it ends if nobody does anything
    sa.Column("factors", sa.SmallInteger, nullable=False, server_default="1"),
    sa.Index("ix_sessions_user", "user"),
)

sign_in_links = sa.Table(
    "sign_in_links",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    _person("user"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.JSON),
    _person("changed_by"),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

setting_changes = sa.Table(
    "setting_changes",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(40), nullable=False),
    sa.Column("value", sa.JSON),
    _person("changed_by"),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Index("ix_setting_changes_key", "key", "position"),
)

notice_readings = sa.Table(
    "notice_readings",
    metadata,
    _person("user", primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    _person("actor"),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("object", sa.String(80)),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_audit_at", "at"),
)
