"""The live calls of one process: who is on which call, and how one is placed.

A `Desk` belongs to one event loop and everything here is called on it. Whoever acts for an agent
gets a `LiveCall`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakSet

from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused, Unavailable
from askfirst.notice import NoticeFacts
from askfirst.override import Override, digest
from askfirst.ports import AgentLeg, Clock, TelephonyCapabilities
from askfirst.server.accounts import User
from askfirst.server.clock import utc_now
from askfirst.server.contactcard import standard
from askfirst.server.database import reading
from askfirst.server.lines import IncomingLine, Outside, RingingLine, ensure_dialable
from askfirst.server.livecall import Line, LiveCall
from askfirst.server.message import Message
from askfirst.server.node import Node
from askfirst.server.offer import Offer, moving
from askfirst.server.ourside import Colleague
from askfirst.server.ownnumbers import RingGroup, ring_group, shown_by
from askfirst.server.ownprompts import OwnPrompts, Placeholder
from askfirst.server.precall import PreCall, colleague, look_up, prepare
from askfirst.server.privatecall import ensure_may_be_private
from askfirst.server.prompts import packaged_prompt
from askfirst.server.providers import Providers
from askfirst.server.reportingcall import ReportingCall
from askfirst.server.request import INBOUND, CallRequest, Known, Prompts
from askfirst.server.simulation import DEMO_FACTS
from askfirst.server.store import Store
from askfirst.speech.placeholder import spoken
from askfirst.telephony.conversation import ConversationProvider
from askfirst.telephony.persona import Persona, by_number, packaged_personas

log = logging.getLogger(__name__)

SPOKEN = "en"
"""Language of simulated calls: personas, their prompts and the packaged recogniser know no other,
whatever language the account's pages have."""

SIMULATOR = "simulator"

BEGINS_WITHIN_S = 2.0
"""How long the first lines of a call are waited for; a disk that is late does not stop a call."""


News = Callable[[LiveCall | Message], None]
"""What was changed for calls that go on, done to each of them."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a call starts from; `heard` counts the news that the desk had before it was read."""

    start: PreCall
    heard: int


