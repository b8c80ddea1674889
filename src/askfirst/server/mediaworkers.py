"""The media workers of one machine: processes that carry calls, each call in one of them.

The process that shows pages starts them, chooses one for each new call, and knows which carries
what. One that dies takes its calls with it: their gates are closed by that, what they recorded is
kept as after any crash, and another one is started. One of them receives the calls from outside.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from askfirst.errors import AskfirstError, NotFound, PeerError, Refused, Unavailable
from askfirst.server.clock import utc_now
from askfirst.server.ids import new_id
from askfirst.server.node import Node
from askfirst.server.recovery import recover
from askfirst.server.workerlink import Message, WorkerLink
from askfirst.telephony.siplink import AGAIN_S

log = logging.getLogger(__name__)

LASTING_S = 60.0
"""A worker that lived for so long did not die of what it was started with."""


@dataclass(eq=False, slots=True)
class MediaWorker:
    """One worker as its master knows it. `calls` are those with an agent, by id; `busy` counts all,
    and `beginning` those that it was asked for and has not told of.

    `lines` are the telephones that it has, by provider; `trunk` is the trunk's state. `settled` is
    set once it is ready, or will not be.
    """

    id: str
    number: int
    path: Path
    receives: bool
    since: datetime
    link: WorkerLink
    is_ready: bool = False
    is_draining: bool = False
    is_ending: bool = False
    is_lost: bool = False
    calls: dict[str, str] = field(default_factory=dict)
    busy: int = 0
    beginning: int = 0
    lines: Mapping[str, int] = field(default_factory=dict)
    trunk: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    _told: int = 0

    @property
    def takes_calls(self) -> bool:
        """Whether a call may begin here."""
        return self.is_ready and not (self.is_draining or self.is_ending or self.is_lost)

    @property
    def load(self) -> int:
        """How many calls it has, or will have in a moment."""
        return self.busy + self.beginning

    def learn(self, board: Mapping[str, Any]) -> None:
        """Take over what the worker says that it carries, unless something newer is known."""
        if int(board["sequence"]) < self._told:
            return
        self._told = int(board["sequence"])
        self.calls = {str(call): str(user) for call, user in board["calls"]}
        self.busy, self.lines = int(board["busy"]), dict(board["lines"])
        self.trunk = board["trunk"]


class MediaWorkers:
    """Make it on the loop of the pages, `start` it and `close` it there.

    `count` workers take `most_calls` each at one time. `settings` is what a worker starts from.
    `on_line` is told of a call from outside (the worker, its id of it, caller and called) and says
    whether it rings; `on_offer` as well of one that is offered to a colleague (and who is at the
    other end, to whom, and by whom); `on_over` of one that is over by itself; `on_change` that
    something differs.
    """

    def __init__(
        self, node: Node, settings: Mapping[str, Any], count: int, most_calls: int
    ) -> None:
        self.restarts = 0
        self.most_calls = most_calls
        self.on_line: Callable[[MediaWorker, str, str, str], bool] = lambda *_: False
        self.on_offer: Callable[[MediaWorker, str, Mapping[str, str]], bool]
        self.on_offer = lambda *_: False
        self.on_over: Callable[[str], object] = lambda _: None
        self.on_change: Callable[[], object] = lambda: None
        self._node = node
        self._settings = settings
        self._count = count
        self._workers: dict[str, MediaWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ordering: asyncio.Task[None] | None = None
        self._has_orders = False
        self._beginning: set[str] = set()
        self._numbered = 0
        self._is_stopping = False
        self._is_closed = False
        # Sockets stand in a folder of their own: an address has 107 bytes, a data folder may more.
        self._folder = tempfile.TemporaryDirectory(prefix="askfirst-")

    async def start(self) -> None:
        """Start every worker and return when all are ready, or are being started again."""
        self._fill()
        await asyncio.gather(*(each.settled.wait() for each in self.all()))

    async def close(self) -> None:
        """Hang up every call, and return when all is settled; safe to call more than once."""
        self._is_stopping = self._is_closed = True
        for worker in self.all():
            self._end(worker)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._ordering is not None:
            await self._ordering
        self._folder.cleanup()

    # Who carries what

    def all(self) -> list[MediaWorker]:
        """Every worker, the oldest first."""
        return list(self._workers.values())

    def get(self, worker: str) -> MediaWorker:
        """A worker by its id. Raises NotFound."""
        try:
            return self._workers[worker]
        except KeyError:
            raise NotFound("there is no such media worker; it has ended") from None

    def of_call(self, call: str) -> MediaWorker | None:
        """Who carries a call, or carried it when it died and what is left is not written down."""
        return next((each for each in self._workers.values() if call in each.calls), None)

    def call_of(self, user: str) -> str | None:
        """The call that a user is on."""
        for worker in self._workers.values():
            for call, agent in worker.calls.items():
                if agent == user and not worker.is_lost:
                    return call
        return None

    @contextmanager
    def placing(self, user: str) -> Iterator[MediaWorker]:
        """The worker in which a user's call may begin now: the one with the fewest.

        Raises Unavailable where none is ready, Refused for a user who is on a call, where all lines
        are busy and while the program is ending.
        """
        with self.beginning(user):
            found = self._with_room()
            found.beginning += 1
            try:
                yield found
            finally:
                found.beginning -= 1

    @contextmanager
    def beginning(self, user: str) -> Iterator[None]:
        """Let a user begin one call at a time. Raises Refused for one who is on a call."""
        if user in self._beginning or self.call_of(user) is not None:
            raise Refused("you are on a call already; end it before you make another one")
        self._beginning.add(user)
        try:
            yield
        finally:
            self._beginning.discard(user)

    def any_ready(self) -> MediaWorker:
        """A worker that answers what all of them know. Raises Unavailable."""
        found = next((each for each in self.all() if each.is_ready and not each.is_lost), None)
        if found is None:
            raise Unavailable("no media worker is ready; try again in a moment")
        return found

    def _with_room(self) -> MediaWorker:
        taking = [each for each in self._workers.values() if each.takes_calls]
        if self._is_stopping:
            raise Refused("no calls are made any more: the program is ending")
        if not taking:
            raise Unavailable("no media worker is ready; try again in a moment")
        found = min(taking, key=lambda each: each.load)
        if not self._has_room(found):
            most = self.most_calls * len(taking)
            raise Refused(f"all {most} lines are busy; try again in a moment")
        return found

    def receiver(self) -> MediaWorker:
        """The worker that takes calls from outside; its trunk is shown. Raises Unavailable."""
        found = [each for each in self._workers.values() if each.receives and each.is_ready]
        if not found:
            raise Unavailable("no media worker is ready; try again in a moment")
        return found[0]

    # What is done with them

    def drain(self, worker: str) -> None:
        """Begin no call in a worker any more, and end it with its last one; another one is started.

        The one that receives calls from outside goes on with those until it has none. Raises
        NotFound.
        """
        self.get(worker).is_draining = True
        self._fill()
        self._look(self.get(worker))

    def stop(self) -> None:
        """Begin no call any more; those that go on do so."""
        self._is_stopping = True

    def switch_recording(self, enabled: bool) -> None:
        """The account's switch was changed; recordings in every worker end."""
        for worker in self.all():
            worker.link.tell(switch=enabled)

    def disagree(self, user: str) -> None:
        """A user has taken their agreement to be recorded back; every worker hears of it."""
        for worker in self.all():
            worker.link.tell(disagree=user)

    def review_overrides(self) -> None:
        """An override was ended; every worker looks at its calls again."""
        for worker in self.all():
            worker.link.tell(overrides=True)

    def restrict(self, calls: Sequence[str]) -> None:
        """Somebody on these calls restricts them; whichever worker carries them ends captions."""
        for worker in self.all():
            worker.link.tell(restrict=list(calls))

    # What happens by itself

    def _fill(self) -> None:
        """Start what is missing, and let go what is too much."""
        if self._is_closed:
            return
        # While the one that receives is there, it has the port at which calls come in.
        if not any(each.receives for each in self.all()):
            self._begin(receives=True)
        taking = [
            each for each in self.all() if not (each.is_draining or each.is_ending or each.is_lost)
        ]
        for _ in range(self._count - len(taking)):
            self._begin(receives=False)
        spare = [each for each in taking if not each.receives]
        for each in sorted(spare, key=lambda each: each.load)[: max(0, len(taking) - self._count)]:
            each.is_draining = True
            self._look(each)

    def _begin(self, *, receives: bool) -> MediaWorker:
        self._numbered += 1
        identity = new_id("med")
        path = Path(self._folder.name) / identity[-12:]
        start = {
            "settings": dict(self._settings),
            "name": identity,
            "path": str(path),
            "receives": receives,
        }
        link = WorkerLink(start, lambda message: self._hear(worker, message))
        worker = MediaWorker(identity, self._numbered, path, receives, utc_now(), link)
        self._workers[identity] = worker
        task = asyncio.create_task(self._carry(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    async def _carry(self, worker: MediaWorker) -> None:
        """Let a worker live, and clear up after it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await worker.link.run()
        except (OSError, PeerError):
            log.exception("media.worker-failed worker=%s", worker.id)
        pause = 0.0
        worker.is_lost = True
        worker.settled.set()
        if not worker.is_ending:
            log.error("media.worker-died worker=%s", worker.id)
            if loop.time() - began >= LASTING_S:
                self.restarts = 0
            pause = AGAIN_S[min(self.restarts, len(AGAIN_S) - 1)]
            self.restarts += 1
        self.on_change()
        try:
            await asyncio.to_thread(self._clear_up, worker)
        except AskfirstError:
            # What it had is taken up at the next start; nothing of it is open meanwhile.
            log.exception("media.not-cleared-up worker=%s", worker.id)
        del self._workers[worker.id]
        self.on_change()
        if not self._is_closed:
            await asyncio.sleep(pause)
            self._fill()

    def _clear_up(self, worker: MediaWorker) -> None:
        recover(self._node.store, worker.id)
        self._node.jobs.dispatch()

    def _hear(self, worker: MediaWorker, message: Message) -> None:
        match message:
            case {"alive": _}:
                return
            case {"ready": _}:
                worker.is_ready = True
                worker.settled.set()
            case {"sequence": _}:
                self.learn(worker, message)
                return
            case {"line": str(line), "caller": str(caller), "called": str(called)}:
                if not (self._has_room(worker) and self.on_line(worker, line, caller, called)):
                    worker.link.tell(refuse=line)
            case {"offer": str(line), **told}:
                if not self.on_offer(worker, line, {key: str(each) for key, each in told.items()}):
                    worker.link.tell(refuse=line)
            case {"over": str(line)}:
                self.on_over(line)
            case {"orders": _}:
                self._take_orders()
            case _:
                raise PeerError("a message of a media worker that means nothing")
        self._look(worker)

    def learn(self, worker: MediaWorker, board: Message) -> None:
        """A worker says what it carries; the others hear how many lines are left for them."""
        lines = worker.lines
        worker.learn(board)
        if worker.lines != lines:
            used = sum((Counter(each.lines) for each in self.all()), Counter[str]())
            for each in self.all():
                each.link.tell(elsewhere=dict(used - Counter(each.lines)))
        self._look(worker)

    def _look(self, worker: MediaWorker) -> None:
        is_done = worker.is_draining and worker.is_ready and not worker.load
        if is_done and not worker.is_ending:
            self._end(worker)
            self._fill()
        self.on_change()

    def _end(self, worker: MediaWorker) -> None:
        worker.is_ending = True
        worker.link.end()

    def _has_room(self, worker: MediaWorker) -> bool:
        return worker.load < self.most_calls

    def _take_orders(self) -> None:
        """Have done what a worker ordered."""
        self._has_orders = True
        if self._ordering is None or self._ordering.done():
            self._ordering = asyncio.create_task(self._dispatch())

    async def _dispatch(self) -> None:
        while self._has_orders:
            self._has_orders = False
            try:
                await asyncio.to_thread(self._node.jobs.dispatch)
            except AskfirstError:
                log.exception("media.orders-wait")
