"""Calls from outside over HTTP: what rings at you, taking it, and whether you take calls at all."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from askfirst.ports import AgentLeg
from askfirst.server import accounts
from askfirst.server.access import Permission
from askfirst.server.database import reading, transaction
from askfirst.telephony.fileleg import FileLeg
from askfirst.telephony.movingleg import MovingLeg
from askfirst.web.api_live import Caller, State, told
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, present_user

router = APIRouter(tags=["calls from outside"])


class Answered(Body):
    """How your sound comes: by `leg` or `sound` within 30 s (browser), or as files."""

    agent_audio: Literal["browser", "file"] = "browser"


@router.get("/phone/events")
async def phone_events(visit: Caller) -> Response:
    """What rings at you now and after every change, as server-sent events.

    As long as it is read your phone is open, and calls from outside ring at you while you are on
    none and not away.
    """
    reception = visit.site.carrier.reception

    def may_go_on() -> bool:
        user = present_user(visit)
        return user is not None and user.person.may(Permission.CALLS_MAKE)

    return StreamingResponse(
        told(reception.following(visit.who), may_go_on),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


@router.get("/phone/colleagues")
async def colleagues(visit: Caller) -> dict[str, Any]:
    """Whom a call can be handed to by name, and whether it would ring at them now."""

    def known() -> list[accounts.User]:
        with reading(visit.site.store.engine) as connection:
            return accounts.all_users(connection)

    reception = visit.site.carrier.reception
    found = await asyncio.to_thread(known)
    return {
        "colleagues": [
            {"user": each.id, "name": each.name, "available": reception.is_available(each.id)}
            for each in found
            if each.id != visit.who.id
            and not each.is_disabled
            and each.person.may(Permission.CALLS_MAKE)
        ]
    }


@router.post("/phone/away")
async def go_away(visit: Caller) -> dict[str, Any]:
    """Take no calls from outside until you come back."""
    return await _be_away(visit, True)


@router.delete("/phone/away")
async def come_back(visit: Caller) -> dict[str, Any]:
    """Take calls from outside again."""
    return await _be_away(visit, False)


async def _be_away(visit: Visit, away: bool) -> dict[str, Any]:
    def keep() -> None:
        with transaction(visit.site.store.engine) as connection:
            accounts.set_away(connection, visit.who.id, away)

    await asyncio.to_thread(keep)
    reception = visit.site.carrier.reception
    reception.be_away(visit.who.id, away)
    return reception.shown_to(visit.who.id)


@router.post("/phone/ringing/{ringing}/answer", status_code=201)
async def answer(visit: Caller, ringing: str, wanted: Answered) -> State:
    """Take a call that rings; the answer is its first state."""
    carrier = visit.site.carrier
    has_browser = wanted.agent_audio == "browser"
    leg: AgentLeg = MovingLeg() if has_browser else FileLeg(carrier.desk.clock)
    live = await carrier.reception.take(visit.who, ringing, leg, has_browser=has_browser)
    shown: State = live.state()
    return shown


@router.post("/phone/ringing/{ringing}/decline")
async def decline(visit: Caller, ringing: str) -> dict[str, Any]:
    """Let a call ring at your colleagues only; the last one who declines ends the ringing."""
    reception = visit.site.carrier.reception
    reception.decline(visit.who.id, ringing)
    return reception.shown_to(visit.who.id)
