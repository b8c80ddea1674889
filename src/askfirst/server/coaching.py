"""What is common to everything that is written about a recording to learn from it.

Whoever may listen to a call, and only while its recording is open to be heard, writes and reads;
the employees of the call read what is written about them whatever else they may do. The words are
encrypted under keys that go with the recording.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from askfirst.errors import AskfirstError, InvalidInput, InvalidRequest, NotFound, Refused
from askfirst.server.access import Permission, Person
from askfirst.server.callreader import ensure_reaches
from askfirst.server.coachingtables import (
    checklists,
    clips,
    comments,
    mentions,
    playlist_clips,
)
from askfirst.server.database import calls, recordings, segments
from askfirst.server.playback import Playback
from askfirst.server.queuetables import cut_pieces
from askfirst.server.restrictions import OPEN
from askfirst.server.sealing import write_note
from askfirst.server.store import Store

LONGEST = 2_000
"""Characters of a text, at most."""

_LISTEN = Permission.RECORDINGS_LISTEN
_WRITE = Permission.COACHING_WRITE


@dataclass(frozen=True, slots=True)
class Subject:
    """The newest recording of a call, and the call's agent; `end_ms` is call time."""

    recording: str
    call: str
    agent: str | None
    end_ms: int


def to_read(connection: sa.Connection, person: Person, call: str) -> Subject:
    """What somebody may read about. Raises NotFound for no call and no recording, and Refused
    where they may not listen to it or nobody may now.
    """
    ensure_reaches(connection, person, _LISTEN, call)
    heard = (
        sa.select(sa.func.max(segments.c.to_ms))
        .where(segments.c.recording == recordings.c.id)
        .scalar_subquery()
    )
    row = connection.execute(
        sa.select(
            recordings.c.id,
            calls.c.agent,
            calls.c.answered_at,
            calls.c.ended_at,
            heard.label("heard_ms"),
            OPEN.label("is_open"),
        )
        .join(calls)
        .where(recordings.c.call == call)
        .order_by(recordings.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound(f"call {call} has no recording")
    if not row.is_open:
        raise Refused(
            f"the recording of call {call} is not open: it is being checked, locked, restricted "
            "or erased. Nothing is written about it or shown of it"
        )
    return Subject(row.id, call, row.agent, _length(row))


def to_write(connection: sa.Connection, person: Person, call: str) -> Subject:
    """As `to_read`, for somebody who may write about the call as well."""
    found = to_read(connection, person, call)
    ensure_reaches(connection, person, _WRITE, call)
    return found


def checked(text: str, key: str = "text") -> str:
    """A text as it is kept. Raises InvalidRequest naming `key` where it is empty or too long."""
    found = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not 1 <= len(found) <= LONGEST:
        raise InvalidRequest(
            f"found a text of {len(found)} characters; expected 1 to {LONGEST}", key=key
        )
    return found


def ensure_within(subject: Subject, from_ms: int, to_ms: int | None) -> None:
    """Raise InvalidInput for a time, or a range of times, that is not in the call."""
    last = from_ms if to_ms is None else to_ms
    if not 0 <= from_ms <= last <= subject.end_ms or from_ms == to_ms:
        seconds = subject.end_ms // 1000
        raise InvalidInput(
            "found a time outside of the call, or a range that ends before it begins; the call "
            f"lasted {seconds} seconds"
        )


def seal(store: Store, recording: str, words: dict[str, Any]) -> str:
    """Keep words about a recording before the row that names them; gives the object's id."""
    return write_note(store, recording, json.dumps(words, ensure_ascii=False).encode())


@contextmanager
def kept(store: Store, recording: str, words: dict[str, Any]) -> Iterator[str]:
    """Words as `seal` keeps them, for the row that is written within; none of them where that is
    refused.
    """
    sealed = seal(store, recording, words)
    try:
        yield sealed
    except AskfirstError:
        destroy(store, [sealed])
        raise


def words_of(store: Store, sealed: str | None) -> dict[str, Any] | None:
    """The words of an object; None where there are none any more."""
    if sealed is None:
        return None
    try:
        found: dict[str, Any] = json.loads(Playback(store).note(sealed))
    except AskfirstError:  # erased with its recording: that something was written is all there is
        return None
    return found


def destroy(store: Store, sealed: Collection[str | None]) -> None:
    """Destroy words for good, keys first; safe to repeat."""
    for each in sealed:
        if each is not None:
            store.destroy_object(each)


def forget(connection: sa.Connection, recording: str, at: datetime) -> None:
    """Forget all that was written about a recording, whose keys are destroyed; part of its erasure.

    Of its clips stays, in playlists, that and when they were removed.
    """
    _drop_comments(connection, comments.c.recording == recording)
    _drop_clips(connection, clips.c.recording == recording, at)
    connection.execute(checklists.delete().where(checklists.c.recording == recording))


def cut_off(connection: sa.Connection, recording: str, from_ms: int, at: datetime) -> None:
    """Forget what was written about what is cut off before a call time, and every checklist, which
    is about the whole; what is to be destroyed is written down.
    """
    early = (comments.c.recording == recording) & (comments.c.from_ms < from_ms)
    begun = (clips.c.recording == recording) & (clips.c.from_ms < from_ms)
    whole = checklists.c.recording == recording
    texts = sa.union_all(
        sa.select(comments.c.text).where(early),
        sa.select(clips.c.text).where(begun),
        sa.select(checklists.c.text).where(whole),
        sa.select(checklists.c.answer).where(whole),
    )
    for text in connection.execute(texts).scalars().all():
        if text is not None:
            connection.execute(cut_pieces.insert().values(id=text, recording=recording))
    _drop_comments(connection, early)
    _drop_clips(connection, begun, at)
    connection.execute(checklists.delete().where(whole))


def _drop_comments(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    gone = sa.select(comments.c.id).where(which)
    connection.execute(mentions.delete().where(mentions.c.comment.in_(gone)))
    connection.execute(comments.delete().where(which))


def _drop_clips(connection: sa.Connection, which: sa.ColumnElement[bool], at: datetime) -> None:
    gone = sa.select(clips.c.id).where(which)
    connection.execute(
        playlist_clips.update()
        .where(playlist_clips.c.clip.in_(gone), playlist_clips.c.removed_at.is_(None))
        .values(removed_at=at)
    )
    connection.execute(clips.delete().where(which))


def remove_clip(connection: sa.Connection, clip: str, at: datetime) -> None:
    """Take one clip out of the tables; in playlists stays that it was removed."""
    _drop_clips(connection, clips.c.id == clip, at)


def _length(row: Any) -> int:
    heard = int(row.heard_ms or 0)
    if row.answered_at is None or row.ended_at is None:
        return heard
    lasted: timedelta = row.ended_at - row.answered_at
    return max(heard, round(lasted.total_seconds() * 1000))
