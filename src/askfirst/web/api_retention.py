"""Retention over HTTP: what goes by its time, what stays and why, the last and the next sweep."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from askfirst.ledger import timestamp
from askfirst.server import account, retentionlist
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.retentionlist import LATER, SOON, Line, Stays, by_place, by_purpose
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["compliance"])

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]
Limit = Annotated[int, Query(ge=1, le=retentionlist.MOST)]


@router.get("/retention")
def retention(
    visit: Reader,
    show: Literal["going", "staying"] = "going",
    why: Stays | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> dict[str, object]:
    """What goes by its time within 30 days, or what stays though its time is over, with reasons.

    `next` is the `after` to go on.
    """
    now = utc_now()
    with reading(visit.site.store.engine) as connection:
        wants = account.account(connection)
        soon, later = (
            retentionlist.counts(connection, wants, now, now + each) for each in (SOON, LATER)
        )
        stays = retentionlist.stay_counts(connection, wants, now)
        lines = (
            retentionlist.going(connection, wants, now, now + LATER, after=after, most=limit)
            if show == "going"
            else retentionlist.staying(connection, wants, now, why=why, after=after, most=limit)
        )
        last = retentionlist.last_sweep(connection)
    return {
        "within_7_days": _counted(soon),
        "within_30_days": _counted(later),
        "staying": {each.value: count for each, count in stays.items()},
        "recordings": [_shown(each) for each in lines],
        "last_sweep": None
        if last is None
        else {
            "begun_at": timestamp(last.begun_at),
            "ended_at": None if last.ended_at is None else timestamp(last.ended_at),
            "intended": last.intended,
            "failed": last.failed,
        },
        "next_sweep_at": timestamp(retentionlist.next_sweep(now)),
        "next": lines[-1].id if len(lines) == limit else None,
    }


def _counted(found: dict[tuple[str, str], int]) -> dict[str, object]:
    places = {code or "unknown": count for code, count in by_place(found).items()}
    return {"count": sum(found.values()), "purposes": by_purpose(found), "places": places}


def _shown(line: Line) -> dict[str, object]:
    return {
        "id": line.id,
        "call": line.call,
        "created_at": timestamp(line.created_at),
        "purpose": line.purpose,
        "places": list(line.places),
        "expires_at": None if line.expires_at is None else timestamp(line.expires_at),
        "period": {"days": line.days, "because": line.because, "by": line.by},
        "stays": None if line.stays is None else line.stays.value,
        "keeper": line.keeper,
    }
