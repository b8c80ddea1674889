"""The search index in SQLite's full text, in a file of its own.

Full text keeps what was deleted until its parts are merged, by `tidy`.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from askfirst.errors import Unavailable
from askfirst.server.blobs import disk_trouble
from askfirst.server.database import open_engine, reading, scrub, transaction
from askfirst.server.searchindex import Damaged, Hit, Learnt, end_of, first_of
from askfirst.server.searchquery import Query, Term
from askfirst.server.searchtokens import SPEAKERS, Tokens, spelled

FILE = "search.db"
"""Where an installation keeps its index."""

FORMAT = 1
SMALL_BYTES = 16 * 1024 * 1024
"""An index that is merged whole whenever something is taken out of it; a larger one at night."""

_PAGES = 300  # of one step of merging, so that nobody waits long for the file
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}

_TABLES = (
    """CREATE TABLE recordings (number INTEGER PRIMARY KEY, recording TEXT NOT NULL UNIQUE,
        agent TEXT, first INTEGER NOT NULL, count INTEGER NOT NULL)""",
    """CREATE TABLE segments (id INTEGER PRIMARY KEY, recording INTEGER NOT NULL,
        speaker TEXT NOT NULL, start_ms INTEGER NOT NULL, tokens BLOB NOT NULL)""",
    """CREATE VIRTUAL TABLE words USING fts5(agent, contact, who, content='', tokenize='ascii')""",
    "CREATE TABLE languages (language TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE awaited (recording TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE state (fitting TEXT NOT NULL, is_ordered INTEGER NOT NULL)",
)
_HITS = sa.text(
    """SELECT words.rowid AS id, recordings.recording, segments.speaker, segments.start_ms
    FROM words JOIN segments ON segments.id = words.rowid
    JOIN recordings ON recordings.number = segments.recording
    WHERE words MATCH :expression AND words.rowid >= :above AND words.rowid < :below
    ORDER BY words.rowid DESC LIMIT :most"""
)
_PUT = sa.text(
    """INSERT INTO words (rowid, agent, contact, who) VALUES (:id, :agent, :contact, :who)"""
)
_TAKE = sa.text(
    """INSERT INTO words (words, rowid, agent, contact, who)
    VALUES ('delete', :id, :agent, :contact, :who)"""
)
_MERGE = sa.text("INSERT INTO words (words, rank) VALUES ('merge', :pages)")
_OPTIMIZE = sa.text("INSERT INTO words (words) VALUES ('optimize')")


class SqliteIndex:
    """The index in a file that is made if there is none (`searchindex.SearchIndex`).

    `key` gives the 32 bytes of `KeyStore.search_key`.
    """

    def __init__(self, path: Path, key: Callable[[], bytes]) -> None:
        self.path = path
        self._key = key
        self._engine = open_engine(f"sqlite:///{path}")
        self._preparing = threading.Lock()
        self._tokens: Tokens | None = None

    def learn(self, batch: Sequence[Learnt]) -> None:
        """Keep recordings in place of what was kept of them, all or none of them."""
        tokens = self._ready()
        had = False
        with self._writing() as connection:
            for learnt in batch:
                had |= _take(connection, tokens, learnt.recording)
                _put(connection, tokens, learnt)
        if had:
            self.tidy(whole=False)

    def forget(self, recording: str) -> bool:
        """Keep nothing of a recording any more; False where nothing was kept."""
        tokens = self._ready()
        with self._writing() as connection:
            had = _take(connection, tokens, recording)
        if had:
            self.tidy(whole=False)
        return had

    def expression(
        self, query: Query, speaker: str = "", agents: Collection[str | None] | None = None
    ) -> str:
        """A query as SQLite's full text reads it; empty where nothing can be found."""
        tokens = self._ready()
        with self._reading() as connection:
            known = connection.execute(sa.text("SELECT language FROM languages")).scalars().all()
        return _expression(tokens, query, known, speaker, agents)

    def hits(self, expression: str, above: int, below: int, most: int) -> list[Hit]:
        """The newest utterances with a number from `above` to below `below`."""
        if not expression:
            return []
        self._ready()
        wanted = {"expression": expression, "above": above, "below": below, "most": most}
        with self._reading() as connection:
            return [Hit(*row) for row in connection.execute(_HITS, wanted)]

    def recordings(self) -> frozenset[str]:
        """Every recording that is in the index."""
        self._ready()
        with self._reading() as connection:
            return frozenset(
                connection.execute(sa.text("SELECT recording FROM recordings")).scalars()
            )

    def expect(self, recordings: Sequence[str]) -> None:
        """Say that these are to be learnt; each is crossed off when it is learnt or forgotten."""
        self._ready()
        with self._writing() as connection:
            connection.execute(sa.text("DELETE FROM awaited"))
            if recordings:
                connection.execute(
                    sa.text("INSERT INTO awaited VALUES (:recording)"),
                    [{"recording": each} for each in recordings],
                )

    def progress(self) -> tuple[int, int]:
        """How many recordings are in the index, and how many are to come."""
        self._ready()
        with self._reading() as connection:
            row = connection.execute(
                sa.text("SELECT (SELECT count(*) FROM recordings), (SELECT count(*) FROM awaited)")
            ).one()
        return int(row[0]), int(row[1])

    def is_awaiting(self) -> bool:
        """Whether something is still to be learnt, and the index so far not whole."""
        self._ready()
        with self._reading() as connection:
            found = connection.execute(
                sa.text("SELECT NOT is_ordered OR EXISTS (SELECT 1 FROM awaited) FROM state")
            )
            return bool(found.scalar_one())

    def is_ordered(self) -> bool:
        """Whether everything that may be in it was ordered to be learnt since it was made."""
        self._ready()
        with self._reading() as connection:
            found = connection.execute(sa.text("SELECT is_ordered FROM state"))
            return bool(found.scalar_one())

    def note_ordered(self) -> None:
        """Say that everything was ordered."""
        self._ready()
        with self._writing() as connection:
            connection.execute(sa.text("UPDATE state SET is_ordered = 1"))

    def tidy(self, *, whole: bool) -> None:
        """Merge away what was deleted, and empty the log.

        Not `whole`: a small index at once, of a large one a part, so that an erasure does not wait.
        """
        self._ready()
        with self._reading() as connection:
            size = connection.exec_driver_sql(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).scalar_one()
        if size <= SMALL_BYTES:
            with self._writing() as connection:
                connection.execute(_OPTIMIZE)
        else:
            pages = -_PAGES  # the first step brings everything to one level
            while self._merged(pages) and whole:
                pages = _PAGES
        scrub(self._engine)

    def empty(self) -> None:
        """Take everything out of an index that others may have open; nothing of it was ordered."""
        self._ready()
        with self._writing() as connection:
            for table in ("recordings", "segments", "languages", "awaited"):
                connection.execute(sa.text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours
            connection.execute(sa.text("INSERT INTO words (words) VALUES ('delete-all')"))
            connection.execute(sa.text("UPDATE state SET is_ordered = 0"))
        scrub(self._engine)

    def remake(self) -> None:
        """Throw away what there is and begin an empty index, of which nothing was ordered.

        What another process writes into the old one meanwhile is lost, and learnt at night.
        """
        with self._preparing:
            self._tokens = None
            self._engine.dispose()
            try:
                for end in ("", "-wal", "-shm"):
                    self.path.with_name(self.path.name + end).unlink(missing_ok=True)
            except OSError as error:
                raise disk_trouble(f"remove the search index {self.path}", error) from error
        self._ready()

    def close(self) -> None:
        """Let go of the file; the index may be used again."""
        self._engine.dispose()

    def _merged(self, pages: int) -> bool:
        """Whether a step of merging found something to do."""
        with self._writing() as connection:
            before = _changes(connection)
            connection.execute(_MERGE, {"pages": pages})
            return _changes(connection) - before >= 2  # as SQLite's documentation tells it

    def _ready(self) -> Tokens:
        with self._preparing:
            if self._tokens is None:
                tokens = Tokens(self._key())
                try:
                    self.path.touch(mode=0o600)
                except OSError as error:
                    raise disk_trouble(f"open the search index {self.path}", error) from error
                self._prepare(tokens)
                self._tokens = tokens
            return self._tokens

    def _prepare(self, tokens: Tokens) -> None:
        with self._writing() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if not found and not sa.inspect(connection).get_table_names():
                for table in _TABLES:
                    connection.execute(sa.text(table))
                connection.execute(
                    sa.text("INSERT INTO state VALUES (:fitting, 0)"), {"fitting": tokens.fitting}
                )
                connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")
                return
            if found != FORMAT:
                raise Damaged(f"the search index is of format {found}, expected {FORMAT}")
            fitting = connection.execute(sa.text("SELECT fitting FROM state")).scalar()
        if fitting != tokens.fitting:
            raise Damaged("the search index was written under another key; it is made anew")

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with _telling(self.path), transaction(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _telling(self.path), reading(self._engine) as connection:
            yield connection


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Tell damage from what passes."""
    try:
        yield
    except Unavailable as error:
        found = getattr(error.__cause__, "orig", None)
        if getattr(found, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise Damaged(
                f"the search index {path} is damaged ({found}); it is made anew at the next start"
            ) from error
        raise


def _changes(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def _expression(
    tokens: Tokens,
    query: Query,
    languages: Collection[str],
    speaker: str,
    agents: Collection[str | None] | None,
) -> str:
    each = [f"({_in_language(tokens, query, language)})" for language in sorted(languages)]
    if not each:
        return ""
    words = f"({' OR '.join(each)})"
    if speaker:
        words = f"{{{speaker}}} : {words}"
    if agents is None:
        return words
    whose = " OR ".join(f'"{tokens.whose(agent)}"' for agent in sorted(agents, key=str))
    return f"({words}) AND (who : ({whose}))" if whose else ""


def _in_language(tokens: Tokens, query: Query, language: str) -> str:
    def phrase(term: Term) -> str:
        return f'"{spelled(tokens.said(language, term))}"'

    found = " AND ".join(phrase(term) for term in query.terms)
    if not query.without:
        return found
    return f"({found}) NOT ({' OR '.join(phrase(term) for term in query.without)})"


def _put(connection: sa.Connection, tokens: Tokens, learnt: Learnt) -> None:
    base = first_of(learnt.created_at)
    # Calls of the same millisecond, and a second recording of a call, go on behind.
    taken = connection.execute(
        sa.text("SELECT max(id) FROM segments WHERE id >= :base AND id < :end"),
        {"base": base, "end": end_of(base)},
    ).scalar()
    first = base if taken is None else int(taken) + 1
    connection.execute(
        sa.text("INSERT OR IGNORE INTO languages VALUES (:language)"),
        {"language": learnt.language},
    )
    number = connection.execute(
        sa.text(
            "INSERT INTO recordings (recording, agent, first, count) "
            "VALUES (:recording, :agent, :first, :count) RETURNING number"
        ),
        {
            "recording": learnt.recording,
            "agent": learnt.agent,
            "first": first,
            "count": len(learnt.said),
        },
    ).scalar_one()
    rows = [
        {
            "id": first + at,
            "recording": number,
            "speaker": each.speaker,
            "start_ms": each.start_ms,
            "tokens": tokens.said(learnt.language, each.words),
        }
        for at, each in enumerate(learnt.said)
    ]
    _cross_off(connection, learnt.recording)
    if rows:
        connection.execute(
            sa.text("INSERT INTO segments VALUES (:id, :recording, :speaker, :start_ms, :tokens)"),
            rows,
        )
        whose = tokens.whose(learnt.agent)
        connection.execute(_PUT, [_words(row, whose) for row in rows])


def _take(connection: sa.Connection, tokens: Tokens, recording: str) -> bool:
    """Take a recording out. Full text wants to be told again what it was given."""
    _cross_off(connection, recording)
    found = connection.execute(
        sa.text("SELECT * FROM recordings WHERE recording = :recording"), {"recording": recording}
    ).one_or_none()
    if found is None:
        return False
    mine = {"first": found.first, "end": found.first + found.count}
    rows = connection.execute(
        sa.text("SELECT * FROM segments WHERE id >= :first AND id < :end"), mine
    ).mappings()
    if taken := [_words(row, tokens.whose(found.agent)) for row in rows]:
        connection.execute(_TAKE, taken)
        connection.execute(sa.text("DELETE FROM segments WHERE id >= :first AND id < :end"), mine)
    connection.execute(
        sa.text("DELETE FROM recordings WHERE number = :number"), {"number": found.number}
    )
    return True


def _words(row: Any, whose: str) -> dict[str, object]:
    """A row of segments as full text is given it."""
    ours, theirs = SPEAKERS
    column = ours if row["speaker"] == ours else theirs
    return {"id": row["id"], ours: "", theirs: "", column: spelled(row["tokens"]), "who": whose}


def _cross_off(connection: sa.Connection, recording: str) -> None:
    connection.execute(
        sa.text("DELETE FROM awaited WHERE recording = :recording"), {"recording": recording}
    )
