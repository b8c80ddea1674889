"""A dashboard as somebody may see it: who asks about which days and team, and the figures of that.

Pages, files and the interface ask here, so that they show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Query

from askfirst.server.access import Permission
from askfirst.server.activityboard import activity
from askfirst.server.boardpeople import Scope, own_scope, scope
from askfirst.server.boards import ACTIVITY, CONSENT, QUALITY, Board, Period, period_of
from askfirst.server.clock import utc_now
from askfirst.server.consentboard import consent
from askfirst.server.database import reading
from askfirst.server.qualityboard import quality
from askfirst.server.systemboard import Lines, system
from askfirst.web.visit import Visit, permitted

Reader = Annotated[Visit, Depends(permitted(Permission.DASHBOARDS_READ))]
Watcher = Annotated[Visit, Depends(permitted(Permission.SYSTEM_READ))]

BOARDS: Mapping[str, Callable[[sa.Connection, Scope, Period], Board]] = {
    ACTIVITY: activity,
    CONSENT: consent,
    QUALITY: quality,
}
"""The dashboards about calls."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for; days are the reader's, `days` counts up to today."""

    days: str = ""
    since: str = ""
    until: str = ""
    team: str = ""

    def period(self, visit: Visit) -> Period:
        """The period. Raises InvalidRequest."""
        return period_of(self.days, self.since, self.until, visit.today(), visit.zone)


def _asked(
    days: str = "", since: str = "", until: str = "", team: Annotated[str, Query()] = ""
) -> Asked:
    return Asked(days, since, until, team)


Wanted = Annotated[Asked, Depends(_asked)]


@dataclass(frozen=True, slots=True)
class Seen:
    """A dashboard with its period, and the teams that could be looked at by themselves."""

    board: Board
    period: Period
    teams: tuple[str, ...] = ()


def seen(visit: Visit, name: str, asked: Asked) -> Seen:
    """One of `BOARDS`. Raises InvalidRequest, Refused as `scope` and `period_of`."""
    period = asked.period(visit)
    today = utc_now().date()
    with reading(visit.site.store.engine) as connection:
        whose = scope(connection, visit.who.person, visit.site.rules, today, asked.team)
        return Seen(BOARDS[name](connection, whose, period), period, tuple(whose.teams))


def own(visit: Visit, name: str, asked: Asked) -> Seen:
    """One of `BOARDS` about nobody but who asks. Raises InvalidRequest."""
    period = asked.period(visit)
    with reading(visit.site.store.engine) as connection:
        return Seen(BOARDS[name](connection, own_scope(visit.who), period), period)


def seen_system(visit: Visit, asked: Asked, lines: Lines) -> Seen:
    """The dashboard of the system. Raises InvalidRequest."""
    period = asked.period(visit)
    store = visit.site.store
    with reading(store.engine) as connection:
        return Seen(system(connection, store.folder, lines, period, utc_now()), period)