class Desk:
    """Every live call of one process; make one, and `close` it before the node.

    `personas` are whom the simulator calls, by name; by default the packaged ones. `outside` calls
    everybody else, like whoever is connected to `providers`; they are closed with the desk.
    `prompts` are announcements to personas; telephones hear the account's own ones, or the voice of
    `placeholder`. `most_calls` go on at one time.
    """

    def __init__(
        self,
        node: Node,
        clock: Clock,
        *,
        personas: Mapping[str, Persona] | None = None,
        prompts: Prompts = packaged_prompt,
        outside: Outside | None = None,
        placeholder: Placeholder = spoken,
        most_calls: int = 500,
    ) -> None:
        self._node = node
        self.clock = clock
        self.personas = packaged_personas() if personas is None else personas
        self._prompts = prompts
        self.own_prompts: Prompts = OwnPrompts(node.store.engine, placeholder)
        self.providers = Providers(outside)
        self.most_calls = most_calls
        self._calls: dict[str, LiveCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing: set[str] = set()
        self._news: list[News] = []
        self._messages: set[Message] = set()
        self._reporting: WeakSet[ReportingCall] = WeakSet()
        self._is_closed = False
        self.on_offer: Callable[[Offer], bool] = lambda _: False

    async def place(
        self,
        user: User,
        to: str,
        leg: AgentLeg,
        *,
        persona: str | None = None,
        provider: str | None = None,
        has_browser: bool = False,
        caller_id: str | None = None,
        is_private: bool = False,
    ) -> LiveCall:
        """Call a number for a user whose sound is a leg; it is closed with the call.

        Numbers of personas are called by the simulator and by nobody else, all others by the
        provider for telephones. With `has_browser` the call pauses while the leg is not connected,
        and ends when it stays so. Where nothing is placed the leg stays the caller's. `caller_id`
        is shown to who is called; nothing is kept of a call that `is_private`. Raises InvalidInput
        for a number that cannot be called, or not by the named provider or as the named persona, or
        cannot be shown, Refused for a user who is on a call already, where all lines are busy and
        while the desk closes, Unavailable where the line is down.
        """
        callee = self._callee(to, persona, provider)
        with self._only_call_of(user):
            if callee is None:
                return await self._dial_out(
                    user, to, leg, has_browser, provider, caller_id, is_private
                )
            if caller_id is not None:
                raise InvalidInput("found a caller id; demo contacts see none, so leave it out")
            return await self._dial(user, callee, leg, has_browser, is_private)

    @contextmanager
    def _only_call_of(self, user: User, *, needs_line: bool = True) -> Iterator[None]:
        """Let a user begin one call at a time, and none while the desk closes."""
        if self._is_closed:
            raise Refused("no calls are made any more: the program is ending")
        if user.id in self._placing or self.of(user.id) is not None:
            raise Refused("you are on a call already; end it before you make another one")
        if needs_line and self.is_full:
            raise Refused(f"all {self.most_calls} lines are busy; try again in a moment")
        self._placing.add(user.id)
        try:
            yield
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

    @property
    def busy(self) -> int:
        """How many calls there are, with those that are being placed."""
        return len(self._carried()) + len(self._placing)

    @property
    def is_full(self) -> bool:
        """Whether no more calls are taken."""
        return self.busy >= self.most_calls

    def drain(self) -> None:
        """Begin no more calls; those that go on do so."""
        self._is_closed = True

    def switch_recording(self, enabled: bool) -> None:
        """The account's switch was changed: every call hears of it, and recordings end."""
        self._tell(lambda each: each.switch(enabled))

    def disagree(self, user: str) -> None:
        """A user has taken their agreement to be recorded back: their calls hear of it."""
        self._tell(lambda each: each.disagree(user))

    def _tell(self, news: News) -> None:
        self._news.append(news)
        for each in self._carried():
            news(each)

    def _catch_up(self, each: LiveCall | Message, heard: int) -> None:
        """Tell a call what it missed while what it starts from was on its way."""
        for news in self._news[heard:]:
            news(each)

    def review_overrides(self) -> None:
        """An override was ended: no call rests on it any more. None is loosened in mid-call."""
        try:
            counting = {digest(each) for each in self._node.overrides}
        except AskfirstError:
            log.exception("desk.overrides-unknown")
            counting = set()  # the law as it stands is always safe
        for each in list(self._reporting):
            each.keep_overrides(counting)

    def restrict(self, calls: Collection[str]) -> None:
        """Somebody on these calls restricts them: captions end, and storing goes on."""
        for each in self.all():
            if each.id in calls:
                each.call.captions.close()

    def _carried(self) -> list[LiveCall | Message]:
        return [*self.all(), *self._messages]

    async def close(self) -> None:
        """Hang up everything and return when every call is settled."""
        self._is_closed = True
        for each in self._carried():
            await each.hangup()
        await asyncio.gather(*self._tasks)
        await self.providers.close()

    @property
    def outside(self) -> Outside | None:
        """Who usually calls telephones."""
        return self.providers.usual

    def callee(self, to: str) -> Persona | None:
        """Whom the simulator calls by a number in any usual spelling, None for nobody's."""
        return by_number(self.personas)(standard(to) or to)

    def _callee(self, to: str, persona: str | None, provider: str | None) -> Persona | None:
        """Whom the simulator is to call, None for a telephone."""
        callee = self.callee(to)
        if provider not in (None, SIMULATOR) and self.providers.get(provider) is None:
            raise Unavailable(f"no line of the provider {provider} is set up here")
        if callee is None:
            if self.outside is None or persona is not None or provider == SIMULATOR:
                raise InvalidInput(
                    "found a number that no demo contact has; the simulator calls nobody else. "
                    "Choose a demo contact"
                )
            return None
        if provider not in (None, SIMULATOR):
            raise InvalidInput("found the number of a demo contact, which only the simulator calls")
        if persona is not None and persona != callee.name:
            raise InvalidInput("found a demo contact with another number; give the number it has")
        return callee

    async def _dial(
        self, user: User, callee: Persona, leg: AgentLeg, has_browser: bool, is_private: bool
    ) -> LiveCall:
        beginning = await self.begin(user, callee.number, is_private)
        start = beginning.start
        provider = ConversationProvider(self.clock, by_number({callee.name: callee}))
        line = await provider.dial(callee.number, leg)
        request = self.request(
            user,
            start,
            persona=callee.name,
            language=SPOKEN,
            announces=start.announces,
        )
        call = self._call(start, request, DEMO_FACTS, self._prompts, provider.capabilities)
        return await self._carry_on(user, beginning, call, line, leg, has_browser)

    async def _dial_out(
        self,
        user: User,
        to: str,
        leg: AgentLeg,
        has_browser: bool,
        provider: str | None,
        caller_id: str | None,
        is_private: bool,
    ) -> LiveCall:
        """Call a telephone."""
        outside = self.providers.choose(provider, caller_id)
        beginning = await self.begin(user, to, is_private)
        ensure_dialable(beginning.start.number)
        if caller_id is not None:
            await asyncio.to_thread(self._ensure_shown, user, caller_id)
        line = await outside.dial(beginning.start.number, leg, caller_id)
        return await self._by_telephone(outside, user, beginning, line, leg, has_browser)

    async def _by_telephone(
        self,
        outside: Outside,
        user: User,
        beginning: Beginning,
        line: Line,
        leg: AgentLeg,
        has_browser: bool,
        **own: Any,
    ) -> LiveCall:
        """Carry a call with a telephone; `own` is what else it starts from."""
        start = beginning.start
        language = start.language
        request = self.request(
            user,
            start,
            provider=outside.name,
            language=language,
            announces=start.announces,
            **own,
        )
        facts = start.account.notice_facts(language)
        call = self._call(start, request, facts, self.own_prompts, outside.capabilities)
        return await self._carry_on(user, beginning, call, line, leg, has_browser)

    def _ensure_shown(self, user: User, number: str) -> None:
        with reading(self._node.store.engine) as connection:
            if all(number != each.number for each in shown_by(connection, user.person)):
                raise InvalidInput(
                    f"found the caller id {number[:40]!r}; expected one of the account's own "
                    "numbers that rings at you, such as +4721000000"
                )

    async def reached(self, user: User, number: str) -> PreCall:
        """Whom a user's number reaches who is called beside a call, or to whom one is handed on.

        Raises InvalidInput and Refused as `place` does.
        """
        if self._callee(number, None, None) is not None:
            raise InvalidInput("found a demo contact's number; those are called by themselves only")
        start = (await self.begin(user, number)).start
        ensure_dialable(start.number)
        return start

    # Calls from outside

    async def take(
        self, user: User, line: IncomingLine | Offer, leg: AgentLeg, *, has_browser: bool = False
    ) -> LiveCall:
        """Take a call from outside for a user, as `place` makes one.

        Nobody is turned away because the rules of their place were not read: then nothing of the
        call is recorded. Raises Refused for a user who is on a call already, where the caller has
        hung up or a colleague was faster, and while the desk closes.
        """
        if isinstance(line, Offer):
            return await self._take_over(user, line, has_browser)
        with self._only_call_of(user):
            heard = len(self._news)
            start = await asyncio.to_thread(self.recognise, user, line.caller)
            own: dict[str, Any] = {"direction": INBOUND, "own_number": start.standard(line.called)}
            if start.awaits_review:
                own["recording_switch"] = False
            outside = self.providers.of(line)
            await line.take(leg)
            try:
                beginning = Beginning(start, heard)
                return await self._by_telephone(
                    outside, user, beginning, line, leg, has_browser, **own
                )
            except BaseException:
                await line.hangup()  # nobody carries it, and nobody may be left on a dead line
                raise

    def offer(self, live: LiveCall, to: User, by_name: str) -> None:
        """Offer a call that its agent has to a colleague, at whom it rings now.

        Raises Refused where that cannot be: it is offered already, nobody has answered it, its
        agent has no browser, or the colleague's phone is closed or busy.
        """
        live.ensure_live()
        moving(live)
        if live.offer is not None and not live.offer.is_over:
            raise Refused("the call rings at a colleague; take that back first")
        offer = Offer(live, to, by_name)
        if not self.on_offer(offer):
            raise Refused(f"{to.name} cannot take calls now: away, in a call, or not at the phone")
        live.offer = offer
        live.look()

    async def _take_over(self, user: User, offer: Offer, has_browser: bool) -> LiveCall:
        if not has_browser:
            raise InvalidInput("found a call of a browser; take it with agent_audio 'browser'")
        with self._only_call_of(user, needs_line=False):
            heard = len(self._news)
            taking = await asyncio.to_thread(self.colleague, user)
            return await offer.take(taking, partial(self._catch_up, heard=heard))

    async def bring(self, live: LiveCall, user: User) -> int:
        """A colleague is on the line with a call's agent; gives the party. Raises as `join`."""
        live.ensure_live()
        heard = len(self._news)
        joining = await asyncio.to_thread(self.colleague, user)
        party = live.join(colleague=joining)
        self._catch_up(live, heard)
        return party

    async def missed(self, line: IncomingLine | Offer) -> None:
        """Write down a call from outside that nobody carries; nothing of it is ever recorded.

        Return when that is done.
        """
        await line.hangup()
        if isinstance(line, Offer):
            return  # its agent still has it
        start = await asyncio.to_thread(self.recognise, None, line.caller)
        await self._unattended(line, start, announces=False, recording_switch=False).run(line)

    async def take_message(self, line: IncomingLine | Offer) -> None:
        """Answer a call from outside that nobody carries, and record what the caller has to say.

        Return when that is over. Where nothing may be recorded, or nobody has read the rules that
        the account wants read, it is written down as missed and not answered.
        """
        if isinstance(line, Offer):
            return await self.missed(line)
        heard = len(self._news)
        start = await asyncio.to_thread(self.recognise, None, line.caller)
        if start.awaits_review or not start.account.recording_enabled or self._is_closed:
            return await self.missed(line)
        call = self._unattended(
            line, start, announces=True, takes_message=True, look_up=self.look_up
        )
        message = Message(call, line, self.clock)
        self._messages.add(message)
        try:
            self._catch_up(message, heard)
            await message.take()
        except Refused:  # the caller has hung up meanwhile
            await self.missed(line)
        finally:
            self._messages.discard(message)

    def _unattended(self, line: IncomingLine, start: PreCall, **own: Any) -> ReportingCall:
        """A call from outside that no agent has."""
        outside = self.providers.of(line)
        request = CallRequest(
            number=start.number,
            agent_places=start.agent_places,
            policy=start.policy,
            contact_places=start.contact_places,
            language=start.language,
            provider=outside.name,
            direction=INBOUND,
            own_number=start.standard(line.called),
            rules=self._node.rules,
            overrides=self._node.overrides,
            **own,
        )
        facts = start.account.notice_facts(request.language)
        return self._call(start, request, facts, self.own_prompts, outside.capabilities)

    def recognise(self, user: User | None, number: str) -> PreCall:
        """What a call from a number would start from if a user took it; for a thread of its own.

        A number that is a demo contact's is somebody else's when it calls from outside.
        """
        with reading(self._node.store.engine) as connection:
            return prepare(self._node.store, connection, user, number)

    def ring_group(self, start: PreCall, line: RingingLine) -> RingGroup:
        """At whom a call from outside rings; for a thread of its own."""
        with reading(self._node.store.engine) as connection:
            return ring_group(connection, start.standard(line.called))

    def _call(
        self,
        start: PreCall,
        request: CallRequest,
        facts: NoticeFacts,
        prompts: Prompts,
        can: TelephonyCapabilities,
    ) -> ReportingCall:
        call = ReportingCall(
            self.store_for(start),
            self.clock,
            request,
            facts,
            prompts,
            separate_legs=can.separate_legs,
            on_outbox=self._node.jobs.dispatch,
            # Of whoever restricts the processing of their calls nothing is heard, only stored.
            captioning=None if start.is_restricted else self._node.captioning,
        )
        self._reporting.add(call)
        return call

    async def _carry_on(
        self,
        user: User,
        beginning: Beginning,
        call: ReportingCall,
        line: Line,
        leg: AgentLeg,
        has_browser: bool,
    ) -> LiveCall:
        """The call as its agent has it, carried from now on."""
        start = beginning.start
        live = LiveCall(
            user,
            call,
            line,
            leg,
            start.account.notice_facts(call.request.language),
            has_browser=has_browser,
            name=start.name,
            region=start.account.region,
        )
        await self.enter(live, line, beginning)
        return live

    # For every provider

    async def begin(self, user: User, number: str, is_private: bool = False) -> Beginning:
        """What a user's call to a number starts from.

        Raises Refused where the rules of its country have to be read first, and for a private call
        where there may be none.
        """
        heard = len(self._news)
        start = await asyncio.to_thread(self.prepare, user, number)
        if start.awaits_review:
            raise Refused(
                f"nobody has read the rules of {', '.join(start.awaits_review)}, and the account "
                "wants that before the first call there; ask somebody with rules.review"
            )
        if is_private:
            ensure_may_be_private(start.account.private_calls, start.policy)
            start = replace(start, is_private=True)
        return Beginning(start, heard)

    async def enter(self, live: LiveCall, line: Line, beginning: Beginning) -> None:
        """Carry a call from now on until it is settled.

        Raises Refused while the desk closes; the line is hung up then.
        """
        if self._is_closed:
            await line.hangup()
            raise Refused("no calls are made any more: the program is ending")
        self._catch_up(live, beginning.heard)
        self._calls[live.id] = live
        if isinstance(live.call, ReportingCall):
            self._reporting.add(live.call)
        task = asyncio.create_task(self._carry(live, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # It is written down that the call began before anybody can act in it or ask for it.
        begun = asyncio.create_task(live.call.begun.wait())
        await asyncio.wait(
            (task, begun), timeout=BEGINS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
        )
        begun.cancel()

    def store_for(self, start: PreCall) -> Store:
        """The store as a call uses it: with the account's own period."""
        store = self._node.store
        return replace(store, retention=start.account.period(store.retention))

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What the installation has loosened, with signatures that hold."""
        return self._node.overrides

    def prepare(self, user: User, to: str) -> PreCall:
        """What a user's call to a number would start from; for a thread of its own."""
        callee = self.callee(to)
        number, place = (to, None) if callee is None else (callee.number, callee.contact_place)
        store, is_demo = self._node.store, callee is not None
        with reading(store.engine) as connection:
            return prepare(store, connection, user, number, place, is_simulated=is_demo)

    def request(self, user: User, start: PreCall, **own: Any) -> CallRequest:
        """What a user's call starts from; `own` is what a provider adds (`CallRequest`)."""
        node, today = self._node, utc_now().date()
        return start.request(user, node.rules, node.overrides, self.look_up, today, **own)

    def colleague(self, user: User) -> Colleague:
        """Somebody who works here, as a call takes them in; for a thread of its own."""
        with reading(self._node.store.engine) as connection:
            return colleague(connection, user, self._node.rules, utc_now().date())

    def look_up(self, number: str) -> Known:
        """What the account knows of whoever joins a call by number; for a thread of its own."""
        return look_up(self._node.store, number)

    async def _carry(self, live: LiveCall, line: Line) -> None:
        watching = asyncio.create_task(live.watch(self.clock))
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
            await live.leg.close()
