"""Comments at a time of a call, answered in threads of one level.

Everybody who may listen to the call reads them while its recording is open; the employees of the
call always do. A comment is changed and deleted by whoever wrote it, and done with by anybody who
may write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server import audit, coaching, mentions
from askfirst.server.access import Person
from askfirst.server.callnotes import Conflict
from askfirst.server.coachingtables import comments
from askfirst.server.coachingtables import mentions as mention_rows
from askfirst.server.database import reading, transaction
from askfirst.server.ids import new_id
from askfirst.server.store import Store

MOST = 50
"""Threads of one page, at most."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with its answers. Times of the call in ms, moments in UTC.

    `text` None: it was deleted and its answers are left. `version` is the one to name when it is
    changed.
    """

    id: str
    recording: str
    call: str
    parent: str | None
    person: str
    text: str | None
    version: int
    from_ms: int
    to_ms: int | None
    at: datetime
    edited_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    answers: Sequence[Comment] = ()


def write(
    store: Store,
    person: Person,
    call: str,
    text: str,
    at: datetime,
    *,
    from_ms: int = 0,
    to_ms: int | None = None,
    parent: str | None = None,
) -> str:
    """Write a comment at a time of a call, or an answer to one (`parent`); gives its id.

    Raises NotFound, Refused and InvalidInput; for a mention of somebody who may not listen,
    InvalidRequest.
    """
    with reading(store.engine) as connection:
        subject = coaching.to_write(connection, person, call)
        words = coaching.checked(text)
        if parent is not None:
            found = _row(connection, subject, parent)
            if found.parent is not None:
                raise InvalidInput("this is an answer itself; answer the comment that it is under")
            from_ms, to_ms = found.from_ms, found.to_ms
        coaching.ensure_within(subject, from_ms, to_ms)
        called = mentions.mentioned(connection, call, words)
    made = new_id("cmt")
    with (
        coaching.kept(store, subject.recording, {"text": words}) as sealed,
        transaction(store.engine) as connection,
    ):
        # Asked again: an erasure may have come between, and takes what has no row yet, too.
        coaching.to_write(connection, person, call)
        if parent is not None:
            _row(connection, subject, parent)
        connection.execute(
            comments.insert().values(
                id=made,
                recording=subject.recording,
                call=call,
                parent=parent,
                person=person.id,
                text=sealed,
                version=1,
                from_ms=from_ms,
                to_ms=to_ms,
                at=at,
            )
        )
        mentions.keep(connection, made, called, person.id)
        audit.note(connection, at, person.id, "comment.written", made, {"call": call})
    return made


def change(
    store: Store, person: Person, call: str, comment: str, version: int, text: str, at: datetime
) -> None:
    """Write one's own comment anew; `version` is the one that was read.

    Raises NotFound, Refused for somebody else's, Conflict where it was changed since, and as
    `write`.
    """
    with reading(store.engine) as connection:
        subject = coaching.to_write(connection, person, call)
        _own(connection, subject, person, comment)
        words = coaching.checked(text)
        called = mentions.mentioned(connection, call, words)
    with (
        coaching.kept(store, subject.recording, {"text": words}) as sealed,
        transaction(store.engine) as connection,
    ):
        coaching.to_write(connection, person, call)
        before = _own(connection, subject, person, comment)
        if before.version != version or before.text is None:
            raise Conflict("this comment was changed or deleted since. Read it again")
        connection.execute(
            comments.update()
            .where(comments.c.id == comment)
            .values(text=sealed, version=version + 1, edited_at=at)
        )
        mentions.keep(connection, comment, called, person.id)
    coaching.destroy(store, [before.text])


def remove(store: Store, person: Person, call: str, comment: str, at: datetime) -> None:
    """Delete one's own comment; its words go at once and for good. Safe to repeat.

    That it was there stays while it has answers. Raises NotFound, and Refused for somebody else's.
    """
    with reading(store.engine) as connection:
        subject = coaching.to_write(connection, person, call)
        row = _own(connection, subject, person, comment)
    # Words first: a crash leaves a comment that says nothing, and it can be deleted again.
    coaching.destroy(store, [row.text])
    with transaction(store.engine) as connection:
        mine = comments.c.id == comment
        connection.execute(mention_rows.delete().where(mention_rows.c.comment == comment))
        connection.execute(comments.update().where(mine).values(text=None))
        answered = sa.select(comments.c.id).where(comments.c.parent == comment)
        if connection.execute(answered.limit(1)).first() is None:
            connection.execute(comments.delete().where(mine))
        _drop_bare(connection, row.parent)
        audit.note(connection, at, person.id, "comment.deleted", comment, {"call": call})


def resolve(
    store: Store, person: Person, call: str, comment: str, at: datetime, *, is_done: bool = True
) -> None:
    """Say that a thread is done with, or that it is not; who and when is kept of the first."""
    with transaction(store.engine) as connection:
        subject = coaching.to_write(connection, person, call)
        row = _row(connection, subject, comment)
        if row.parent is not None:
            raise InvalidInput("only a whole thread is done with, not an answer in it")
        open_ = (comments.c.id == comment) & comments.c.resolved_at.is_(None)
        if is_done:
            values = {"resolved_at": at, "resolved_by": person.id}
            connection.execute(comments.update().where(open_).values(**values))
        else:
            cleared = {"resolved_at": None, "resolved_by": None}
            connection.execute(comments.update().where(comments.c.id == comment).values(**cleared))


def comments_of(
    store: Store, person: Person, call: str, after: str | None = None, most: int = MOST
) -> list[Comment]:
    """The threads of a call in its order, one page; `after` is the last that was shown.

    Raises NotFound and Refused as `coaching.to_read`.
    """
    with reading(store.engine) as connection:
        subject = coaching.to_read(connection, person, call)
        query = sa.select(comments).where(
            comments.c.recording == subject.recording, comments.c.parent.is_(None)
        )
        if after is not None:
            last = _row(connection, subject, after)
            query = query.where(
                sa.or_(
                    comments.c.from_ms > last.from_ms,
                    (comments.c.from_ms == last.from_ms) & (comments.c.id > last.id),
                )
            )
        query = query.order_by(comments.c.from_ms, comments.c.id).limit(max(1, min(most, MOST)))
        begun = connection.execute(query).all()
        answers = connection.execute(
            sa.select(comments)
            .where(comments.c.parent.in_([row.id for row in begun]))
            .order_by(comments.c.id)
        ).all()
    return [
        _comment(store, row, [_comment(store, each) for each in answers if each.parent == row.id])
        for row in begun
    ]


def _drop_bare(connection: sa.Connection, parent: str | None) -> None:
    """A deleted comment goes with its last answer."""
    if parent is None:
        return
    left = sa.select(comments.c.id).where(comments.c.parent == parent)
    if connection.execute(left.limit(1)).first() is None:
        bare = (comments.c.id == parent) & comments.c.text.is_(None)
        connection.execute(comments.delete().where(bare))


def _row(connection: sa.Connection, subject: coaching.Subject, comment: str) -> Any:
    row = connection.execute(
        sa.select(comments).where(
            comments.c.id == comment, comments.c.recording == subject.recording
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"no comment {comment} on call {subject.call}")
    return row


def _own(connection: sa.Connection, subject: coaching.Subject, person: Person, comment: str) -> Any:
    row = _row(connection, subject, comment)
    if row.person != person.id:
        raise Refused("only whoever wrote a comment changes or deletes it")
    return row


def _comment(store: Store, row: Any, answers: Sequence[Comment] = ()) -> Comment:
    copied = {key: getattr(row, key) for key in Comment.__slots__ if key not in ("text", "answers")}
    words = coaching.words_of(store, row.text)
    return Comment(**copied, text=None if words is None else words["text"], answers=answers)
