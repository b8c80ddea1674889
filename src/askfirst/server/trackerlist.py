"""The trackers that the account keeps: what each looks for, in whose calls, and who may say so.

A tracker is a team's or everybody's. It is looked for in the calls of agents who are in the team
now, whoever was in it when they called.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import NotFound, Refused
from askfirst.server.access import Permission, Person, Reach
from askfirst.server.accounttables import users
from askfirst.server.analysistables import call_figures, trackers
from askfirst.server.database import assets, calls, recordings
from askfirst.server.studied import ALLOWED
from askfirst.server.transcripts import MACHINE
from askfirst.trackers import SaidBy, Tracker

APPLIES: sa.ColumnElement[bool] = sa.and_(
    trackers.c.ended_at.is_(None),
    sa.or_(trackers.c.team.is_(None), trackers.c.team == users.c.team),
)
"""Which rows of trackers, beside the agent of a call among the users, are looked for in it."""


@dataclass(frozen=True, slots=True)
class KeptTracker:
    """A tracker in force. `team` None: everybody's. Times in UTC; who changed it last is an id."""

    id: str
    team: str | None
    version: int
    tracker: Tracker
    changed_by: str
    changed_at: datetime
    applies_from: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """Of how many calls it is known by now where a tracker, as it is, was said."""

    done: int
    total: int

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for."""
        return self.done >= self.total


def in_force(connection: sa.Connection, team: str | None) -> list[KeptTracker]:
    """The trackers for calls of an agent of a team: everybody's, and the team's own."""
    own = trackers.c.team.is_(None) if team is None else _of_teams((None, team))
    return _kept(connection, own)


def listed(connection: sa.Connection, person: Person) -> list[KeptTracker]:
    """The trackers that somebody sees who manages any: those for calls that they manage."""
    match person.reach(Permission.TRACKERS_MANAGE):
        case Reach.ALL:
            return _kept(connection, sa.true())
        case Reach.TEAM:
            return in_force(connection, person.team)
        case _:
            return []


def named(connection: sa.Connection, person: Person) -> list[tuple[str, str]]:
    """Ids and names, by name, of the trackers for calls whose words somebody may read."""
    match person.reach(Permission.RECORDINGS_LISTEN):
        case Reach.ALL:
            found = _kept(connection, sa.true())
        case Reach.TEAM | Reach.OWN:
            found = in_force(connection, person.team)
        case _:
            found = []
    return [(each.id, each.tracker.name) for each in found]


def may_manage(person: Person, team: str | None) -> bool:
    """Whether somebody may make, change and end the trackers of a team; None: everybody's."""
    return person.reaches(Permission.TRACKERS_MANAGE, None, team)


def get(connection: sa.Connection, person: Person, tracker: str) -> KeptTracker:
    """A tracker that somebody sees.

    Raises NotFound, also for one that has ended, and Refused for another team's.
    """
    for each in listed(connection, person):
        if each.id == tracker:
            return each
    if _kept(connection, trackers.c.id == tracker):
        raise Refused("this tracker is another team's; ask somebody who manages all of them")
    raise NotFound("there is no tracker of this id, or it has ended")


def concerned(team: str | None, languages: Collection[str]) -> sa.ColumnElement[bool]:
    """In which calls, outer joined with their agents, a tracker is looked for."""
    spoken = calls.c.language.in_(sorted(languages))
    return spoken if team is None else sa.and_(spoken, users.c.team == team)


def languages(tracker: Tracker) -> frozenset[str]:
    """The languages for which a tracker has phrases."""
    return frozenset(language for language, phrases in tracker.phrases.items() if phrases)


def progress(connection: sa.Connection, kept: KeptTracker) -> Progress:
    """How far the calls that were there before a tracker have been looked through."""
    has_words = sa.exists().where(assets.c.recording == recordings.c.id, assets.c.kind == MACHINE)
    is_done = sa.and_(
        call_figures.c.learnt_at.is_not(None), call_figures.c.learnt_at >= kept.applies_from
    )
    its = (
        recordings.join(calls, calls.c.id == recordings.c.call)
        .outerjoin(users, users.c.id == calls.c.agent)
        .outerjoin(call_figures, call_figures.c.recording == recordings.c.id)
    )
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.count(sa.case((is_done, 1))))
        .select_from(its)
        .where(ALLOWED, has_words, concerned(kept.team, languages(kept.tracker)))
    ).one()
    return Progress(done=row[1], total=row[0])


def _of_teams(teams: Collection[str | None]) -> sa.ColumnElement[bool]:
    return sa.or_(*(trackers.c.team.is_not_distinct_from(team) for team in teams))


def _kept(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[KeptTracker]:
    rows = connection.execute(
        sa.select(trackers)
        .where(trackers.c.ended_at.is_(None), which)
        .order_by(trackers.c.name, trackers.c.id)
    )
    return [_tracker(row) for row in rows]


def _tracker(row: sa.Row[Any]) -> KeptTracker:
    phrases = {language: tuple(said) for language, said in row.phrases.items()}
    return KeptTracker(
        row.id,
        row.team,
        row.version,
        Tracker(row.name, phrases, SaidBy(row.said_by), row.between),
        row.changed_by or row.made_by,
        row.changed_at or row.made_at,
        row.applies_from or row.made_at,
    )
