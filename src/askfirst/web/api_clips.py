"""Clips of calls over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from askfirst.errors import NotFound
from askfirst.ledger import timestamp
from askfirst.server import clips
from askfirst.server.access import Permission
from askfirst.server.clips import Clip
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["coaching"])

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.COACHING_WRITE))]
Limit = Annotated[int, Query(ge=1, le=clips.MOST)]


class WantedClip(Body):
    """A range of the call in ms, and a word on it."""

    from_ms: int
    to_ms: int
    text: str = ""


@router.get("/calls/{call}/clips")
def list_clips(
    visit: Listener, call: str, after: str | None = None, limit: Limit = clips.MOST
) -> dict[str, object]:
    """The clips of a call as they were made; `next` is the `after` of the next page."""
    found = clips.clips_of(visit.site.store, visit.who.person, call, after, limit)
    following = found[-1].id if len(found) == limit else None
    return {"clips": [shown(each) for each in found], "next": following}


@router.post("/calls/{call}/clips", status_code=201)
def make(visit: Writer, call: str, wanted: WantedClip) -> dict[str, object]:
    """Make a clip; what was not recorded is not in it."""
    store, person = visit.site.store, visit.who.person
    span = (wanted.from_ms, wanted.to_ms)
    return {"id": clips.make(store, person, call, *span, wanted.text, utc_now())}


@router.delete("/calls/{call}/clips/{clip}", status_code=204)
def remove(visit: Writer, call: str, clip: str) -> Response:
    """Remove one's own clip; playlists say that it was removed."""
    with reading(visit.site.store.engine) as connection:
        if clips.call_of_clip(connection, clip) != call:
            raise NotFound(f"no clip {clip} of call {call}")
    clips.remove(visit.site.store, visit.who.person, clip, utc_now())
    return Response(status_code=204)


@router.get("/clips/{clip}/sound")
def sound(visit: Listener, clip: str) -> Response:
    """The sound of a clip as Ogg/Opus; each time is an access with its range."""
    content = clips.play(visit.site.store, visit.who.person, clip, utc_now())
    return Response(content, media_type="audio/ogg", headers={"cache-control": "no-store"})


def shown(clip: Clip) -> dict[str, object]:
    """A clip as JSON."""
    return {
        "id": clip.id,
        "call": clip.call,
        "person": clip.person,
        "text": clip.text,
        "from_ms": clip.from_ms,
        "to_ms": clip.to_ms,
        "at": timestamp(clip.at),
    }
