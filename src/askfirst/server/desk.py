"""The live calls of one process: who is on which call, and how one is placed.

A `Desk` belongs to one event loop and everything here is called on it. Whoever acts for an agent
gets a `LiveCall`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.policy import Policy
from askfirst.ports import AgentLeg, Clock
from askfirst.server import contacts
from askfirst.server.account import Account, account
from askfirst.server.accounts import User
from askfirst.server.database import reading
from askfirst.server.livecall import LiveCall, ReportingCall
from askfirst.server.node import Node
from askfirst.server.prompts import packaged_prompt
from askfirst.server.request import CallRequest, Prompts
from askfirst.server.simulation import DEMO_FACTS
from askfirst.telephony.conversation import Conversation, ConversationProvider
from askfirst.telephony.persona import Persona, by_number, packaged_personas

log = logging.getLogger(__name__)

SPOKEN = "en"
"""Language of simulated calls: personas, their prompts and the packaged recogniser know no other,
whatever language the account's pages have."""


class Desk:
    """Every live call of one process; make one, and `close` it before the node.

    `personas` are whom calls may be made to, by name; by default the packaged ones.
    """

    def __init__(
        self,
        node: Node,
        clock: Clock,
        *,
        personas: Mapping[str, Persona] | None = None,
        prompts: Prompts = packaged_prompt,
    ) -> None:
        self._node = node
        self._clock = clock
        self.personas = packaged_personas() if personas is None else personas
        self._prompts = prompts
        self._calls: dict[str, LiveCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: set[str] = set()
        self._switched: list[bool] = []
        self._is_closed = False

    async def place(
        self, user: User, to: str, leg: AgentLeg, *, persona: str | None = None
    ) -> LiveCall:
        """Call a persona by its number for a user whose sound is a leg; the leg stays the caller's.

        Raises InvalidInput for a number that is no persona's or not the named one's, Refused for
        a user who is on a call already and while the desk closes.
        """
        callee = self._callee(to, persona)
        if self._is_closed:
            raise Refused("no calls are made any more: the program is ending")
        if user.id in self._placing or self.of(user.id) is not None:
            raise Refused("you are on a call already; end it before you make another one")
        self._placing.add(user.id)
        try:
            return await self._dial(user, callee, leg)
        finally:
            self._placing.discard(user.id)

    def get(self, identity: str) -> LiveCall:
        """The live call of an id; raises NotFound, also for one that is settled."""
        try:
            return self._calls[identity]
        except KeyError:
            raise NotFound("no call with this id is going on") from None

    def of(self, user_id: str) -> LiveCall | None:
        """The call that a user is on."""
        mine = (live for live in self._calls.values() if live.user_id == user_id)
        return next((live for live in mine if not live.has_ended), None)

    def all(self) -> tuple[LiveCall, ...]:
        """Every call that is not settled, the oldest first."""
        return tuple(self._calls.values())

    def switch_recording(self, enabled: bool) -> None:
        """The account's switch was changed: every call hears of it, and recordings end."""
        self._switched.append(enabled)
        for live in self.all():
            live.switch(enabled)

    async def close(self) -> None:
        """Hang up everything and return when every call is settled."""
        self._is_closed = True
        for live in self.all():
            await live.hangup()
        await asyncio.gather(*self._tasks)

    def _callee(self, to: str, persona: str | None) -> Persona:
        callee = by_number(self.personas)(to)
        if callee is None:
            raise InvalidInput(
                "found a number that no demo contact has; the simulator calls nobody else. "
                "Choose a demo contact"
            )
        if persona is not None and persona != callee.name:
            raise InvalidInput("found a demo contact with another number; give the number it has")
        return callee

    async def _dial(self, user: User, callee: Persona, leg: AgentLeg) -> LiveCall:
        switched = len(self._switched)
        settings, policy = await asyncio.to_thread(self._settings, callee.number)
        provider = ConversationProvider(self._clock, by_number({callee.name: callee}))
        line = await provider.dial(callee.number, leg)
        if self._is_closed:
            await line.hangup()
            raise Refused("no calls are made any more: the program is ending")
        call = ReportingCall(
            replace(self._node.store, retention=settings.retention(self._node.store.retention)),
            self._clock,
            self._request(user, settings, policy, callee),
            DEMO_FACTS,
            self._prompts,
            separate_legs=provider.capabilities.separate_legs,
            on_outbox=self._node.jobs.dispatch,
        )
        live = LiveCall(user, call, line, leg, settings.notice_facts())
        for on in self._switched[switched:]:  # while the settings were on their way
            live.switch(on)
        self._calls[live.id] = live
        task = asyncio.create_task(self._carry(live, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # The call writes down that it began before anybody can act in it.
        await asyncio.sleep(0)
        return live

    def _settings(self, number: str) -> tuple[Account, Policy]:
        """The account, and its policy for a number: an objection of its contact is part of it."""
        with reading(self._node.store.engine) as connection:
            settings = account(connection)
            return settings, contacts.policy_for(connection, number, settings.policy())

    def _request(
        self, user: User, settings: Account, policy: Policy, callee: Persona
    ) -> CallRequest:
        place = user.place or settings.home_place
        return CallRequest(
            number=callee.number,
            agent_places=(place,) if place else (),
            policy=policy,
            contact_places=(callee.contact_place,) if callee.contact_place else (),
            announces=settings.announces,
            language=SPOKEN,
            persona=callee.name,
            agent=user.id,
            recording_switch=settings.recording_enabled,
            # Nobody is recorded on a notice that there is not, or on an older one.
            is_acknowledged=user.notice_version == settings.notice_version,
            rules=self._node.rules,
            overrides=self._node.overrides,
        )

    async def _carry(self, live: LiveCall, line: Conversation) -> None:
        watching = asyncio.create_task(live.watch(self._clock))
        try:
            await live.call.run(line)
        except Exception:
            log.exception("desk.call-failed call=%s", live.id)
            live.fail()
            await line.hangup()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            del self._calls[live.id]
            live.settle()
