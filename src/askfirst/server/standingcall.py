"""Standing consents in a call: reported where they cover everything owed, and ended at once.

What somebody signed is evidence like any other: it is durable in the ledger before the gate can
open, and the gate alone says whether it is enough. A consent that is withdrawn while the call goes
on, by whoever and in whatever process, is a withdrawal in the call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from askfirst import events as ev
from askfirst.errors import AskfirstError
from askfirst.gate import PartyFact
from askfirst.model import Role
from askfirst.ports import Clock
from askfirst.server.callbook import ON_FILE
from askfirst.server.database import consents, reading
from askfirst.server.standingconsents import all_stand
from askfirst.server.standingscope import Scope, covering
from askfirst.server.store import Store

if TYPE_CHECKING:
    from askfirst.server.call import Call

log = logging.getLogger(__name__)

LOOK_MS = 200
"""How often it is looked whether a consent still stands; within that time a recording stops."""


class StandingConsents:
    """What the people of one call have signed, by their place in the call.

    `start` runs a task that ends with the call; `fail` closes the gate where nobody can say whether
    a consent still stands.
    """

    def __init__(
        self,
        call: Call,
        store: Store,
        clock: Clock,
        start: Callable[[Coroutine[object, object, None]], object],
        fail: Callable[[], object],
    ) -> None:
        self._call = call
        self._store = store
        self._clock = clock
        self._start = start
        self._fail = fail
        self._known: dict[int, tuple[Scope, ...]] = {}
        self._given: dict[int, str] = {}
        self._is_looking = False

    def know(self, party: int, scopes: Sequence[Scope]) -> None:
        """What somebody signed for the number by which they are on the call."""
        self._known[party] = tuple(scopes)

    def follow(self, event: ev.Event) -> None:
        """Report what covers a party's requirements, after a decision; forget it after a no."""
        match event:
            case ev.Decided():
                for party in self._call.facts.parties:
                    self._report(party)
            case ev.Refused(party=index) | ev.Withdrawn(party=index):
                # What they say now counts, whatever they signed; it is withdrawn with that.
                self._known.pop(index, None)
                self._given.pop(index, None)

    def _report(self, party: PartyFact) -> None:
        facts, decision = self._call.facts, self._call.facts.decision
        has_said_no = party.index in facts.refused | facts.withdrawn
        if decision is None or facts.has_ended or has_said_no:
            return
        if party.role is not Role.CONTACT or party.is_machine or not party.is_present:
            return
        if all(owed.party != party.index for owed in facts.unmet()):
            return
        on = self._call.at(self._call.now_ms()).date()
        found = covering(self._known.get(party.index, ()), party.index, decision, on)
        if found is None:
            return
        scope, evidence = found
        self._given[party.index] = scope.id
        more = {
            "standing": scope.id,
            "given_on": scope.given_on.isoformat(),
            "ends_on": scope.ends_on.isoformat(),
        }
        loop = asyncio.get_running_loop()
        self._call.give(evidence, "written", more, partial(self._written, scope.id, loop))
        if not self._is_looking:
            self._is_looking = True
            self._start(self._look())

    def _written(
        self,
        consent: str,
        loop: asyncio.AbstractEventLoop,
        connection: sa.Connection,
        position: int,
    ) -> None:
        """Tie the answer to the consent, in the transaction of its entry.

        The consent may have been withdrawn since the call was prepared. The loop hears of that
        before it hears that the entry is durable, so the gate does not open in between.
        """
        of_entry = (consents.c.call == self._call.id) & (consents.c.ledger == position)
        connection.execute(consents.update().where(of_entry).values(standing=consent))
        if not all_stand(connection, [consent]):
            loop.call_soon_threadsafe(self._end, consent)

    async def _look(self) -> None:
        while True:
            await self._clock.sleep_until(self._clock.now_ms() + LOOK_MS)
            if not self._given:
                continue
            try:
                ended = await asyncio.to_thread(self._ended, sorted(set(self._given.values())))
            except AskfirstError as error:
                log.error("standing.unknown call=%s error=%s", self._call.id, type(error).__name__)
                self._fail()
                continue
            for each in ended:
                self._end(each)

    def _ended(self, given: Sequence[str]) -> list[str]:
        with reading(self._store.engine) as connection:
            return [each for each in given if not all_stand(connection, [each])]

    def _end(self, consent: str) -> None:
        """A consent on which the call rests is over: whoever gave it has withdrawn."""
        for party in [index for index, given in self._given.items() if given == consent]:
            if not self._call.facts.has_ended:
                self._call.withdraw(party, ON_FILE)
