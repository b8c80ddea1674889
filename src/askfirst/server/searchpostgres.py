"""The search index in PostgreSQL's full text, in a schema of a database; needs extra `postgres`.

Words, stems and tokens are ours, as in `searchsqlite`: PostgreSQL compares tokens and knows no
language. It keeps rows that were deleted until they are vacuumed, and longer in its log and in
archives of it; what is kept are tokens, and no word can be read from them without the key.

A `tsvector` counts no further than 16,383 words: behind them, phrases of an utterance are not found
exactly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from askfirst.errors import Misconfigured, NotInstalled
from askfirst.server.database import open_engine, transaction
from askfirst.server.searchindex import Damaged, Hit, Learnt, end_of, first_of
from askfirst.server.searchquery import Query, Term
from askfirst.server.searchtokens import SPEAKERS, TOKEN_BYTES, Tokens

FORMAT = 1
SCHEMA = "askfirst_search"
SCHEMES = ("postgresql://", "postgres://")

_LOCK = 0x61736B_736561  # "ask", "sea": of whoever writes
_LAST_PLACE = 16_383  # of a word in a tsvector

_TABLES = (
    "CREATE SCHEMA askfirst_search",
    """CREATE TABLE recordings (recording text PRIMARY KEY,
        first bigint NOT NULL, count integer NOT NULL)""",
    """CREATE TABLE segments (id bigint PRIMARY KEY, recording text NOT NULL,
        speaker text NOT NULL, start_ms bigint NOT NULL, words tsvector NOT NULL)""",
    "CREATE INDEX segments_words ON segments USING gin (words)",
    "CREATE TABLE languages (language text PRIMARY KEY)",
    "CREATE TABLE awaited (recording text PRIMARY KEY)",
    """CREATE TABLE state (format integer NOT NULL, fitting text NOT NULL,
        is_ordered boolean NOT NULL)""",
)
_NEWEST = sa.text(
    """SELECT id, recording, speaker, start_ms FROM (
        SELECT * FROM segments WHERE id >= :above AND id < :below ORDER BY id DESC LIMIT :rows
    ) AS newest
    WHERE words @@ CAST(:expression AS tsquery) ORDER BY id DESC LIMIT :most"""
)
_EVERY = sa.text(
    """WITH found AS MATERIALIZED (
        SELECT id, recording, speaker, start_ms FROM segments
        WHERE words @@ CAST(:expression AS tsquery) AND id >= :above AND id < :below
    )
    SELECT * FROM found ORDER BY id DESC LIMIT :most"""
)
_ROWS = 20_000
"""Newest utterances that are looked through one by one before the index of words is asked. What is
said often is found among them, and what is not has few places in the index. Left to itself, the
planner reads every row from the newest on for a word that is nowhere."""

_WEIGHTS = {SPEAKERS[0]: "A", SPEAKERS[1]: "B", "": "AB"}
"""What marks the words of our side, of the others, and those of both in a query."""
_WHOSE = "C"


class PostgresIndex:
    """The index in a database that is there (`searchindex.SearchIndex`).

    `address` is ``postgresql://user:password@host/database``; it is in no message. `key` gives the
    32 bytes of `KeyStore.search_key`. Raises NotInstalled without the extra, Misconfigured for an
    address that is none.
    """

    def __init__(self, address: str, key: Callable[[], bytes]) -> None:
        self._key = key
        self._engine = _engine(address)
        self._preparing = threading.Lock()
        self._tokens: Tokens | None = None

    def learn(self, batch: Sequence[Learnt]) -> None:
        """Keep recordings in place of what was kept of them, all or none of them."""
        tokens = self._ready()
        with self._writing() as connection:
            for learnt in batch:
                _take(connection, learnt.recording)
                _put(connection, tokens, learnt)

    def forget(self, recording: str) -> bool:
        """Keep nothing of a recording any more; False where nothing was kept."""
        self._ready()
        with self._writing() as connection:
            return _take(connection, recording)

    def expression(
        self, query: Query, speaker: str = "", agents: Collection[str | None] | None = None
    ) -> str:
        """A query as a `tsquery`; empty where nothing can be found."""
        tokens = self._ready()
        with self._reading() as connection:
            known = connection.execute(sa.text("SELECT language FROM languages")).scalars().all()
        each = [f"({_in_language(tokens, query, one, speaker)})" for one in sorted(known)]
        words = f"({' | '.join(each)})" if each else ""
        if agents is None or not words:
            return words
        whose = " | ".join(f"{tokens.whose(one)}:{_WHOSE}" for one in sorted(agents, key=str))
        return f"{words} & ({whose})" if whose else ""

    def hits(self, expression: str, above: int, below: int, most: int) -> list[Hit]:
        """The newest utterances with a number from `above` to below `below`."""
        if not expression:
            return []
        self._ready()
        wanted = {"expression": expression, "above": above, "below": below, "most": most}
        with self._reading() as connection:
            found = connection.execute(_NEWEST, {**wanted, "rows": _ROWS}).all()
            if len(found) < most:
                found = connection.execute(_EVERY, wanted).all()
        return [Hit(*row) for row in found]

    def recordings(self) -> frozenset[str]:
        """Every recording that is in the index."""
        self._ready()
        with self._reading() as connection:
            found = connection.execute(sa.text("SELECT recording FROM recordings"))
            return frozenset(found.scalars())

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
        return not self.is_ordered() or self.progress()[1] > 0

    def is_ordered(self) -> bool:
        """Whether everything that may be in it was ordered to be learnt since it was made."""
        self._ready()
        with self._reading() as connection:
            return bool(connection.execute(sa.text("SELECT is_ordered FROM state")).scalar_one())

    def note_ordered(self) -> None:
        """Say that everything was ordered."""
        self._ready()
        with self._writing() as connection:
            connection.execute(sa.text("UPDATE state SET is_ordered = true"))

    def tidy(self, *, whole: bool) -> None:
        """Vacuum what was deleted, at night; the database does it by itself meanwhile."""
        self._ready()
        if not whole:
            return
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(
                sa.text("VACUUM (ANALYZE) askfirst_search.segments, askfirst_search.recordings")
            )

    def empty(self) -> None:
        """Take everything out of an index that others may have open; nothing of it was ordered."""
        self._ready()
        with self._writing() as connection:
            connection.execute(sa.text("TRUNCATE recordings, segments, languages, awaited"))
            connection.execute(sa.text("UPDATE state SET is_ordered = false"))

    def remake(self) -> None:
        """Throw away what there is and begin an empty index, of which nothing was ordered."""
        with self._preparing:
            self._tokens = None
            with self._writing() as connection:
                connection.execute(sa.text("DROP SCHEMA IF EXISTS askfirst_search CASCADE"))
        self._ready()

    def close(self) -> None:
        """Let go of the connections; the index may be used again."""
        self._engine.dispose()

    def _ready(self) -> Tokens:
        with self._preparing:
            if self._tokens is None:
                tokens = Tokens(self._key())
                with self._writing() as connection:
                    _prepare(connection, tokens)
                self._tokens = tokens
            return self._tokens

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer is in: numbers are given one after the other."""
        with self._reading() as connection:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with transaction(self._engine) as connection:
            # For this transaction alone: a pool before the database gives others the connection.
            connection.execute(sa.text("SET LOCAL search_path TO askfirst_search"))
            yield connection


