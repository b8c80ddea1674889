"""What the process that shows pages asks of a media worker, over their own socket.

No request of a browser comes here: these routes are in the application of a worker alone, and the
folder of its socket is open to its own user only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, WebSocket
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from askfirst.errors import NotFound, Unavailable
from askfirst.ports import AgentLeg
from askfirst.server import accounts
from askfirst.server.database import reading
from askfirst.server.desk import Desk
from askfirst.server.ids import new_id
from askfirst.server.lines import IncomingLine, Outside
from askfirst.server.offer import Offer
from askfirst.server.twilioevents import TwilioCalls
from askfirst.telephony.fileleg import FileLeg
from askfirst.telephony.movingleg import MovingLeg
from askfirst.telephony.siplink import SipLink
from askfirst.telephony.twiliolink import TwilioLink
from askfirst.web.running import running_calls
from askfirst.web.twiliosocket import TwilioSocket
from askfirst.web.visit import site_of

router = APIRouter(prefix="/worker", include_in_schema=False)


class Doorman:
    """Calls from outside that ring at a worker; who may take them is known elsewhere.

    `tell` tells the master. Belongs to the loop of the desk.
    """

    def __init__(self, desk: Desk, tell: Callable[..., None]) -> None:
        self.desk = desk
        self._tell = tell
        self._lines: dict[str, IncomingLine | Offer] = {}
        self._carried: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ringing(self) -> int:
        """How many calls ring, and are none of the desk's yet."""
        offered = {line for line, found in self._lines.items() if isinstance(found, Offer)}
        return len(self._lines.keys() - self._carried - offered)

    def lines(self) -> dict[str, int]:
        """How many lines are used here, by provider."""
        return {each.name: link.calls for each, link in self._links()}

    def share(self, lines: Mapping[str, int]) -> None:
        """Others use so many lines, by provider."""
        for each, link in self._links():
            link.elsewhere = lines.get(each.name, 0)

    def _links(self) -> Iterator[tuple[Outside, SipLink | TwilioLink]]:
        for each in self.desk.providers.all():
            link = getattr(each, "link", None)
            if isinstance(link, SipLink | TwilioLink):
                yield each, link

    def arrive(self, line: IncomingLine) -> bool:
        """Let the master know that a call rings; whether it does."""
        if self.desk.is_full:
            return False
        self._tell(line=self._know(line), caller=line.caller, called=line.called)
        return True

    def offer(self, offer: Offer) -> bool:
        """Let the master know that a call is offered; where it cannot ring it is declined."""
        self._tell(
            offer=self._know(offer),
            caller=offer.caller,
            name=offer.name,
            to=offer.to,
            by=offer.by_name,
        )
        return True

    def _know(self, line: IncomingLine | Offer) -> str:
        identity = new_id("ring")
        self._lines[identity] = line
        task = asyncio.create_task(self._follow(identity, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return identity

    def get(self, line: str) -> IncomingLine | Offer:
        """A call that rings here. Raises NotFound."""
        try:
            return self._lines[line]
        except KeyError:
            raise NotFound("this call does not ring any more") from None

    def carry(self, line: str) -> IncomingLine | Offer:
        """A call that the desk has from now on, or tries to. Raises NotFound."""
        found = self.get(line)
        self._carried.add(line)
        return found

    def put_back(self, line: str) -> None:
        """The desk could not take it: it rings on."""
        self._carried.discard(line)

    def done(self, line: str) -> None:
        """Nobody will ask for a call any more."""
        self._lines.pop(line, None)
        self._carried.discard(line)

    def decline(self, line: str) -> None:
        """Let a call ring no longer; nothing happens where it does not."""
        if line in self._lines:
            self._lines[line].decline()

    def refuse(self, line: str) -> None:
        """Turn a call away that never rang at anybody, and write nothing down."""
        self.decline(line)
        self.done(line)

    def hang_up(self, line: str) -> None:
        """End a call that rings, or was answered for a message."""
        if line in self._lines:
            task = asyncio.create_task(self._lines[line].hangup())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _follow(self, identity: str, line: IncomingLine | Offer) -> None:
        """Say when a call is over; one that nobody took stays known until that is written down."""
        try:
            async for _ in line.events():
                pass
        finally:
            self._tell(over=identity)
            if identity in self._carried:
                self.done(identity)


def doorman_of(request: Request) -> Doorman:
    """Who has the calls that ring at this worker."""
    found: Doorman = request.app.state.doorman
    return found


Door = Annotated[Doorman, Depends(doorman_of)]


class Taking(BaseModel):
    """Who takes a call, and whether a browser brings the sound."""

    user: str
    has_browser: bool


@router.post("/lines/{line}/take")
async def take(request: Request, door: Door, line: str, wanted: Taking) -> dict[str, Any]:
    """Take a call for a user; the answer is its first state."""

    def known() -> accounts.User:
        with reading(site_of(request).store.engine) as connection:
            return accounts.user(connection, wanted.user)

    user = await asyncio.to_thread(known)
    leg: AgentLeg = MovingLeg() if wanted.has_browser else FileLeg(door.desk.clock)
    found = door.carry(line)
    try:
        live = await door.desk.take(user, found, leg, has_browser=wanted.has_browser)
    except BaseException:
        door.put_back(line)
        raise
    return live.state()


@router.post("/lines/{line}/missed")
async def missed(door: Door, line: str) -> dict[str, Any]:
    """Write down that nobody took a call."""
    try:
        await door.desk.missed(door.get(line))
    finally:
        door.done(line)
    return {}


@router.post("/lines/{line}/message")
async def message(door: Door, line: str) -> dict[str, Any]:
    """Record what a caller has to say, to its end."""
    try:
        await door.desk.take_message(door.get(line))
    finally:
        door.done(line)
    return {}


class Asking(BaseModel):
    """What Twilio says of a call that it asks about."""

    fields: dict[str, str]


@router.post("/twilio/voice")
async def twilio_voice(request: Request, asked: Asking) -> dict[str, Any]:
    """What Twilio is to do with a call; whoever asks has looked at its signature."""
    return {"twiml": await _over_twilio(request).incoming(asked.fields)}


@router.websocket("/twilio/stream")
async def twilio_stream(socket: WebSocket) -> None:
    """The sound of a call at Twilio; whoever hands it on has looked at its signature."""
    await socket.accept()
    await _over_twilio(socket).stream(TwilioSocket(socket))


def _over_twilio(request: HTTPConnection) -> TwilioCalls:
    found = site_of(request).carrier.twilio
    if found is None:
        raise Unavailable("no calls are carried over Twilio here at the moment")
    return found


@router.post("/calls")
async def calls(door: Door) -> dict[str, Any]:
    """Every call that goes on here."""
    return {"calls": [each.to_json() for each in running_calls(door.desk)]}
