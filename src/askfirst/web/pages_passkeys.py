"""What browsers are asked for passkeys with, and the passkeys on one's own security page."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from askfirst.errors import InvalidInput, NotFound
from askfirst.server import factors, passkeys, rounds
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.passkeys import LONGEST_ANSWER, Place
from askfirst.server.rounds import RoundKind
from askfirst.web import signingin
from askfirst.web.securing import given_anew, is_proved, own, session_of
from askfirst.web.visit import AnyVisit, Enrolling, Visit

router = APIRouter()

Field = Annotated[str, Form()]
Answer = Annotated[str, Form(max_length=LONGEST_ANSWER)]


@router.post("/sign-in/passkey")
def ask(visit: AnyVisit) -> Response:
    """What a browser is asked to sign somebody in with; no passkey is named."""
    options, challenge = passkeys.ask(_place(visit))
    with transaction(visit.site.store.engine) as connection:
        detail = {"challenge": challenge}
        token = rounds.begin(connection, RoundKind.PASSKEY, utc_now(), detail=detail)
    response = JSONResponse(json.loads(options))
    signingin.give_round(visit.site, response, RoundKind.PASSKEY, token)
    return response


@router.post("/me/security/passkeys/ask")
def ask_new(visit: Enrolling) -> Response:
    """What a browser is asked to make a passkey with."""
    user, where = own(visit), _place(visit)
    with transaction(visit.site.store.engine) as connection:
        options, challenge = passkeys.ask_new(connection, where, user)
        detail = {"challenge": challenge}
        token = rounds.begin(
            connection, RoundKind.NEW_PASSKEY, utc_now(), user=user.id, detail=detail
        )
    response = JSONResponse(json.loads(options))
    signingin.give_round(visit.site, response, RoundKind.NEW_PASSKEY, token)
    return response


@router.post("/me/security/passkeys")
def add(visit: Enrolling, request: Request, name: Field = "", passkey: Answer = "") -> Response:
    """Keep a passkey that the browser has made; other sessions end."""
    now, user, where = utc_now(), own(visit), _place(visit)
    token = signingin.round_of(visit.site, request, RoundKind.NEW_PASSKEY)
    with transaction(visit.site.store.engine) as connection:
        begun = rounds.look(connection, token, RoundKind.NEW_PASSKEY, now)
        if begun is None or begun.user != user.id:
            raise InvalidInput("this was begun too long ago; add the passkey again")
        made = passkeys.add(
            connection, where, user.id, begun.detail["challenge"], passkey, name, now
        )
        session = session_of(visit)
        renewed = factors.changed(connection, user.id, "passkey.added", now, session, made.id)
    response = given_anew(visit, renewed, "/me/security?done=passkey-added")
    signingin.forget_round(visit.site, response, RoundKind.NEW_PASSKEY)
    return response


@router.post("/me/security/passkeys/{passkey}/rename")
def rename(visit: Enrolling, passkey: str, name: Field = "") -> Response:
    """Give one's passkey another name."""
    with transaction(visit.site.store.engine) as connection:
        passkeys.rename(connection, own(visit).id, passkey, name)
    return RedirectResponse("/me/security?done=renamed", status_code=303)


@router.post("/me/security/passkeys/{passkey}/remove")
def remove(visit: Enrolling, passkey: str, proof: Field = "") -> Response:
    """Let one's passkey open nothing any more; other sessions end."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        passkeys.ensure_own(connection, user.id, passkey)
        if not is_proved(visit, connection, proof, now):
            return RedirectResponse("/me/security?wrong=proof", status_code=303)
        passkeys.remove(connection, user.id, passkey)
        session = session_of(visit)
        renewed = factors.changed(connection, user.id, "passkey.removed", now, session, passkey)
    return given_anew(visit, renewed, "/me/security?done=passkey-removed")


def _place(visit: Visit) -> Place:
    where = passkeys.place(visit.site.settings.origin)
    if where is None:
        raise NotFound(
            "passkeys need an address with a host name and https, or localhost; this installation "
            "is reached by another one"
        )
    return where
