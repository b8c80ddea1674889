"""The compliance queue: what has to be looked at, the seconds that it needs, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form
from starlette.responses import RedirectResponse, Response

from askfirst.errors import InvalidInput, Refused
from askfirst.server import accounts, queue, queuedecision, queuetexts, recordingselsewhere
from askfirst.server.access import Permission
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.excerpts import excerpt, window
from askfirst.server.noticechecks import history
from askfirst.server.queue import Item, Reason, Wanted
from askfirst.server.queuedecision import Decision, Wish
from askfirst.web import elsewherewords, queuewords
from askfirst.web.api_queue import complained, decided
from askfirst.web.complianceframe import tabs
from askfirst.web.noticepanel import verdicts
from askfirst.web.page import render
from askfirst.web.placewords import by_name, every_place
from askfirst.web.recordingview import clock
from askfirst.web.visit import SignedIn, Visit, permitted

router = APIRouter()

Reader = Annotated[Visit, Depends(permitted(Permission.QUEUE_READ))]
Decider = Annotated[Visit, Depends(permitted(Permission.QUEUE_DECIDE))]
Witness = Annotated[Visit, Depends(permitted(Permission.CALLS_READ))]
Text = Annotated[str, Form()]

PAGE = 50
AGES = ("1", "3", "5", "14")


@router.get("/compliance")
def queue_page(
    visit: Reader,
    reason: str = "",
    agent: str = "",
    team: str = "",
    place: str = "",
    age: str = "",
    decided: str = "",
    after: str = "",
) -> Response:
    """The queue, oldest first, with counts by reason and the age of the oldest."""
    now = utc_now()
    filters = {"reason": reason, "agent": agent, "team": team, "place": place, "age": age}
    wanted = Wanted(
        reason=Reason(reason) if reason in set(Reason) else None,
        agent=agent or None,
        team=team or None,
        place=place or None,
        raised_before=now - timedelta(days=int(age)) if age in AGES else None,
        is_decided=decided == "yes",
        after=after or None,
        most=PAGE,
    )
    with reading(visit.site.store.engine) as connection:
        found = queue.items(connection, wanted)
        counts = queue.counts(connection)
        oldest = queue.oldest(connection)
        checked_at = queue.last_check(connection)
        elsewhere = recordingselsewhere.state(connection)
        people = accounts.all_users(connection)
    every = [("", visit.say("All"))]
    given = {key: value for key, value in filters.items() if value}
    if decided == "yes":
        given["decided"] = decided
    following = f"/compliance?{urlencode({**given, 'after': found[-1].id})}" if found else ""
    places = every_place(visit.site.rules, visit.language)
    return render(
        visit,
        "compliance_queue.html",
        tabs=tabs(visit),
        rows=[_row(visit, each, places) for each in found],
        counts=[(each.value, visit.say(queuewords.REASONS[each]), counts[each]) for each in Reason],
        oldest_days=None if oldest is None else (now - oldest).days,
        is_late=oldest is not None and now - oldest > queue.TARGET,
        target_days=queue.TARGET.days,
        checked_at=checked_at,
        elsewhere=elsewhere,
        elsewhere_why=elsewherewords.why(visit, elsewhere),
        filters=filters,
        is_filtered=bool(given),
        is_decided=decided == "yes",
        following=following if len(found) == PAGE else "",
        agents=[*every, *((each.id, each.name) for each in people)],
        teams=[
            *every,
            *((each, each) for each in sorted({one.team for one in people if one.team})),
        ],
        places=[*every, *by_name(places)],
        reasons=[*every, *visit.said(queuewords.REASONS).items()],
        ages=[*every, *((each, visit.say("%(days)s days or more", days=each)) for each in AGES)],
        decisions=visit.said(queuewords.DECIDED),
    )


@router.get("/compliance/items/{item}")
def item_page(visit: Reader, item: str) -> Response:
    """One item: why it is here, what may be heard, what was written, and the decision."""
    return _item(visit, item)


@router.post("/compliance/items/{item}")
def decide(
    visit: Decider,
    item: str,
    decision: Text = "",
    comment: Text = "",
    keep_from: Text = "",
) -> Response:
    """Decide an item; what is wrong, and that somebody else was first, is said on its page."""
    if decision not in set(Decision):
        said = visit.say("Choose one of the list.")
        return _item(visit, item, error=said, comment=comment, status=422)
    wanted = Decision(decision)
    try:
        from_ms = _call_time(keep_from) if wanted is Decision.KEEP_FROM else None
        decided(visit, item, Wish(wanted, comment, from_ms))
    except (InvalidInput, Refused) as error:
        status = 409 if isinstance(error, Refused) else 422
        return _item(
            visit, item, error=visit.told(error), comment=comment, status=status, chosen=decision
        )
    return RedirectResponse(f"/compliance/items/{item}", status_code=303)


@router.get("/compliance/items/{item}/sound")
def sound(visit: Decider, item: str) -> Response:
    """The seconds that an item needs; every time that they are asked for is written down."""
    content = excerpt(visit.site.store, visit.who.person, item, utc_now())
    return Response(content, media_type="audio/ogg", headers={"cache-control": "no-store"})


@router.post("/calls/{call}/complaint")
def complain(visit: Witness, call: str, text: Text = "") -> Response:
    """Enter a complaint about a call."""
    complained(visit, call, text)
    return RedirectResponse(f"/calls/{call}", status_code=303)


@router.post("/me/questions/{item}")
def answer(visit: SignedIn, item: str, text: Text = "") -> Response:
    """Answer what was asked about a call of one's own."""
    queuedecision.answer(visit.site.store, visit.who.id, item, text, utc_now())
    return RedirectResponse("/me", status_code=303)


