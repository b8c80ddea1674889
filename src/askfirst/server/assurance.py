"""The assurance report: that what should be recorded is, and what should not be is not.

Every figure is a set of calls of a period, so that each can be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput
from askfirst.model import OutcomeCode, RecordingState
from askfirst.server.database import calls, consents, recordings, timeline
from askfirst.server.importtables import BROUGHT_OVER
from askfirst.server.queue import ItemState, Reason
from askfirst.server.queuetables import queue_items


class Figure(StrEnum):
    """What is counted. Every figure but the first is a part of it."""

    CALLS = "calls"
    OPENED = "opened"
    PRESENT = "present"
    ERASED = "erased"
    ABSENT = "absent"
    UNEXPECTED = "unexpected"
    REFUSED_SILENT = "refused-silent"
    REFUSED_KEPT = "refused-kept"
    DEGRADED = "degraded"
    UNPLAYABLE = "unplayable"


@dataclass(frozen=True, slots=True)
class Report:
    """The calls of each figure, by id in order. The period is from `begins_at` to before `ends_at`.

    `opened` are calls whose gate opened: each has a recording (`present`), had one (`erased`), or
    lacks it (`absent`). `refused-silent` are calls with a no in the ledger and no audio at all.
    """

    begins_at: datetime
    ends_at: datetime
    found: Mapping[Figure, tuple[str, ...]]

    @property
    def holds(self) -> bool:
        """Whether nothing is missing, and nothing is there that should not be."""
        wrong = (Figure.ABSENT, Figure.UNEXPECTED, Figure.REFUSED_KEPT, Figure.UNPLAYABLE)
        return not any(self.found[each] for each in wrong)


def report(connection: sa.Connection, begins_at: datetime, ends_at: datetime) -> Report:
    """The report of a period, by when calls began. Raises InvalidInput for a naive time, or an end
    that is not behind the beginning.
    """
    if begins_at.tzinfo is None or ends_at.tzinfo is None or ends_at <= begins_at:
        raise InvalidInput("found a period without an end behind its beginning; name two days")
    within = sa.and_(
        calls.c.created_at >= begins_at,
        calls.c.created_at < ends_at,
        calls.c.ended_at.is_not(None),
    )

    def of(query: sa.Select[Any]) -> set[str]:
        return set(connection.execute(query.where(within)).scalars())

    every = of(sa.select(calls.c.id))
    opened = of(sa.select(calls.c.id).join(timeline).where(timeline.c.state == "open"))
    erased_state = recordings.c.state == RecordingState.ERASED.value
    kept = of(sa.select(calls.c.id).join(recordings).where(sa.not_(erased_state)))
    erased = of(sa.select(calls.c.id).join(recordings).where(erased_state)) - kept
    # What was recorded elsewhere and brought over has its own check, and never had a gate.
    brought = of(sa.select(calls.c.id).where(calls.c.provider == BROUGHT_OVER))
    refused = of(
        sa.select(calls.c.id)
        .join(consents, consents.c.call == calls.c.id)
        .where(consents.c.kind.in_(["refused", "withdrawn"]))
    )
    in_queue = {
        reason: of(
            sa.select(calls.c.id)
            .join(queue_items, queue_items.c.call == calls.c.id)
            .where(
                queue_items.c.reason == reason.value,
                queue_items.c.state != ItemState.DECIDED.value,
            )
        )
        for reason in (Reason.UNEXPECTED, Reason.REFUSED_BUT_AUDIO, Reason.UNPLAYABLE)
    }
    degraded = of(sa.select(calls.c.id).where(calls.c.outcome == OutcomeCode.DEGRADED.value))
    sets = {
        Figure.CALLS: every,
        Figure.OPENED: opened,
        Figure.PRESENT: opened & kept,
        Figure.ERASED: opened & erased,
        Figure.ABSENT: opened - kept - erased,
        Figure.UNEXPECTED: (kept - opened - brought) | in_queue[Reason.UNEXPECTED],
        Figure.REFUSED_SILENT: refused - kept,
        Figure.REFUSED_KEPT: in_queue[Reason.REFUSED_BUT_AUDIO],
        Figure.DEGRADED: degraded,
        Figure.UNPLAYABLE: in_queue[Reason.UNPLAYABLE],
    }
    found = {figure: tuple(sorted(sets[figure])) for figure in Figure}
    return Report(begins_at, ends_at, found)
