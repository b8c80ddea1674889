"""Settings of signing in: who needs a second factor, and what the operator has set."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import accounts, factors
from askfirst.server.accountkeys import EVERYBODY, NOBODY, OFFICERS, SECOND_FACTOR
from askfirst.server.database import reading
from askfirst.web import words
from askfirst.web.api_account import changed
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import Visit

router = APIRouter()

PAGE = "/settings/sign-in"
KEY = "second_factor"

_CHOICES = {
    NOBODY: words.mark("Nobody"),
    OFFICERS: words.mark("Administrators and compliance"),
    EVERYBODY: words.mark("Everybody"),
}


@router.get(PAGE)
def policy_page(visit: Reader, saved: bool = False) -> Response:
    """Who needs a second factor, and how sessions end."""
    return _page(visit, saved=saved)


@router.post(PAGE)
def change_policy(visit: Writer, second_factor: Annotated[str, Form()] = "") -> Response:
    """Change who needs a second factor; it counts from the next click of everybody concerned."""
    try:
        changed(visit, {KEY: second_factor})
    except InvalidInput:
        return _page(visit, wrong=True)
    return RedirectResponse(f"{PAGE}?saved=1", status_code=303)


def _page(visit: Visit, *, saved: bool = False, wrong: bool = False) -> Response:
    settings = visit.site.settings
    with reading(visit.site.store.engine) as connection:
        people = [each for each in accounts.all_users(connection) if not each.is_disabled]
        has = {each.id for each in people if factors.of_user(connection, each.id).has_any}
    lacking = {
        wanted: len([each for each in people if each.id not in has and _wants(wanted, each)])
        for wanted in SECOND_FACTOR
    }
    return setting(
        visit,
        "settings_sign_in.html",
        (KEY,),
        status=422 if wrong else 200,
        saved=saved,
        choices=[(key, visit.say(said), lacking[key]) for key, said in _CHOICES.items()],
        wrong=wrong,
        session_hours=settings.session_hours,
        idle_minutes=settings.idle_minutes,
        listener_idle_minutes=settings.listener_idle_minutes,
        sign_on=settings.oidc,
    )


def _wants(wanted: str, user: accounts.User) -> bool:
    return factors.is_needed(wanted, user.roles)
