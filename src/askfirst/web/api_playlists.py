"""Playlists over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from askfirst.ledger import timestamp
from askfirst.server import playlists
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.playlists import Audience, Listed, Playlist, Wanted
from askfirst.web import api_clips
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["coaching"])

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.COACHING_WRITE))]
Limit = Annotated[int, Query(ge=1, le=playlists.MOST)]


class WantedPlaylist(Body):
    """What a playlist is to be."""

    name: str
    description: str = ""
    audience: Audience = Audience.OWNER


class ChangedPlaylist(WantedPlaylist):
    """A playlist as it is to be; `version` is the one that was read."""

    version: int


class WantedPlace(Body):
    """A clip that comes to the end of a playlist."""

    clip: str


class Direction(StrEnum):
    """Where a clip is moved, by one place."""

    UP = "up"
    DOWN = "down"


class Moved(Body):
    """Where a clip is to be moved."""

    move: Direction


@router.get("/playlists")
def list_playlists(
    visit: Listener, before: str | None = None, limit: Limit = playlists.MOST
) -> dict[str, object]:
    """The playlists that you see, newest first; `next` is the `before` of the next page."""
    with reading(visit.site.store.engine) as connection:
        found = playlists.playlists_of(connection, visit.who.person, before, limit)
    following = found[-1].id if len(found) == limit else None
    return {"playlists": [_shown(each) for each in found], "next": following}


@router.post("/playlists", status_code=201)
def make(visit: Writer, wanted: WantedPlaylist) -> dict[str, object]:
    """Make a playlist."""
    made = Wanted(wanted.name, wanted.description, wanted.audience)
    return {"id": playlists.make(visit.site.store, visit.who.person, made, utc_now())}


@router.get("/playlists/{playlist}")
def one_playlist(visit: Listener, playlist: str) -> dict[str, object]:
    """A playlist with the clips of calls that you may listen to; `hidden` others are in it."""
    found = playlists.content_of(visit.site.store, visit.who.person, playlist)
    places = [_place(each) for each in found.listed]
    return {**_shown(found.playlist), "clips": places, "hidden": found.hidden}


@router.patch("/playlists/{playlist}")
def change(visit: Writer, playlist: str, wanted: ChangedPlaylist) -> dict[str, object]:
    """Change your own playlist; 409 where it has changed since."""
    changed = Wanted(wanted.name, wanted.description, wanted.audience)
    store, person = visit.site.store, visit.who.person
    playlists.change(store, person, playlist, wanted.version, changed, utc_now())
    return {"id": playlist, "version": wanted.version + 1}


@router.delete("/playlists/{playlist}", status_code=204)
def remove(visit: Writer, playlist: str) -> Response:
    """Remove your own playlist; its clips stay with their calls."""
    playlists.remove(visit.site.store, visit.who.person, playlist, utc_now())
    return Response(status_code=204)


@router.post("/playlists/{playlist}/clips", status_code=201)
def add(visit: Writer, playlist: str, wanted: WantedPlace) -> dict[str, object]:
    """Put a clip at the end of your own playlist, once."""
    playlists.add(visit.site.store, visit.who.person, playlist, wanted.clip, utc_now())
    return {"id": playlist, "clip": wanted.clip}


@router.patch("/playlists/{playlist}/clips/{clip}")
def move(visit: Writer, playlist: str, clip: str, wanted: Moved) -> dict[str, object]:
    """Move a clip of your own playlist by one place."""
    up = wanted.move is Direction.UP
    playlists.move(visit.site.store, visit.who.person, playlist, clip, up=up)
    return {"id": playlist, "clip": clip}


@router.delete("/playlists/{playlist}/clips/{clip}", status_code=204)
def take_out(visit: Writer, playlist: str, clip: str) -> Response:
    """Take a clip out of your own playlist."""
    playlists.take_out(visit.site.store, visit.who.person, playlist, clip, utc_now())
    return Response(status_code=204)


def _shown(playlist: Playlist) -> dict[str, object]:
    return {
        "id": playlist.id,
        "name": playlist.name,
        "description": playlist.description,
        "owner": playlist.owner,
        "audience": playlist.audience.value,
        "version": playlist.version,
        "made_at": timestamp(playlist.made_at),
        "size": playlist.size,
    }


def _place(listed: Listed) -> dict[str, object]:
    if listed.clip is not None:
        return {**api_clips.shown(listed.clip), "removed_at": None}
    removed = None if listed.removed_at is None else timestamp(listed.removed_at)
    return {"id": listed.clip_id, "removed_at": removed}
