"""The assurance report as a page and as a table to keep."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from askfirst.errors import InvalidInput
from askfirst.server.access import Permission
from askfirst.server.assurance import Figure, Report
from askfirst.server.groupfigures import COUNTED
from askfirst.server.personfigures import SMALLEST
from askfirst.web import queuewords
from askfirst.web.api_queue import by_group, reported
from askfirst.web.bodies import day
from askfirst.web.complianceframe import tabs
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]


@router.get("/compliance/assurance")
def assurance_page(visit: Reader, begins: str = "", ends: str = "", figure: str = "") -> Response:
    """The figures of a period; one of them with its calls."""
    try:
        found = reported(visit, day(begins, "begins"), day(ends, "ends"))
        error = ""
    except InvalidInput:
        found, error = reported(visit, None, None), visit.say("Choose a day before the last one.")
    grouped = by_group(visit, found)
    others = visit.say("Everybody") if len(grouped.rows) == 1 else visit.say("Everybody else")
    places = every_place(visit.site.rules, visit.language)
    first, last = _days(found)
    chosen = Figure(figure) if figure in set(Figure) else None
    return render(
        visit,
        "compliance_assurance.html",
        status=422 if error else 200,
        tabs=tabs(visit),
        error=error,
        begins=first.isoformat(),
        ends=last.isoformat(),
        holds=found.holds,
        figures=[
            (each.value, visit.say(queuewords.FIGURES[each]), len(found.found[each]))
            for each in Figure
        ],
        chosen=visit.say(queuewords.FIGURES[chosen]) if chosen else "",
        calls=found.found[chosen] if chosen else (),
        groups=[
            (
                each.name or others,
                visit.say(queuewords.GROUPS[each.kind]),
                [(visit.say(queuewords.FIGURES[figure]), counts[figure]) for figure in COUNTED],
            )
            for each, counts in grouped.rows
        ],
        counted=[visit.say(queuewords.FIGURES[each]) for each in COUNTED],
        missing=[
            places.get(code, code) or visit.say("people without a place")
            for code in grouped.missing
        ],
        smallest=SMALLEST,
    )


@router.get("/compliance/assurance.csv")
def assurance_csv(visit: Reader, begins: str = "", ends: str = "") -> Response:
    """A line for each figure and call, of ids and codes only."""
    found = reported(visit, day(begins, "begins"), day(ends, "ends"))
    first, last = _days(found)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["from", "to", "figure", "count", "call"])
    for each in Figure:
        ids = found.found[each]
        for call in ids or ("",):
            table.writerow([first, last, each.value, len(ids), call])
    name = f"assurance-{first}-{last}.csv"
    return Response(
        text.getvalue(),
        media_type="text/csv",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _days(found: Report) -> tuple[date, date]:
    """The first and the last day of a report; its end is the midnight behind."""
    return found.begins_at.date(), (found.ends_at - timedelta(days=1)).date()