def _engine(address: str) -> sa.Engine:
    scheme = next((each for each in SCHEMES if address.startswith(each)), None)
    if scheme is None:
        raise Misconfigured(
            "found a search_database that is no address of PostgreSQL; expected "
            "postgresql://user:password@host/database"
        )
    try:
        return open_engine(f"postgresql+psycopg://{address.removeprefix(scheme)}")
    except ModuleNotFoundError as error:
        raise NotInstalled("the search index in PostgreSQL (psycopg)", "postgres") from error
    except sa.exc.ArgumentError:
        raise Misconfigured("found a search_database that cannot be read as an address") from None


def _prepare(connection: sa.Connection, tokens: Tokens) -> None:
    schema = sa.inspect(connection)
    if not schema.has_schema(SCHEMA):
        for table in _TABLES:
            connection.execute(sa.text(table))
        connection.execute(
            sa.text("INSERT INTO state VALUES (:format, :fitting, false)"),
            {"format": FORMAT, "fitting": tokens.fitting},
        )
        return
    if not schema.has_table("state", SCHEMA):
        raise Damaged("the search index has no state; it is made anew at the next start")
    found = connection.execute(sa.text("SELECT * FROM state")).one_or_none()
    if found is None or found.format != FORMAT:
        raise Damaged(f"the search index is not of format {FORMAT}; it is made anew")
    if found.fitting != tokens.fitting:
        raise Damaged("the search index was written under another key; it is made anew")


