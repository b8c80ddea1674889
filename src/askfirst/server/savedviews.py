"""Filters of the list of calls, and searches, that somebody keeps under a name for themselves.

What a search looks for is kept as its owner wrote it, like a note: it is nobody's spoken word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound
from askfirst.server.callfilter import filter_of
from askfirst.server.contactcard import aware
from askfirst.server.ids import new_id
from askfirst.server.notetables import saved_views
from askfirst.server.searchfilter import search_filter_of
from askfirst.server.searchquery import query_of

LONGEST_NAME = 80
MOST = 30


class ViewKind(StrEnum):
    """Of which page a view is: the list of calls, or the search over what was said."""

    CALLS = "calls"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class View:
    """A kept filter: `filters` are ids and codes, and `q` what a search looks for."""

    id: str
    name: str
    filters: Mapping[str, str]


def views_of(connection: sa.Connection, user: str, kind: ViewKind = ViewKind.CALLS) -> list[View]:
    """Somebody's views of a page, by name."""
    query = sa.select(saved_views.c.id, saved_views.c.name, saved_views.c.filters)
    mine = (saved_views.c.user == user) & (saved_views.c.kind == kind.value)
    rows = connection.execute(query.where(mine).order_by(saved_views.c.name))
    return [View(row.id, row.name, row.filters) for row in rows]


def keep(
    connection: sa.Connection,
    user: str,
    name: str,
    filters: Mapping[str, str],
    at: datetime,
    kind: ViewKind = ViewKind.CALLS,
) -> str:
    """The id of a view; one of the same name and page is replaced.

    Raises InvalidRequest for a name that cannot be shown or is taken by another page's view, a
    filter that is none, one that narrows nothing, and when somebody has `MOST` views of a page.
    """
    aware(at)
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(f"name: expected 1 to {LONGEST_NAME} characters", key="name")
    kept = _kept(kind, filters)
    others = sa.select(saved_views.c.id).where(
        saved_views.c.user == user, saved_views.c.name == name, saved_views.c.kind != kind.value
    )
    if connection.execute(others).first() is not None:
        raise InvalidRequest("another page has a view of this name; choose another", key="name")
    known = {view.name: view.id for view in views_of(connection, user, kind)}
    if name in known:
        key = saved_views.c.id == known[name]
        connection.execute(saved_views.update().where(key).values(filters=kept))
        return known[name]
    if len(known) >= MOST:
        raise InvalidRequest(f"you have {MOST} views; delete one first", key="name")
    made = new_id("view")
    connection.execute(
        saved_views.insert().values(
            id=made, user=user, name=name, kind=kind.value, filters=kept, created_at=at
        )
    )
    return made


def view_of(connection: sa.Connection, user: str, view: str, kind: ViewKind) -> View:
    """One of somebody's own views. Raises NotFound, also for somebody else's."""
    for each in views_of(connection, user, kind):
        if each.id == view:
            return each
    raise NotFound("you have no view with this id")


def _kept(kind: ViewKind, filters: Mapping[str, str]) -> dict[str, str]:
    if kind is ViewKind.SEARCH:
        text = filters.get("q", "").strip()
        query_of(text)  # raises where it looks for nothing
        return {**search_filter_of(filters).parameters(), "q": text}
    kept = filter_of(filters).parameters()
    if not kept:
        raise InvalidRequest("found a filter that shows everything; choose something", key="name")
    return kept


def drop(connection: sa.Connection, user: str, view: str) -> None:
    """Delete one of somebody's own views. Raises NotFound, also for somebody else's."""
    key = (saved_views.c.id == view) & (saved_views.c.user == user)
    if connection.execute(saved_views.delete().where(key)).rowcount == 0:
        raise NotFound("you have no view with this id")
