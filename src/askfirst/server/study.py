"""Lets every learner learn the recordings of a call once their words are there, and forget them.

An order for a call stands in the outbox in the transaction of its reason: words that were changed,
a list that was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from askfirst.server import transcripts
from askfirst.server.accounttables import users
from askfirst.server.callfigures import FigureLearner
from askfirst.server.database import calls, outbox, reading, recordings, transaction
from askfirst.server.importtables import SEGMENT
from askfirst.server.recordingreader import stretches_of
from askfirst.server.searchlearner import LEARNER as SEARCH
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED, Learner, Studied
from askfirst.server.trackerhits import HitLearner
from askfirst.spoken import Span

ORDER = "study"
"""The kind of an order to learn a call's recordings anew."""

LEARNERS: Sequence[Learner] = (HitLearner(), FigureLearner(), SEARCH)
"""In this order: when the figures of a recording were learnt, its hits have been as well."""


def study(store: Store, call: str, at: datetime) -> int:
    """Learn what may be learnt of a call's recordings; forget the rest. Says how many it was."""
    with reading(store.engine) as connection:
        found = {each: _studied(store, connection, each) for each in _recordings(connection, call)}
    for recording, studied in found.items():
        for learner in LEARNERS:
            if studied is None:
                learner.forget(store, recording)
            else:
                learner.learn(store, studied, at)
    return sum(studied is not None for studied in found.values())


def forget(store: Store, recording: str) -> None:
    """Forget all that was learnt of a recording; part of its erasure."""
    for learner in LEARNERS:
        learner.forget(store, recording)


def order(connection: sa.Connection, wanted: Collection[str], at: datetime) -> None:
    """Order, in the caller's transaction, that calls be learnt anew."""
    connection.execute(
        outbox.insert(),
        [
            {"id": f"{ORDER}:{call}:{uuid4().hex}", "kind": ORDER, "ref": call, "created_at": at}
            for call in wanted
        ],
    )


def order_every(store: Store, at: datetime) -> int:
    """Order it for every call of which something may be learnt; says how many."""
    with transaction(store.engine) as connection:
        return order_where(connection, sa.true(), at)


def order_where(connection: sa.Connection, fits: sa.ColumnElement[bool], at: datetime) -> int:
    """Order it, in the caller's transaction, for the calls that fit and of which something may be
    learnt; says how many.

    `fits` is a condition on `calls`, outer joined with their agents among the users.
    """
    its = recordings.join(calls, calls.c.id == recordings.c.call).outerjoin(
        users, users.c.id == calls.c.agent
    )
    query = sa.select(recordings.c.call).select_from(its).where(ALLOWED, fits).distinct()
    wanted = connection.execute(query.order_by(recordings.c.call)).scalars().all()
    if wanted:
        order(connection, wanted, at)
    return len(wanted)


def words_of(store: Store, connection: sa.Connection, call: str) -> list[Studied]:
    """The recordings of a call that may be analysed, with their words.

    Raises Unavailable and Unverified where words cannot be read.
    """
    found = [_studied(store, connection, each) for each in _recordings(connection, call)]
    return [each for each in found if each is not None]


def _recordings(connection: sa.Connection, call: str) -> Sequence[str]:
    query = sa.select(recordings.c.id).where(recordings.c.call == call)
    return connection.execute(query.order_by(recordings.c.id)).scalars().all()


def _studied(store: Store, connection: sa.Connection, recording: str) -> Studied | None:
    row = connection.execute(
        sa.select(calls.c.id, calls.c.agent, calls.c.created_at, calls.c.language)
        .join(recordings)
        .where(recordings.c.id == recording, ALLOWED)
    ).one_or_none()
    if row is None:
        return None
    said = transcripts.current(store, recording)
    if said is None:
        return None
    open_ = [
        Span(each.from_ms, each.to_ms)
        for each in stretches_of(connection, recording)
        if each.kind in ("open", SEGMENT)
    ]
    return Studied(recording, row.id, row.agent, row.created_at, row.language, said, open_)
