"""Running calls for whoever watches over them: state and people. Nobody listens in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from askfirst.errors import Unavailable
from askfirst.model import UNKNOWN, Role
from askfirst.server import accounts, contacts
from askfirst.server.access import Permission
from askfirst.server.database import reading
from askfirst.server.privatecall import as_others_see
from askfirst.web import callwords
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import clock
from askfirst.web.running import RunningCall
from askfirst.web.visit import Visit, permitted

router = APIRouter()

Watcher = Annotated[Visit, Depends(permitted(Permission.CALLS_WATCH))]


@dataclass(frozen=True, slots=True)
class Running:
    """One running call as a watcher sees it; nothing in it was said by anybody."""

    id: str
    agent: str
    with_whom: str
    since: datetime
    lasts: str
    light: str
    doing: str
    people: Sequence[tuple[str, str]]


@router.get("/live")
async def live(visit: Watcher) -> Response:
    """The running calls that somebody reaches; the page asks for this again and again."""
    try:
        found = await visit.site.carrier.running_calls()
    except Unavailable:
        return await asyncio.to_thread(render, visit, "live.html", calls=[], carries=False)
    person = visit.who.person
    reached = [
        each if each.user == person.id else replace(each, state=as_others_see(each.state))
        for each in found
        if person.reaches(Permission.CALLS_WATCH, each.user, each.team)
    ]
    return await asyncio.to_thread(_page, visit, reached)


def _page(visit: Visit, found: Sequence[RunningCall]) -> Response:
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
        holders = contacts.holders(connection, [str(each.state["to"]) for each in found])
        known = {each.id: each for each in contacts.get_all(connection, list(holders.values()))}
    places = {
        **every_place(visit.site.rules, visit.language),
        UNKNOWN: visit.say("Place unknown"),
    }
    calls = []
    for each in found:
        state = each.state
        number = str(state["to"])
        contact = known.get(holders.get(number, ""))
        calls.append(
            Running(
                id=each.id,
                agent=names.get(each.user, "–"),
                with_whom=(contact.name or contact.company if contact else "")
                or number
                or (visit.say("Private call") if state["private"] else ""),
                since=each.since,
                lasts=clock(int(state["at_ms"])) if state["answered"] else "–",
                light=str(state["light"]),
                doing=_doing(visit, state),
                people=[_person(visit, one, places) for one in state["parties"]],
            )
        )
    return render(visit, "live.html", calls=calls, carries=True)


def _doing(visit: Visit, state: Mapping[str, Any]) -> str:
    if not state["answered"]:
        return visit.say("Ringing")
    doing = visit.say(callwords.STATES[state["state"]])
    return f"{doing}: {visit.say(callwords.CAUSES[state['because']])}"


def _person(visit: Visit, party: dict[str, Any], places: dict[str, str]) -> tuple[str, str]:
    role = visit.say("Agent") if party["role"] == Role.AGENT.value else visit.say("Contact")
    return role, ", ".join(places.get(code, code) for code in party["places"])
