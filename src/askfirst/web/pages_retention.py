"""Retention: what goes within 7 and 30 days, what stays and why, and the sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.server import account, accounts, retentionlist, sweep
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.retentionlist import LATER, SOON, Line, Stays
from askfirst.web import retentionwords
from askfirst.web.api_queue import dispatch
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]
Eraser = Annotated[Visit, Depends(permitted(Permission.ERASURE_MANAGE))]

PAGE = 50
WITHIN = {"7": SOON, "30": LATER}


@router.get("/compliance/retention")
def retention_page(
    visit: Reader,
    show: str = "going",
    within: str = "30",
    why: str = "",
    after: str = "",
    swept: bool = False,
) -> Response:
    """What goes and what stays, page by page; `show` is going or staying."""
    now = utc_now()
    span = WITHIN.get(within, LATER)
    reason = Stays(why) if why in set(Stays) else None
    is_staying = show == "staying"
    with reading(visit.site.store.engine) as connection:
        wants = account.account(connection)
        soon, later = (
            retentionlist.counts(connection, wants, now, now + each) for each in (SOON, LATER)
        )
        stays = retentionlist.stay_counts(connection, wants, now)
        lines = (
            retentionlist.staying(
                connection, wants, now, why=reason, after=after or None, most=PAGE
            )
            if is_staying
            else retentionlist.going(
                connection, wants, now, now + span, after=after or None, most=PAGE
            )
        )
        last = retentionlist.last_sweep(connection)
        names = accounts.names(connection)
    places = every_place(visit.site.rules, visit.language)
    given = {"show": "staying", "why": why} if is_staying else {"within": within}
    more = f"/compliance/retention?{urlencode({**given, 'after': lines[-1].id})}" if lines else ""
    return render(
        visit,
        "compliance_retention.html",
        tabs=tabs(visit),
        soon=sum(soon.values()),
        later=sum(later.values()),
        groups=_groups(visit, soon, later, places),
        stays=[(each.value, visit.say(retentionwords.STAYS[each]), n) for each, n in stays.items()],
        staying=sum(stays.values()),
        is_staying=is_staying,
        within=within if within in WITHIN else "30",
        why=reason.value if reason else "",
        rows=[_row(visit, each, places) for each in lines],
        more=more if len(lines) == PAGE else "",
        last=last,
        names=names,
        next_at=retentionlist.next_sweep(now),
        may_sweep=visit.may(Permission.ERASURE_MANAGE),
        may_hold=visit.may(Permission.RECORDINGS_HOLD) and not is_staying,
        swept=swept,
    )


@router.post("/compliance/retention/sweep")
def sweep_now(visit: Eraser) -> Response:
    """Run the sweep now; who did is in the audit log."""
    sweep.sweep(visit.site.store, utc_now(), visit.who.id)
    dispatch(visit)
    return RedirectResponse("/compliance/retention?swept=1", status_code=303)


def _groups(
    visit: Visit,
    soon: dict[tuple[str, str], int],
    later: dict[tuple[str, str], int],
    places: Mapping[str, str],
) -> list[tuple[str, str, int, int]]:
    """Purpose, place, and how many go within the shorter and the longer time."""
    return [
        (
            visit.say(retentionwords.PURPOSES.get(purpose, purpose)),
            places.get(place, place or "–"),
            soon.get((purpose, place), 0),
            count,
        )
        for (purpose, place), count in later.items()
    ]


def _row(visit: Visit, line: Line, places: Mapping[str, str]) -> dict[str, Any]:
    return {
        "line": line,
        "purpose": visit.say(retentionwords.PURPOSES.get(line.purpose, line.purpose)),
        "places": ", ".join(places.get(code, code) for code in line.places[:2]) or "–",
        "period": retentionwords.period(visit, line, places),
        "stays": retentionwords.staying(visit, line),
    }
