"""The index of what was said, over keyed tokens: what it is given, what it finds, what it does.

It is derived: no backup holds it, and what is missing, damaged, of another format or under another
key is made anew from the transcripts. Two adapters give the same hits: `searchsqlite`, a file, and
`searchpostgres`, a schema of a database.

A row is an utterance. Its number begins with the time of its call, so that the newest are found
first without sorting.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from askfirst.errors import Unavailable
from askfirst.server.searchquery import Query

NEWEST = 2**63 - 1
"""Lies above the number of every row."""

_SHIFT = 21  # bits of a number behind the milliseconds of a call's time


class Damaged(Unavailable):
    """The index cannot be read, or is of another format or key; it has to be made anew."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance: who spoke, from when (call time), in which plain words."""

    speaker: str
    start_ms: int
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class Learnt:
    """A recording for the index; `created_at` is that of its call, its utterances in order."""

    recording: str
    agent: str | None
    created_at: datetime
    language: str
    said: Sequence[Spoken]


@dataclass(frozen=True, slots=True)
class Hit:
    """An utterance that was found; the greater its `id`, the newer it is."""

    id: int
    recording: str
    speaker: str
    start_ms: int


def first_of(at: datetime) -> int:
    """The number that the rows of calls begin with that were made at a time, or after it."""
    return max(0, round(at.astimezone(UTC).timestamp() * 1000)) << _SHIFT


def end_of(first: int) -> int:
    """The first number behind those of calls that were made in the same millisecond."""
    return first + (1 << _SHIFT)


class SearchIndex(Protocol):
    """An index, made if there is none; safe for threads and processes. The caller closes it.

    Every method may raise Unavailable, and Damaged where the index has to be made anew.
    """

    def learn(self, batch: Sequence[Learnt]) -> None:
        """Keep recordings in place of what was kept of them, all or none of them."""
        ...

    def forget(self, recording: str) -> bool:
        """Keep nothing of a recording any more; False where nothing was kept."""
        ...

    def expression(
        self, query: Query, speaker: str = "", agents: Collection[str | None] | None = None
    ) -> str:
        """A query as this index reads it; empty where nothing can be found.

        `speaker` is one of `searchtokens.SPEAKERS` or empty for all; `agents` leaves only their
        calls.
        """
        ...

    def hits(self, expression: str, above: int, below: int, most: int) -> list[Hit]:
        """The newest utterances with a number from `above` to below `below`."""
        ...

    def recordings(self) -> frozenset[str]:
        """Every recording that is in the index."""
        ...

    def expect(self, recordings: Sequence[str]) -> None:
        """Say that these are to be learnt; each is crossed off when it is learnt or forgotten."""
        ...

    def progress(self) -> tuple[int, int]:
        """How many recordings are in the index, and how many are to come."""
        ...

    def is_awaiting(self) -> bool:
        """Whether something is still to be learnt, and the index so far not whole."""
        ...

    def is_ordered(self) -> bool:
        """Whether everything that may be in it was ordered to be learnt since it was made."""
        ...

    def note_ordered(self) -> None:
        """Say that everything was ordered."""
        ...

    def tidy(self, *, whole: bool) -> None:
        """Clear away what was deleted; not `whole`: no more than an erasure can wait for."""
        ...

    def empty(self) -> None:
        """Take everything out of an index that others may have open; nothing of it was ordered."""
        ...

    def remake(self) -> None:
        """Throw away what there is and begin an empty index, of which nothing was ordered.

        What another process writes into the old one meanwhile is lost, and learnt at night.
        """
        ...

    def close(self) -> None:
        """Let go of it; it may be used again."""
        ...
