"""The dashboard of quality: how calls were spread over their two sides, and what was said in them.

Medians over recordings that everybody allowed to be analysed. Nobody is ranked: people and teams
stand in the order of their names, and only where figures about them may be shown.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import sqlalchemy as sa

from askfirst.server.activityboard import MEDIAN
from askfirst.server.analysistables import call_figures, tracker_hits, trackers
from askfirst.server.boardpeople import CALLS, Scope
from askfirst.server.boards import (
    QUALITY,
    Board,
    Cell,
    Column,
    Period,
    Table,
    Unit,
    part,
    percentile,
)
from askfirst.server.database import calls, recordings
from askfirst.server.personfigures import Group, GroupKind
from askfirst.server.studied import ALLOWED

FIGURES: Mapping[str, Unit] = {
    "talk-share": Unit.SHARE,
    "longest": Unit.MS,
    "contact-longest": Unit.MS,
    "turns-per-minute": Unit.RATE,
    "response": Unit.MS,
    "questions": Unit.COUNT,
    "contact-questions": Unit.COUNT,
}
"""The figures of a recording: our side's, the contact's where the name says so, turns of both."""

Measured = Mapping[str, Sequence[Sequence[float | None]]]
"""The figures of each recording, in the order of `FIGURES`, by whose call it is."""

NOBODY: Measured = {}
MINUTE_MS = 60_000


def quality(connection: sa.Connection, scope: Scope, period: Period) -> Board:
    """The dashboard of a period, beside as many days before it.

    Nothing of the period, or of the days before, is shown where too few people would be told from
    it; `withheld` says so of the period.
    """
    now, before = _measured(connection, scope, period)
    is_withheld = not scope.may_total(now)
    now = NOBODY if is_withheld else now
    before = before if scope.may_total(before) else NOBODY
    groups = scope.shown(now)
    tables = [_sums(now, before)]
    if not scope.is_own:
        tables.append(_groups(now, groups))
    tables += _trackers(connection, scope, period, now, groups)
    return Board(QUALITY, tables, is_withheld, scope.missing)


def _measured(connection: sa.Connection, scope: Scope, period: Period) -> tuple[Measured, Measured]:
    """What was measured in the period, and in as many days before."""
    each = call_figures.c
    query = (
        sa.select(
            calls.c.agent,
            (calls.c.created_at >= period.begins_at).label("is_now"),
            each.recorded_ms,
            each.agent_talk_ms,
            each.contact_talk_ms,
            each.agent_turns + each.contact_turns,
            each.agent_longest_ms,
            each.contact_longest_ms,
            each.agent_response_ms,
            each.agent_questions,
            each.contact_questions,
        )
        .select_from(_ANALYSED)
        .where(*_counts(scope), calls.c.created_at >= period.before_at)
        .where(calls.c.created_at < period.ends_at)
    )
    rows = connection.execute(query).all()
    now, before = (defaultdict[str, list[Sequence[float | None]]](list) for _ in range(2))
    for agent, is_now, recorded, ours, theirs, turns, longest, their_longest, *rest in rows:
        rate = turns * MINUTE_MS / recorded if recorded else None
        figures = (part(ours, ours + theirs), longest, their_longest, rate, *rest)
        (now if is_now else before)[agent].append(figures)
    return now, before


_ANALYSED = CALLS.join(call_figures, call_figures.c.call == calls.c.id).join(
    recordings, recordings.c.id == call_figures.c.recording
)


def _counts(scope: Scope) -> tuple[sa.ColumnElement[bool], ...]:
    """Which calls of a scope count here; a call that nobody took tells nothing of how we speak."""
    return ALLOWED, calls.c.agent.is_not(None), calls.c.private_at.is_(None), scope.condition


def _sums(now: Measured, before: Measured) -> Table:
    rows = [["now", *_medians(now, now)], ["before", *_medians(before, before)]]
    return Table("figures", [Column("what", Unit.CODE), *_COLUMNS], rows if now else [])


def _groups(now: Measured, groups: Iterable[Group]) -> Table:
    rows = [[each.name, *_medians(now, each.members)] for each in groups]
    return Table("groups", [Column("who", Unit.GROUP), *_COLUMNS], rows)


_COLUMNS = (Column("recordings"), *(Column(name, unit) for name, unit in FIGURES.items()))


def _medians(measured: Measured, members: Collection[str]) -> list[Cell]:
    """How many recordings some people have, and the median of each figure that there is."""
    rows = [row for agent in measured if agent in members for row in measured[agent]]
    columns = zip(*rows, strict=True) if rows else ((),) * len(FIGURES)
    found: list[Cell] = [len(rows)]
    for unit, column in zip(FIGURES.values(), columns, strict=True):
        values = np.array([each for each in column if each is not None], dtype=np.float64)
        median = percentile(values, MEDIAN)
        is_whole = unit in (Unit.MS, Unit.COUNT) and median is not None
        found.append(int(median) if is_whole and median is not None else median)
    return found


def _trackers(
    connection: sa.Connection,
    scope: Scope,
    period: Period,
    now: Measured,
    groups: Sequence[Group],
) -> list[Table]:
    """In what share of the recordings that a tracker looks at it was hit, and the same by group.

    Single persons are not compared by what is tracked.
    """
    teams = {each.id: each.team for each in scope.people}
    shared = [each for each in groups if each.kind is not GroupKind.PERSON]
    hits = _hits(connection, scope, period) if now else {}
    in_force = sa.select(trackers).where(trackers.c.ended_at.is_(None)).order_by(trackers.c.name)
    rows, by_group = list[list[Cell]](), list[list[Cell]]()
    for tracker in connection.execute(in_force):
        seen = {
            agent: len(measured)
            for agent, measured in now.items()
            if tracker.team is None or teams.get(agent) == tracker.team
        }
        hit = hits.get(tracker.id, {})
        if seen and scope.may_total(seen):
            rows.append([tracker.name, *_share(seen, hit, seen)])
        for group in shared:
            members = group.members & seen.keys()
            if members and scope.may_total(members):
                by_group.append([tracker.name, group.name, *_share(seen, hit, members)])
    name, share = Column("tracker", Unit.NAME), Column("share", Unit.SHARE)
    columns = (Column("recordings"), Column("hits"), share)
    tables = [Table("trackers", [name, *columns], rows)]
    if not scope.is_own:
        who = Column("who", Unit.GROUP)
        tables.append(Table("tracker-groups", [name, who, *columns], by_group))
    return tables


def _share(seen: Mapping[str, int], hit: Mapping[str, int], members: Collection[str]) -> list[Cell]:
    recorded = sum(seen[each] for each in members)
    found = sum(hit.get(each, 0) for each in members)
    return [recorded, found, part(found, recorded)]


def _hits(
    connection: sa.Connection, scope: Scope, period: Period
) -> Mapping[str, Mapping[str, int]]:
    """How many recordings of each person a tracker was hit in, by tracker."""
    query = (
        sa.select(
            tracker_hits.c.tracker,
            calls.c.agent,
            sa.func.count(sa.distinct(tracker_hits.c.recording)),
        )
        .select_from(_ANALYSED.join(tracker_hits, tracker_hits.c.recording == recordings.c.id))
        .where(*_counts(scope), calls.c.created_at >= period.begins_at)
        .where(calls.c.created_at < period.ends_at)
        .group_by(tracker_hits.c.tracker, calls.c.agent)
    )
    found = defaultdict[str, Counter[str]](Counter)
    for tracker, agent, count in connection.execute(query):
        found[tracker][agent] += count
    return found
