"""A live call that its agent offers to a colleague here, by name: it rings at that colleague alone.

Until it is taken everything goes on as it was. From then on the call is the colleague's: one more
person on our side, whose place is asked about as anybody's, while the one before has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from askfirst.errors import Refused
from askfirst.ports import CallEvent
from askfirst.server import audit
from askfirst.server.clock import utc_now
from askfirst.server.database import calls
from askfirst.telephony.movingleg import MovingLeg
from askfirst.telephony.progress import Log

if TYPE_CHECKING:
    from askfirst.server.accounts import User
    from askfirst.server.livecall import LiveCall
    from askfirst.server.ourside import Colleague


WRITTEN_WITHIN_S = 2.0
"""How long it is waited for that a call is written down as a colleague's."""


class Offer:
    """`lines.RingingLine` of a call that somebody here has; belongs to the loop of its desk.

    `caller` is the other side's number, `to` the colleague's id and `to_name` the name, `by_name`
    the agent's. `is_over` is whether it rings no longer, `is_taken` whether the colleague has it.
    """

    called = ""

    def __init__(self, live: LiveCall, to: User, by_name: str) -> None:
        self.live = live
        self.caller = live.call.request.number
        self.name = live.name
        self.to, self.to_name, self.by_name = to.id, to.name, by_name
        self.is_over = self.is_taken = False
        self._events: Log[CallEvent] = Log()

    def events(self) -> AsyncIterator[CallEvent]:
        """No event, until it rings no longer."""
        return self._events.read()

    def decline(self) -> None:
        """Let it ring no longer; the call stays with its agent. Too late where it is taken."""
        if not self.is_over:
            self.is_over = True
            self._events.close()
            self.live.look()

    async def hangup(self) -> None:
        """Let it ring no longer: who is offered a call cannot end it."""
        self.decline()

    async def take(self, colleague: Colleague, catch_up: Callable[[LiveCall], None]) -> LiveCall:
        """The call is the colleague's, whose browser brings the sound next.

        `catch_up` tells a call what has changed since it was known what the colleague has settled.
        Raises Refused where it does not ring any more, the call is over, or somebody is beside it.
        """
        live = self.live
        if live.consulting is not None:
            await live.consulting.leave_beside()
        if self.is_over or live.has_ended:
            raise Refused("this call is not offered any more")
        self.is_taken = True
        self.decline()
        former = live.user_id
        await live.let_go()
        live.be_of(colleague, partial(_keep, live.id, former, colleague.user.id))
        catch_up(live)
        # Whoever has it reaches it from now on; a disk that is late does not stop a call.
        with suppress(TimeoutError):
            await asyncio.wait_for(live.call.written(), WRITTEN_WITHIN_S)
        return live

    def state(self) -> dict[str, object]:
        """To whom the call is offered and whether it rings there, ready for JSON."""
        stage = "taken" if self.is_taken else "not-taken" if self.is_over else "ringing"
        return {"user": self.to, "name": self.to_name, "stage": stage}


def moving(live: LiveCall) -> MovingLeg:
    """The sound of a call whose agent speaks with a browser. Raises Refused for any other."""
    if not isinstance(live.leg, MovingLeg):
        raise Refused("only a call whose agent speaks by a browser can be handed to a colleague")
    return live.leg


def _keep(call: str, former: str, user: str, connection: sa.Connection, _: int) -> None:
    connection.execute(calls.update().where(calls.c.id == call).values(agent=user))
    audit.note(connection, utc_now(), former, "call.handed", call, {"to": user})
