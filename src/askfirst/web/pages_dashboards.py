"""The four dashboards, each table of them as a file, and one's own figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidRequest, Unavailable
from askfirst.server import audit
from askfirst.server.access import Permission
from askfirst.server.boards import ACTIVITY, CONSENT, QUALITY, SYSTEM, Board, Cell
from askfirst.server.clock import utc_now
from askfirst.server.csvlines import written
from askfirst.server.database import transaction
from askfirst.server.personfigures import SMALLEST
from askfirst.server.systemboard import Lines
from askfirst.server.trunktest import standing
from askfirst.web.boardtables import lines, shown
from askfirst.web.boardview import (
    BOARDS,
    Asked,
    Reader,
    Seen,
    Wanted,
    Watcher,
    own,
    seen,
    seen_system,
)
from askfirst.web.boardwords import BOARDS as TITLES
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.visit import SignedIn, Visit

router = APIRouter()

PERIODS = (7, 30, 90)
OWN = "/me/figures"


async def lines_now(visit: SignedIn) -> Lines:
    """What carries calls; asked on the loop, shown in a thread."""
    carrier = visit.site.carrier
    try:
        live = len(await carrier.running_calls())
        stands = standing(carrier.desk.providers)
    except Unavailable:
        return Lines()
    if stands is None:
        return Lines(live)
    return Lines(live, stands.state, stands.calls, stands.trunk.most_calls)


Now = Annotated[Lines, Depends(lines_now)]


@router.get("/dashboards")
def dashboards(visit: SignedIn) -> Response:
    """The first dashboard that somebody may see; one's own figures for who may see none."""
    found = _tabs(visit, "")
    return RedirectResponse(found[0][0] if found else OWN, status_code=303)


@router.get("/dashboards/activity")
def activity_page(visit: Reader, asked: Wanted) -> Response:
    """How many calls, which way, and how long."""
    return _page(visit, ACTIVITY, asked)


@router.get("/dashboards/consent")
def consent_page(visit: Reader, asked: Wanted) -> Response:
    """What became of asking, on which proof."""
    return _page(visit, CONSENT, asked)


@router.get("/dashboards/quality")
def quality_page(visit: Reader, asked: Wanted) -> Response:
    """How calls were spread over their sides."""
    return _page(visit, QUALITY, asked)


@router.get("/dashboards/system")
def system_page(visit: Watcher, asked: Wanted, now: Now) -> Response:
    """Storage, work, lag and ages."""
    try:
        found, error = seen_system(visit, asked, now), ""
    except InvalidRequest as wrong:
        found, error = seen_system(visit, Asked(), now), _wrong(visit, wrong)
    return _rendered(visit, SYSTEM, found, asked, error)


@router.get("/dashboards/activity.csv")
def activity_csv(visit: Reader, asked: Wanted, table: str = "") -> Response:
    """A table of activity as a file."""
    return _file(visit, seen(visit, ACTIVITY, asked), table)


@router.get("/dashboards/consent.csv")
def consent_csv(visit: Reader, asked: Wanted, table: str = "") -> Response:
    """A table of consent as a file."""
    return _file(visit, seen(visit, CONSENT, asked), table)


@router.get("/dashboards/quality.csv")
def quality_csv(visit: Reader, asked: Wanted, table: str = "") -> Response:
    """A table of quality as a file."""
    return _file(visit, seen(visit, QUALITY, asked), table)


@router.get("/dashboards/system.csv")
def system_csv(visit: Watcher, asked: Wanted, now: Now, table: str = "") -> Response:
    """A table of the system as a file."""
    return _file(visit, seen_system(visit, asked, now), table)


