"""Attempts to open a recording that were refused: written down like those that succeeded.

One that concerns no recording of ours is written down as well, without it: neither the answer nor
the time that it takes says whether a recording exists.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa

from askfirst.ledger import Kind
from askfirst.server.database import calls, recordings, transaction
from askfirst.server.store import Store

ONCE_IN = timedelta(minutes=1)
"""The same attempt is written down once in so much time: nobody fills the ledger by knocking."""

_KEPT = 10_000


class Why(StrEnum):
    """Why an attempt was refused."""

    NO_RIGHT = "no-right"
    NO_LINK = "no-link"
    EXPIRED = "expired"
    REVOKED = "revoked"
    OTHER_SESSION = "other-session"
    OTHER_RECORDING = "other-recording"
    OTHER_PURPOSE = "other-purpose"
    NOT_READY = "not-ready"
    WRONG_CODE = "wrong-code"
    SHARING_OFF = "sharing-off"


@dataclass(slots=True)
class Refusals:
    """Writes refused attempts into the ledger, for one process."""

    store: Store
    _noted: OrderedDict[tuple[str, str, Why], datetime] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, who: str, thing: str, why: Why, at: datetime) -> None:
        """Write down that a person, or a share, was refused a recording or a call.

        Raises Unavailable where it cannot be written; the attempt is refused either way.
        """
        if not self._is_new((who, thing, why), at):
            return
        key = "person" if who.startswith("usr_") else "share"
        with transaction(self.store.engine) as connection:
            of_recording = connection.execute(
                sa.select(recordings.c.call).where(recordings.c.id == thing)
            ).scalar()
            call = connection.execute(
                sa.select(calls.c.id).where(calls.c.id == (of_recording or thing))
            ).scalar()
            self.store.ledger.append(
                connection,
                Kind.ACCESS_REFUSED,
                at,
                call=call,
                recording=None if of_recording is None else thing,
                data={key: who, "why": why.value},
            )

    def _is_new(self, key: tuple[str, str, Why], at: datetime) -> bool:
        with self._lock:
            known = self._noted.get(key)
            if known is not None and at - known < ONCE_IN:
                return False
            self._noted[key] = at
            self._noted.move_to_end(key)
            while len(self._noted) > _KEPT:
                self._noted.popitem(last=False)
        return True
