"""People beside a live call over HTTP: calling somebody, bringing them in, handing the call on."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import Field

from askfirst.errors import InvalidInput, Refused
from askfirst.server.consulting import Consulting
from askfirst.server.precall import PreCall
from askfirst.web.api_live import Caller, State, colleague, own
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit

router = APIRouter(tags=["live calls"])


class Beside(Body):
    """Whom to call beside the call."""

    number: str = Field(max_length=40)


class Transfer(Body):
    """To whom the call is handed on: a number, or the user of a colleague at whom it rings; without
    either to whoever was called beside it."""

    number: str | None = Field(default=None, max_length=40)
    user: str | None = Field(default=None, max_length=60)


@router.post("/calls/{call}/consultation", status_code=201)
async def consult(visit: Caller, call: str, wanted: Beside) -> State:
    """Let everybody wait and call somebody whom you alone hear; nothing of it is recorded."""
    consulting = _consulting(visit, call)
    start = await _reached(visit, wanted.number)
    await consulting.begin(start.number, start.name)
    return own(visit, call).state()


@router.delete("/calls/{call}/consultation")
async def end_consultation(visit: Caller, call: str) -> State:
    """Hang up on whoever you called beside the call, and take the others back."""
    await _consulting(visit, call).end()
    return own(visit, call).state()


@router.post("/calls/{call}/consultation/join", status_code=201)
async def bring_in(visit: Caller, call: str) -> State:
    """Let whoever you called be in the call; `party` is the number that the person has in it."""
    party = await _consulting(visit, call).bring_in()
    return {"party": party, **own(visit, call).state()}


@router.post("/calls/{call}/transfer", status_code=202)
async def transfer(visit: Caller, call: str, wanted: Transfer) -> State:
    """Hand the call on and leave it: it ends here when somebody has taken it there.

    At a colleague it rings as a call from outside does, and it is theirs once they take it.
    """
    if wanted.user is not None:
        return await _offer(visit, call, wanted)
    consulting = _consulting(visit, call)
    if wanted.number is None:
        await consulting.transfer()
    else:
        start = await _reached(visit, wanted.number)
        await consulting.transfer(start.number, start.name)
    return own(visit, call).state()


@router.delete("/calls/{call}/transfer")
async def take_back(visit: Caller, call: str) -> State:
    """Let the call ring at a colleague no longer; nothing happens where it does not."""
    live = own(visit, call)
    if live.offer is not None:
        live.offer.decline()
    return live.state()


async def _offer(visit: Visit, call: str, wanted: Transfer) -> State:
    if wanted.user is None or wanted.number is not None:
        raise InvalidInput("found a user and a number; name one of them")
    to = await asyncio.to_thread(colleague, visit, wanted.user)
    live = own(visit, call)
    visit.site.carrier.desk.offer(live, to, visit.who.name)
    return live.state()


def _consulting(visit: Visit, call: str) -> Consulting:
    live = own(visit, call)
    if live.consulting is None:
        raise Refused("people can be added to calls over a telephone line only")
    live.ensure_live()
    return live.consulting


async def _reached(visit: Visit, number: str) -> PreCall:
    return await visit.site.carrier.desk.reached(visit.who, number)
