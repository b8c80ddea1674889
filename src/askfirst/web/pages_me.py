"""One's own page: who one is here, the notice that was read, and who has opened one's calls."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from askfirst.server import accounts, agreements
from askfirst.server.accesslog import newest_of, notice_read_at, openings_of
from askfirst.server.clock import utc_now
from askfirst.server.database import reading, transaction
from askfirst.server.employeenotice import is_current
from askfirst.server.livecall import REJOIN_MS, UNDO_MS
from askfirst.server.reception import RING_MS
from askfirst.web import callwords, words
from askfirst.web.bodies import Before
from askfirst.web.page import render
from askfirst.web.pages_coached import on_my_page
from askfirst.web.pages_queue import questions
from askfirst.web.recordingview import clock
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()


@router.get("/me")
def me(visit: SignedIn, seen: Before = None, saved: bool = False) -> Response:
    """Name, language, look, notice, and every access to one's calls.

    An open page asks again with the newest access that it has `seen`, and gets nothing while that
    is still the newest.
    """
    with reading(visit.site.store.engine) as connection:
        newest = newest_of(connection, visit.who.id)
        if newest == seen:
            return Response(status_code=204)
        openings = openings_of(visit.site.store, connection, visit.who.id)
        read_at = notice_read_at(connection, visit.who.id)
        names = accounts.names(connection)
        agreement = agreements.in_force(connection, visit.who.id, visit.account)
    return render(
        visit,
        "me.html",
        read_at=read_at,
        has_read=is_current(visit.who, visit.account, visit.site.rules, utc_now().date()),
        agreement=agreement,
        is_agreement_wanted=agreements.is_wanted(visit.who, visit.account, visit.site.rules),
        openings=openings,
        newest=newest,
        names=names,
        kinds=visit.said(callwords.OPENINGS),
        purposes=visit.said(callwords.PURPOSES),
        refusals=visit.said(callwords.REFUSALS),
        clock=clock,
        questions=questions(visit),
        times=[_time(visit, factor) for factor in accounts.TIME_FACTORS],
        flashes=[("good", visit.say("Saved."))] if saved else [],
        **on_my_page(visit),
    )


@router.post("/me")
def change_me(visit: SignedIn, time_factor: Annotated[str, Form()] = "") -> Response:
    """Take more time to react, or the usual one."""
    with transaction(visit.site.store.engine) as connection:
        accounts.change_user(connection, visit.who.id, time_factor=time_factor)
    return RedirectResponse("/me?saved=1", status_code=303)


_TIMES = {
    1: words.mark("As usual"),
    3: words.mark("Three times as long"),
    10: words.mark("Ten times as long"),
}


def _time(visit: Visit, factor: int) -> tuple[int, str, str]:
    """A factor, its name, and what it means in seconds."""
    meaning = words.mark("%(ring)s s of ringing, %(rejoin)s s to come back, %(undo)s s to undo")
    ring, rejoin, undo = (factor * ms // 1000 for ms in (RING_MS, REJOIN_MS, UNDO_MS))
    return (
        factor,
        visit.say(_TIMES[factor]),
        visit.say(meaning, ring=ring, rejoin=rejoin, undo=undo),
    )
