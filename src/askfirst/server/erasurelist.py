"""The erasure list: what was erased and who was forgotten, kept apart from the database.

A backup of the database brings back what was erased after it was made. This list says what that
is, so that it is erased again before anything is served. It lies in a file of its own, is only
ever added to, and holds ids and keyed hashes: without the key, which is in the key store, nobody
can find out from it whose number was on it, not even by trying all numbers.

People who asked never to be recorded and were forgotten stay on it as a hash, too: nobody has to
keep their number to keep their wish. So does the id of a standing consent that was taken back.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from askfirst.errors import Misconfigured, Unavailable
from askfirst.server.blobs import disk_trouble
from askfirst.server.database import UtcDateTime, open_engine, reading, transaction

FOLDER, FILE = "erased", "erased.db"
"""Where an installation keeps its list."""

_tables = sa.MetaData()
_entries = sa.Table(
    "entries",
    _tables,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("mark", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.UniqueConstraint("kind", "mark", "at"),
)
# Tells whether a list was written under the key that is at hand; says nothing about the key.
_fitting = sa.Table("fitting", _tables, sa.Column("check", sa.Text, primary_key=True))

_ONLY_ADDED_TO = (
    "CREATE TRIGGER IF NOT EXISTS stays BEFORE DELETE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the erasure list is only added to'); END",
    "CREATE TRIGGER IF NOT EXISTS unchanged BEFORE UPDATE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the erasure list is only added to'); END",
)


class Listed(StrEnum):
    """What an entry is about: its mark is an id, or the keyed hash of a number or mail address."""

    RECORDING = "recording"
    PARTY = "party"
    CONTACT = "contact"
    NUMBER = "number"
    MAIL = "mail"
    NEVER = "never"
    AGAIN = "again"
    STANDING = "standing"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as it stands."""

    kind: str
    mark: str
    at: datetime


