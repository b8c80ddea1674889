"""Calls from outside that ring in a media worker: who may take them is known here, not there.

Phones are open at the process that shows pages, so what rings anywhere rings here; the worker
answers, carries, and writes down.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from askfirst.ports import AgentLeg, CallEvent, Clock
from askfirst.server.accounts import User
from askfirst.server.desk import Desk
from askfirst.server.lines import RingingLine
from askfirst.server.mediaworkers import MediaWorker, MediaWorkers
from askfirst.server.ownnumbers import RingGroup
from askfirst.server.precall import PreCall
from askfirst.telephony.progress import Log

Ask = Callable[[MediaWorker, str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Asks a worker something: the worker, a path below ``/worker``, what is told; its answer."""


@dataclass(frozen=True, slots=True)
class DistantCall:
    """A call that a worker carries."""

    id: str
    shown: Mapping[str, object]

    def state(self) -> dict[str, object]:
        """The call as it was when the worker answered."""
        return dict(self.shown)


class DistantLine:
    """`RingingLine` of a worker, which has it under the id `line`."""

    def __init__(self, worker: MediaWorker, line: str, caller: str, called: str) -> None:
        self.worker, self.line = worker, line
        self.caller, self.called = caller, called
        self._events: Log[CallEvent] = Log()

    def events(self) -> AsyncIterator[CallEvent]:
        """No event, until it is over: who knows that it rings needs no more."""
        return self._events.read()

    def over(self) -> None:
        """It rings no longer."""
        self._events.close()

    def decline(self) -> None:
        """Let it ring no longer; nothing happens where it is over or taken."""
        self.worker.link.tell(decline=self.line)
        self.over()

    async def hangup(self) -> None:
        """End it, whether it rings or is taken."""
        self.worker.link.tell(hangup=self.line)
        self.over()


class FrontDesk:
    """`reception.Carrying` for all workers; `desk` knows the account and carries nothing."""

    def __init__(self, desk: Desk, workers: MediaWorkers, ask: Ask) -> None:
        self.clock: Clock = desk.clock
        self.is_full = False  # a worker that is full lets nothing ring
        self._desk = desk
        self._workers = workers
        self._ask = ask
        self._lines: dict[str, DistantLine] = {}

    def line(self, worker: MediaWorker, line: str, caller: str, called: str) -> DistantLine:
        """A call that rings at a worker now."""
        found = self._lines[line] = DistantLine(worker, line, caller, called)
        return found

    def over(self, line: str) -> None:
        """A call at a worker rings no longer, by itself."""
        found = self._lines.pop(line, None)
        if found is not None:
            found.over()

    def look(self) -> None:
        """End what rings at workers that are gone."""
        for line, found in tuple(self._lines.items()):
            if found.worker.is_lost:
                self.over(line)

    def of(self, user_id: str) -> DistantCall | None:
        """The call that a user is on."""
        call = self._workers.call_of(user_id)
        return None if call is None else DistantCall(call, {})

    def recognise(self, user: User | None, number: str) -> PreCall:
        """What a call from a number would start from; for a thread of its own."""
        return self._desk.recognise(user, number)

    def ring_group(self, start: PreCall, line: RingingLine) -> RingGroup:
        """At whom a call from outside rings; for a thread of its own."""
        return self._desk.ring_group(start, line)

    async def take(
        self, user: User, line: DistantLine, leg: AgentLeg, *, has_browser: bool = False
    ) -> DistantCall:
        """Have a worker take a call for a user, with a leg of its own.

        Raises Refused for a user who is on a call already, and what the worker refuses.
        """
        with self._workers.beginning(user.id):
            told = {"user": user.id, "has_browser": has_browser}
            state = await self._ask(line.worker, f"lines/{line.line}/take", told)
        self.over(line.line)  # it does not ring any more; where that failed, it rings on
        return DistantCall(str(state["call"]), state)

    async def missed(self, line: DistantLine) -> None:
        """Have a worker write down that nobody took a call, and return when that is done."""
        await self._leave(line, "missed")

    async def take_message(self, line: DistantLine) -> None:
        """Have a worker record what the caller has to say, and return when that is over."""
        await self._leave(line, "message")

    async def _leave(self, line: DistantLine, what: str) -> None:
        try:
            # Where the worker has died nobody knows more of the call than that it rang.
            if not line.worker.is_lost:
                await self._ask(line.worker, f"lines/{line.line}/{what}", {})
        finally:
            self.over(line.line)
