"""Settings: a test call of one's own telephone over Twilio, and what each of its steps found.

A page of its own, because the process that carries the calls answers it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server import accounts
from askfirst.server.database import reading
from askfirst.server.twiliotest import Report
from askfirst.web.bodies import Filled
from askfirst.web.settingsframe import Reader, Writer, setting
from askfirst.web.twiliosteps import steps, verdict
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

PAGE = "/settings/providers/twilio/test"


@dataclass(frozen=True, slots=True)
class Now:
    """What belongs to the loop of the calls, read there once for a page."""

    is_possible: bool = False
    is_testing: bool = False
    last: Report | None = None


async def now(visit: SignedIn) -> Now:
    """How everything stands; asked on the loop, shown in a thread."""
    try:
        tester = visit.site.carrier.twilio_tester
    except Unavailable:
        return Now()
    return Now(tester.is_possible, tester.is_running, tester.last)


Standings = Annotated[Now, Depends(now)]


@router.get(PAGE)
def test_page(visit: Reader, now: Standings) -> Response:
    """Where a test call is begun, and the report of the newest one."""
    return _page(visit, now)


@router.post(PAGE)
async def begin_or_stop(visit: Writer, form: Filled, stands: Standings) -> Response:
    """Begin a test call, or stop the one that is under way (`act` is ``stop``)."""
    number = str(form.get("number", "")).strip()
    try:
        tester = visit.site.carrier.twilio_tester
        if form.get("act") == "stop":
            tester.stop()
            await tester.finished()
        else:
            tester.start(visit.who.id, number, visit.account.region)
    except InvalidInput:
        said = visit.say(
            "This number is not called from here. Write it with + and its country. Emergency, "
            "short and premium numbers and numbers of demo contacts are refused."
        )
        return await asyncio.to_thread(_page, visit, stands, number, wrong=said)
    except (Refused, Unavailable):
        said = visit.say("No test call was made: no line is free, or one is under way.")
        return await asyncio.to_thread(_page, visit, stands, number, refused=said)
    return RedirectResponse(f"{PAGE}#test-call", status_code=303)


def _page(
    visit: Visit, now: Now, number: str = "", *, wrong: str = "", refused: str = ""
) -> Response:
    last, by = now.last, ""
    if last is not None:
        with reading(visit.site.store.engine) as connection:
            by = accounts.names(connection).get(last.by, "–")
    return setting(
        visit,
        "settings_twilio_test.html",
        (),
        status=422 if wrong else 409 if refused else 200,
        now=now,
        number=number,
        wrong=wrong,
        refused=refused,
        verdict=None if last is None else verdict(visit, last),
        steps=[] if last is None else steps(visit, last),
        by=by,
    )
