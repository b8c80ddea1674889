"""Clips: a range of a call to learn from, with a word on it.

A clip holds no sound. Whoever plays it is asked anew whether they may listen to the call, and for
a purpose that its parties were told; so it inherits the rights and the time of its recording, and
goes with it. What was not recorded is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.model import RecordingState
from askfirst.server import audit, coaching
from askfirst.server.access import Permission, Person
from askfirst.server.coachingtables import clips
from askfirst.server.database import reading, segments, transaction
from askfirst.server.ids import new_id
from askfirst.server.listening import Listening
from askfirst.server.playback import Playback
from askfirst.server.purposes import ListeningPurpose, allowed
from askfirst.server.store import Store

SHORTEST_MS, LONGEST_MS = 1_000, 300_000
"""Call time from the beginning of a clip to its end."""

MOST = 50

PURPOSES = (ListeningPurpose.COACHING, ListeningPurpose.TRAINING)
"""For what clips are played: the first that the parties of a call were told."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A range of call time in ms, and what was said of it; `text` is empty where nothing was."""

    id: str
    recording: str
    call: str
    person: str
    text: str
    from_ms: int
    to_ms: int
    at: datetime


def make(
    store: Store, person: Person, call: str, from_ms: int, to_ms: int, text: str, at: datetime
) -> str:
    """Make a clip of a call; gives its id.

    Raises NotFound, Refused, and InvalidInput for a range that is too short or too long, not in
    the call, or in which nothing was recorded.
    """
    with reading(store.engine) as connection:
        subject = coaching.to_write(connection, person, call)
        coaching.ensure_within(subject, from_ms, to_ms)
        if not SHORTEST_MS <= to_ms - from_ms <= LONGEST_MS:
            seconds = (to_ms - from_ms) // 1000
            raise InvalidInput(
                f"found a clip of {seconds} seconds; expected {SHORTEST_MS // 1000} to "
                f"{LONGEST_MS // 1000}"
            )
        _purpose(connection, person, subject.recording)
        kept = sa.select(segments.c.recording).where(
            segments.c.recording == subject.recording,
            segments.c.from_ms < to_ms,
            segments.c.to_ms > from_ms,
        )
        if connection.execute(kept.limit(1)).first() is None:
            raise InvalidInput("nothing was recorded in this range; choose another one")
        words = coaching.checked(text) if text.strip() else ""
    made = new_id("clip")
    with (
        coaching.kept(store, subject.recording, {"text": words}) as sealed,
        transaction(store.engine) as connection,
    ):
        coaching.to_write(connection, person, call)
        connection.execute(
            clips.insert().values(
                id=made,
                recording=subject.recording,
                call=call,
                person=person.id,
                text=sealed,
                from_ms=from_ms,
                to_ms=to_ms,
                at=at,
            )
        )
        detail: audit.Detail = {"call": call, "from_ms": from_ms, "to_ms": to_ms}
        audit.note(connection, at, person.id, "clip.made", made, detail)
    return made


def clips_of(
    store: Store, person: Person, call: str, after: str | None = None, most: int = MOST
) -> list[Clip]:
    """The clips of a call as they were made, one page; `after` is the last that was shown."""
    with reading(store.engine) as connection:
        subject = coaching.to_read(connection, person, call)
        query = sa.select(clips).where(clips.c.recording == subject.recording)
        if after is not None:
            query = query.where(clips.c.id > after)
        rows = connection.execute(query.order_by(clips.c.id).limit(max(1, min(most, MOST)))).all()
    return [clip_of(store, row) for row in rows]


def remove(store: Store, person: Person, clip: str, at: datetime) -> None:
    """Remove one's own clip, its words at once; safe to repeat after a crash.

    Raises NotFound, and Refused for somebody else's.
    """
    with reading(store.engine) as connection:
        row = _row(connection, clip)
        coaching.to_write(connection, person, row.call)
        if row.person != person.id:
            raise Refused("only whoever made a clip removes it")
    coaching.destroy(store, [row.text])
    with transaction(store.engine) as connection:
        coaching.remove_clip(connection, clip, at)
        audit.note(connection, at, person.id, "clip.removed", clip, {"call": row.call})


def play(store: Store, person: Person, clip: str, at: datetime) -> bytes:
    """The sound of a clip as Ogg/Opus; the access and its range are in the ledger first.

    Raises NotFound, and Refused for who may not listen to the call, for a recording that is not
    open or whose parties were told another purpose, and where the account wants a reason in words.
    """
    with reading(store.engine) as connection:
        row = _row(connection, clip)
    listening = Listening(store)
    listening.reach(person, Permission.RECORDINGS_LISTEN, row.recording, at)
    with reading(store.engine) as connection:
        coaching.to_read(connection, person, row.call)
        purpose = _purpose(connection, person, row.recording)
    listening.ensure_purpose(person, row.recording, purpose, at)
    if listening.wants_reason(person, row.recording):
        raise Refused("a reason is wanted here for every recording; open the call and say it there")
    return Playback(store).excerpt(
        row.recording,
        row.from_ms,
        row.to_ms,
        person=person.id,
        purpose=purpose.value,
        about={"clip": row.id},
        states=(RecordingState.READY.value,),
        is_own=False,
        at=at,
    )


def clip_of(store: Store, row: Any) -> Clip:
    """A clip of its row, with its words."""
    copied = {key: getattr(row, key) for key in Clip.__slots__ if key != "text"}
    words = coaching.words_of(store, row.text)
    return Clip(**copied, text="" if words is None else words["text"])


def call_of_clip(connection: sa.Connection, clip: str) -> str:
    """The call of a clip. Raises NotFound."""
    return str(_row(connection, clip).call)


def _row(connection: sa.Connection, clip: str) -> Any:
    row = connection.execute(sa.select(clips).where(clips.c.id == clip)).one_or_none()
    if row is None:
        raise NotFound(f"no clip {clip}")
    return row


def _purpose(connection: sa.Connection, person: Person, recording: str) -> ListeningPurpose:
    told = allowed(connection, person, recording)
    found = next((each for each in PURPOSES if each in told), None)
    if found is None:
        raise Refused(
            "this recording is not opened for coaching or training: its parties were told another "
            "purpose"
        )
    return found
