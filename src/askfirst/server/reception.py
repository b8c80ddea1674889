"""Calls from outside that ring: who may take them, and what becomes of those that nobody takes.

A `Reception` belongs to the loop of its desk and everything here is called on it. Nothing of a
caller is heard or kept before somebody takes the call; from then on the desk carries it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from askfirst.errors import NotFound, Refused
from askfirst.ports import AgentLeg, CallEventKind, Clock
from askfirst.server.accounts import TIME_FACTORS, User
from askfirst.server.clock import utc_now
from askfirst.server.ids import new_id
from askfirst.server.lines import RingingLine
from askfirst.server.ownnumbers import NOBODY, RingGroup
from askfirst.server.precall import PreCall

log = logging.getLogger(__name__)

RING_MS = 45_000
"""How long a call from outside rings before the caller is told that nobody is free.

Longer where it rings at a person who is given more time."""


Ring = TypeVar("Ring", bound=RingingLine)
Rung = TypeVar("Rung", bound=RingingLine, contravariant=True)


class Known(Protocol):
    """A call that somebody is on."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


class Taken(Known, Protocol):
    """A call that somebody has taken."""

    def state(self) -> dict[str, object]:
        """The call as it is now, ready for JSON."""
        ...


Call = TypeVar("Call", bound=Taken)
Given = TypeVar("Given", bound=Taken, covariant=True)


class Carrying(Protocol[Rung, Given]):
    """Who carries what rings here: the desk of this process, or those of its media workers."""

    clock: Clock

    @property
    def is_full(self) -> bool:
        """Whether no more calls are taken."""
        ...

    def of(self, user_id: str) -> Known | None:
        """The call that a user is on."""
        ...

    def recognise(self, user: User | None, number: str) -> PreCall:
        """What a call from a number would start from; for a thread of its own."""
        ...

    def ring_group(self, start: PreCall, line: RingingLine) -> RingGroup:
        """At whom a call from outside rings; for a thread of its own."""
        ...

    async def take(
        self, user: User, line: Rung, leg: AgentLeg, *, has_browser: bool = False
    ) -> Given:
        """Take a call from outside for a user; raises Refused."""
        ...

    async def missed(self, line: Rung) -> None:
        """Write down a call that nobody carries, and return when that is done."""
        ...

    async def take_message(self, line: Rung) -> None:
        """Record what the caller has to say, and return when that is over."""
        ...


@dataclass(eq=False, slots=True)
class Ringing(Generic[Ring]):
    """A call from outside that nobody has taken yet; `number` is "" where it is withheld.

    It rings at nobody before its `group` is known. Where `by` names a colleague, it is that
    colleague's call, which nobody else misses.
    """

    id: str
    line: Ring
    number: str
    since: datetime
    name: str = ""
    contact: str | None = None
    by: str = ""
    group: RingGroup = NOBODY
    declined: set[str] = field(default_factory=set)
    taking: asyncio.Lock = field(default_factory=asyncio.Lock)
    unanswered: asyncio.Event = field(default_factory=asyncio.Event)
    is_carried: bool = False
    is_missed: bool = False

    def give_up(self) -> None:
        """Nobody takes it: the caller may leave a message, or is told that it is busy here."""
        if self.group.takes_messages:
            self.unanswered.set()
        else:
            self.line.decline()

    def is_for(self, user: str) -> bool:
        """Whether a user may take it and has not declined."""
        return self.group.has(user) and user not in self.declined

    @property
    def is_taken(self) -> bool:
        """Whether somebody has it, or is taking it now."""
        return self.is_carried or self.taking.locked()


