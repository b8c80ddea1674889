"""Settings: the account's own numbers, and at whom their calls ring."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidRequest, NotFound
from askfirst.server import accounts, ownnumbers
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.ownnumbers import OwnNumber
from askfirst.web.bodies import Filled
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import Visit

router = APIRouter()

EMPTY = OwnNumber("", "")


@router.get("/settings/numbers")
def numbers_page(visit: Reader, change: str = "", saved: bool = False) -> Response:
    """Every number with its people, and a form for another one, or for the one to `change`."""
    with reading(visit.site.store.engine) as connection:
        kept = {each.number: each for each in ownnumbers.all_of(connection)}
    if change and change not in kept:
        raise NotFound("this number is not kept")
    return _numbers(visit, kept.get(change, EMPTY), is_change=bool(change), saved=saved)


@router.post("/settings/numbers")
def keep_number(visit: Writer, form: Filled) -> Response:
    """Keep a number, in place of what was kept of it."""
    typed = _typed(form)
    try:
        with transaction(visit.site.store.engine) as connection:
            ownnumbers.keep(connection, typed, visit.who.id, utc_now())
    except InvalidRequest as error:
        return _numbers(visit, typed, wrong=error.key, error=visit.told(error))
    return RedirectResponse("/settings/numbers?saved=1", status_code=303)


@router.post("/settings/numbers/remove")
def remove_number(visit: Writer, number: Annotated[str, Form()] = "") -> Response:
    """Forget a number; its calls ring at everybody."""
    with transaction(visit.site.store.engine) as connection:
        ownnumbers.remove(connection, number, visit.who.id, utc_now())
    return RedirectResponse("/settings/numbers?saved=1", status_code=303)


def _typed(form: FormData) -> OwnNumber:
    return OwnNumber(
        str(form.get("number", "")).strip(),
        str(form.get("name", "")),
        str(form.get("team", "")) or None,
        frozenset(str(each) for each in form.getlist("people")),
        bool(form.get("takes_messages")),
    )


def _numbers(
    visit: Visit,
    shown: OwnNumber,
    *,
    is_change: bool = False,
    wrong: str = "",
    error: str = "",
    saved: bool = False,
) -> Response:
    with reading(visit.site.store.engine) as connection:
        kept = ownnumbers.all_of(connection)
        people = [each for each in accounts.all_users(connection) if not each.is_disabled]
    teams = {each.team for each in people} | {each.team for each in kept} | {shown.team}
    return setting(
        visit,
        "settings_numbers.html",
        (),
        status=422 if error else 200,
        saved=saved,
        numbers=kept,
        shown=shown,
        is_change=is_change,
        wrong=wrong,
        error=error,
        teams=[(team, team) for team in sorted(team for team in teams if team)],
        people=people,
    )
