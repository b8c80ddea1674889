"""Calls that somebody else's dialer carries: frames in by a WebSocket, reports by requests.

Whoever placed such a call carries it: frames and reports are taken from the same session or token
and from nobody else. Gate states go out by the stream that every live call has.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, WebSocket
from pydantic import Field
from starlette.websockets import WebSocketState

from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.server import externalcall
from askfirst.server.access import Permission
from askfirst.server.externalcall import ExternalLive
from askfirst.telephony.agentsound import WAY_MS
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, permitted, present_user, visit_of

log = logging.getLogger(__name__)

router = APIRouter(tags=["external calls"])

Caller = Annotated[Visit, Depends(permitted(Permission.CALLS_MAKE))]

REFUSED, UNUSABLE, OVER, FAILED = 1008, 1003, 1000, 1011
"""WebSocket close codes: not allowed or no longer, a bad message, the call has ended, a fault."""

CHECK_SECONDS = 1.0
_LONGEST_REASON = 120


class Wanted(Protocol):
    """What placing an external call needs of a request."""

    @property
    def to(self) -> str:
        """The number that the dialer calls."""
        ...

    @property
    def private(self) -> bool:
        """Whether nothing of the call is to be kept."""
        ...


class Report(Body):
    """What a dialer saw; `party` is a number in the call, `cause` why it ended."""

    event: str
    party: int | None = None
    digit: str | None = Field(default=None, max_length=8)
    number: str | None = None
    cause: str | None = Field(default=None, max_length=40)


async def place_external(
    visit: Visit, wanted: Wanted, capture_lag_ms: int = WAY_MS
) -> dict[str, object]:
    """Place a call that a dialer carries; gives its first state."""
    carrier = visit.site.carrier
    desk = carrier.desk
    assert carrier.node is not None  # noqa: S101 - there is a desk
    live = await externalcall.place(
        desk,
        carrier.node,
        visit.who,
        visit.session or "",
        wanted.to,
        capture_lag_ms,
        is_by_token=visit.token is not None,
        is_private=wanted.private,
    )
    return {**live.state(), "frames": f"/api/v1/calls/{live.id}/frames"}


@router.post("/calls/{call}/external-events")
async def report(visit: Caller, call: str, wanted: Report) -> dict[str, object]:
    """The dialer reports `answered`, `machine`, `joined`, `left`, `dtmf` or `ended`."""
    live = _carried(visit, call)
    joined = live.report(
        wanted.event,
        party=wanted.party,
        digit=wanted.digit,
        number=wanted.number,
        cause=wanted.cause,
    )
    # The call takes reports of its line in its own task, which has its turn now.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return live.state() if joined is None else {"party": joined, **live.state()}


@router.websocket("/calls/{call}/frames")
async def frames(socket: WebSocket, call: str) -> None:
    """Frames of one call; the connection lasts as long as the call and the right to carry it."""
    try:
        visit = await asyncio.to_thread(visit_of, socket)
        visit.who.person.ensure(Permission.CALLS_MAKE)
        live = _carried(visit, call)
        await socket.accept()
        connection = live.connect()
    except AskfirstError as error:
        await _close(socket, REFUSED, str(error))
        return
    watching = asyncio.create_task(_watch(socket, visit, live, connection))
    try:
        await _take(socket, live, connection)
    finally:
        live.disconnect(connection)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _take(socket: WebSocket, live: ExternalLive, connection: object) -> None:
    """Take frames until the connection ends or brings something that is none."""
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        try:
            content = message.get("bytes")
            if content is None:
                raise InvalidInput("a text message; frames are binary")
            live.receive(connection, content)
        except InvalidInput as error:
            live.disconnect(
                connection
            )  # before anything is awaited: what follows is no frame of anybody
            await _close(socket, UNUSABLE, str(error))
            return


async def _watch(socket: WebSocket, visit: Visit, live: ExternalLive, connection: object) -> None:
    """Close the connection with the call, with the right to carry it, and when it is silent.

    And when that cannot be told any more: nobody carries a call unchecked.
    """
    try:
        code, why = await _until_over(visit, live)
    except Exception:
        log.exception("external.check-failed call=%s", live.id)
        code, why = FAILED, "whether you may carry this call cannot be told; connect again"
    live.disconnect(connection)
    await _close(socket, code, why)


async def _until_over(visit: Visit, live: ExternalLive) -> tuple[int, str]:
    """The close code of a connection, and the reason, once there is one."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        if live.has_ended:
            return OVER, "the call is over"
        user = await asyncio.to_thread(present_user, visit)
        if user is None or not user.person.may(Permission.CALLS_MAKE):
            return REFUSED, "the session or token has ended"
        if live.line.is_silent:
            return REFUSED, "no frames came; send silence while all is quiet"


async def _close(socket: WebSocket, code: int, why: str) -> None:
    if socket.application_state is not WebSocketState.DISCONNECTED:
        await socket.close(code, why.encode()[:_LONGEST_REASON].decode(errors="ignore"))


def _carried(visit: Visit, call: str) -> ExternalLive:
    live = visit.site.carrier.desk.get(call)
    if not isinstance(live, ExternalLive):
        raise Refused(f"call {call} is carried by this program; only a dialer's own call is meant")
    if live.user_id != visit.who.id or live.holder != visit.session:
        raise Refused(f"call {call} was placed by another session or token; use that one")
    return live
