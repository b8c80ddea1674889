"""Somebody called beside a live call: spoken with alone, brought in, or given the call.

Everybody else waits meanwhile, and nothing of it is recorded. Whoever is brought in is one more
party before anybody is heard, so the gate has closed by then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from askfirst.errors import Refused
from askfirst.model import Party, Role
from askfirst.ports import ConsultationStage, ConsultingCall
from askfirst.server.call import Call


class Consulting:
    """What an agent may do with people beside a call; made by the call's `LiveCall` only.

    `hold` lets everybody wait, or takes them back. Every act raises Refused where it cannot be.
    """

    def __init__(
        self, call: Call, line: ConsultingCall, hold: Callable[[bool], Awaitable[bool]]
    ) -> None:
        self._call = call
        self._line = line
        self._hold = hold
        self._names: dict[str, str] = {}
        self._brought: dict[int, str] = {}

    async def begin(self, number: str, name: str = "") -> None:
        """Call a number that was checked; the others wait, and go on waiting if that fails later.

        Raises Unavailable while the line is down; then nobody waits who did not before.
        """
        self._names[number] = name
        await self._with_all_waiting(partial(self._line.consult, number))

    async def end(self) -> None:
        """Hang up on whoever was called, and take the others back."""
        found = self._line.consultation
        if found is not None and found.stage is ConsultationStage.TRANSFERRING:
            raise Refused("the call is being handed on; wait for the outcome")
        await self._line.dismiss()
        await self._hold(False)

    async def leave_beside(self) -> None:
        """Nobody is to be beside the call any more; raises Refused while somebody is."""
        found = self._line.consultation
        if found is not None and found.stage is not ConsultationStage.OVER:
            raise Refused("somebody is beside the call; go back to it, or bring them in")
        await self._line.dismiss()

    async def bring_in(self) -> int:
        """Let whoever was called be in the call, and take the others back; gives the party."""
        leg, consultation = self._line.beside_leg(), self._line.consultation
        assert consultation is not None  # noqa: S101 - the leg is its own
        # The gate closes before anything is heard; no other task gets its turn between these.
        party = self._call.join(leg, Party(Role.CONTACT, consultation.number or None))
        self._line.connect()
        self._brought[party] = consultation.number
        await self._hold(False)
        return party

    async def transfer(self, number: str | None = None, name: str = "") -> None:
        """Hand the call on: to a number that was checked, or to whoever was called."""
        if number is not None:
            self._names[number] = name
        await self._with_all_waiting(partial(self._line.transfer, number))

    def drop(self, party: int) -> bool:
        """Hang up on somebody who was brought in; False for anybody else."""
        if party not in self._brought:
            return False
        (leg,) = {each.leg for each in self._call.facts.parties if each.index == party}
        self._line.drop(leg)
        return True

    def name_of(self, party: int) -> str:
        """Name or number of somebody who was brought in, "" for anybody else."""
        number = self._brought.get(party, "")
        return self._names.get(number) or number

    def state(self) -> dict[str, object] | None:
        """Whom the agent called and how that stands, ready for JSON; None without anybody."""
        found = self._line.consultation
        if found is None:
            return None
        return {
            "number": found.number,
            "name": self._names.get(found.number, ""),
            "stage": found.stage.value,
            "cause": None if found.cause is None else found.cause.value,
        }

    async def _with_all_waiting(self, begin: Callable[[], Awaitable[None]]) -> None:
        was_held = not await self._hold(True)
        try:
            await begin()
        except BaseException:
            if not was_held:
                await self._hold(False)
            raise
