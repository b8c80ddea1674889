"""What learners are given: a recording that everybody allows to be analysed, with its words.

A learner keeps ids, times and numbers of it, never words, and forgets them. It may learn the same
recording any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa

from askfirst.model import Utterance
from askfirst.server.database import recordings
from askfirst.server.restrictions import OPEN
from askfirst.server.store import Store
from askfirst.spoken import Span

ALLOWED: sa.ColumnElement[bool] = sa.and_(OPEN, recordings.c.may_analyse)
"""Which rows of `recordings` may be analysed now, and what was learnt of them shown."""


def lock(connection: sa.Connection, recording: str) -> None:
    """Let nobody else keep or forget what is learnt of a recording until the transaction ends."""
    connection.execute(
        sa.select(recordings.c.id).where(recordings.c.id == recording).with_for_update()
    )


def is_allowed(connection: sa.Connection, recording: str) -> bool:
    """Whether a recording may still be analysed; asked, once it is locked, before it is kept."""
    query = sa.select(recordings.c.id).where(recordings.c.id == recording, ALLOWED)
    return connection.execute(query).first() is not None


@dataclass(frozen=True, slots=True)
class Studied:
    """A recording with its words. Times are call time; `open_` is where the gate was open."""

    recording: str
    call: str
    agent: str | None
    created_at: datetime
    language: str
    said: Sequence[Utterance]
    open_: Sequence[Span]


class Learner(Protocol):
    """Something that is learnt from recordings."""

    def learn(self, store: Store, studied: Studied, at: datetime) -> None:
        """Keep it, in place of what was kept of the recording before."""
        ...

    def forget(self, store: Store, recording: str) -> None:
        """Keep nothing of a recording any more; safe to repeat."""
        ...
