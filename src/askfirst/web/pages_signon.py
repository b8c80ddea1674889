"""Signing in by a provider: the way there, and the way back."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from askfirst.errors import NotFound, Unavailable, Unverified
from askfirst.server import oidc, rounds, signonpeople
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.oidc import Identity
from askfirst.server.rounds import RoundKind
from askfirst.server.signon import SignOn
from askfirst.server.signonpeople import NotLetIn
from askfirst.web import signingin, words
from askfirst.web.page import render
from askfirst.web.signingin import own_page
from askfirst.web.visit import AnyVisit, Visit

router = APIRouter()

BACK = "/sign-in/provider/back"
BY = "single-sign-on"
LONGEST_QUERY = 8_000

_SAID = {
    "unavailable": words.mark("%(name)s does not answer. Try again, or sign in another way."),
    "refused": words.mark("%(name)s let nobody in. Ask an administrator whether you may sign in."),
    "broken": words.mark("The answer of %(name)s does not hold, or came too late. Begin again."),
}


@router.get("/sign-in/provider")
def leave(visit: AnyVisit, next: str = "/") -> Response:
    """Send the browser to the provider; what must come back is kept here."""
    wants = _wants(visit)
    try:
        begun = oidc.begin(wants, _back(visit))
    except Unavailable:
        return _failed(visit, "unavailable", 503)
    detail = {
        "state": begun.state,
        "nonce": begun.nonce,
        "verifier": begun.verifier,
        "next": own_page(next),
    }
    with transaction(visit.site.store.engine) as connection:
        token = rounds.begin(connection, RoundKind.PROVIDER, utc_now(), detail=detail)
    response = RedirectResponse(begun.address, status_code=303)
    signingin.give_round(visit.site, response, RoundKind.PROVIDER, token)
    return response


@router.get(BACK)
def come_back(visit: AnyVisit, request: Request) -> Response:
    """Sign in whom the provider knows, if we know them too; otherwise say so and write it down."""
    wants, now = _wants(visit), utc_now()
    token = signingin.round_of(visit.site, request, RoundKind.PROVIDER)
    with transaction(visit.site.store.engine) as connection:
        begun = rounds.take(connection, token, RoundKind.PROVIDER, now)
    if begun is None or len(request.url.query) > LONGEST_QUERY:
        return _noted(visit, request, "round", "broken", 403)
    given = dict(request.query_params)
    try:
        identity = oidc.finish(wants, begun.detail, _back(visit), given, now)
    except Unavailable:
        return _noted(visit, request, "provider-unavailable", "unavailable", 503)
    except Unverified:
        return _noted(visit, request, "provider-answer", "broken", 403)
    return _let_in(visit, request, wants, identity, begun.detail["next"])


def _let_in(
    visit: Visit, request: Request, wants: SignOn, identity: Identity, next: str
) -> Response:
    now = utc_now()
    try:
        with transaction(visit.site.store.engine) as connection:
            user = signonpeople.let_in(connection, wants, identity, now, visit.language)
            if wants.has_second_factor:
                session = signingin.begin_session(
                    visit, request, connection, user, now, by=BY, proved=2
                )
                response = signingin.signed_in(visit.site, session, next)
            else:
                response = signingin.go_on(visit, request, connection, user, now, by=BY, next=next)
    except NotLetIn as error:
        return _noted(visit, request, error.why, "refused", 403, error.user)
    signingin.forget_round(visit.site, response, RoundKind.PROVIDER)
    return response


def _wants(visit: Visit) -> SignOn:
    wants = visit.site.settings.oidc
    if wants is None:
        raise NotFound("single sign-on is not set up here; sign in by a password or a passkey")
    return wants


def _back(visit: Visit) -> str:
    return f"{visit.site.settings.origin}{BACK}"


def _noted(
    visit: Visit, request: Request, why: str, said: str, status: int, user: str | None = None
) -> Response:
    with transaction(visit.site.store.engine) as connection:
        signingin.note_failure(visit, request, connection, utc_now(), user, why)
    return _failed(visit, said, status)


def _failed(visit: Visit, said: str, status: int) -> Response:
    text = visit.say(_SAID[said], name=_wants(visit).name)
    return render(visit, "sign_in_failed.html", status=status, text=text)
