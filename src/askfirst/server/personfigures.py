"""Whether figures about single persons may be computed and shown, and what is shown in their place.

They may where a works agreement of the person's place is on record and in force, or where the
account states a basis for them. Otherwise teams are shown, and small groups are folded together,
because a figure about two people is one about either. A person always sees their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import sqlalchemy as sa

from askfirst.rules import Rulebook
from askfirst.scene import lineage
from askfirst.server import accounts, sites
from askfirst.server.account import account
from askfirst.server.accounts import User

SMALLEST = 5
"""People of the smallest group of which figures are shown."""

NOWHERE = ""
"""Stands for the place of people of whom none is stated."""


class GroupKind(StrEnum):
    """What a figure is about: one person, a team, or the people of several small teams."""

    PERSON = "person"
    TEAM = "team"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Group:
    """People (ids of users) of whom figures are shown together; `name` is empty for `OTHERS`."""

    kind: GroupKind
    name: str
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """Of whom figures may be shown to somebody, and what is missing for the others.

    `missing` are the places, as codes, of people for whom neither agreement nor basis is on file.
    """

    persons: frozenset[str]
    missing: Sequence[str]


def may_show(
    place: str | None, rules: Rulebook, settled: Collection[sites.Gate], basis: str | None
) -> bool:
    """Whether figures about a single person at a place may be shown to somebody else.

    `settled` is what is settled at sites on the day (`sites.settled`), `basis` the account's
    `person_figures_basis`. Where the place is not known, only the basis counts.
    """
    if basis:
        return True
    codes = {file.code for file in lineage(place, rules)} if place else set()
    return any(code in codes and gate == sites.WORKS_AGREEMENT for code, gate in settled)


def shown_to(connection: sa.Connection, rules: Rulebook, viewer: str | None, on: date) -> Shown:
    """Of whom somebody may see figures on a day (UTC); themselves always. None: nobody in person.

    People without a place work at the account's.
    """
    wants = account(connection)
    settled = sites.settled(sites.records(connection), rules, wants.policy(), on)
    persons, missing = set[str](), set[str]()
    for each in accounts.all_users(connection):
        place = each.place or wants.home_place
        if may_show(place, rules, settled, wants.person_figures_basis) or each.id == viewer:
            persons.add(each.id)
        else:
            missing.add(place or NOWHERE)
    return Shown(frozenset(persons), sorted(missing))


def groups(people: Iterable[User], persons: Collection[str]) -> list[Group]:
    """The groups of which figures are shown: persons among `persons`, then teams, then the others.

    `people` are those whom the figures are about. Whoever is in no group of `SMALLEST` people is
    folded together with others, with people who could be shown alone if need be: a total without
    the figures beside it would tell theirs.
    """
    alone = [each for each in people if each.id in persons]
    known = {each.id for each in alone}
    teams = defaultdict[str, list[User]](list)
    for each in people:
        if each.id not in known:
            teams[each.team or ""].append(each)
    large = {name: team for name, team in teams.items() if name and len(team) >= SMALLEST}
    folded = [each for name, team in teams.items() if name not in large for each in team]
    while 0 < len(folded) < SMALLEST and large:
        folded += large.pop(min(large, key=lambda name: (len(large[name]), name)))
    if 0 < len(folded) < SMALLEST:
        folded, alone = [*folded, *alone], []
    found = [
        Group(GroupKind.PERSON, each.name, frozenset({each.id}))
        for each in sorted(alone, key=lambda each: (each.name, each.id))
    ]
    found += [Group(GroupKind.TEAM, name, _ids(large[name])) for name in sorted(large)]
    if folded:
        found.append(Group(GroupKind.OTHERS, "", _ids(folded)))
    return found


def _ids(people: Iterable[User]) -> frozenset[str]:
    return frozenset(each.id for each in people)
