"""Keeps the search index in step with the recordings: makes it anew, fills it, tidies it.

What is in the index and should not be, and what should be and is not, is found every night and
ordered to be learnt anew, and what was taken out is merged away.
"""

from __future__ import annotations

import logging
from datetime import datetime

import sqlalchemy as sa

from askfirst.server import study, transcripts
from askfirst.server.database import assets, reading, recordings, transaction
from askfirst.server.searchindex import Damaged
from askfirst.server.store import Store
from askfirst.server.studied import ALLOWED

log = logging.getLogger(__name__)

_AT_ONCE = 1_000


def keep_up(store: Store, at: datetime) -> bool:
    """Make an index that is missing or unusable, and order it to be filled; whether it was so.

    Safe to repeat: what a crash cut off is done by the next start.
    """
    try:
        if store.search.is_ordered():
            return False
    except Damaged as error:
        log.warning("search.remade because=%s", error)
        store.search.remake()
    rebuild(store, at)
    return True


def rebuild(store: Store, at: datetime) -> int:
    """Order that everything is learnt anew; says how many recordings will be in the index."""
    wanted = _wanted(store)
    store.search.expect(sorted(wanted))
    study.order_every(store, at)
    store.search.note_ordered()
    return len(wanted)


def sweep(store: Store, at: datetime) -> int:
    """Tidy the index, and order what is not in step to be learnt anew; says how many calls."""
    store.search.close()  # another process may have made it anew
    if keep_up(store, at):
        return 0
    wanted, kept = _wanted(store), store.search.recordings()
    missing = sorted(wanted - kept)
    store.search.expect(missing)
    with transaction(store.engine) as connection:
        calls = _calls_of(connection, [*missing, *sorted(kept - wanted)])
        if calls:
            study.order(connection, calls, at)
    store.search.tidy(whole=True)
    return len(calls)


def _wanted(store: Store) -> frozenset[str]:
    """Every recording that may be analysed and has words."""
    query = (
        sa.select(recordings.c.id)
        .join(assets, assets.c.recording == recordings.c.id)
        .where(ALLOWED, assets.c.kind == transcripts.MACHINE)
    )
    with reading(store.engine) as connection:
        return frozenset(connection.execute(query).scalars())


def _calls_of(connection: sa.Connection, wanted: list[str]) -> list[str]:
    found: set[str] = set()
    for at in range(0, len(wanted), _AT_ONCE):
        part = wanted[at : at + _AT_ONCE]
        query = sa.select(recordings.c.call).where(recordings.c.id.in_(part))
        found.update(connection.execute(query).scalars())
    return sorted(found)
