"""One's own security page: password, authenticator app, recovery codes, passkeys and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import segno
import sqlalchemy as sa
from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import (
    accounts,
    audit,
    factors,
    passkeys,
    recoverycodes,
    rounds,
    sessions,
    totp,
)
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import browserwords, signingin, words
from askfirst.web.page import render
from askfirst.web.securing import given_anew, is_proved, needs_proof, own, session_of
from askfirst.web.visit import Enrolling, Visit

router = APIRouter()

Field = Annotated[str, Form()]

PAGE = "/me/security"
APP = f"{PAGE}/app"

_DONE = {
    "saved": words.mark("Saved."),
    "app-removed": words.mark("The app is removed. Other sessions have ended."),
    "passkey-added": words.mark("The passkey is kept. Other sessions have ended."),
    "passkey-removed": words.mark("The passkey is removed. Other sessions have ended."),
    "renamed": words.mark("Saved."),
    "password": words.mark("The password is changed. Other sessions have ended."),
    "ended": words.mark("The session has ended."),
    "others-ended": words.mark("Every other session has ended."),
}
_WRONG = {
    "proof": words.mark("The password or code is wrong, or there were too many tries."),
    "code": words.mark("The code is wrong. Look whether the clock of your phone is right."),
    "password": words.mark("The current password is wrong, or there were too many tries."),
}


@router.get(PAGE)
def security(visit: Enrolling, done: str = "", wrong: str = "") -> Response:
    """How one signs in, and where one is signed in."""
    return _page(visit, done=_DONE.get(done), wrong=_WRONG.get(wrong))


@router.post(f"{PAGE}/password")
def change_password(visit: Enrolling, present: Field = "", password: Field = "") -> Response:
    """Change one's password by the one of now; every other session ends."""
    now, user = utc_now(), own(visit)
    try:
        with transaction(visit.site.store.engine) as connection:
            locked = accounts.is_locked(connection, user.id, now)
            if locked or not accounts.is_password(connection, user.id, present):
                if not locked:
                    accounts.count_failure(connection, user.id, now)
                return RedirectResponse(f"{PAGE}?wrong=password", status_code=303)
            token = _with_password(visit, connection, password, now)
    except InvalidInput as error:
        return _page(visit, wrong=visit.told(error))
    return given_anew(visit, token, f"{PAGE}?done=password")


@router.post(f"{APP}/begin")
def begin_app(visit: Enrolling) -> Response:
    """Make a secret for an authenticator app; it counts once a code confirms it."""
    user = own(visit)
    with transaction(visit.site.store.engine) as connection:
        begun = totp.begin(connection, visit.site.store.keys, user.id, utc_now())
    return RedirectResponse(APP if begun else PAGE, status_code=303)


@router.get(APP)
def app_page(visit: Enrolling) -> Response:
    """The secret to put into an app, as a picture and as text, and the code that confirms it."""
    return _app(visit)


@router.post(APP)
def confirm_app(visit: Enrolling, code: Field = "") -> Response:
    """Let the app count, and show recovery codes, once and for all."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        if accounts.is_locked(connection, user.id, now):
            return _app(visit, wrong=True)
        if not totp.confirm(connection, visit.site.store.keys, user.id, code, now):
            accounts.count_failure(connection, user.id, now)
            wrong = True
        else:
            wrong, session = False, session_of(visit)
            renewed = factors.changed(connection, user.id, "factor.added", now, session)
            codes = recoverycodes.make(connection, visit.site.store.keys, user.id)
    if wrong:
        return _app(visit, wrong=True)
    response = render(visit, "security_codes.html", codes=codes, is_new=True)
    signingin.give_session(visit.site, response, renewed)
    return response


@router.post(f"{APP}/remove")
def remove_app(visit: Enrolling, proof: Field = "") -> Response:
    """Take the app away, for a password or a code; every other session ends."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        if not is_proved(visit, connection, proof, now):
            return RedirectResponse(f"{PAGE}?wrong=proof", status_code=303)
        totp.remove(connection, user.id)
        session = session_of(visit)
        renewed = factors.changed(connection, user.id, "factor.removed", now, session)
    return given_anew(visit, renewed, f"{PAGE}?done=app-removed")


