"""Signing in and out, one-time links, and the language and look of a visit."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, Refused
from askfirst.server import accounts, audit
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import words
from askfirst.web.page import render
from askfirst.web.visit import LANGUAGE_COOKIE, THEME_COOKIE, AnyVisit, Visit

router = APIRouter()

Field = Annotated[str, Form()]


@router.get("/sign-in")
def sign_in_page(visit: AnyVisit, next: str = "/") -> Response:
    """The form to sign in by; who is signed in already goes on."""
    if visit.user is not None:
        return RedirectResponse(_own_page(next), status_code=303)
    return render(visit, "sign_in.html", next=_own_page(next), email="", error=None)


@router.post("/sign-in")
def sign_in(
    visit: AnyVisit, request: Request, email: Field, password: Field, next: Field = "/"
) -> Response:
    """Begin a session; a wrong address and a wrong password are told alike."""
    now = utc_now()
    lasts = timedelta(hours=visit.site.settings.session_hours)
    with transaction(visit.site.store.engine) as connection:
        user = accounts.authenticate(connection, email, password, now)
        if user is not None:
            agent = request.headers.get("user-agent", "")
            token = accounts.begin_session(connection, user.id, now, lasts, agent)
            audit.note(connection, now, user.id, "session.begun")
    if user is None:
        wrong = visit.say("The address or the password is wrong, or there were too many tries.")
        return render(
            visit, "sign_in.html", status=401, next=_own_page(next), email=email, error=wrong
        )
    response = RedirectResponse(_own_page(next), status_code=303)
    _set_session(visit, response, token, lasts)
    return response


@router.post("/sign-out")
def sign_out(visit: AnyVisit, request: Request) -> Response:
    """End the session."""
    token = request.cookies.get(visit.site.cookie)
    if token:
        with transaction(visit.site.store.engine) as connection:
            accounts.end_session(connection, token)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(visit.site.cookie, path="/", secure=visit.site.settings.is_secure)
    return response


@router.get("/welcome/{token}")
def welcome_page(visit: AnyVisit, token: str) -> Response:
    """The page behind a one-time link; looking at it does not use it up."""
    with reading(visit.site.store.engine) as connection:
        opens = accounts.is_link(connection, token, utc_now())
    if not opens:
        raise Refused("this link was used or is too old; ask for another one")
    return render(visit, "welcome.html", token=token, error=None)


@router.post("/welcome/{token}")
def welcome(visit: AnyVisit, request: Request, token: str, password: Field) -> Response:
    """Set a password by a one-time link, and sign in."""
    now = utc_now()
    lasts = timedelta(hours=visit.site.settings.session_hours)
    try:
        with transaction(visit.site.store.engine) as connection:
            identity = accounts.use_link(connection, token, now)
            if identity is None:
                raise Refused("this link begins the first run; open it at /setup")
            accounts.set_password(connection, identity, password)
            agent = request.headers.get("user-agent", "")
            session = accounts.begin_session(connection, identity, now, lasts, agent)
            audit.note(connection, now, identity, "password.set")
    except InvalidInput as error:
        return render(visit, "welcome.html", status=422, token=token, error=visit.told(error))
    response = RedirectResponse("/", status_code=303)
    _set_session(visit, response, session, lasts)
    return response


@router.post("/look")
def look(visit: AnyVisit, language: Field = "", theme: Field = "", next: Field = "/") -> Response:
    """Choose language and theme, and go back; kept with the person and with the browser."""
    chosen = {}
    if language in words.LANGUAGES:
        chosen[LANGUAGE_COOKIE] = language
    if theme in accounts.THEMES:
        chosen[THEME_COOKIE] = theme
    response = RedirectResponse(_own_page(next), status_code=303)
    for name, value in chosen.items():
        response.set_cookie(
            name, value, max_age=31_536_000, samesite="lax", secure=visit.site.settings.is_secure
        )
    if visit.user is not None and chosen:
        with transaction(visit.site.store.engine) as connection:
            accounts.change_user(connection, visit.user.id, **chosen)
    return response


def set_session(visit: Visit, response: Response, token: str) -> None:
    """Give a browser its session."""
    _set_session(visit, response, token, timedelta(hours=visit.site.settings.session_hours))


def _set_session(visit: Visit, response: Response, token: str, lasts: timedelta) -> None:
    response.set_cookie(
        visit.site.cookie,
        token,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=visit.site.settings.is_secure,
        httponly=True,
        samesite="lax",
    )


def _own_page(address: str) -> str:
    """A page of our own to go on to; nothing that leads elsewhere."""
    parts = urlsplit(address)
    is_own = not parts.scheme and not parts.netloc and address.startswith("/")
    plain = is_own and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if plain and "\\" not in address else "/"
