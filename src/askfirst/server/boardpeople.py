"""Whose calls a dashboard is about, and of whom its figures may be shown.

Every dashboard reads through the condition that stands here. Figures about single persons are for
themselves and for who leads their team, and only as `personfigures` allows; everybody else is shown
in groups of `SMALLEST` people or more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.rules import Rulebook
from askfirst.server import accounts
from askfirst.server.access import Permission, Person
from askfirst.server.accounts import User
from askfirst.server.accounttables import users
from askfirst.server.callreader import within
from askfirst.server.database import calls
from askfirst.server.personfigures import SMALLEST, Group, GroupKind, groups, shown_to

READ, LEAD = Permission.DASHBOARDS_READ, Permission.CALLS_WATCH

CALLS = calls.outerjoin(users, users.c.id == calls.c.agent)
"""What the condition of a scope is about."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls count (`condition`, on `CALLS`), whose they are, and who is shown by name.

    `teams` are those that may be looked at by themselves, `is_own` is for somebody's own page.
    `missing` as of `Shown`.
    """

    condition: sa.ColumnElement[bool]
    people: Sequence[User]
    persons: frozenset[str]
    teams: Sequence[str] = ()
    missing: Sequence[str] = ()
    is_own: bool = False

    def shown(self, counted: Collection[str]) -> list[Group]:
        """The groups of which figures may be shown, for those with something to count (ids)."""
        found = groups([each for each in self.people if each.id in counted], self.persons)
        return [
            each for each in found if each.kind is GroupKind.PERSON or self.may_total(each.members)
        ]

    def may_total(self, counted: Collection[str]) -> bool:
        """Whether figures of all these people together tell of nobody alone who may not be."""
        return self.is_own or len(counted) >= SMALLEST or self.persons.issuperset(counted)


def scope(
    connection: sa.Connection, person: Person, rules: Rulebook, on: date, team: str = ""
) -> Scope:
    """The scope of who may read dashboards, or of one team in it. `on` is the day in UTC.

    Raises Refused without the permission, InvalidRequest for a team that cannot be looked at alone.
    """
    person.ensure(READ)
    reached = [
        each for each in accounts.all_users(connection)
        if person.reaches(READ, each.id, each.team)
    ]  # fmt: skip
    shown = shown_to(connection, rules, person.id, on)
    led = {each.id for each in reached if person.reaches(LEAD, each.id, each.team)}
    persons = shown.persons & (led | {person.id})
    teams = _teams(reached, persons)
    condition = within(person, READ)
    if team:
        if team not in teams:
            raise InvalidRequest(
                "found a team that is not shown by itself; expected one of the list", key="team"
            )
        condition = sa.and_(condition, users.c.team == team)
        reached = [each for each in reached if each.team == team]
    missing = shown.missing if led - persons else ()
    return Scope(condition, reached, frozenset(persons), teams, missing)


def own_scope(user: User) -> Scope:
    """The scope of somebody's own page."""
    return Scope(calls.c.agent == user.id, [user], frozenset({user.id}), is_own=True)


def _teams(people: Sequence[User], persons: Collection[str]) -> list[str]:
    """The teams to choose from, where there are several; none that leaves a small rest."""
    named = {each.team for each in people if each.team}
    if all(each.id in persons for each in people):
        found = sorted(named)
    else:
        kinds = groups(people, ())
        found = [each.name for each in kinds if each.kind is GroupKind.TEAM]
    return found if len(named) > 1 else []