@router.get(OWN)
def own_figures(visit: SignedIn, asked: Wanted) -> Response:
    """One's own calls and how they went; nobody is told that they were looked at."""
    try:
        found, error = [own(visit, each, asked) for each in (ACTIVITY, QUALITY)], ""
    except InvalidRequest as wrong:
        found, error = [own(visit, each, Asked()) for each in (ACTIVITY, QUALITY)], ""
        error = _wrong(visit, wrong)
    period = found[0].period
    return render(
        visit,
        "me_figures.html",
        status=422 if error else 200,
        error=error,
        boards=[
            (visit.say(TITLES[each.board.name]), shown(visit, each.board), _is_empty(each.board))
            for each in found
        ],
        period=period,
        periods=_periods(visit, Asked(), OWN, period.days if not asked.since else 0),
    )


def _page(visit: Visit, name: str, asked: Asked) -> Response:
    try:
        found, error = seen(visit, name, asked), ""
    except InvalidRequest as wrong:
        found, error = seen(visit, name, Asked()), _wrong(visit, wrong)
    return _rendered(visit, name, found, asked, error)


def _rendered(visit: Visit, name: str, found: Seen, asked: Asked, error: str) -> Response:
    places = every_place(visit.site.rules, visit.language)
    team = asked.team if asked.team in found.teams else ""
    chosen = {
        "since": found.period.since.isoformat(),
        "until": found.period.until.isoformat(),
        **({"team": team} if team else {}),
    }
    is_custom = bool(asked.since or asked.until) and not error
    return render(
        visit,
        "dashboards.html",
        status=422 if error else 200,
        error=error,
        name=name,
        board=visit.say(TITLES[name]),
        tabs=_tabs(visit, name),
        period=found.period,
        periods=_periods(
            visit, Asked(team=team), f"/dashboards/{name}", 0 if is_custom else found.period.days
        ),
        team=team,
        teams=[(each, each) for each in found.teams],
        tables=shown(visit, found.board),
        is_empty=_is_empty(found.board),
        withheld=found.board.withheld,
        missing=[
            places.get(code, code) or visit.say("people without a place")
            for code in found.board.missing
        ],
        smallest=SMALLEST,
        file=f"/dashboards/{name}.csv?{urlencode(chosen)}&table=",
    )


def _tabs(visit: Visit, here: str) -> list[tuple[str, str, bool]]:
    names = [
        *(BOARDS if visit.may(Permission.DASHBOARDS_READ) else ()),
        *([SYSTEM] if visit.may(Permission.SYSTEM_READ) else ()),
    ]
    return [(f"/dashboards/{each}", visit.say(TITLES[each]), each == here) for each in names]


def _periods(visit: Visit, asked: Asked, path: str, here: int) -> list[tuple[str, str, bool]]:
    """Links to the usual periods: address, words, whether it is the one that is shown."""

    def address(days: int) -> str:
        more: Mapping[str, str] = {"team": asked.team} if asked.team else {}
        return f"{path}?{urlencode({'days': days, **more})}"

    return [
        (address(days), visit.say("%(days)s days", days=str(days)), days == here)
        for days in PERIODS
    ]


def _wrong(visit: Visit, wrong: InvalidRequest) -> str:
    if wrong.key == "team":
        return visit.say("This team is not shown by itself. Everybody is shown here.")
    return visit.say("This is no period of at most two years. The last 30 days are shown here.")


def _is_empty(board: Board) -> bool:
    """Whether nothing was counted at all."""
    return not any(_says(cell) for table in board.tables for row in table.rows for cell in row)


def _says(cell: Cell) -> bool:
    return isinstance(cell, int | float) and cell > 0


def _file(visit: Visit, found: Seen, key: str) -> Response:
    """A table as CSV; that it was taken out stands in the audit log. Raises InvalidRequest."""
    table, period = found.board.table(key), found.period
    detail: audit.Detail = {
        "table": key,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "rows": len(table.rows),
    }
    with transaction(visit.site.store.engine) as connection:
        what = found.board.name
        audit.note(connection, utc_now(), visit.who.id, "dashboard.exported", what, detail)
    name = f"{found.board.name}-{key}-{period.since}-{period.until}.csv"
    return Response(
        "".join(written(lines(visit, table))),
        media_type="text/csv",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )
