"""My data: everything that is kept about oneself, as a package, without asking anybody."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import NotFound, Refused
from askfirst.server import ownpackage, requestregister
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.ownpage import LANGUAGES
from askfirst.web.api_requests import copy_answer
from askfirst.web.bodies import Filled, day
from askfirst.web.page import render
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter()

Officer = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]
Manager = Annotated[Visit, Depends(permitted(Permission.USERS_MANAGE))]
Text = Annotated[str, Form()]


@router.get("/me/data")
def my_data(visit: SignedIn) -> Response:
    """What a package holds, a form to make one, and the one that can be downloaded."""
    return _page(visit)


@router.post("/me/data")
def make_package(visit: SignedIn, language: Text = "", voice: Text = "") -> Response:
    """Make a package about the visit's person, in place of one from before."""
    if language not in LANGUAGES:
        return _page(visit, error=visit.say("Choose one of the list."), status=422)
    site = visit.site
    try:
        ownpackage.make_own(
            site.store,
            site.rules,
            visit.who.person,
            utc_now(),
            with_voice=voice != "",
            language=language,
        )
    except Refused as error:
        return _page(visit, error=visit.told(error), status=409)
    return RedirectResponse("/me/data", status_code=303)


@router.get("/me/data/{request_id}/package.zip")
def get_package(visit: SignedIn, request_id: str) -> Response:
    """A package about the visit's person as a file; that of anybody else is not there."""
    store, person = visit.site.store, visit.who
    with reading(store.engine) as connection:
        if requestregister.get(connection, request_id).user != person.id:
            raise NotFound(f"no request {request_id} for data of your own")
    return copy_answer(visit, request_id)


@router.post("/compliance/requests/employees")
def receive(visit: Officer, form: Filled) -> Response:
    """Write down that somebody who has left asks for their own data."""
    made = _received(visit, str(form.get("user", "")), str(form.get("received_on", "")))
    return RedirectResponse(f"/compliance/requests/{made}", status_code=303)


@router.post("/users/{identity}/data-request")
def receive_from_manager(visit: Manager, identity: str) -> Response:
    """Write down that somebody who has left asks for their own data; compliance answers it."""
    _received(visit, identity, "")
    return RedirectResponse(f"/users/{identity}", status_code=303)


def _received(visit: Visit, user: str, received_on: str) -> str:
    store, now = visit.site.store, utc_now()
    came_on = day(received_on, "received_on")
    came_at = None
    if came_on is not None and came_on != visit.today():
        came_at = datetime.combine(came_on, time(12), UTC)
    with transaction(store.engine) as connection:
        return requestregister.receive_of_employee(
            store, connection, user, visit.who.id, now, came_at
        ).id


def _page(visit: Visit, *, error: str = "", status: int = 200) -> Response:
    with reading(visit.site.store.engine) as connection:
        found = ownpackage.packages_of(visit.site.store, connection, visit.who.id, utc_now())
    return render(
        visit,
        "me_data.html",
        status=status,
        error=error,
        packages=found,
        offered=list(LANGUAGES.items()),
        chosen=visit.language,
    )
