"""Comments and clips of a call: written, changed and played from the call's page.

The page of their own is for browsers without script; where there is one, its part is put into the
page of the opened call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import clips, coaching, comments, playlists
from askfirst.server.access import Permission
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.web.calltimes import call_time
from askfirst.web.checkpanel import check_panel
from askfirst.web.coachpanel import Typed, panel
from askfirst.web.page import render
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.COACHING_WRITE))]
Text = Annotated[str, Form()]


@router.get("/calls/{call}/coaching")
def coaching_page(visit: Listener, call: str, after: str = "", after_clip: str = "") -> Response:
    """Comments and clips of a call, one page of them."""
    return shown_with(visit, call, after=after, after_clip=after_clip)


@router.post("/calls/{call}/comments")
def write(
    visit: Writer, call: str, text: Text = "", at: Text = "", to: Text = "", parent: Text = ""
) -> Response:
    """Write a comment at a time, or an answer under one."""
    store, person = visit.site.store, visit.who.person

    def act() -> None:
        if parent:
            comments.write(store, person, call, text, utc_now(), parent=parent)
            return
        from_ms = call_time(at, "at") if at.strip() else 0
        to_ms = call_time(to, "to") if to.strip() else None
        comments.write(store, person, call, text, utc_now(), from_ms=from_ms, to_ms=to_ms)

    return _done(visit, call, parent or "comment", act, {"text": text, "at": at, "to": to})


@router.post("/calls/{call}/comments/{comment}")
def change(
    visit: Writer, call: str, comment: str, version: Annotated[int, Form()], text: Text = ""
) -> Response:
    """Write one's own comment anew."""
    store, person = visit.site.store, visit.who.person
    return _done(
        visit,
        call,
        f"edit-{comment}",
        lambda: comments.change(store, person, call, comment, version, text, utc_now()),
        {"text": text},
    )


@router.post("/calls/{call}/comments/{comment}/delete")
def delete(visit: Writer, call: str, comment: str) -> Response:
    """Delete one's own comment, its words at once."""
    comments.remove(visit.site.store, visit.who.person, call, comment, utc_now())
    return _back(call)


@router.post("/calls/{call}/comments/{comment}/resolve")
def resolve(visit: Writer, call: str, comment: str, done: Text = "yes") -> Response:
    """Say that a thread is done with, or (`done`: no) that it is not."""
    store, person = visit.site.store, visit.who.person
    comments.resolve(store, person, call, comment, utc_now(), is_done=done != "no")
    return _back(call)


@router.post("/calls/{call}/clips")
def make(
    visit: Writer,
    call: str,
    begins: Annotated[str, Form(alias="from")] = "",
    ends: Annotated[str, Form(alias="to")] = "",
    text: Text = "",
    playlist: Text = "",
) -> Response:
    """Make a clip, and put it into a playlist where one is chosen."""
    store, person, now = visit.site.store, visit.who.person, utc_now()

    def act() -> None:
        from_ms, to_ms = call_time(begins, "from"), call_time(ends, "to")
        made = clips.make(store, person, call, from_ms, to_ms, text, now)
        if playlist:
            playlists.add(store, person, playlist, made, now)

    return _done(visit, call, "clip", act, {"text": text, "from": begins, "to": ends})


@router.post("/calls/{call}/clips/{clip}/delete")
def remove(visit: Writer, call: str, clip: str) -> Response:
    """Remove one's own clip."""
    clips.remove(visit.site.store, visit.who.person, clip, utc_now())
    return _back(call)


@router.post("/calls/{call}/clips/{clip}/add")
def add(visit: Writer, call: str, clip: str, playlist: Text = "") -> Response:
    """Put a clip into one's own playlist."""
    store, person = visit.site.store, visit.who.person
    with reading(store.engine) as connection:
        coaching.to_write(connection, person, call)
    return _done(
        visit,
        call,
        f"add-{clip}",
        lambda: playlists.add(store, person, playlist, clip, utc_now()),
        {},
    )


@router.get("/clips/{clip}/sound")
def sound(visit: Listener, clip: str) -> Response:
    """The sound of a clip; every time that it is asked for is an access and is written down."""
    content = clips.play(visit.site.store, visit.who.person, clip, utc_now())
    return Response(content, media_type="audio/ogg", headers={"cache-control": "no-store"})


def _done(
    visit: Visit, call: str, form: str, act: Callable[[], None], fields: dict[str, str]
) -> Response:
    """Do it, or show the page again with what was typed and what is wrong with it."""
    try:
        act()
    except (InvalidInput, Conflict) as error:
        typed = Typed(form, visit.told(error), fields)
        return shown_with(visit, call, typed=typed)
    return _back(call)


def _back(call: str) -> Response:
    return RedirectResponse(f"/calls/{call}/coaching", status_code=303)


def shown_with(
    visit: Visit,
    call: str,
    *,
    after: str = "",
    after_clip: str = "",
    typed: Typed | None = None,
    check_error: str = "",
) -> Response:
    """The page, with what could not be kept and why, if something could not."""
    shown = panel(visit, call, after, after_clip, typed)
    return render(
        visit,
        "coaching.html",
        status=422 if typed or check_error else 200,
        coach=shown,
        check=check_panel(visit, call, check_error),
        clock=clock,
    )
