"""Searches over a million utterances of 30,000 calls, through what the page of the search calls.

Words are made up and as frequent as words are (Zipf's law), in three languages. The variable
``BENCH_SEGMENTS`` gives another number of utterances; calls are a thirty-third of them.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np
from tests.server.postgresrig import postgres

from askfirst.server.access import Person, UserRole
from askfirst.server.accounttables import users
from askfirst.server.database import calls, recordings, transaction
from askfirst.server.searchfilter import SearchFilter
from askfirst.server.searchindex import Learnt, Spoken
from askfirst.server.searchquery import query_of
from askfirst.server.searchsqlite import SqliteIndex
from askfirst.server.store import Store
from askfirst.server.transcriptsearch import Found, Wanted, search_transcripts
from bench.measure import Line

SEGMENTS = int(os.environ.get("BENCH_SEGMENTS", "1000000"))
PER_CALL = 33
WORDS = 12
VOCABULARY = 30_000
LANGUAGES = ("en", "nb", "de")
AGENTS, TEAMS = 400, 20
FEW = 15
"""Calls of the agent who has few."""
EACH = 40
"""Searches of each kind."""
P95_MS = 60.0
AT = datetime(2025, 1, 1, tzinfo=UTC)
_SYLLABLES = [a + b for a in "bdfgklmnprstv" for b in "aeiou"]


def _vocabulary(chance: random.Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4)))] = None
    return list(found)


def _fill(store: Store, count: int) -> None:
    """Users, calls and recordings of which everything may be searched."""
    with transaction(store.engine) as connection:
        connection.execute(
            users.insert(),
            [
                {
                    "id": f"usr_{n}", "email": f"u{n}@example.org", "name": f"U{n}",
                    "roles": ["agent"], "language": "en", "theme": "system", "created_at": AT,
                    "failures": 0, "team": f"team {n % TEAMS}",
                }
                for n in range(AGENTS)
            ],
        )  # fmt: skip
        row = {"provider": "sip", "direction": "outbound", "policy": {}, "proof": 4}
        connection.execute(
            calls.insert(),
            [
                {
                    **row, "id": f"call_{n:08d}", "created_at": _made_at(n), "agent": _agent(n),
                    "answered_at": _made_at(n), "language": LANGUAGES[n % len(LANGUAGES)],
                }
                for n in range(count)
            ],
        )  # fmt: skip
        connection.execute(
            recordings.insert(),
            [
                {
                    "id": f"rec_{n:08d}", "call": f"call_{n:08d}", "created_at": _made_at(n),
                    "state": "ready", "purpose": "training", "may_analyse": True,
                }
                for n in range(count)
            ],
        )  # fmt: skip


def _made_at(number: int) -> datetime:
    return AT + timedelta(minutes=17 * number)


def _agent(number: int) -> str:
    """Who has made a call; the last agent has `FEW`, spread over all."""
    return f"usr_{AGENTS - 1 if number % 2000 == 1 else number % (AGENTS - 1)}"


def _spoken(count: int, vocabulary: Sequence[str]) -> Iterator[Learnt]:
    source = np.random.default_rng(7)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    edges = np.cumsum(weights / weights.sum())
    for n in range(count):
        ranks = np.searchsorted(edges, source.random(PER_CALL * WORDS)).clip(max=VOCABULARY - 1)
        words = [vocabulary[rank] for rank in ranks]
        said = [
            Spoken("agent" if at % 2 else "contact", at * 4_000, words[at * WORDS :][:WORDS])
            for at in range(PER_CALL)
        ]
        language = LANGUAGES[n % len(LANGUAGES)]
        yield Learnt(f"rec_{n:08d}", _agent(n), _made_at(n), language, said)


def _queries(vocabulary: Sequence[str], chance: random.Random) -> dict[str, list[Wanted]]:
    def word(first: int, last: int) -> str:
        return vocabulary[chance.randrange(first, last)]

    def made(text: str, **filters: str) -> Wanted:
        return Wanted(query_of(text), SearchFilter(**filters))

    half = (_made_at(SEGMENTS // PER_CALL // 2)).date().isoformat()
    kinds: dict[str, Callable[[], Wanted]] = {
        "rare word": lambda: made(word(5_000, VOCABULARY)),
        "common word": lambda: made(word(0, 30)),
        "two words": lambda: made(f"{word(0, 200)} {word(0, 2_000)}"),
        "phrase": lambda: made(f'"{word(0, 60)} {word(0, 60)}"'),
        "word and not another": lambda: made(f"{word(0, 200)} -{word(0, 30)}"),
        "word of one speaker, older": lambda: made(word(0, 500), speaker="contact", until=half),
    }
    return {name: [make() for _ in range(EACH)] for name, make in kinds.items()}


PEOPLE = {
    "all": Person("usr_0", frozenset({UserRole.COMPLIANCE}), None),
    "team": Person("usr_3", frozenset({UserRole.SUPERVISOR}), "team 3"),
    "few calls": Person(f"usr_{AGENTS - 1}", frozenset({UserRole.AGENT}), "team 1"),
}


def _timed(store: Store, person: Person, wanted: Wanted) -> tuple[float, float, Found]:
    """Milliseconds by the clock and of the processor, and what was found."""
    began, busy = time.perf_counter(), time.process_time()
    found = search_transcripts(store, person, wanted)
    return (time.perf_counter() - began) * 1e3, (time.process_time() - busy) * 1e3, found


def _searches(store: Store, vocabulary: Sequence[str]) -> Iterator[Line]:
    kinds = _queries(vocabulary, random.Random(11))  # noqa: S311 - the same every time
    every: list[float] = []
    busy: list[float] = []
    for who, person in PEOPLE.items():
        for kind, wanted in kinds.items():
            _timed(store, person, wanted[0])
            taken = [_timed(store, person, each) for each in wanted]
            every += (times := [each for each, _, _ in taken])
            busy += [each for _, each, _ in taken]
            found = sum(bool(page.calls) for _, _, page in taken)
            counts = f"p95 of {len(times)} searches, {found} of them found something"
            yield Line(f"search {kind}, {who}", _p95(times), "ms", P95_MS, counts)
    counts = f"{len(every)} searches of all kinds and people, {SEGMENTS} utterances"
    yield Line("search p50", statistics.median(every), "ms", P95_MS, counts)
    yield Line("search p95", _p95(every), "ms", P95_MS, counts)
    counts = "the same searches, without waiting for a processor that others use"
    yield Line("search p95, processor", _p95(busy), "ms", P95_MS, counts)


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def lines() -> Iterator[Line]:
    """How fast an index is filled and how large it is, and milliseconds for each kind of search;
    then what it costs to take one recording out: of the file, and of PostgreSQL.
    """
    with ExitStack() as undo:
        for index in ("file", "postgres"):
            address = undo.enter_context(postgres()) if index == "postgres" else None
            for line in _measured(address):
                yield replace(line, name=f"{line.name}, {index}")


def _measured(address: str | None) -> Iterator[Line]:
    chance = random.Random(7)  # noqa: S311 - the same every time
    vocabulary = _vocabulary(chance)
    count = SEGMENTS // PER_CALL
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder), search=address)
        try:
            _fill(store, count)
            spoken = _spoken(count, vocabulary)
            one_by_one = list(islice(spoken, min(200, count // 2)))
            began = time.perf_counter()
            for each in one_by_one:
                store.search.learn([each])
            taken = (time.perf_counter() - began) * 1e3 / len(one_by_one)
            counts = f"{len(one_by_one)} recordings of {PER_CALL} utterances, one transaction each"
            yield Line("search learn a recording", taken, "ms", 50.0, counts)
            began = time.perf_counter()
            while batch := list(islice(spoken, 200)):
                store.search.learn(batch)
            taken = SEGMENTS / (time.perf_counter() - began)
            counts = "200 recordings in a transaction; with making up the words"
            yield Line("search fill", taken, "utterances/s", 10_000.0, counts)
            if isinstance(store.search, SqliteIndex):
                size = store.search.path.stat().st_size / SEGMENTS
                yield Line("search size", size, "bytes an utterance", 500.0, "with its log")
            else:
                store.search.tidy(whole=True)  # as the first night does
            yield from _searches(store, vocabulary)
            began = time.perf_counter()
            store.search.forget("rec_00000100")
            taken = (time.perf_counter() - began) * 1e3
            yield Line("search forget a recording", taken, "ms", 1_000.0, "once, merged in part")
            began = time.perf_counter()
            store.search.tidy(whole=True)
            taken = time.perf_counter() - began
            yield Line("search tidy all", taken, "s", 60.0, "once, as every night")
        finally:
            store.close()
