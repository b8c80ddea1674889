"""The database: tables, engine, migration. SQLAlchemy Core; no queries live here.

SQLite runs in WAL mode with immediate transactions and full synchronisation, because consent
and ledger entries are written here. Times are aware UTC; a naive time is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import StatementError

from askfirst.errors import AskfirstError, InvalidInput, Unavailable


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment in UTC. Refuses naive times on the way in, gives aware ones on the way out."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn an aware time into UTC without a zone, which every database keeps as it is."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidInput(f"found the naive time {value}; expected one with a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Put the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str = "id", **kwargs: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(48), **kwargs)


def _call(**kwargs: Any) -> sa.Column[str]:
    return sa.Column("call", sa.String(48), sa.ForeignKey("calls.id"), **kwargs)


def _recording(**kwargs: Any) -> sa.Column[str]:
    return sa.Column("recording", sa.String(48), sa.ForeignKey("recordings.id"), **kwargs)


calls = sa.Table(
    "calls",
    metadata,
    _id(primary_key=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("answered_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("provider", sa.String(32), nullable=False),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("own_number", sa.String(64)),  # that was called, of calls from outside
    sa.Column("persona", sa.String(64)),
    sa.Column("agent", sa.String(48), index=True),  # the user who made it; no key: calls stay
    sa.Column("worker", sa.String(48)),  # the media worker that carries it, where there are any
    sa.Column("language", sa.String(8), nullable=False),
    sa.Column("policy", sa.JSON, nullable=False),
    sa.Column("decision", sa.JSON),
    sa.Column("mode", sa.String(8), index=True),  # of the decision, for lists
    sa.Column("outcome", sa.String(16)),
    sa.Column("outcome_reason", sa.Text),
    sa.Column("proof", sa.Integer, nullable=False, default=0),
    sa.Column("verdict", sa.String(16)),
    sa.Column("verdict_at_ms", sa.Integer),
    sa.Column("private_at", UtcDateTime),  # since when its agent says that it is private
    sa.Column("private_number", sa.String(64)),  # with whom, for the agent alone
    sa.Index(None, "created_at"),
)

parties = sa.Table(
    "parties",
    metadata,
    _call(primary_key=True),
    sa.Column("number_in_call", sa.Integer, primary_key=True),
    sa.Column("role", sa.String(8), nullable=False),
    sa.Column("number", sa.String(64)),
    sa.Column("places", sa.JSON, nullable=False),
)

timeline = sa.Table(
    "timeline",
    metadata,
    _call(primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("because", sa.String(32), nullable=False),
    sa.Column("ledger", sa.Integer),
)

consents = sa.Table(
    "consents",
    metadata,
    _id(primary_key=True),
    _call(nullable=False, index=True),
    sa.Column("party", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("how", sa.String(16), nullable=False),
    sa.Column("proof", sa.Integer, nullable=False),
    sa.Column("uses", sa.JSON, nullable=False),
    sa.Column("elements", sa.JSON, nullable=False),
    sa.Column("notice_sha256", sa.String(64)),
    # The standing consent that it rests on; no key, because that goes with the person.
    sa.Column("standing", sa.String(48)),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("ledger", sa.Integer, nullable=False),
)

recordings = sa.Table(
    "recordings",
    metadata,
    _id(primary_key=True),
    _call(nullable=False, index=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("may_transcribe", sa.Boolean, nullable=False, default=False),
    sa.Column("may_analyse", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("duration_ms", sa.Integer),
    sa.Column("first_contact_ms", sa.Integer),
    sa.Column("lost_frames", sa.Integer, nullable=False, default=0),
    sa.Column("is_truncated", sa.Boolean, nullable=False, default=False),
    sa.Column("legal_hold", sa.Boolean, nullable=False, default=False),
    sa.Column("hold_until", UtcDateTime),  # when somebody is to look at the hold again
    sa.Column("held_at", UtcDateTime),
    sa.Column("held_by", sa.String(48)),  # no key: people go, holds stay
    sa.Column("mandatory", sa.String(16)),
    sa.Column("expires_at", UtcDateTime),
    # Why it is kept so long: days, what decided, and the purpose, place or rule that did.
    sa.Column("period_days", sa.Integer),
    sa.Column("period_because", sa.String(16)),
    sa.Column("period_by", sa.String(48)),
    sa.Column("kept_until", UtcDateTime),  # a rule keeps it until then, whatever is asked
    sa.Column("kept_by", sa.String(48)),  # that rule
    sa.Column("failure", sa.Text),
    sa.Index(None, "expires_at"),
    sa.Index(
        "ix_recordings_held",
        "id",
        sqlite_where=sa.text("legal_hold"),
        postgresql_where=sa.text("legal_hold"),
    ),
)

segments = sa.Table(
    "segments",
    metadata,
    _recording(primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("permit", sa.Integer, nullable=False),
    sa.Column("from_ms", sa.Integer, nullable=False),
    sa.Column("to_ms", sa.Integer),
    sa.Column("file_ms", sa.Integer),
)

assets = sa.Table(
    "assets",
    metadata,
    sa.Column("id", sa.String(120), primary_key=True),
    _recording(nullable=False, index=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("blob", sa.String(200), nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("recording", "kind"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    _recording(primary_key=True),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("intended_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),
)

sweeps = sa.Table(
    "sweeps",
    metadata,
    _id(primary_key=True),
    sa.Column("begun_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("person", sa.String(48)),  # who ran it; none: the schedule
    sa.Column("intended", sa.Integer, nullable=False, default=0),
    sa.Column("failed", sa.Integer, nullable=False, default=0),
    sa.Index(None, "begun_at"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("ref", sa.String(48), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("sent_at", UtcDateTime),
)

ledger_entries = sa.Table(
    "ledger_entries",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    _call(index=True),
    sa.Column("leaf", sa.LargeBinary(32), nullable=False),
    sa.Column("entry", sa.Text, nullable=False),
)

ledger_head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("frontier", sa.JSON, nullable=False),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("size", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)


def open_engine(url: str) -> sa.Engine:
    """An engine for a database address; the caller disposes of it."""
    # Parameters may hold numbers and words; no message or log may show them.
    engine = sa.create_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    return engine


def _prepare_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: a deferred one that reads and then
        # writes fails with "database is locked" however long one waits.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("askfirst_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection inside one transaction; all or nothing.

    Raises Unavailable when the database or its disk does not answer; nothing was changed then.
    """
    try:
        with engine.begin() as connection:
            yield connection
    except StatementError as error:
        if isinstance(error.orig, AskfirstError):
            raise error.orig from error
        raise Unavailable(
            f"the database refused: {error.orig}; nothing was changed. "
            "Check free space and rights of its folder, then try again"
        ) from error


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection that only reads, on one consistent state; it does not wait for writers."""
    with transaction(engine.execution_options(askfirst_reads=True)) as connection:
        yield connection


def scrub(engine: sa.Engine) -> bool:
    """Empty SQLite's log, so that no deleted text is left in it; says whether it is empty.

    False while another connection reads; the log is then emptied by a later call.
    """
    if engine.dialect.name != "sqlite":
        return True
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        # Not through the engine's transactions: inside of one there is no checkpoint.
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = cursor.fetchone()
        return found is not None and not found[0]


def migrate(engine: sa.Engine) -> None:
    """Bring the tables up to date; quick when they are."""
    with as_file(files("askfirst.server").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.attributes["engine"] = engine
        command.upgrade(config, "head")