class Reception(Generic[Ring, Call]):
    """Everything that rings in an installation; make one for a desk that calls telephones.

    A call rings at everybody of its number's group whose phone is open, who takes calls and is on
    none. It is written down as missed when nobody takes it.
    """

    def __init__(self, desk: Carrying[Ring, Call]) -> None:
        self._desk = desk
        self._ringing: dict[str, Ringing[Ring]] = {}
        self._open: dict[str, int] = {}
        self._time_factors: dict[str, int] = {}
        self._away: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._is_over = False

    # What the provider tells

    def arrive(self, line: Ring) -> bool:
        """Let a call from outside ring; says whether it does."""
        if self._is_closed or self._desk.is_full:
            return False
        self._let_ring(Ringing(new_id("ring"), line, line.caller, utc_now()))
        return True

    def offer(self, line: Ring, to: str, name: str, by: str) -> bool:
        """Let a colleague's call ring at one person; says whether it does.

        `name` is who is at the other end, `by` whose call it is.
        """
        if self._is_closed or not self.is_available(to):
            return False
        only = RingGroup(people=frozenset({to}))
        self._let_ring(
            Ringing(new_id("ring"), line, line.caller, utc_now(), name, by=by, group=only)
        )
        return True

    def _let_ring(self, ringing: Ringing[Ring]) -> None:
        self._ringing[ringing.id] = ringing
        task = asyncio.create_task(self._attend(ringing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.tell()

    # What people do

    def is_available(self, user: str) -> bool:
        """Whether calls ring at a user: a phone is open, the user takes calls and is on none."""
        return user in self._open and user not in self._away and self._desk.of(user) is None

    def be_away(self, user: str, away: bool) -> None:
        """Let nothing ring at a user's open phones, or let it ring again."""
        (self._away.add if away else self._away.discard)(user)
        self.tell()

    def rings_at(self, user: str) -> list[Ringing[Ring]]:
        """What rings at a user now, the oldest first."""
        if not self.is_available(user):
            return []
        return [each for each in self._ringing.values() if not each.is_taken and each.is_for(user)]

    async def take(
        self, user: User, ringing: str, leg: AgentLeg, *, has_browser: bool = False
    ) -> Call:
        """Take a call for a user whose sound is a leg; where it is not taken the leg stays theirs.

        Raises NotFound for a call that does not ring any more, Refused as `Desk.take`.
        """
        found = self._get(ringing, user.id)
        if found.is_taken:
            raise Refused("a colleague has taken the call")
        try:
            async with found.taking:
                self.tell()
                live = await self._desk.take(user, found.line, leg, has_browser=has_browser)
                found.is_carried = True
                return live
        finally:
            self.tell()  # where that failed it rings on, here too

    def decline(self, user: str, ringing: str) -> None:
        """Let a call ring at a user no longer; the last one to do so ends the ringing.

        Raises NotFound for a call that does not ring any more.
        """
        found = self._get(ringing, user)
        found.declined.add(user)
        if not any(self.is_available(each) and found.is_for(each) for each in self._open):
            found.give_up()
        self.tell()

    # What people see

    async def following(self, who: User) -> AsyncGenerator[dict[str, Any], None]:
        """What an open phone of a user shows now and after every change, until nothing rings here.

        As long as somebody reads this, the phone is open.
        """
        user = who.id
        if user not in self._open:
            self.be_away(user, who.is_away)
        self._time_factors[user] = who.time_factor
        self._open[user] = self._open.get(user, 0) + 1
        self.tell()
        shown: dict[str, Any] | None = None
        try:
            while not self._is_over:
                changed = self._changed
                now = self.shown_to(user)
                if now != shown:
                    shown = now
                    yield now
                else:
                    await changed.wait()
        finally:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user], self._time_factors[user]
            self.tell()

    def shown_to(self, user: str) -> dict[str, Any]:
        """What rings at a user, whether the user takes calls, and the call that the user is on."""
        live = self._desk.of(user)
        return {
            "call": None if live is None else live.id,
            "away": user in self._away,
            "ringing": [
                {
                    "id": each.id,
                    "number": each.number,
                    "name": each.name,
                    "contact": each.contact,
                    "by": each.by,
                    "called": each.group.name,
                    "since": each.since.isoformat(),
                }
                for each in self.rings_at(user)
            ],
        }

    async def close(self) -> None:
        """Let nothing ring any more and return when what was missed is written down."""
        self._is_closed = True
        for each in tuple(self._ringing.values()):
            each.line.decline()
            if each.is_missed:  # somebody is leaving a message
                await each.line.hangup()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._is_over = True
        self.tell()

    def drain(self) -> None:
        """Let nothing more ring; what rings or was taken goes on."""
        self._is_closed = True

    def changed(self) -> asyncio.Event:
        """What is set at the next change of anything that is shown here; each one is set once."""
        return self._changed

    # What happens by itself

    async def _attend(self, ringing: Ringing[Ring]) -> None:
        try:
            if not ringing.by:
                await self._recognise(ringing)
            await self._wait(ringing)
        except Exception:
            log.exception("reception.failed")
            ringing.line.decline()
        finally:
            del self._ringing[ringing.id]
            self.tell()

    async def _recognise(self, ringing: Ringing[Ring]) -> None:
        """Find out who calls, as far as the account knows."""
        start = await asyncio.to_thread(self._desk.recognise, None, ringing.number)
        ringing.number, ringing.name = start.number, start.name
        ringing.contact = None if start.contact is None else start.contact.id
        ringing.group = await asyncio.to_thread(self._desk.ring_group, start, ringing.line)
        self.tell()

    async def _wait(self, ringing: Ringing[Ring]) -> None:
        """Return when somebody carries the call, or what is left of it is written down."""
        rung = asyncio.create_task(self._rung(ringing.line))
        waiting = (
            rung,
            asyncio.create_task(ringing.unanswered.wait()),
            asyncio.create_task(self._give_up(ringing, self._desk.clock.now_ms())),
        )
        try:
            await asyncio.wait(waiting[:2], return_when=asyncio.FIRST_COMPLETED)
            is_over = rung.done()
            if is_over:
                rung.result()  # a line that fails is no call that rang to its end
        finally:
            for each in waiting:
                each.cancel()
        async with ringing.taking:  # until it is known what came of that
            if ringing.is_carried:
                return
            ringing.is_missed = True
            self.tell()
            if is_over:
                await self._desk.missed(ringing.line)
            else:
                await self._desk.take_message(ringing.line)

    async def _rung(self, line: Ring) -> None:
        """Return when a call was answered, or is over."""
        async for event in line.events():
            if event.kind is CallEventKind.ANSWERED:
                return

    async def _give_up(self, ringing: Ringing[Ring], since_ms: int) -> None:
        for rung in range(1, max(TIME_FACTORS) + 1):
            await self._desk.clock.sleep_until(since_ms + rung * RING_MS)
            if not any(
                self.is_available(user) and ringing.is_for(user) and rung < factor
                for user, factor in self._time_factors.items()
            ):
                break
        ringing.give_up()

    def _get(self, ringing: str, user: str) -> Ringing[Ring]:
        found = self._ringing.get(ringing)
        if found is None or found.is_missed or not found.group.has(user):
            raise NotFound("this call does not ring any more")
        return found

    def tell(self) -> None:
        """Have every open phone look at what is shown now."""
        self._changed.set()
        self._changed = asyncio.Event()
