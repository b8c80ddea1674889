"""What an import that was cut off has left behind: objects that stand in no table, and their keys.

The next try of the same recording clears it away before it begins; where nobody tries again, the
daily sweep does.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import sqlalchemy as sa

from askfirst.server.database import reading, transaction
from askfirst.server.importtables import BEGUN, imports
from askfirst.server.store import Store

log = logging.getLogger(__name__)

GIVEN_UP = timedelta(days=1)
"""After so long nobody works on it any more; one recording takes minutes."""


def sweep(store: Store, at: datetime) -> int:
    """Destroy what was begun a day ago or earlier and never kept; says how many it was."""
    begun = (imports.c.state == BEGUN) & (imports.c.begun_at <= at - GIVEN_UP)
    with reading(store.engine) as connection:
        left = connection.execute(sa.select(imports.c.recording).where(begun)).scalars().all()
    for recording in left:
        drop(store, recording)
        with transaction(store.engine) as connection:
            mine = (imports.c.recording == recording) & (imports.c.state == BEGUN)
            connection.execute(imports.delete().where(mine))
        log.info("import.left-cleared recording=%s", recording)
    return len(left)


def drop(store: Store, recording: str) -> None:
    """Destroy what a try that was cut off has left: keys first. Safe to repeat."""
    store.keys.destroy_recording(recording)
    for name in store.blobs.names():
        if name.startswith(f"{recording}/"):
            store.blobs.delete(name)
