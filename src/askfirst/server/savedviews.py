"""Filters of the list of calls that somebody keeps under a name, for themselves only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound
from askfirst.server.callfilter import filter_of
from askfirst.server.contactcard import aware
from askfirst.server.ids import new_id
from askfirst.server.notetables import saved_views

LONGEST_NAME = 80
MOST = 30


@dataclass(frozen=True, slots=True)
class View:
    """A kept filter: `filters` are parameters of the list's address, ids and codes only."""

    id: str
    name: str
    filters: Mapping[str, str]


def views_of(connection: sa.Connection, user: str) -> list[View]:
    """Somebody's views, by name."""
    query = sa.select(saved_views.c.id, saved_views.c.name, saved_views.c.filters)
    rows = connection.execute(query.where(saved_views.c.user == user).order_by(saved_views.c.name))
    return [View(row.id, row.name, row.filters) for row in rows]


def keep(
    connection: sa.Connection, user: str, name: str, filters: Mapping[str, str], at: datetime
) -> str:
    """The id of a view; one of the same name is replaced.

    Raises InvalidRequest for a name that cannot be shown, a filter that is none, one that narrows
    nothing, and when somebody has `MOST` views.
    """
    aware(at)
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"name: expected 1 to {LONGEST_NAME} characters", key="name")
    kept = filter_of(filters).parameters()
    if not kept:
        raise InvalidRequest("found a filter that shows everything; choose something", key="name")
    known = {view.name: view.id for view in views_of(connection, user)}
    if name in known:
        key = saved_views.c.id == known[name]
        connection.execute(saved_views.update().where(key).values(filters=kept))
        return known[name]
    if len(known) >= MOST:
        raise InvalidRequest(f"you have {MOST} views; delete one first", key="name")
    made = new_id("view")
    connection.execute(
        saved_views.insert().values(id=made, user=user, name=name, filters=kept, created_at=at)
    )
    return made


def drop(connection: sa.Connection, user: str, view: str) -> None:
    """Delete one of somebody's own views. Raises NotFound, also for somebody else's."""
    key = (saved_views.c.id == view) & (saved_views.c.user == user)
    if connection.execute(saved_views.delete().where(key)).rowcount == 0:
        raise NotFound("you have no view with this id")
