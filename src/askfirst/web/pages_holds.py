"""Legal holds: all that stand, several placed or released at once, and all calls of a person."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, NotFound
from askfirst.ledger import timestamp
from askfirst.server import accounts, holdlist, legalholds
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.holdlist import Done, Hold
from askfirst.server.subjectrights import who
from askfirst.web.api_queue import dispatch
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.pages_recordings import review_at
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]
Holder = Annotated[Visit, Depends(permitted(Permission.RECORDINGS_HOLD))]
Text = Annotated[str, Form()]
Chosen = Annotated[list[str] | None, Form()]

PAGE = 50


@router.get("/compliance/holds")
def holds_page(
    visit: Reader, after: str = "", changed: int = -1, waiting: int = 0, failed: int = 0
) -> Response:
    """The holds that stand, with their reasons for who may hold."""
    done = Done(changed, waiting, failed) if changed >= 0 else None
    return _page(visit, after=after, done=done)


@router.post("/compliance/holds")
def place(visit: Holder, recording: Chosen = None, reason: Text = "", until: Text = "") -> Response:
    """Hold the chosen recordings."""
    return _place(visit, recording or [], reason, until)


@router.post("/compliance/holds/person")
def place_person(
    visit: Holder,
    number: Text = "",
    contact: Text = "",
    hold_reason: Text = "",
    until: Text = "",
) -> Response:
    """Hold every recording of the calls with a number, or with all the numbers of a contact."""
    try:
        with reading(visit.site.store.engine) as connection:
            person = who(
                connection,
                number=number.strip(),
                contact=contact.strip(),
                default_region=visit.account.region,
            )
            chosen = holdlist.recordings_of(connection, person)
    except (InvalidInput, NotFound) as error:
        return _page(visit, error=visit.told(error), status=422)
    return _place(visit, chosen, hold_reason, until)


@router.post("/compliance/holds/release")
def release(visit: Holder, recording: Chosen = None, reason: Text = "") -> Response:
    """Release the chosen holds, or propose it where a second person is wanted."""
    if not recording:
        return _page(visit, error=visit.say("Choose at least one recording."), status=422)
    try:
        done = holdlist.release_all(
            visit.site.store, recording[: holdlist.MOST], visit.who.person, reason, utc_now()
        )
    except InvalidInput as error:
        return _page(visit, error=visit.told(error), status=422)
    dispatch(visit)
    return _told(done)


@router.get("/compliance/holds.csv")
def holds_csv(visit: Reader) -> Response:
    """A line for each hold that stands, of ids and times only."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["recording", "call", "called_at", "since", "by", "until"])
    with reading(visit.site.store.engine) as connection:
        for each in holdlist.every_hold(connection):
            times = [
                "" if at is None else timestamp(at)
                for at in (each.called_at, each.since, each.until)
            ]
            table.writerow([each.recording, each.call, times[0], times[1], each.by or "", times[2]])
    return Response(
        text.getvalue(),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="holds.csv"'},
    )


def _place(visit: Visit, chosen: list[str], reason: str, until: str) -> Response:
    if not chosen:
        return _page(visit, error=visit.say("Choose at least one recording."), status=422)
    try:
        review = review_at(until)
        done = holdlist.place_all(
            visit.site.store, chosen, visit.who.person, reason, utc_now(), review
        )
    except InvalidInput as error:
        return _page(visit, error=visit.told(error), status=422)
    return _told(done)


def _told(done: Done) -> Response:
    said = f"changed={done.changed}&waiting={done.waiting}&failed={done.failed}"
    return RedirectResponse(f"/compliance/holds?{said}", status_code=303)


def _page(
    visit: Visit, *, after: str = "", done: Done | None = None, error: str = "", status: int = 200
) -> Response:
    with reading(visit.site.store.engine) as connection:
        found = holdlist.holds(connection, after=after or None, most=PAGE)
        count = holdlist.count(connection)
        names = accounts.names(connection)
    may_hold = visit.may(Permission.RECORDINGS_HOLD)
    return render(
        visit,
        "compliance_holds.html",
        status=status,
        tabs=tabs(visit),
        rows=[_row(visit, each, names, may_hold=may_hold) for each in found],
        count=count,
        may_hold=may_hold,
        more=f"/compliance/holds?after={found[-1].recording}" if len(found) == PAGE else "",
        done=done,
        error=error,
    )


def _row(visit: Visit, hold: Hold, names: dict[str, str], *, may_hold: bool) -> dict[str, Any]:
    newest = legalholds.newest_reason(visit.site.store, hold.recording) if may_hold else None
    said = newest if newest is not None and newest.is_held else None
    by = hold.by or (said.person if said else None)
    return {
        "hold": hold,
        "since": hold.since or (said.at if said else None),
        "by": names.get(by or "", "–"),
        "reason": said.reason if said else "–",
        "is_late": hold.until is not None and hold.until <= utc_now(),
    }
