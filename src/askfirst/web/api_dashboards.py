"""The dashboards for programs: the tables of the pages, with plain figures."""

from __future__ import annotations

from datetime import date, datetime

from fastapi import APIRouter

from askfirst.ledger import timestamp
from askfirst.server.boards import ACTIVITY, CONSENT, QUALITY, Cell
from askfirst.web.boardview import (
    Reader,
    Seen,
    Wanted,
    Watcher,
    seen,
    seen_system,
)
from askfirst.web.pages_dashboards import Now

router = APIRouter(tags=["dashboards"])


@router.get("/dashboards/activity")
def activity(visit: Reader, asked: Wanted) -> dict[str, object]:
    """Calls by day and team, their ways and lengths."""
    return _json(seen(visit, ACTIVITY, asked))


@router.get("/dashboards/consent")
def consent(visit: Reader, asked: Wanted) -> dict[str, object]:
    """What became of asking, by place and level of proof."""
    return _json(seen(visit, CONSENT, asked))


@router.get("/dashboards/quality")
def quality(visit: Reader, asked: Wanted) -> dict[str, object]:
    """Medians of what was measured, and trackers, by group."""
    return _json(seen(visit, QUALITY, asked))


@router.get("/dashboards/system")
def system(visit: Watcher, asked: Wanted, now: Now) -> dict[str, object]:
    """Storage, work that waits or failed, lag and ages."""
    return _json(seen_system(visit, asked, now))


def _json(found: Seen) -> dict[str, object]:
    board, period = found.board, found.period
    return {
        "name": board.name,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "from": timestamp(period.begins_at),
        "to": timestamp(period.ends_at),
        "teams": list(found.teams),
        "withheld": board.withheld,
        "missing": list(board.missing),
        "tables": [
            {
                "key": table.key,
                "columns": [{"key": each.key, "unit": each.unit.value} for each in table.columns],
                "rows": [[_cell(cell) for cell in row] for row in table.rows],
            }
            for table in board.tables
        ],
    }


def _cell(cell: Cell) -> str | int | float | None:
    if isinstance(cell, datetime):
        return timestamp(cell)
    return cell.isoformat() if isinstance(cell, date) else cell
