"""Running calls for whoever watches over them: state and people. Nobody listens in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from askfirst.errors import Unavailable
from askfirst.model import UNKNOWN, Role
from askfirst.server import accounts, contacts
from askfirst.server.access import Permission
from askfirst.server.database import reading
from askfirst.server.livecall import LiveCall
from askfirst.web import callwords
from askfirst.web.page import render
from askfirst.web.placewords import every_place
from askfirst.web.recordingview import clock
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
        found = visit.site.carrier.desk.all()
    except Unavailable:
        return await asyncio.to_thread(render, visit, "live.html", calls=[], carries=False)
    person = visit.who.person
    # States belong to the server's loop and are read on it; names and words are not.
    states = [
        (each, each.state())
        for each in found
        if person.reaches(Permission.CALLS_WATCH, each.user_id, each.team)
    ]
    return await asyncio.to_thread(_page, visit, states)


def _page(visit: Visit, states: Sequence[tuple[LiveCall, dict[str, Any]]]) -> Response:
    with reading(visit.site.store.engine) as connection:
        names = accounts.names(connection)
        holders = contacts.holders(connection, [str(state["to"]) for _, state in states])
        known = {each.id: each for each in contacts.get_all(connection, list(holders.values()))}
    places = {
        **every_place(visit.site.rules, visit.language),
        UNKNOWN: visit.say("Place unknown"),
    }
    calls = []
    for each, state in states:
        number = str(state["to"])
        contact = known.get(holders.get(number, ""))
        calls.append(
            Running(
                id=each.id,
                agent=names.get(each.user_id, "–"),
                with_whom=(contact.name or contact.company if contact else "") or number,
                since=each.started_at,
                lasts=clock(int(state["at_ms"])) if state["answered"] else "–",
                light=str(state["light"]),
                doing=_doing(visit, state),
                people=[_person(visit, one, places) for one in state["parties"]],
            )
        )
    return render(visit, "live.html", calls=calls, carries=True)


def _doing(visit: Visit, state: dict[str, Any]) -> str:
    if not state["answered"]:
        return visit.say("Ringing")
    doing = visit.say(callwords.STATES[state["state"]])
    return f"{doing}: {visit.say(callwords.CAUSES[state['because']])}"


def _person(visit: Visit, party: dict[str, Any], places: dict[str, str]) -> tuple[str, str]:
    role = visit.say("Agent") if party["role"] == Role.AGENT.value else visit.say("Contact")
    return role, ", ".join(places.get(code, code) for code in party["places"])
