"""What is written about an employee: every comment, clip and checklist on calls that they carried.

They read all of it whatever else they may do here, and while nobody else may: also when they lost
the right to listen, and while the recording is locked or restricted (GDPR art. 15; 18(2), for the
rights of another person). What is gone is gone for them as well. In a call that was handed on,
what is about the time of somebody else is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.server import coaching
from askfirst.server.carriedcalls import CarriedCalls, carried_by
from askfirst.server.coachingtables import checklists, clips, comments
from askfirst.server.store import Store

MOST = 50
"""Texts of one page, at most."""


class Form(StrEnum):
    """As what something is written."""

    COMMENT = "comment"
    CLIP = "clip"


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was written about a call: by whom, when (UTC), where in the call (ms).

    `text` None: it was deleted. `mark` is its place in the list.
    """

    mark: str
    form: Form
    call: str
    person: str
    text: str | None
    from_ms: int
    to_ms: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what is written, the newest first; `following` is the `before` of the next."""

    said: Sequence[Said]
    following: str | None


def about(
    store: Store, connection: sa.Connection, user: str, before: str = "", most: int = MOST
) -> Page:
    """A page of what is written about somebody; `before` is the mark that it goes on behind."""
    written = sa.union(sa.select(comments.c.call), sa.select(clips.c.call)).subquery()
    own = carried_by(store, connection, user, sa.select(written.c.call))
    return of_calls(store, connection, own, before, max(1, min(most, MOST)))


def recordings_of(connection: sa.Connection, own: CarriedCalls) -> frozenset[str]:
    """The recordings that something is written about, of calls that are known already."""
    written = sa.union(
        *(
            sa.select(each.c.recording).where(each.c.call.in_(own.ids))
            for each in (comments, clips, checklists)
        )
    )
    return frozenset(connection.execute(written).scalars())


def of_calls(
    store: Store,
    connection: sa.Connection,
    own: CarriedCalls,
    before: str = "",
    most: int | None = None,
) -> Page:
    """As `about`, for calls that are known already; everything where `most` is None."""
    rows: list[tuple[str, Form, Any]] = []
    for form, table, prefix in ((Form.COMMENT, comments, "cmt_"), (Form.CLIP, clips, "clip_")):
        query = sa.select(table).where(table.c.call.in_(own.ids), table.c.text.is_not(None))
        if before:
            query = query.where(table.c.id < f"{prefix}{before}")
        query = query.order_by(table.c.id.desc())
        if most is not None:
            query = query.limit(most)
        found = connection.execute(query)
        rows += [(row.id.removeprefix(prefix), form, row) for row in found]
    # What ids end with grows with time.
    page = sorted(rows, key=lambda each: each[0], reverse=True)[:most]
    said = [
        _said(store, mark, form, row)
        for mark, form, row in page
        if own.calls[row.call].covers(row.from_ms, row.to_ms)
    ]
    is_full = most is not None and len(page) == most
    return Page(said, page[-1][0] if is_full else None)


def _said(store: Store, mark: str, form: Form, row: Any) -> Said:
    words = coaching.words_of(store, row.text)
    text = None if words is None else str(words["text"])
    return Said(mark, form, row.call, row.person, text, row.from_ms, row.to_ms, row.at)
