"""Settings: the sites where employees work, what is on record, and figures about single persons."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidRequest
from askfirst.server import sites
from askfirst.server.accountkeys import LONGEST_BASIS
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.personfigures import may_show
from askfirst.web import words
from askfirst.web.api_account import changed
from askfirst.web.bodies import Filled, day
from askfirst.web.placewords import every_place
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.visit import Visit

router = APIRouter()

GATES: Mapping[str, str] = {
    sites.POSTING: words.mark("a notice posted where everybody sees it"),
    sites.WORKS_AGREEMENT: words.mark("an agreement with the works council or the unions"),
}
"""What may be wanted of a site."""

FIGURES = "person_figures_basis"

_EMPTY = {"gate": "", "note": "", "since": "", "until": ""}


@router.get("/settings/sites")
def sites_page(visit: Reader, saved: bool = False) -> Response:
    """What the rules want of each site, and what is on record."""
    return _sites(visit, _EMPTY, saved=saved)


@router.post("/settings/sites")
def record(visit: Writer, form: Filled) -> Response:
    """Put something on record."""
    typed = {key: str(form.get(key, "")).strip() for key in _EMPTY}
    jurisdiction, _, gate = typed["gate"].partition(" ")
    try:
        days = day(typed["since"], "since") or visit.today(), day(typed["until"], "until")
        with transaction(visit.site.store.engine) as connection:
            sites.record(
                connection,
                visit.site.rules,
                (jurisdiction, gate),
                typed["note"],
                days,
                visit.who.id,
                utc_now(),
            )
    except InvalidRequest as error:
        return _sites(visit, typed, wrong=error.key, error=visit.told(error))
    return RedirectResponse("/settings/sites?saved=1", status_code=303)


@router.post("/settings/sites/{record}/end")
def end(visit: Writer, record: str) -> Response:
    """Let a record hold no more; what was recorded before stays."""
    with transaction(visit.site.store.engine) as connection:
        sites.end(connection, record, visit.who.id, utc_now())
    return RedirectResponse("/settings/sites?saved=1", status_code=303)


@router.post("/settings/sites/figures")
def state_basis(visit: Writer, form: Filled) -> Response:
    """State why figures about single persons may be shown, or take it back with an empty field."""
    basis = str(form.get(FIGURES, "")).strip()
    try:
        changed(visit, {FIGURES: basis or None})
    except InvalidRequest as error:
        return _sites(visit, _EMPTY, wrong=FIGURES, error=visit.told(error), basis=basis)
    return RedirectResponse("/settings/sites?saved=1", status_code=303)


def _sites(
    visit: Visit,
    typed: Mapping[str, str],
    *,
    basis: str | None = None,
    wrong: str = "",
    error: str = "",
    saved: bool = False,
) -> Response:
    rules, today = visit.site.rules, utc_now().date()
    with reading(visit.site.store.engine) as connection:
        kept = sites.records(connection)
        places = sites.places_of(connection, visit.account.home_place)
    wanted = sites.wanted(rules, places)
    settled = sites.settled(kept, rules, visit.account.policy(), today)
    names, gates = every_place(rules, visit.language), visit.said(GATES)
    stated = visit.account.person_figures_basis
    return setting(
        visit,
        "settings_sites.html",
        (FIGURES,),
        status=422 if error else 200,
        saved=saved,
        places=[names.get(place, place) for place in places],
        wanted=[
            (names.get(code, code), gates[gate], (code, gate) in settled) for code, gate in wanted
        ],
        choices=[
            (f"{code} {gate}", f"{names.get(code, code)}: {gates[gate]}") for code, gate in wanted
        ],
        records=[(each, names.get(each.jurisdiction, each.jurisdiction)) for each in kept],
        gates=gates,
        today=today,
        typed=typed,
        wrong=wrong,
        error=error,
        basis=(stated or "") if basis is None else basis,
        longest=LONGEST_BASIS,
        figures=[
            (names.get(place, place), may_show(place, rules, settled, stated)) for place in places
        ],
    )
