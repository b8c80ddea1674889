"""Playlists: clips to learn from, in an order, for oneself, a team, or everybody here.

A list gives nobody a right: whoever opens it sees the clips of calls that they may listen to, and
how many others there are. It leads nowhere outside, and nothing is exported of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from askfirst.errors import InvalidRequest, NotFound, Refused
from askfirst.server import audit, coaching
from askfirst.server.access import Permission, Person
from askfirst.server.accounttables import users
from askfirst.server.callnotes import Conflict
from askfirst.server.callreader import within
from askfirst.server.clips import Clip, call_of_clip, clip_of
from askfirst.server.coachingtables import clips, playlist_clips, playlists
from askfirst.server.database import calls, reading, recordings, transaction
from askfirst.server.ids import new_id
from askfirst.server.restrictions import OPEN
from askfirst.server.store import Store

LONGEST_NAME, LONGEST_DESCRIPTION = 80, 300
MOST = 50
"""Lists of one page, at most."""
MOST_CLIPS = 200
"""Clips of one list, at most."""


class Audience(StrEnum):
    """Who sees a playlist; whoever may not listen to anything sees none."""

    OWNER = "owner"
    TEAM = "team"
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a playlist is to be."""

    name: str
    description: str = ""
    audience: Audience = Audience.OWNER


@dataclass(frozen=True, slots=True)
class Playlist:
    """A playlist and how many clips it has, removed ones left out."""

    id: str
    name: str
    description: str
    owner: str
    audience: Audience
    version: int
    made_at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A place in a playlist: a clip that may be heard, or (without one) when it was removed."""

    clip_id: str
    clip: Clip | None
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Content:
    """What somebody sees in a playlist, in order; `hidden` clips are of calls they may not hear,
    or that nobody may hear now.
    """

    playlist: Playlist
    listed: Sequence[Listed]
    hidden: int


def make(store: Store, person: Person, wanted: Wanted, at: datetime) -> str:
    """Make a playlist; gives its id. Raises Refused, and InvalidRequest naming what is wrong."""
    person.ensure(Permission.COACHING_WRITE)
    person.ensure(Permission.RECORDINGS_LISTEN)
    made = new_id("list")
    values = _values(person, wanted)
    with transaction(store.engine) as connection:
        connection.execute(
            playlists.insert().values(id=made, owner=person.id, version=1, made_at=at, **values)
        )
        detail: audit.Detail = {"audience": wanted.audience.value}
        audit.note(connection, at, person.id, "playlist.made", made, detail)
    return made


def change(
    store: Store, person: Person, playlist: str, version: int, wanted: Wanted, at: datetime
) -> None:
    """Change one's own playlist; `version` is the one that was read.

    Raises NotFound, Refused for somebody else's, Conflict where it was changed since, and
    InvalidRequest.
    """
    values = _values(person, wanted)
    with transaction(store.engine) as connection:
        _own(connection, person, playlist)
        done = connection.execute(
            playlists.update()
            .where(playlists.c.id == playlist, playlists.c.version == version)
            .values(version=version + 1, **values)
        )
        if done.rowcount != 1:
            raise Conflict("this playlist was changed since. Read it again")
        detail: audit.Detail = {"audience": wanted.audience.value}
        audit.note(connection, at, person.id, "playlist.changed", playlist, detail)


def remove(store: Store, person: Person, playlist: str, at: datetime) -> None:
    """Remove one's own playlist; its clips stay with their calls. Raises NotFound, Refused."""
    with transaction(store.engine) as connection:
        _own(connection, person, playlist)
        connection.execute(playlist_clips.delete().where(playlist_clips.c.playlist == playlist))
        connection.execute(playlists.delete().where(playlists.c.id == playlist))
        audit.note(connection, at, person.id, "playlist.removed", playlist)


def playlists_of(
    connection: sa.Connection, person: Person, before: str | None = None, most: int = MOST
) -> list[Playlist]:
    """The playlists that somebody sees, the newest first; `before` is the last that was shown."""
    person.ensure(Permission.RECORDINGS_LISTEN)
    query = _with_size().where(_visible(person))
    if before is not None:
        query = query.where(playlists.c.id < before)
    rows = connection.execute(query.order_by(playlists.c.id.desc()).limit(max(1, min(most, MOST))))
    return [_playlist(row) for row in rows]


def own_playlists(connection: sa.Connection, person: Person) -> list[Playlist]:
    """The playlists that somebody may put clips into, the newest first."""
    query = _with_size().where(playlists.c.owner == person.id)
    rows = connection.execute(query.order_by(playlists.c.id.desc()).limit(MOST))
    return [_playlist(row) for row in rows]


def content_of(store: Store, person: Person, playlist: str) -> Content:
    """What somebody sees in a playlist. Raises NotFound for one that they do not see."""
    person.ensure(Permission.RECORDINGS_LISTEN)
    with reading(store.engine) as connection:
        found = _seen(connection, person, playlist)
        rows = connection.execute(
            sa.select(
                playlist_clips.c.clip.label("place"),
                playlist_clips.c.removed_at,
                *clips.c,
                (OPEN & within(person, Permission.RECORDINGS_LISTEN)).label("is_heard"),
            )
            .select_from(
                playlist_clips.outerjoin(clips, clips.c.id == playlist_clips.c.clip)
                .outerjoin(recordings, recordings.c.id == clips.c.recording)
                .outerjoin(calls, calls.c.id == clips.c.call)
                .outerjoin(users, users.c.id == calls.c.agent)
            )
            .where(playlist_clips.c.playlist == playlist)
            .order_by(playlist_clips.c.position, playlist_clips.c.clip)
        ).all()
    listed = []
    for row in rows:
        if row.removed_at is not None:
            listed.append(Listed(row.place, None, row.removed_at))
        elif row.is_heard:
            listed.append(Listed(row.place, clip_of(store, row), None))
    return Content(found, listed, len(rows) - len(listed))


