"""The compliance queue over HTTP: items, decisions, complaints, and the assurance report."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from askfirst.errors import InvalidRequest
from askfirst.ledger import timestamp
from askfirst.server import queue, queuedecision
from askfirst.server.access import Permission
from askfirst.server.assurance import Report, report
from askfirst.server.callreader import ensure_reaches
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.excerpts import window
from askfirst.server.groupfigures import GroupFigures, figures
from askfirst.server.queue import Item, Reason, Wanted
from askfirst.server.queuedecision import Decided, Decision, Wish
from askfirst.web.api_calls import found_call
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted

router = APIRouter(tags=["compliance"])

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]
Decider = Annotated[Visit, Depends(permitted(Permission.QUEUE_DECIDE))]
Witness = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Limit = Annotated[int, Query(ge=1, le=queue.MOST)]

REPORTED = timedelta(days=30)


class WantedDecision(Body):
    """A decision; `from_ms` is call time and belongs to keep-from alone.

    The comment is kept encrypted with the recording, never in the ledger.
    """

    decision: Decision
    comment: str = ""
    from_ms: int | None = None


class Complaint(Body):
    """What somebody complains about; kept encrypted, never in the ledger."""

    text: str


@router.get("/queue")
def list_queue(
    visit: Reader,
    reason: Reason | None = None,
    decided: bool = False,
    after: str | None = None,
    limit: Limit = 50,
) -> dict[str, object]:
    """The items that wait, oldest first, or the decided ones; `next` is the `after` to go on."""
    wanted = Wanted(reason=reason, is_decided=decided, after=after, most=limit)
    with reading(visit.site.store.engine) as connection:
        found = queue.items(connection, wanted)
        counts = queue.counts(connection)
        checked_at = queue.last_check(connection)
    return {
        "items": [_shown(each) for each in found],
        "counts": {each.value: count for each, count in counts.items()},
        "checked_at": None if checked_at is None else timestamp(checked_at),
        "next": found[-1].id if len(found) == limit else None,
    }


@router.post("/queue/{item}/decision")
def decide(visit: Decider, item: str, wanted: WantedDecision) -> dict[str, object]:
    """Decide an item; where the account wants a second person, `proposal` waits for one."""
    wish = Wish(wanted.decision, wanted.comment, wanted.from_ms)
    done = decided(visit, item, wish)
    return {"id": item, "state": done.state.value, "proposal": done.proposal}


@router.post("/calls/{call}/complaint", status_code=201)
def complain(visit: Witness, call: str, wanted: Complaint) -> dict[str, object]:
    """Enter a complaint about a call that you may read; it comes into the queue."""
    return {"id": complained(visit, call, wanted.text)}


@router.get("/assurance")
def assurance(
    visit: Reader,
    begins: Annotated[date | None, Query(alias="from")] = None,
    ends: Annotated[date | None, Query(alias="to")] = None,
) -> dict[str, object]:
    """What should be recorded and is, and what not, of the days (UTC) `from` to `to`, both in it.

    The last thirty days without them. `groups` are persons only where a works agreement of their
    place or a stated basis is on file; `without_ground` are the places for which neither is.
    """
    found = reported(visit, begins, ends)
    grouped = by_group(visit, found)
    return {
        "from": timestamp(found.begins_at),
        "to": timestamp(found.ends_at),
        "holds": found.holds,
        "counts": {each.value: len(ids) for each, ids in found.found.items()},
        "calls": {each.value: list(ids) for each, ids in found.found.items()},
        "groups": [
            {
                "kind": group.kind.value,
                "name": group.name,
                "counts": {figure.value: count for figure, count in counts.items()},
            }
            for group, counts in grouped.rows
        ],
        "without_ground": list(grouped.missing),
    }


def decided(visit: Visit, item: str, wish: Wish) -> Decided:
    """Decide as the visit's person; what has to be done about it is ordered at once."""
    done = queuedecision.decide(visit.site.store, visit.who.person, item, wish, utc_now())
    dispatch(visit)
    return done


def complained(visit: Visit, call: str, text: str) -> str:
    """Enter a complaint of the visit's person about a call; gives the item."""
    store, line = visit.site.store, found_call(visit, call).line
    with reading(store.engine) as connection:
        ensure_reaches(connection, visit.who.person, Permission.CALLS_READ, call)
    return queuedecision.complain(store, call, line.recording, text, visit.who.id, utc_now())


def reported(visit: Visit, begins: date | None, ends: date | None) -> Report:
    """The report of two days and what is between them; of the last thirty days without them."""
    last = utc_now().date() if ends is None else ends
    first = last - REPORTED if begins is None else begins
    if not date(2000, 1, 1) <= first <= last <= date(2999, 1, 1):
        raise InvalidRequest("found no period; expected from as a day before or at to", key="from")
    with reading(visit.site.store.engine) as connection:
        return report(connection, _midnight(first), _midnight(last + timedelta(days=1)))


def by_group(visit: Visit, found: Report) -> GroupFigures:
    """The figures of a report by person or team, as the visit's person may see them."""
    with reading(visit.site.store.engine) as connection:
        today = utc_now().date()
        return figures(connection, found, visit.site.rules, visit.who.id, today)


def dispatch(visit: Visit) -> None:
    """Have what was ordered done now, where this process has the jobs."""
    node = visit.site.carrier.node
    if node is not None:
        node.jobs.dispatch()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _elsewhere(found: Item) -> dict[str, object] | None:
    """What a carrier keeps that an item is about: its id there, and when it was made if no call
    of ours says so."""
    if found.reason not in (Reason.ELSEWHERE, Reason.NO_CALL):
        return None
    made_at = timestamp(found.called_at) if found.call is None else None
    return {"recording": found.subject, "made_at": made_at}


def _shown(found: Item) -> dict[str, object]:
    heard = window(found)
    return {
        "id": found.id,
        "call": found.call,
        "elsewhere": _elsewhere(found),
        "recording": found.recording,
        "reason": found.reason.value,
        "state": found.state.value,
        "party": found.party,
        "place": found.code,
        "raised_at": timestamp(found.raised_at),
        "late": found.is_late(utc_now()),
        "agent": found.agent,
        "proof": found.proof,
        "evidence": None
        if heard is None
        else {"from_ms": heard.from_ms, "to_ms": heard.to_ms, "own_side_only": heard.is_own},
        "decisions": [each.value for each in queuedecision.allowed(found)],
        "decision": found.decision,
        "decided_at": None if found.decided_at is None else timestamp(found.decided_at),
        "decided_by": found.decided_by,
    }