def _in_language(tokens: Tokens, query: Query, language: str, speaker: str) -> str:
    def phrase(term: Term) -> str:
        said = _each(tokens.said(language, term))
        return f"({' <-> '.join(f'{token}:{_WEIGHTS[speaker]}' for token in said)})"

    found = " & ".join(phrase(term) for term in query.terms)
    return found + "".join(f" & !{phrase(term)}" for term in query.without)


def _put(connection: sa.Connection, tokens: Tokens, learnt: Learnt) -> None:
    base = first_of(learnt.created_at)
    # Calls of the same millisecond, and a second recording of a call, go on behind.
    taken = connection.execute(
        sa.text("SELECT max(id) FROM segments WHERE id >= :base AND id < :end"),
        {"base": base, "end": end_of(base)},
    ).scalar()
    first = base if taken is None else int(taken) + 1
    connection.execute(
        sa.text("INSERT INTO languages VALUES (:language) ON CONFLICT DO NOTHING"),
        {"language": learnt.language},
    )
    connection.execute(
        sa.text("INSERT INTO recordings VALUES (:recording, :first, :count)"),
        {"recording": learnt.recording, "first": first, "count": len(learnt.said)},
    )
    _cross_off(connection, learnt.recording)
    whose = tokens.whose(learnt.agent)
    rows: list[Mapping[str, Any]] = [
        {
            "id": first + at,
            "recording": learnt.recording,
            "speaker": each.speaker,
            "start_ms": each.start_ms,
            "words": _vector(tokens.said(learnt.language, each.words), each.speaker, whose),
        }
        for at, each in enumerate(learnt.said)
    ]
    if rows:
        connection.execute(
            sa.text(
                "INSERT INTO segments VALUES "
                "(:id, :recording, :speaker, :start_ms, CAST(:words AS tsvector))"
            ),
            rows,
        )


def _vector(said: bytes, speaker: str, whose: str) -> str:
    """An utterance as a `tsvector` is written: each token with its place and its weight."""
    ours, theirs = SPEAKERS
    weight = _WEIGHTS[ours if speaker == ours else theirs]
    words = (
        f"{token}:{min(place, _LAST_PLACE)}{weight}"
        for place, token in enumerate(_each(said), start=1)
    )
    return " ".join((*words, f"{whose}:1{_WHOSE}"))


def _each(said: bytes) -> list[str]:
    """Tokens in a row, one by one."""
    return [said[at : at + TOKEN_BYTES].hex() for at in range(0, len(said), TOKEN_BYTES)]


def _take(connection: sa.Connection, recording: str) -> bool:
    _cross_off(connection, recording)
    found = connection.execute(
        sa.text("DELETE FROM recordings WHERE recording = :recording RETURNING first, count"),
        {"recording": recording},
    ).one_or_none()
    if found is None:
        return False
    connection.execute(
        sa.text("DELETE FROM segments WHERE id >= :first AND id < :end"),
        {"first": found.first, "end": found.first + found.count},
    )
    return True


def _cross_off(connection: sa.Connection, recording: str) -> None:
    connection.execute(
        sa.text("DELETE FROM awaited WHERE recording = :recording"), {"recording": recording}
    )