class ErasureList:
    """The list in a file that is made if there is none; safe for threads and processes.

    `key` is the 32 bytes of `KeyStore.list_key`. Raises Misconfigured for a list that was written
    under another key: then nobody could say who is on it, and nothing may be served. Every method
    may raise Unavailable. The caller closes it.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._key = key
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
        except OSError as error:
            raise disk_trouble(f"open the erasure list {path}", error) from error
        self._engine = open_engine(f"sqlite:///{path}")
        try:
            self._prepare()
        except (Misconfigured, Unavailable):
            self.close()
            raise

    def add(self, kind: Listed, marks: Iterable[str], at: datetime) -> None:
        """Enter ids, durable on return; what is there already stays as it is."""
        rows = [{"kind": kind.value, "mark": mark, "at": at} for mark in marks]
        known = self._marks(kind)
        if new := [row for row in rows if row["mark"] not in known]:
            self._insert(new)

    def add_people(self, numbers: Iterable[str], mails: Iterable[str], at: datetime) -> None:
        """Enter the hashes of numbers (E.164) and mail addresses of somebody who is forgotten."""
        self._insert(
            [
                {"kind": kind.value, "mark": mark, "at": at}
                for kind, marks in (
                    (Listed.NUMBER, map(self.number_mark, numbers)),
                    (Listed.MAIL, (self.mail_mark(each) for each in mails if each.strip())),
                )
                for mark in marks
            ]
        )

    def say_never(self, numbers: Iterable[str], at: datetime) -> None:
        """From now on nobody at these numbers (E.164) is recorded, whoever they are to us."""
        self._wish(Listed.NEVER, numbers, at)

    def say_again(self, numbers: Iterable[str], at: datetime) -> None:
        """Whoever is at these numbers may be recorded again; only their own word counts."""
        own = [number for number in numbers if self.is_never(number)]
        self._wish(Listed.AGAIN, own, at)

    def is_never(self, number: str) -> bool:
        """Whether somebody at a number (E.164) asked never to be recorded and was forgotten."""
        wishes = (Listed.NEVER.value, Listed.AGAIN.value)
        newest = (
            sa.select(_entries.c.kind)
            .where(_entries.c.mark == self.number_mark(number), _entries.c.kind.in_(wishes))
            .order_by(_entries.c.at.desc(), _entries.c.position.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(newest).scalar() == Listed.NEVER.value

    def ids(self, kind: Listed) -> frozenset[str]:
        """The ids of a kind that are on the list."""
        return frozenset(self._marks(kind))

    def people(self, kind: Listed) -> Mapping[str, datetime]:
        """Hashes of numbers or mail addresses, each with when its person was forgotten last."""
        newest = sa.func.max(_entries.c.at, type_=UtcDateTime()).label("newest")
        query = sa.select(_entries.c.mark, newest).where(_entries.c.kind == kind.value)
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(_entries.c.mark))
            return {row.mark: row.newest for row in rows}

    def number_mark(self, number: str) -> str:
        """The keyed hash of a number (E.164)."""
        return self._mark(b"number", number)

    def mail_mark(self, address: str) -> str:
        """The keyed hash of a mail address, however it is written."""
        return self._mark(b"mail", address.strip().casefold())

    def merge(self, other: Path) -> int:
        """Enter everything that another list holds; says how many entries were new.

        Raises Misconfigured where it is no list or was written under another key.
        """
        lines, check = read(other)
        if check is not None and check != self._check():
            raise _foreign(other)
        before = len(self)
        self._insert([{"kind": each.kind, "mark": each.mark, "at": each.at} for each in lines])
        return len(self) - before

    def __len__(self) -> int:
        with reading(self._engine) as connection:
            counted = connection.execute(sa.select(sa.func.count()).select_from(_entries))
            return int(counted.scalar_one())

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with transaction(self._engine) as connection:
            _tables.create_all(connection)
            for trigger in _ONLY_ADDED_TO:
                connection.exec_driver_sql(trigger)
            check = connection.execute(sa.select(_fitting.c.check)).scalar()
            if check is None:
                connection.execute(_fitting.insert().values(check=self._check()))
            elif check != self._check():
                raise _foreign(self.path)

    def _wish(self, kind: Listed, numbers: Iterable[str], at: datetime) -> None:
        marks = map(self.number_mark, numbers)
        self._insert([{"kind": kind.value, "mark": mark, "at": at} for mark in marks])

    def _insert(self, rows: Collection[Mapping[str, object]]) -> None:
        if rows:
            with transaction(self._engine) as connection:
                connection.execute(insert(_entries).on_conflict_do_nothing(), list(rows))

    def _marks(self, kind: Listed) -> set[str]:
        with reading(self._engine) as connection:
            query = sa.select(_entries.c.mark).filter_by(kind=kind.value)
            return set(connection.execute(query).scalars())

    def _mark(self, what: bytes, text: str) -> str:
        return hmac.new(self._key, what + b"\n" + text.encode(), sha256).hexdigest()

    def _check(self) -> str:
        return hmac.new(self._key, b"erasure list", sha256).hexdigest()[:16]


def read(path: Path) -> tuple[list[Line], str | None]:
    """The entries of a list in their order, and what tells under which key it was written.

    Nothing is changed. Raises Misconfigured where the file is no list.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            rows = opened.execute("SELECT kind, mark, at FROM entries ORDER BY position").fetchall()
            check = opened.execute('SELECT "check" FROM fitting').fetchone()
        lines = [
            Line(kind, mark, datetime.fromisoformat(at).replace(tzinfo=UTC))
            for kind, mark, at in rows
        ]
    except (sqlite3.Error, ValueError) as error:
        raise Misconfigured(
            f"{path} cannot be read as an erasure list ({error}); expected the file {FILE} of an "
            "installation or of a backup"
        ) from error
    return lines, None if check is None else check[0]


def _foreign(path: Path) -> Misconfigured:
    return Misconfigured(
        f"the erasure list {path} was written under another key than the one in this key store, so "
        "nobody can say who is on it; nothing was opened. Use a backup of the key store that is "
        "of the same installation"
    )
