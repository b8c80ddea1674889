"""The agent's sound between a browser and a live call: by WebRTC, or by a WebSocket where no UDP
passes.

A browser may come late, or come back: what it brings takes the place of what was there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocketDisconnect, WebSocketState

from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.server.access import Permission
from askfirst.server.livecall import LiveCall
from askfirst.telephony.movingleg import MovingLeg
from askfirst.telephony.socketleg import SocketLeg
from askfirst.telephony.webrtc import OFFER_BYTES, WebRtcLeg
from askfirst.web.api_live import Caller, own
from askfirst.web.visit import site_of, visit_of

router = APIRouter(tags=["live calls"])

POLICY_VIOLATION = 1008
WRONG_MESSAGE = 1003
TAKEN_OVER = 4000
"""Why a socket is closed: not allowed, not understood (RFC 6455, 7.4), or another one came."""


class Offer(BaseModel):
    """A browser's whole SDP offer, with its candidates in it."""

    model_config = ConfigDict(extra="forbid")

    offer: str = Field(max_length=OFFER_BYTES)


@router.post("/calls/{call}/leg")
async def connect(visit: Caller, call: str, wanted: Offer) -> dict[str, str]:
    """Connect the browser's microphone and loudspeaker to a call; `answer` is our SDP."""
    moving = _moving(own(visit, call))
    leg = WebRtcLeg(visit.site.carrier.desk.clock)
    is_attached = False
    try:
        answer = await leg.answer(wanted.offer)
        await moving.attach(leg)
        is_attached = True
    finally:
        if not is_attached:
            await leg.close()
    return {"answer": answer}


@router.websocket("/calls/{call}/sound")
async def sound(socket: WebSocket, call: str) -> None:
    """Frames of `telephony.socketleg` both ways, until either side or the call ends."""
    site = site_of(socket)
    try:
        visit = await asyncio.to_thread(visit_of, socket)
        visit.who.person.ensure(Permission.CALLS_MAKE)
        moving = _moving(own(visit, call))
    except AskfirstError:
        await socket.close(POLICY_VIOLATION)
        return
    await socket.accept()
    leg = SocketLeg(site.carrier.desk.clock, _sender(socket))
    try:
        await moving.attach(leg)
        code = await _carry(socket, leg)
    finally:
        moving.detach(leg)
        await leg.close()
    if code is not None and socket.application_state is WebSocketState.CONNECTED:
        await socket.close(code)


async def _carry(socket: WebSocket, leg: SocketLeg) -> int | None:
    """Take what the browser sends until it goes; a code when it is we who end."""
    try:
        while True:
            # A leg that another one replaced, or whose call is over, is closed by the call.
            if leg.is_closed:
                return TAKEN_OVER
            leg.receive(await socket.receive_bytes())
    except (WebSocketDisconnect, RuntimeError):
        return None
    except (InvalidInput, KeyError):  # KeyError: text where bytes were expected
        return WRONG_MESSAGE


def _sender(socket: WebSocket) -> Callable[[bytes], Awaitable[None]]:
    async def send(message: bytes) -> None:
        try:
            await socket.send_bytes(message)
        except (RuntimeError, WebSocketDisconnect) as error:
            raise ConnectionError("the browser is gone") from error

    return send


def _moving(live: LiveCall) -> MovingLeg:
    if not isinstance(live.leg, MovingLeg):
        raise Refused("this call has no browser's sound; its agent chooses sentences")
    if live.has_ended:
        raise Refused("the call is over")
    return live.leg