def add(store: Store, person: Person, playlist: str, clip: str, at: datetime) -> None:
    """Put a clip of a call that one may listen to at the end of one's own playlist, once.

    Raises NotFound, Refused, and InvalidRequest for a list that is full.
    """
    with transaction(store.engine) as connection:
        _own(connection, person, playlist)
        coaching.to_read(connection, person, call_of_clip(connection, clip))
        there = connection.execute(
            sa.select(playlist_clips.c.clip, playlist_clips.c.position).where(
                playlist_clips.c.playlist == playlist
            )
        ).all()
        if clip in {row.clip for row in there}:
            return
        if len(there) >= MOST_CLIPS:
            raise InvalidRequest(
                f"found {len(there)} clips in this list; expected fewer than {MOST_CLIPS}. Begin "
                "another one",
                key="clip",
            )
        last = max((row.position for row in there), default=0)
        connection.execute(
            playlist_clips.insert().values(
                playlist=playlist, clip=clip, position=last + 1, added_at=at
            )
        )
        audit.note(connection, at, person.id, "playlist.added", playlist, {"clip": clip})


def take_out(store: Store, person: Person, playlist: str, clip: str, at: datetime) -> None:
    """Take a clip, or what says that one was removed, out of one's own playlist; safe to repeat."""
    with transaction(store.engine) as connection:
        _own(connection, person, playlist)
        here = (playlist_clips.c.playlist == playlist) & (playlist_clips.c.clip == clip)
        if connection.execute(playlist_clips.delete().where(here)).rowcount:
            audit.note(connection, at, person.id, "playlist.taken-out", playlist, {"clip": clip})


def move(store: Store, person: Person, playlist: str, clip: str, *, up: bool) -> None:
    """Move a clip of one's own playlist one place up or down, past what is seen beside it."""
    content = content_of(store, person, playlist)
    seen = [each.clip_id for each in content.listed]
    with transaction(store.engine) as connection:
        _own(connection, person, playlist)
        order = list(
            connection.execute(
                sa.select(playlist_clips.c.clip)
                .where(playlist_clips.c.playlist == playlist)
                .order_by(playlist_clips.c.position, playlist_clips.c.clip)
            ).scalars()
        )
        if clip not in order or clip not in seen:
            raise NotFound(f"no clip {clip} in this playlist")
        shown = [each for each in order if each in seen]
        beside = shown.index(clip) + (-1 if up else 1)
        if not 0 <= beside < len(shown):
            return
        at = order.index(shown[beside])
        order.remove(clip)
        order.insert(at, clip)
        for position, each in enumerate(order, start=1):
            here = (playlist_clips.c.playlist == playlist) & (playlist_clips.c.clip == each)
            connection.execute(playlist_clips.update().where(here).values(position=position))


def _values(person: Person, wanted: Wanted) -> dict[str, Any]:
    name, description = " ".join(wanted.name.split()), wanted.description.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InvalidRequest(
            f"found a name of {len(name)} characters; expected 1 to {LONGEST_NAME}", key="name"
        )
    if len(description) > LONGEST_DESCRIPTION:
        raise InvalidRequest(
            f"found a description of {len(description)} characters; expected at most "
            f"{LONGEST_DESCRIPTION}",
            key="description",
        )
    if wanted.audience is Audience.TEAM and person.team is None:
        raise InvalidRequest(
            "you are in no team; choose somebody else to share it with", key="audience"
        )
    team = person.team if wanted.audience is Audience.TEAM else None
    return {
        "name": name,
        "description": description,
        "audience": wanted.audience.value,
        "team": team,
    }


def _visible(person: Person) -> sa.ColumnElement[bool]:
    seen = [
        playlists.c.owner == person.id,
        playlists.c.audience == Audience.EVERYBODY.value,
    ]
    if person.team is not None:
        is_shared = playlists.c.audience == Audience.TEAM.value
        seen.append(is_shared & (playlists.c.team == person.team))
    return sa.or_(*seen)


def _with_size() -> sa.Select[Any]:
    size = (
        sa.select(sa.func.count())
        .where(playlist_clips.c.playlist == playlists.c.id, playlist_clips.c.removed_at.is_(None))
        .scalar_subquery()
    )
    return sa.select(playlists, size.label("size"))


def _seen(connection: sa.Connection, person: Person, playlist: str) -> Playlist:
    query = _with_size().where(playlists.c.id == playlist, _visible(person))
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"no playlist {playlist} that you see")
    return _playlist(row)


def _own(connection: sa.Connection, person: Person, playlist: str) -> Playlist:
    person.ensure(Permission.COACHING_WRITE)
    person.ensure(Permission.RECORDINGS_LISTEN)
    found = _seen(connection, person, playlist)
    if found.owner != person.id:
        raise Refused("only whoever made a playlist changes it")
    return found


def _playlist(row: Any) -> Playlist:
    return Playlist(
        row.id,
        row.name,
        row.description,
        row.owner,
        Audience(row.audience),
        row.version,
        row.made_at,
        row.size,
    )
