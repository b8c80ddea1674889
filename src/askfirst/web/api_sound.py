"""The agent's sound between a browser and a live call: by WebRTC, or by a WebSocket where no UDP
passes.

A browser may come late, or come back: what it brings takes the place of what was there. A window
that comes back by itself says so, and then takes nothing from another one that came meanwhile.

The sound outlives the session that brought it for as long as its person is signed in anywhere; a
token's sound ends with the token. Without its sound a call is held and ends a little later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, WebSocket
from pydantic import Field
from starlette.websockets import WebSocketDisconnect, WebSocketState

from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.server import sessions
from askfirst.server.access import Permission
from askfirst.server.callnotes import Conflict
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.livecall import LiveCall
from askfirst.telephony.movingleg import MovingLeg
from askfirst.telephony.socketleg import SocketLeg
from askfirst.telephony.webrtc import OFFER_BYTES, WebRtcLeg
from askfirst.web.api_live import Caller, own
from askfirst.web.bodies import Body
from askfirst.web.visit import Visit, keep_alive, present_user, site_of, visit_of

router = APIRouter(tags=["live calls"])
log = logging.getLogger(__name__)

NORMAL = 1000
POLICY_VIOLATION = 1008
WRONG_MESSAGE = 1003
TAKEN_OVER = 4000
"""Why a socket is closed: the call is over, not allowed (any more), not understood (RFC 6455, 7.4),
or another window has the sound."""

WATCH_SECONDS = 1.0
"""How often a sound is asked whether its leg is still wanted and its person still signed in."""

WINDOW_CHARS = 64

_watches: set[asyncio.Task[int]] = set()  # a loop keeps only weak references to its tasks


class Offer(Body):
    """A browser's whole SDP offer, with its candidates in it.

    `window` is any name of whoever sends; with `again` it wants to come back after its sound was
    lost, and is refused where another window has come meanwhile.
    """

    offer: str = Field(max_length=OFFER_BYTES)
    window: str = Field(default="", max_length=WINDOW_CHARS)
    again: bool = False


@router.post("/calls/{call}/leg")
async def connect(visit: Caller, call: str, wanted: Offer) -> dict[str, str]:
    """Connect the browser's microphone and loudspeaker to a call; `answer` is our SDP."""
    live = own(visit, call)
    moving = _moving(live)
    _ensure_not_taken(moving, wanted.window, wanted.again)
    leg = WebRtcLeg(visit.site.carrier.desk.clock)
    is_attached = False
    try:
        answer = await leg.answer(wanted.offer)
        _ensure_not_taken(moving, wanted.window, wanted.again)
        await moving.attach(leg, wanted.window)
        is_attached = True
    finally:
        if not is_attached:
            await leg.close()
    watch = asyncio.create_task(_watch(visit, live, leg))
    _watches.add(watch)
    watch.add_done_callback(_watches.discard)
    return {"answer": answer}


@router.websocket("/calls/{call}/sound")
async def sound(socket: WebSocket, call: str, window: str = "", again: bool = False) -> None:
    """Frames of `telephony.socketleg` both ways, until either side or the call ends.

    `window` and `again` are those of `Offer`.
    """
    site = site_of(socket)
    try:
        visit = await asyncio.to_thread(visit_of, socket)
        visit.who.person.ensure(Permission.CALLS_MAKE)
        live = own(visit, call)
        moving = _moving(live)
        if len(window) > WINDOW_CHARS:
            raise InvalidInput(f"found {len(window)} characters, expected at most {WINDOW_CHARS}")
    except AskfirstError:
        await socket.close(POLICY_VIOLATION)
        return
    await socket.accept()
    leg = SocketLeg(site.carrier.desk.clock, _sender(socket))
    watching = asyncio.create_task(_close_when_over(socket, visit, live, leg))
    try:
        _ensure_not_taken(moving, window, again)
        await moving.attach(leg, window)
        code = await _receive(socket, live, leg)
    except Conflict:
        code = TAKEN_OVER
    except Refused:  # the call ended while its sound came
        code = NORMAL
    finally:
        watching.cancel()
        moving.detach(leg)
        await leg.close()
    if code is not None:
        await _close(socket, code)


async def _close_when_over(socket: WebSocket, visit: Visit, live: LiveCall, leg: SocketLeg) -> None:
    # A silent browser sends nothing by which the end could be noticed.
    await _close(socket, await _watch(visit, live, leg))


async def _close(socket: WebSocket, code: int) -> None:
    # The browser may have gone meanwhile, which is what was wanted.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        if socket.application_state is WebSocketState.CONNECTED:
            await socket.close(code)


async def _receive(socket: WebSocket, live: LiveCall, leg: SocketLeg) -> int | None:
    try:
        while True:
            leg.receive(await socket.receive_bytes())
            if leg.is_closed:
                return _why_closed(live)
    except (WebSocketDisconnect, RuntimeError):
        return None
    except (InvalidInput, KeyError):  # KeyError: text where bytes were expected
        return WRONG_MESSAGE


async def _watch(visit: Visit, live: LiveCall, leg: SocketLeg | WebRtcLeg) -> int:
    """Wait until a leg was closed, or close it when its person may not speak any more; why."""
    while not leg.is_closed:
        await asyncio.sleep(WATCH_SECONDS)
        if not await asyncio.to_thread(_may_speak, visit):
            _moving_of(live).detach(leg)
            await leg.close()
            return POLICY_VIOLATION
    return _why_closed(live)


def _why_closed(live: LiveCall) -> int:
    # Both the call and whoever takes its sound close the leg that was there.
    return NORMAL if live.has_ended else TAKEN_OVER


def _may_speak(visit: Visit) -> bool:
    """Whether the person of a sound is still signed in somewhere, or its token still holds."""
    try:
        if visit.token is not None:
            user = present_user(visit)
        else:
            with reading(visit.site.store.engine) as connection:
                user = sessions.present(connection, visit.who.id, utc_now())
            keep_alive(visit)
    except Exception:
        log.exception("sound.watch-failed")
        return False  # whoever cannot be looked up is not heard
    return user is not None and user.person.may(Permission.CALLS_MAKE)


def _sender(socket: WebSocket) -> Callable[[bytes], Awaitable[None]]:
    async def send(message: bytes) -> None:
        try:
            await socket.send_bytes(message)
        except (RuntimeError, WebSocketDisconnect) as error:
            raise ConnectionError("the browser is gone") from error

    return send


def _moving(live: LiveCall) -> MovingLeg:
    """The sound of a call that goes on, for a browser to bring. Raises Refused."""
    moving = _moving_of(live)
    if live.has_ended:
        raise Refused("the call is over")
    return moving


def _moving_of(live: LiveCall) -> MovingLeg:
    if not isinstance(live.leg, MovingLeg):
        raise Refused("this call has no browser's sound; its agent chooses sentences")
    return live.leg


def _ensure_not_taken(moving: MovingLeg, window: str, again: bool) -> None:
    if again and moving.brought_by != window:
        raise Conflict("another window has the sound of this call; take it there, or here by hand")
