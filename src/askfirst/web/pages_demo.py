"""A demonstration in the browser: links that sign its made-up people in, and its removal."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import NotFound, Refused
from askfirst.server import accounts, audit, demodata
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.web.pages_signin import set_session
from askfirst.web.visit import AnyVisit, Visit, permitted

router = APIRouter()

Owner = Annotated[Visit, Depends(permitted(Permission.SETTINGS_WRITE))]


@router.get("/demo/{token}")
def sign_in(visit: AnyVisit, request: Request, token: str) -> Response:
    """Sign in by a one-time link that the program printed, with no password; in a demo only."""
    if not visit.account.is_demo:
        raise NotFound("there is no demonstration in this installation")
    now, lasts = utc_now(), timedelta(hours=visit.site.settings.session_hours)
    with transaction(visit.site.store.engine) as connection:
        identity = accounts.use_link(connection, token, now)
        if identity is None:
            raise Refused("this link is for somebody else; start the program again for another")
        agent = request.headers.get("user-agent", "")
        session = accounts.begin_session(connection, identity, now, lasts, agent)
        audit.note(connection, now, identity, "session.begun")
    response = RedirectResponse("/", status_code=303)
    set_session(visit, response, session)
    return response


@router.post("/settings/demo/remove")
def remove(visit: Owner) -> Response:
    """Remove contacts, calls and recordings of the demonstration, and its other people."""
    demodata.remove(visit.site.store, visit.who.id, utc_now())
    return RedirectResponse("/", status_code=303)
