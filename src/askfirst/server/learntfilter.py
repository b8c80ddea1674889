"""Calls by what was learnt from them: a tracker that was said, the share of talk.

Both show only what their reader may be shown: a tracker in calls that they may listen to, the
share of talk in calls of people of whom they may see figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from askfirst.errors import InvalidRequest
from askfirst.rules import Rulebook
from askfirst.server import accounts
from askfirst.server.access import Permission, Person, Reach
from askfirst.server.account import account
from askfirst.server.analysistables import call_figures
from askfirst.server.callfilter import CallFilter
from askfirst.server.database import calls, recordings
from askfirst.server.personfigures import NOWHERE, shown_to
from askfirst.server.privatecall import readable
from askfirst.server.studied import ALLOWED
from askfirst.server.trackerhits import calls_with


@dataclass(frozen=True, slots=True)
class TalkFilter:
    """Whether somebody may find calls by the share of talk, and of whose calls they find none.

    `missing` are the places, as codes, of people whom they reach and of whom they may see no
    figures; "" stands for no place.
    """

    may_use: bool
    missing: Sequence[str]
    persons: frozenset[str]


def talk_filter(connection: sa.Connection, rules: Rulebook, person: Person, on: date) -> TalkFilter:
    """How far somebody may find calls by the share of talk on a day (UTC); their own always."""
    shown = shown_to(connection, rules, person.id, on).persons
    if person.reach(Permission.CALLS_READ) <= Reach.OWN:
        return TalkFilter(may_use=True, missing=(), persons=shown)
    others = [
        each
        for each in accounts.all_users(connection)
        if each.id != person.id and person.reaches(Permission.CALLS_READ, each.id, each.team)
    ]
    home = account(connection).home_place
    missing = {each.place or home or NOWHERE for each in others if each.id not in shown}
    may_use = not others or any(each.id in shown for each in others)
    return TalkFilter(may_use, sorted(missing), shown)


def conditions(
    connection: sa.Connection, rules: Rulebook, person: Person, wanted: CallFilter, on: date
) -> list[sa.ColumnElement[bool]]:
    """What a query over calls must ask for besides `CallFilter.conditions`.

    Raises InvalidRequest where the share of talk may not be asked for.
    """
    found = [calls_with(person, wanted.tracker)] if wanted.tracker else []
    if wanted.talk_from or wanted.talk_to:
        allowed = talk_filter(connection, rules, person, on)
        if not allowed.may_use:
            raise InvalidRequest(
                "the share of talk is a figure about one person, and no ground for such figures is "
                "on file; an administrator states one under Settings, Sites",
                key="talk_from",
            )
        found.append(_talked(person, wanted, allowed.persons))
    return found


def _talked(person: Person, wanted: CallFilter, persons: frozenset[str]) -> sa.ColumnElement[bool]:
    ours, both = call_figures.c.agent_talk_ms, call_figures.c.contact_talk_ms
    total = ours + both
    query = (
        sa.select(call_figures.c.call)
        .select_from(call_figures.join(recordings, recordings.c.id == call_figures.c.recording))
        .where(ALLOWED, total > 0)
    )
    if wanted.talk_from:
        query = query.where(ours * 100 >= total * int(wanted.talk_from))
    if wanted.talk_to:
        query = query.where(ours * 100 <= total * int(wanted.talk_to))
    whose = sa.or_(calls.c.agent.is_(None), calls.c.agent.in_(sorted(persons)))
    return sa.and_(readable(person), whose, calls.c.id.in_(query))
