"""What carries calls while this process runs: its own desk, or the media workers that it starts.

Everything here belongs to the server's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from askfirst.clock import LoopClock
from askfirst.errors import AskfirstError, Unavailable
from askfirst.server.desk import Desk
from askfirst.server.frontdesk import Ask, FrontDesk
from askfirst.server.mediaworkers import MediaWorker, MediaWorkers
from askfirst.server.node import Node
from askfirst.server.offer import Offer
from askfirst.server.plugins import TELEPHONY, load
from askfirst.server.reception import Reception
from askfirst.server.settings import Settings
from askfirst.server.spokenanswer import understands
from askfirst.server.trunktest import TrunkTester
from askfirst.server.twilioevents import TwilioCalls
from askfirst.server.twiliotest import TwilioTester, over_twilio
from askfirst.telephony.siptrunk import Trunk
from askfirst.web.overtwilio import OverTwilio
from askfirst.web.running import RunningCall, running_calls
from askfirst.web.twilioworkers import Elsewhere, TwilioWorkers


@dataclass(slots=True)
class Carrier:
    """The calls of a node. `node` None: this process shows pages and carries no calls.

    `trunk` is the exchange over which telephones are called; `most_calls` go on at one time. Where
    `settings` want media workers these carry the calls, and `ask` asks them; `worker` is the name
    of this process where it is one. Calls go over Twilio as well where that is set up; `twilio_url`
    is where an emulator of it answers.
    """

    node: Node | None = None
    trunk: Trunk | None = None
    most_calls: int = 500
    settings: Settings | None = None
    ask: Ask | None = None
    workers: MediaWorkers | None = None
    twilio_url: str | None = None
    worker: str | None = None
    _desk: Desk | None = None
    _reception: Reception[Any, Any] | None = None
    _tester: TrunkTester | None = None
    _twilio_tester: TwilioTester | None = None
    _over_twilio: OverTwilio | TwilioWorkers | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the desk, and at the end hang up every call and wait until each is settled."""
        if self.node is None:
            yield
            return
        self._loop = asyncio.get_running_loop()
        has_workers = self.settings is not None and self.settings.media_workers
        if self.settings is not None and has_workers and self.worker is None:
            await self._start_workers(self.node, self.settings)
        else:
            await self._open_desk(self.node)
        try:
            yield
        finally:
            await self.close()

    async def _open_desk(self, node: Node) -> None:
        """Carry calls in this process."""
        clock = LoopClock()
        outside = None if self.trunk is None else load(TELEPHONY, "sip")(clock, self.trunk)
        self._desk = Desk(node, clock, outside=outside, most_calls=self.most_calls)
        reception = self._reception = Reception(self._desk)

        def offer(offer: Offer) -> bool:
            return reception.offer(offer, offer.to, offer.name, offer.by_name)

        self._desk.on_offer = offer
        self._desk.providers.on_call = reception.arrive
        desk, engine = self._desk, node.store.engine
        self._tester = TrunkTester(desk, clock, engine)
        self._twilio_tester = TwilioTester(
            over_twilio(desk), lambda: desk.is_full, desk.callee, clock, engine
        )
        if self.settings is not None:
            self._over_twilio = OverTwilio(
                node.store, self._desk, self.settings.origin, self.worker, self.twilio_url
            )
            await self._over_twilio.begin()

    async def _start_workers(self, node: Node, settings: Settings) -> None:
        """Let other processes carry calls; the desk of this one only knows whom it could call."""
        assert self.ask is not None  # noqa: S101 - whoever gives settings gives both
        outside = None if self.trunk is None else Elsewhere("sip")
        self._desk = Desk(node, LoopClock(), outside=outside)
        self.workers = MediaWorkers(
            node, settings.to_json(), settings.media_workers, settings.calls_per_worker
        )
        front = FrontDesk(self._desk, self.workers, self.ask)
        reception = self._reception = Reception(front)

        def ring(worker: MediaWorker, line: str, caller: str, called: str) -> bool:
            return reception.arrive(front.line(worker, line, caller, called))

        def offer(worker: MediaWorker, line: str, told: Mapping[str, str]) -> bool:
            distant = front.line(worker, line, told["caller"], "")
            return reception.offer(distant, told["to"], told["name"], told["by"])

        def look() -> None:
            front.look()
            reception.tell()

        self.workers.on_line, self.workers.on_over = ring, front.over
        self.workers.on_offer = offer
        self.workers.on_change = look
        await self.workers.start()
        self._over_twilio = TwilioWorkers(node.store, self._desk, self.workers, self.ask)
        await self._over_twilio.begin()

    async def close(self) -> None:
        """Hang up every call and wait until each is settled; safe to call more than once."""
        testers = self._tester, self._twilio_tester
        self._tester = self._twilio_tester = None
        for tester in testers:
            if tester is not None:
                await tester.close()
        reception, self._reception = self._reception, None
        if reception is not None:
            await reception.close()
        workers, self.workers = self.workers, None
        if workers is not None:
            await workers.close()
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.close()
        over, self._over_twilio = self._over_twilio, None
        if over is not None:
            await over.close()

    async def drained(self) -> None:
        """Begin no more calls, and return when those that go on have ended by themselves."""
        if self._reception is not None:
            self._reception.drain()
        if self._desk is not None:
            self._desk.drain()
        if self.workers is not None:
            self.workers.stop()
        while self.busy:  # noqa: ASYNC110 - a desk tells nobody that a call is settled
            await asyncio.sleep(0.1)

    @property
    def twilio(self) -> TwilioCalls | None:
        """Who carries calls over Twilio, None where nobody does. On the loop only."""
        over = self._over_twilio
        return over if over is not None and over.carries else None

    @property
    def busy(self) -> int:
        """How many calls go on or begin."""
        if self.workers is not None:
            return sum(each.busy for each in self.workers.all())
        return 0 if self._desk is None else self._desk.busy

    @property
    def desk(self) -> Desk:
        """The desk, on the server's loop only. Raises Unavailable where no calls are carried."""
        if self._desk is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._desk

    @property
    def tester(self) -> TrunkTester:
        """Who places test calls, on the server's loop only. Raises Unavailable as `desk`."""
        if self._tester is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._tester

    @property
    def twilio_tester(self) -> TwilioTester:
        """The same over Twilio. Raises Unavailable as `desk`."""
        if self._twilio_tester is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._twilio_tester

    @property
    def reception(self) -> Reception[Any, Any]:
        """What rings, on the server's loop only. Raises Unavailable where no calls are carried."""
        if self._reception is None:
            raise Unavailable("this process carries no calls; ask one that does")
        return self._reception

    async def running_calls(self) -> Sequence[RunningCall]:
        """Every call that is not settled, the oldest first. Raises Unavailable as `desk`.

        Those of a worker that does not answer are left out: it has not said how they stand.
        """
        if self.workers is None or self.ask is None:
            return running_calls(self.desk)
        asked = [self._running_in(self.ask, each) for each in self.workers.all() if each.is_ready]
        found = [call for calls in await asyncio.gather(*asked) for call in calls]
        return sorted(found, key=lambda call: (call.since, call.id))

    async def _running_in(self, ask: Ask, worker: MediaWorker) -> Sequence[RunningCall]:
        try:
            told = await ask(worker, "calls", {})
        except AskfirstError:
            return ()
        return [RunningCall.from_json(each) for each in told["calls"]]

    def understands(self, language: str) -> bool:
        """Whether a spoken answer in a language would be understood in a call."""
        return self.node is not None and understands(self.node.captioning, language)

    def switch_recording(self, enabled: bool) -> None:
        """The account's switch was changed; from any thread. Running recordings end."""
        self._tell(lambda each: each.switch_recording(enabled))

    def disagree(self, user: str) -> None:
        """A user has taken their agreement to be recorded back; from any thread.

        What is being recorded of them ends where the law wants the agreement.
        """
        self._tell(lambda each: each.disagree(user))

    def restrict(self, calls: Sequence[str]) -> None:
        """Somebody restricts calls that go on; from any thread. What hears them live ends."""
        self._tell(lambda each: each.restrict(calls))

    def review_overrides(self) -> None:
        """An override was ended; from any thread. No running call rests on it any more."""
        self._tell(lambda each: each.review_overrides())

    def _tell(self, news: Callable[[MediaWorkers | Desk], None]) -> None:
        """Tell whoever carries calls, on the loop of the calls."""
        told = self.workers or self._desk
        if self._loop is not None and told is not None:
            self._loop.call_soon_threadsafe(news, told)
