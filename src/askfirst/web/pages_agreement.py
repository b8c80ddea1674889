"""One's own agreement to be recorded: read, given, and taken back at any moment.

Nobody gives it for somebody else, and no program with a token does.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput
from askfirst.server import agreements
from askfirst.server.account import account
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.web import words
from askfirst.web.page import render
from askfirst.web.visit import InPerson, SignedIn, Visit

router = APIRouter()

PAGE = "/me/agreement"

_DONE = {
    "agreed": words.mark("Written down. It counts from your next call on."),
    "revoked": words.mark(
        "Taken back. Where the law wants your agreement nothing that you say is recorded from now "
        "on, and that has no disadvantage for you."
    ),
    "declined": words.mark(
        "Nothing has changed: where the law wants your agreement nothing that you say is recorded, "
        "and that has no disadvantage for you."
    ),
}


@router.get(PAGE)
def agreement(visit: SignedIn, text: str = "", done: str = "") -> Response:
    """The present words in a language, and what one has agreed to before."""
    return _page(visit, text or visit.language, done)


@router.post(PAGE)
def agree(
    visit: InPerson, digest: Annotated[str, Form()], language: Annotated[str, Form()]
) -> Response:
    """Agree to the words that one had before one; only the present ones count."""
    now = utc_now()
    try:
        with transaction(visit.site.store.engine) as connection:
            wants = account(connection)
            agreements.agree(connection, visit.who.id, wants, digest, language, now)
    except InvalidInput as error:
        return _page(visit, language, error=visit.told(error))
    return RedirectResponse(f"{PAGE}?text={language}&done=agreed", status_code=303)


@router.post(f"{PAGE}/revoke")
def revoke(visit: InPerson) -> Response:
    """Take it back; calls that go on hear of it at once."""
    with transaction(visit.site.store.engine) as connection:
        agreements.revoke(connection, visit.who.id, utc_now())
    visit.site.carrier.disagree(visit.who.id)
    return RedirectResponse(f"{PAGE}?done=revoked", status_code=303)


def _page(visit: Visit, language: str, done: str = "", *, error: str = "") -> Response:
    shown = language if language in agreements.LANGUAGES else "en"
    with reading(visit.site.store.engine) as connection:
        wants = account(connection)
        held = agreements.in_force(connection, visit.who.id, wants)
        past = agreements.of_user(connection, visit.who.id)
    wording = agreements.present(wants)
    return render(
        visit,
        "agreement.html",
        status=422 if error else 200,
        error=error,
        flashes=[("good", visit.say(_DONE[done]))] if done in _DONE else [],
        is_wanted=agreements.is_wanted(visit.who, wants, visit.site.rules),
        held=held,
        past=past,
        wording=wording,
        text_language=shown,
        text_tabs=[
            (f"{PAGE}?text={code}", name, code == shown)
            for code, name in agreements.LANGUAGES.items()
        ],
    )
