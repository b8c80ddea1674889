"""A demonstration in the browser: links that sign its made-up people in, and its removal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from askfirst.server import accounts, demodata
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web.page import render
from askfirst.web.signingin import go_on
from askfirst.web.visit import AnyVisit, Visit, permitted

router = APIRouter()

Owner = Annotated[Visit, Depends(permitted(Permission.SETTINGS_WRITE))]


@router.get("/demo/{token}")
def sign_in_page(visit: AnyVisit, token: str) -> Response:
    """The page behind a one-time link that the program printed; looking does not use it up."""
    with reading(visit.site.store.engine) as connection:
        guest = demodata.guest(connection, token, utc_now())
    return render(visit, "demo_sign_in.html", token=token, guest=guest)


@router.post("/demo/{token}")
def sign_in(visit: AnyVisit, request: Request, token: str) -> Response:
    """Sign one of the made-up people in by a one-time link, with no password."""
    now = utc_now()
    with transaction(visit.site.store.engine) as connection:
        guest = demodata.guest(connection, token, now)
        accounts.use_link(connection, token, now)
        user = accounts.user(connection, guest.id)
        return go_on(visit, request, connection, user, now, by="link", next="/")


@router.post("/settings/demo/remove")
def remove(visit: Owner) -> Response:
    """Remove contacts, calls and recordings of the demonstration, and its other people."""
    demodata.remove(visit.site.store, visit.who.id, utc_now())
    return RedirectResponse("/", status_code=303)
