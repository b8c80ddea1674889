"""Shares: made and ended on the page of a call, and opened by people outside without an account."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import Refused
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.purposes import ListeningPurpose
from askfirst.server.sharing import LONGEST, Sharing
from askfirst.web.api_calls import found_call
from askfirst.web.page import render
from askfirst.web.pages_recordings import recording_of
from askfirst.web.ranges import ranged
from askfirst.web.visit import AnyVisit, Visit, permitted

router = APIRouter()

Sharer = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_EXPORT))]
Field = Annotated[str, Form()]

COOKIE = "askfirst-share"


def sharing_of(visit: Visit) -> Sharing:
    """What shares recordings of the installation."""
    return Sharing(visit.site.store, visit.site.listening)


@router.post("/calls/{call}/shares")
def share(
    visit: Sharer,
    call: str,
    recipient: Field,
    purpose: Annotated[ListeningPurpose, Form()],
    hours: Annotated[int, Form(ge=1, le=24 * 14)],
) -> Response:
    """A share for somebody outside; link and code are shown once."""
    recording = recording_of(found_call(visit, call).line)
    lasts = timedelta(hours=hours)
    made = sharing_of(visit).make(visit.who.person, recording, recipient, purpose, lasts, utc_now())
    address = f"{visit.site.settings.origin}/shared/{made.token}"
    return render(
        visit, "share_made.html", call=call, made=made, address=address, recipient=recipient
    )


@router.post("/calls/{call}/shares/{share}/end")
def end(visit: Sharer, call: str, share: str) -> Response:
    """Let a share open nothing any more."""
    recording = recording_of(found_call(visit, call).line)
    sharing_of(visit).revoke(visit.who.person, recording, share, utc_now())
    return RedirectResponse(f"/calls/{call}", status_code=303)


@router.get("/shared/{token}")
def shared(visit: AnyVisit, request: Request, token: str) -> Response:
    """What somebody outside sees: a field for the code, and with it the player."""
    sharing = sharing_of(visit)
    try:
        asks = sharing.asks_code(token, utc_now())
        may_hear = not asks and sharing.knows(token, request.cookies.get(COOKIE, ""), utc_now())
    except Refused as error:
        return _page(visit, token, status=403, error=visit.told(error))
    return _page(visit, token, asks=asks, may_hear=may_hear)


@router.post("/shared/{token}")
def bring_code(visit: AnyVisit, token: str, code: Field = "") -> Response:
    """Bring the code; it ties the share to this browser."""
    sharing, now = sharing_of(visit), utc_now()
    try:
        secret = sharing.open(token, code[:100], now)
    except Refused as error:
        return _page(visit, token, status=403, asks=True, error=visit.told(error))
    response = RedirectResponse(f"/shared/{token}", status_code=303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(LONGEST.total_seconds()),
        path=f"/shared/{token}",
        secure=visit.site.settings.is_secure,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/shared/{token}/audio")
def audio(visit: AnyVisit, request: Request, token: str) -> Response:
    """The sound of a share, whole or the part that `Range` asks for."""
    secret = request.cookies.get(COOKIE, "")
    sound = sharing_of(visit).sound(token, secret, utc_now())
    return ranged(sound.part, sound.size, request.headers.get("range"), "audio/ogg")


def _page(
    visit: Visit,
    token: str,
    *,
    status: int = 200,
    asks: bool = False,
    may_hear: bool = False,
    error: str | None = None,
) -> Response:
    headers = {"referrer-policy": "no-referrer", "x-robots-tag": "noindex"}
    return render(
        visit,
        "shared.html",
        status=status,
        headers=headers,
        token=token,
        asks=asks,
        may_hear=may_hear,
        error=error,
    )
