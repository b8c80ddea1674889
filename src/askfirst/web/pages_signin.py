"""Signing in and out, one-time links, and the language and look of a visit."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, Refused
from askfirst.server import accounts, audit, factors, passkeys, rounds, sessions
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.passkeys import LONGEST_ANSWER
from askfirst.server.rounds import Round, RoundKind
from askfirst.web import signingin, words
from askfirst.web.page import render
from askfirst.web.signingin import own_page
from askfirst.web.visit import LANGUAGE_COOKIE, THEME_COOKIE, AnyVisit, Visit

router = APIRouter()

Field = Annotated[str, Form()]
Answer = Annotated[str, Form(max_length=LONGEST_ANSWER)]


@router.get("/sign-in")
def sign_in_page(visit: AnyVisit, next: str = "/") -> Response:
    """The form to sign in by; who is signed in already goes on."""
    if visit.user is not None or visit.enrolling is not None:
        return RedirectResponse(own_page(next), status_code=303)
    return _form(visit, next)


@router.post("/sign-in")
def sign_in(
    visit: AnyVisit,
    request: Request,
    email: Field = "",
    password: Field = "",
    passkey: Answer = "",
    next: Field = "/",
) -> Response:
    """Begin a session, or go on to the second factor; whatever is wrong is told alike."""
    now = utc_now()
    if not signingin.may_try(visit, request):
        return _form(visit, next, email, wrong=True)
    with transaction(visit.site.store.engine) as connection:
        if passkey:
            answer = _by_passkey(visit, request, connection, passkey, own_page(next))
            return answer or _form(visit, next, email, wrong=True)
        tried = accounts.authenticate(connection, email, password, now)
        if tried.user is not None:
            return signingin.go_on(
                visit, request, connection, tried.user, now, by="password", next=own_page(next)
            )
        signingin.note_failure(visit, request, connection, now, tried.of, tried.why)
    return _form(visit, next, email, wrong=True)


@router.get("/sign-in/code")
def code_page(visit: AnyVisit, request: Request) -> Response:
    """The second step: a code, or a passkey in its place."""
    begun = _begun(visit, request)
    if begun is None:
        return RedirectResponse("/sign-in", status_code=303)
    return _code_form(visit, begun)


@router.post("/sign-in/code")
def sign_in_by_code(
    visit: AnyVisit, request: Request, code: Field = "", passkey: Answer = ""
) -> Response:
    """Begin a session by a code of the app or a recovery code, after the first factor."""
    now = utc_now()
    begun = _begun(visit, request)
    if begun is None or begun.user is None:
        return RedirectResponse("/sign-in", status_code=303)
    if not signingin.may_try(visit, request):
        return _code_form(visit, begun, wrong=True)
    next = begun.detail.get("next", "/")
    with transaction(visit.site.store.engine) as connection:
        if passkey:
            answer = _by_passkey(visit, request, connection, passkey, next)
            return answer or _code_form(visit, begun, wrong=True)
        token = signingin.round_of(visit.site, request, RoundKind.SIGN_IN)
        user = accounts.user(connection, begun.user)
        keys = visit.site.store.keys
        is_out = user.is_disabled or accounts.is_locked(connection, user.id, now)
        by = None if is_out else factors.accept(connection, keys, user.id, code, now)
        if by is not None:
            rounds.end(connection, token)
            by = f"{begun.detail.get('by', '')}+{by}"
            session = signingin.begin_session(
                visit, request, connection, user, now, by=by, proved=2
            )
            response = signingin.signed_in(visit.site, session, next)
            signingin.forget_round(visit.site, response, RoundKind.SIGN_IN)
            return response
        rounds.count_try(connection, token)
        if not is_out:
            accounts.count_failure(connection, user.id, now)
        why = "locked" if is_out else "code"
        signingin.note_failure(visit, request, connection, now, user.id, why)
    return _code_form(visit, begun, wrong=True)


@router.post("/sign-out")
def sign_out(visit: AnyVisit, request: Request) -> Response:
    """End the session."""
    token = request.cookies.get(visit.site.cookie)
    if token:
        with transaction(visit.site.store.engine) as connection:
            sessions.end(connection, token)
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
    """Set a password by a one-time link, and go on as after the first factor."""
    now = utc_now()
    try:
        with transaction(visit.site.store.engine) as connection:
            identity = accounts.use_link(connection, token, now)
            if identity is None:
                raise Refused("this link begins the first run; open it at /setup")
            accounts.set_password(connection, identity, password)
            rounds.end_all(connection, identity)
            audit.note(connection, now, identity, "password.set")
            user = accounts.user(connection, identity)
            return signingin.go_on(visit, request, connection, user, now, by="link", next="/")
    except InvalidInput as error:
        return render(visit, "welcome.html", status=422, token=token, error=visit.told(error))


@router.post("/look")
def look(visit: AnyVisit, language: Field = "", theme: Field = "", next: Field = "/") -> Response:
    """Choose language and theme, and go back; kept with the person and with the browser."""
    chosen = {}
    if language in words.LANGUAGES:
        chosen[LANGUAGE_COOKIE] = language
    if theme in accounts.THEMES:
        chosen[THEME_COOKIE] = theme
    response = RedirectResponse(own_page(next), status_code=303)
    for name, value in chosen.items():
        response.set_cookie(
            name, value, max_age=31_536_000, samesite="lax", secure=visit.site.settings.is_secure
        )
    if visit.user is not None and chosen:
        with transaction(visit.site.store.engine) as connection:
            accounts.change_user(connection, visit.user.id, **chosen)
    return response


def _by_passkey(
    visit: Visit, request: Request, connection: sa.Connection, answer: str, next: str
) -> Response | None:
    """A session by a passkey, which is both factors; None, noted, for one that does not hold."""
    now, site = utc_now(), visit.site
    where = passkeys.place(site.settings.origin)
    token = signingin.round_of(site, request, RoundKind.PASSKEY)
    begun = rounds.take(connection, token, RoundKind.PASSKEY, now)
    holder = None
    if where is not None and begun is not None:
        challenge = begun.detail["challenge"]
        holder = passkeys.holder(connection, where, challenge, answer, now)
    user = None if holder is None else accounts.user(connection, holder)
    if user is None or user.is_disabled:
        why = "passkey" if user is None else "disabled"
        signingin.note_failure(visit, request, connection, now, holder, why)
        return None
    session = signingin.begin_session(visit, request, connection, user, now, by="passkey", proved=2)
    response = signingin.signed_in(site, session, next)
    for each in (RoundKind.PASSKEY, RoundKind.SIGN_IN):
        signingin.forget_round(site, response, each)
    return response


def _begun(visit: Visit, request: Request) -> Round | None:
    """Half a sign-in of this browser."""
    token = signingin.round_of(visit.site, request, RoundKind.SIGN_IN)
    with reading(visit.site.store.engine) as connection:
        return rounds.look(connection, token, RoundKind.SIGN_IN, utc_now())


def _form(visit: Visit, next: str, email: str = "", *, wrong: bool = False) -> Response:
    said = visit.say("The address or the password is wrong, or there were too many tries.")
    sign_on = visit.site.settings.oidc
    return render(
        visit,
        "sign_in.html",
        status=401 if wrong else 200,
        next=own_page(next),
        email=email,
        error=said if wrong else None,
        has_passkeys=passkeys.place(visit.site.settings.origin) is not None,
        sign_on=None if sign_on is None else sign_on.name,
    )


def _code_form(visit: Visit, begun: Round, *, wrong: bool = False) -> Response:
    with reading(visit.site.store.engine) as connection:
        has = factors.of_user(connection, begun.user or "")
    said = visit.say("The code is wrong or was used, or there were too many tries.")
    return render(
        visit,
        "sign_in_code.html",
        status=401 if wrong else 200,
        error=said if wrong else None,
        has_app=has.app_since is not None,
        has_passkeys=bool(has.passkeys) and passkeys.place(visit.site.settings.origin) is not None,
    )