def questions(visit: Visit) -> list[dict[str, Any]]:
    """What was asked of the visit's person and has no answer: item, call, when, and the words."""
    store = visit.site.store
    with reading(store.engine) as connection:
        asked = queue.asked_of(connection, visit.who.id)
        names = accounts.names(connection)
    found = []
    for each in asked:
        newest = [one for one in queuetexts.texts_of(store, each.id) if one.kind == "question"][-1:]
        for one in newest:
            by = names.get(one.person, "")
            found.append({"item": each.id, "call": each.call, "text": one.text, "by": by})
    return found


def _item(
    visit: Visit,
    identity: str,
    *,
    error: str = "",
    comment: str = "",
    chosen: str = "",
    status: int = 200,
) -> Response:
    store = visit.site.store
    with reading(store.engine) as connection:
        found = queue.item(connection, identity)
        names = accounts.names(connection)
        checks = history(connection, found.recording) if found.recording else []
    may_decide = visit.may(Permission.QUEUE_DECIDE)
    allowed = queuedecision.allowed(found) if may_decide and found.state != "decided" else ()
    return render(
        visit,
        "compliance_item.html",
        status=status,
        tabs=tabs(visit),
        row=_row(visit, found, every_place(visit.site.rules, visit.language)),
        names=names,
        # What people wrote about it is for who decides.
        texts=[
            (visit.say(queuewords.TEXTS[each.kind]), each)
            for each in (queuetexts.texts_of(store, identity) if may_decide else ())
        ],
        verdicts=verdicts(visit, checks),
        may_decide=may_decide,
        allowed=[(each.value, visit.say(queuewords.DECISIONS[each])) for each in allowed],
        may_cut=Decision.KEEP_FROM in allowed,
        is_proposed=found.state == "proposed",
        decisions=visit.said(queuewords.DECIDED),
        states=visit.said(queuewords.STATES),
        error=error,
        comment=comment,
        chosen=chosen,
    )


def _row(visit: Visit, found: Item, places: Mapping[str, str]) -> dict[str, Any]:
    heard = window(found) if visit.may(Permission.QUEUE_DECIDE) else None
    named = places.get(found.code or "", found.code or "")
    return {
        "item": found,
        "reason": visit.say(queuewords.REASONS[found.reason]),
        "why": queuewords.why(visit, found, named),
        "suggestion": visit.say(queuewords.SUGGESTIONS[found.reason]),
        "places": ", ".join(places.get(code, code) for code in found.places[:2]) or "–",
        "heard": None
        if heard is None
        else {
            "range": f"{clock(heard.from_ms)}–{clock(heard.to_ms)}",
            "is_own": heard.is_own,
            "href": f"/compliance/items/{found.id}/sound",
        },
        "is_late": found.is_late(utc_now()),
        "is_locked": found.recording_state == "quarantined",
    }


def _call_time(text: str) -> int:
    """Minutes and seconds, as 6:12, in milliseconds of call time."""
    minutes, colon, seconds = text.strip().partition(":")
    if not (colon and minutes.isascii() and minutes.isdigit() and len(minutes) < 4):
        raise InvalidInput("found no place to cut; expected minutes and seconds such as 6:12")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) == 2 and int(seconds) < 60):
        raise InvalidInput("found no place to cut; expected minutes and seconds such as 6:12")
    return (int(minutes) * 60 + int(seconds)) * 1000