@router.post(f"{PAGE}/codes")
def new_codes(visit: Enrolling, proof: Field = "") -> Response:
    """New recovery codes in place of the old ones, shown once, for a password or a code."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        has_any = factors.of_user(connection, user.id).has_any
        if not has_any or not is_proved(visit, connection, proof, now):
            return RedirectResponse(f"{PAGE}?wrong=proof", status_code=303)
        codes = recoverycodes.make(connection, visit.site.store.keys, user.id)
        session = session_of(visit)
        renewed = factors.changed(connection, user.id, "recovery-codes.made", now, session)
    response = render(visit, "security_codes.html", codes=codes, is_new=False)
    signingin.give_session(visit.site, response, renewed)
    return response


@router.post(f"{PAGE}/sessions/end")
def end_session(visit: Enrolling, session: Field = "") -> Response:
    """End one of one's sessions."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        if sessions.end_named(connection, user.id, session):
            audit.note(connection, now, user.id, "session.ended", user.id)
    return RedirectResponse(f"{PAGE}?done=ended", status_code=303)


@router.post(f"{PAGE}/sessions/end-others")
def end_others(visit: Enrolling) -> Response:
    """End every session of one's own but this one."""
    now, user = utc_now(), own(visit)
    with transaction(visit.site.store.engine) as connection:
        ended = sessions.end_all(connection, user.id, but=session_of(visit))
        audit.note(connection, now, user.id, "sessions.ended", user.id, {"number": ended})
    return RedirectResponse(f"{PAGE}?done=others-ended", status_code=303)


def _with_password(visit: Visit, connection: sa.Connection, password: str, now: datetime) -> str:
    """A new password, and the token of the only session that is left."""
    user, before = own(visit), session_of(visit)
    found = sessions.find(connection, before, now)
    accounts.set_password(connection, user.id, password)
    rounds.end_all(connection, user.id)
    audit.note(connection, now, user.id, "password.changed", user.id)
    return sessions.begin(
        connection,
        user.id,
        now,
        visit.site.session_lasts,
        found[1].agent if found else "",
        idle=visit.site.idles(user),
        factors=found[1].factors if found else 1,
    )


def _page(visit: Visit, *, done: str | None = None, wrong: str | None = None) -> Response:
    now, user = utc_now(), own(visit)
    with reading(visit.site.store.engine) as connection:
        has = factors.of_user(connection, user.id)
        held = sessions.of_user(connection, user.id, now)
        has_password = accounts.has_password(connection, user.id)
        asks_proof = needs_proof(connection, user)
    here = sessions.name_of(visit.session or "")
    flashes = [("good", visit.say(done))] if done else []
    return render(
        visit,
        "security.html",
        status=422 if wrong else 200,
        flashes=flashes + ([("error", visit.say(wrong))] if wrong else []),
        person=user,
        must_enrol=visit.enrolling is not None,
        needs=factors.is_needed(visit.account.second_factor, user.roles),
        has=has,
        has_password=has_password,
        asks_proof=asks_proof,
        may_have_passkeys=passkeys.place(visit.site.settings.origin) is not None,
        sessions=[
            (each, browserwords.browser(visit.language, each.agent), each.name == here)
            for each in held
        ],
        idle_minutes=visit.site.idle_minutes(user),
    )


def _app(visit: Visit, *, wrong: bool = False) -> Response:
    user = own(visit)
    issuer = " ".join(f"askfirst {visit.account.company}".split())
    with reading(visit.site.store.engine) as connection:
        begun = totp.begun(connection, visit.site.store.keys, user.id, user.email, issuer)
    if begun is None:
        return RedirectResponse(PAGE, status_code=303)
    picture = segno.make(begun.address, error="m", micro=False)
    return render(
        visit,
        "security_app.html",
        status=422 if wrong else 200,
        secret=begun.secret,
        address=begun.address,
        picture=picture.svg_data_uri(scale=5, dark="black", light="white"),
        wrong=visit.say(_WRONG["code"]) if wrong else "",
    )
