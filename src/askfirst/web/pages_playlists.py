"""Playlists: the lists that one sees, and one of them with its clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import accounts, playlists
from askfirst.server.access import Permission
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.playlists import Audience, Wanted
from askfirst.web import words
from askfirst.web.page import render
from askfirst.web.recordingview import clock
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Listener = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_LISTEN))]
Writer = Annotated[Visit, Depends(permitted(Permission.COACHING_WRITE))]
Text = Annotated[str, Form()]

AUDIENCES: Mapping[str, str] = {
    Audience.OWNER.value: words.mark("Only me"),
    Audience.TEAM.value: words.mark("My team"),
    Audience.EVERYBODY.value: words.mark("Everybody here"),
}
"""Who sees a playlist."""


@router.get("/playlists")
def playlists_page(visit: Listener, before: str = "") -> Response:
    """The playlists that one sees, the newest first, and a form for a new one."""
    return _list(visit, before=before)


@router.post("/playlists")
def make(
    visit: Writer, name: Text = "", description: Text = "", audience: Text = "owner"
) -> Response:
    """Make a playlist."""
    try:
        wanted = _wanted(name, description, audience)
        made = playlists.make(visit.site.store, visit.who.person, wanted, utc_now())
    except InvalidInput as error:
        typed = {"name": name, "description": description, "audience": audience}
        return _list(visit, typed=typed, error=visit.told(error), status=422)
    return RedirectResponse(f"/playlists/{made}", status_code=303)


@router.get("/playlists/{playlist}")
def playlist_page(visit: Listener, playlist: str) -> Response:
    """One playlist: its clips of calls that one may listen to, and how many others there are."""
    return _one(visit, playlist)


@router.post("/playlists/{playlist}")
def change(
    visit: Writer,
    playlist: str,
    version: Annotated[int, Form()],
    name: Text = "",
    description: Text = "",
    audience: Text = "owner",
) -> Response:
    """Change name, description and who sees it."""
    try:
        wanted = _wanted(name, description, audience)
        who, store = visit.who.person, visit.site.store
        playlists.change(store, who, playlist, version, wanted, utc_now())
    except (InvalidInput, Conflict) as error:
        return _one(visit, playlist, error=visit.told(error), status=422)
    return RedirectResponse(f"/playlists/{playlist}", status_code=303)


@router.post("/playlists/{playlist}/delete")
def delete(visit: Writer, playlist: str) -> Response:
    """Delete the list; its clips stay with their calls."""
    playlists.remove(visit.site.store, visit.who.person, playlist, utc_now())
    return RedirectResponse("/playlists", status_code=303)


@router.post("/playlists/{playlist}/clips/{clip}")
def act(visit: Writer, playlist: str, clip: str, do: Text = "") -> Response:
    """Move a clip (`do`: up, down) or take it out of the list (out)."""
    store, person = visit.site.store, visit.who.person
    if do == "out":
        playlists.take_out(store, person, playlist, clip, utc_now())
    elif do in ("up", "down"):
        playlists.move(store, person, playlist, clip, up=do == "up")
    else:
        return _one(visit, playlist, error=visit.say("Choose one of the list."), status=422)
    return RedirectResponse(f"/playlists/{playlist}", status_code=303)


def _wanted(name: str, description: str, audience: str) -> Wanted:
    known = audience in set(Audience)
    return Wanted(name, description, Audience(audience) if known else Audience.OWNER)


def _audiences(visit: Visit) -> list[tuple[str, str]]:
    """Who may be chosen; without a team, no team."""
    has_team = visit.who.team is not None
    return [
        (each, visit.say(said))
        for each, said in AUDIENCES.items()
        if has_team or each != Audience.TEAM
    ]


def _list(
    visit: Visit,
    *,
    before: str = "",
    typed: dict[str, str] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        found = playlists.playlists_of(connection, visit.who.person, before or None)
        names = accounts.names(connection)
    more = f"/playlists?before={found[-1].id}" if len(found) == playlists.MOST else ""
    return render(
        visit,
        "playlists.html",
        status=status,
        found=found,
        names=names,
        more=more,
        audiences=_audiences(visit),
        said=visit.said(AUDIENCES),
        typed=typed or {"name": "", "description": "", "audience": Audience.OWNER.value},
        may_make=visit.may(Permission.COACHING_WRITE),
        error=error,
    )


def _one(visit: Visit, playlist: str, *, error: str = "", status: int = 200) -> Response:
    content = playlists.content_of(visit.site.store, visit.who.person, playlist)
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
    return render(
        visit,
        "playlist.html",
        status=status,
        content=content,
        names=names,
        is_own=content.playlist.owner == visit.who.id and visit.may(Permission.COACHING_WRITE),
        audiences=_audiences(visit),
        said=visit.said(AUDIENCES),
        clock=clock,
        error=error,
    )
