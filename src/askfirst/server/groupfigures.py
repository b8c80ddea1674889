"""Figures of the assurance report by person or, where those are off, by team.

They are the report's own sets of calls, split by whose call each is; `personfigures` says of whom
they may be shown. A call that nobody took is in none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from askfirst.rules import Rulebook
from askfirst.server import accounts
from askfirst.server.assurance import Figure, Report
from askfirst.server.database import calls
from askfirst.server.personfigures import Group, groups, shown_to

COUNTED = (Figure.CALLS, Figure.OPENED, Figure.REFUSED_SILENT, Figure.DEGRADED)
"""The figures that say something of how calls were carried; the others are about recordings."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Figures by group, and the places for which figures about single persons are missing a ground.

    `missing` holds codes of places, and "" where somebody has none.
    """

    rows: Sequence[tuple[Group, Mapping[Figure, int]]]
    missing: Sequence[str]


def figures(
    connection: sa.Connection, found: Report, rules: Rulebook, viewer: str | None, on: date
) -> GroupFigures:
    """The figures of a report as somebody may see them on a day (UTC)."""
    shown = shown_to(connection, rules, viewer, on)
    within = (calls.c.created_at >= found.begins_at) & (calls.c.created_at < found.ends_at)
    carried = connection.execute(
        sa.select(calls.c.id, calls.c.agent).where(within, calls.c.agent.is_not(None))
    )
    agents = {row.id: row.agent for row in carried}
    reported = {agents[call] for call in found.found[Figure.CALLS] if call in agents}
    people = [each for each in accounts.all_users(connection) if each.id in reported]
    rows = [
        (each, {figure: _count(found, figure, agents, each) for figure in COUNTED})
        for each in groups(people, shown.persons)
    ]
    return GroupFigures(rows, shown.missing)


def _count(found: Report, figure: Figure, agents: Mapping[str, str], group: Group) -> int:
    return sum(agents.get(call) in group.members for call in found.found[figure])
