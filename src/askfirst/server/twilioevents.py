"""What Twilio tells us of calls: taken at once, once, in order, and handed to who carries them.

An answer waits for nothing but the disk, and for that `ANSWERS_WITHIN_S` at most: an event goes to
a file first, so that no end of the process loses what was answered, and one thread writes whatever
has come since it wrote last into the database, so that a busy one delays the work and not the
answer. An event is known by its call and number, or its recording and state, and by its signature;
one that is known changes nothing. What was written and not handed on when the process ended is
handed on at the next start. Signatures are checked before anything comes here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server import twilioaccount, twilioexchange
from askfirst.server.clock import utc_now
from askfirst.server.database import reading
from askfirst.server.store import Store
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twiliojournal import VOICE, Event, Journal
from askfirst.server.twilioorder import CallOrder, Turn, kept
from askfirst.server.twiliospool import Spooling
from askfirst.telephony.twiliosignature import Signed

log = logging.getLogger(__name__)

ANSWERS_WITHIN_S = 0.01
"""How long an answer waits for the database; the file is forced to the disk then."""

GAP_S = 0.4
"""How long an event waits for one that comes before it and has not come."""

RETRY_S = 1.0
MOST_HELD = 20_000
"""Events that wait to be written; with more the answer is 503, and Twilio tries elsewhere."""

ANSWERS_KEPT, ANSWERS_KEPT_S = 500, 60.0
"""So many answers are given again, for so long, where Twilio asks the same again."""

FOLDER = "twilio"
"""Where events wait for the database, below the data folder."""

CALLS_KNOWN = 10_000
ACCOUNT_FRESH_S = 2.0
_Given = TypeVar("_Given")
_CALL = re.compile(r"CA[0-9a-f]{32}")
_RECORDING = re.compile(r"RE[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,6}")
_STATUS = re.compile(r"[a-z-]{1,24}")


class StreamSocket(Protocol):
    """The WebSocket of a media stream, accepted."""

    async def receive(self) -> str | None:
        """The next text message, None when the other side is gone."""
        ...

    async def send(self, text: str) -> None:
        """Send a text message; raises OSError when the other side is gone."""
        ...

    async def close(self) -> None:
        """End the stream; safe to call more than once."""
        ...


class TwilioCalls(Protocol):
    """Whoever carries calls over Twilio; belongs to the server's loop."""

    def status(self, call_sid: str, fields: Mapping[str, str]) -> None:
        """Take one event of a call; each comes once, in order, and never waits.

        After a crash one may come again, and there are events of calls that nobody knows any more.
        `fields` hold no numbers; with a RecordingSid they speak of a recording at Twilio.
        """
        ...

    async def incoming(self, fields: Mapping[str, str], worker: str | None = None) -> str:
        """The TwiML for a call that comes in, or back to the media `worker` that had handed it on.

        Comes once for each request. Raises Unavailable, NotFound where nobody carries it.
        """
        ...

    async def stream(self, socket: StreamSocket) -> None:
        """Carry a media stream to its end; its start message has to bring the one-time token."""
        ...


@dataclass(slots=True)
class _Known:
    """What is known of a call: the order of its events, and the clock on what is missing."""

    order: CallOrder[Event] = field(default_factory=CallOrder)
    gap: asyncio.TimerHandle | None = None


class Intake:
    """Takes the events of an installation; belongs to the loop that `running` runs on.

    `calls` gives who carries calls over Twilio, None for nobody: events wait until somebody does.
    `tally` counts what came, by what became of it, since the start.
    """

    def __init__(self, store: Store, calls: Callable[[], TwilioCalls | None]) -> None:
        self.tally: Counter[str] = Counter()
        self._store = store
        self._journal = Journal(store.engine)
        self._spool = Spooling(store.folder / FOLDER)
        self._calls = calls
        self._held: deque[Event] = deque()
        self._marks: dict[str, Event] = {}
        self._done: list[tuple[str, str]] = []
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._unowned: deque[Event] = deque()
        self._answers: OrderedDict[str, tuple[float, asyncio.Task[str]]] = OrderedDict()
        self._is_ending = False
        self._work = asyncio.Event()
        self._writer: ThreadPoolExecutor | None = None
        self._account: tuple[float, TwilioAccount | None, bool] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what an earlier process left, and write until the end, the last event too."""
        self._writer = ThreadPoolExecutor(1, "twilio-events")
        writing = asyncio.create_task(self._write())
        try:
            left, orders = await self._in_writer(self._journal.left)
            for event in left:
                self._sort(event, orders.get(event.call_sid))
            for event in self._spool.start():
                self._hold(event)
            yield
        finally:
            for known in self._known.values():
                if known.gap is not None:
                    known.gap.cancel()
            for _, answer in self._answers.values():
                answer.cancel()
            self._is_ending = True
            self._work.set()
            await writing
            try:
                while self._held or self._done:
                    await self._flush()
            except Unavailable:
                log.error("twilio.events-left count=%d", len(self._held))
            await self._spool.close(is_done=not self._held)
            self._writer.shutdown()

    async def account(self) -> TwilioAccount | None:
        """The credentials in force, as of `ACCOUNT_FRESH_S` seconds ago at most."""
        now = asyncio.get_running_loop().time()
        if self._account is None or now - self._account[0] > ACCOUNT_FRESH_S:
            self._account = now, *await asyncio.to_thread(self._read_account)
        return self._account[1]

    async def earlier(self, call_sid: str) -> TwilioAccount | None:
        """The credentials from before, where a call goes on that began under them; else None."""
        if self._account is not None and not self._account[2]:
            return None  # so that what anybody sends costs no question each
        return await asyncio.to_thread(self._read_earlier, call_sid)

    async def came_before(self, signed: Signed) -> bool:
        """Whether a request with this signature was taken."""
        event = Event(f"other/{signed.mark}", signed.mark, "", None, "", {}, utc_now())
        return event.mark in self._marks or await asyncio.to_thread(self._journal.knows, event)

    def forget_account(self) -> None:
        """Read the credentials anew; they were changed. From any thread."""
        self._account = None

    async def progress(self, signed: Signed) -> None:
        """Take an event of a call, a stream or a recording; returns when it may be answered.

        Raises InvalidInput for what is none, Unavailable where too many wait.
        """
        event = self._event(signed)
        if await self._took(event):
            self.tally["taken"] += 1

    async def voice(self, signed: Signed, worker: str | None = None) -> str:
        """The TwiML for a call that comes in; the same again where Twilio asks the same again.

        `worker` is the media worker that it comes back to.

        Raises Refused for a request that was answered long ago, Unavailable and NotFound where
        nobody carries calls or they do not answer, InvalidInput for what is no such request.
        """
        fields = signed.as_map()
        sid = _sid(fields)
        now = asyncio.get_running_loop().time()
        known = self._answers.get(signed.mark)
        if known is not None and now - known[0] < ANSWERS_KEPT_S:
            self.tally["repeated"] += 1
            return await asyncio.shield(known[1])
        key = f"{VOICE}{sid}/{signed.mark[:32]}"
        event = Event(key, signed.mark, sid, None, "", {}, utc_now())
        # Before anything is awaited: the same request may come again meanwhile.
        answer = asyncio.create_task(self._answer(event, fields, worker))
        answer.add_done_callback(_seen)
        self._answers[signed.mark] = now, answer
        while len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return await asyncio.shield(answer)

    async def _answer(self, event: Event, fields: Mapping[str, str], worker: str | None) -> str:
        if await asyncio.to_thread(self._journal.knows, event):
            self.tally["replayed"] += 1
            raise Refused("this request was answered before; each call is asked about once")
        if not await self._took(event):
            raise Refused("this request was answered before; each call is asked about once")
        calls = self._calls()
        if calls is None:
            raise Unavailable("no calls are carried over Twilio here at the moment")
        self.tally["calls"] += 1
        return await calls.incoming(fields, worker)

    async def _took(self, event: Event) -> bool:
        """Hold an event until it is written, waiting for that a moment; False if it is known."""
        if event.mark in self._marks:
            self.tally["repeated"] += 1
            return False
        if self._is_ending:
            raise Unavailable("the program is ending, and nobody takes events any more; try again")
        if len(self._held) >= MOST_HELD:
            self.tally["full"] += 1
            raise Unavailable("too many events wait for the disk; try again")
        written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        event.written = written
        self._hold(event)
        self._spool.keep(event)
        done, _ = await asyncio.wait([written], timeout=ANSWERS_WITHIN_S)
        if not done:
            self._spool.sync()
            return True
        return written.result()

    def _hold(self, event: Event) -> None:
        self._marks[event.mark] = event
        self._held.append(event)
        self._work.set()

    def _event(self, signed: Signed) -> Event:
        """The event that a request tells of. Raises InvalidInput."""
        fields = signed.as_map()
        sid = _sid(fields)
        number = fields.get("SequenceNumber", "")
        status = fields.get("CallStatus", "")
        if not _STATUS.fullmatch(status):
            status = ""
        if "RecordingSid" in fields:
            recording, state = fields["RecordingSid"], fields.get("RecordingStatus", "")
            if not _RECORDING.fullmatch(recording) or not _STATUS.fullmatch(state):
                raise InvalidInput("found no recording with its state; expected RE and 32 digits")
            key, place = f"recording/{recording}/{state}", None
            # Nobody here has ever asked for one.
            log.warning("twilio.recording-elsewhere recording=%s state=%s", recording, state)
            self.tally["recordings"] += 1
        elif "StreamSid" not in fields and _NUMBER.fullmatch(number):
            place = int(number)
            key = f"progress/{sid}/{place}"
        else:
            key, place = f"other/{signed.mark}", None
        return Event(key, signed.mark, sid, place, status, kept(fields), utc_now())

    # The writer

    async def _write(self) -> None:
        while not self._is_ending:
            await self._work.wait()
            try:
                await self._flush()
            except Unavailable as error:
                name = type(error).__name__
                log.warning("twilio.events-wait count=%d error=%s", len(self._held), name)
                if not self._is_ending:
                    await asyncio.sleep(RETRY_S)

    async def _flush(self) -> None:
        """Write what is held; it stays held, in its order, where that fails."""
        self._work.clear()
        events, done = list(self._held), self._done
        if not events and not done:
            return
        self._done = []
        strange = {e.call_sid for e in events if e.number is not None} - self._known.keys()
        try:
            new, orders = await self._in_writer(lambda: self._journal.store(events, done, strange))
        except Unavailable:
            self._done = done + self._done
            self._work.set()
            raise
        for event in events:
            self._held.popleft()
            self._marks.pop(event.mark, None)
            is_new = event.key in new
            if event.written is not None and not event.written.done():
                event.written.set_result(is_new)
            if not is_new:
                self.tally["repeated"] += 1
                continue
            new.discard(event.key)  # the same key twice in one batch is one event
            if not event.key.startswith(VOICE):
                self._sort(event, orders.get(event.call_sid))
        if not self._held:
            self._spool.clear()

    async def _in_writer(self, work: Callable[[], _Given]) -> _Given:
        assert self._writer is not None  # noqa: S101 - running
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    def _read_account(self) -> tuple[TwilioAccount | None, bool]:
        with reading(self._store.engine) as connection:
            known = twilioaccount.in_force(connection, self._store.keys)
            return known, twilioexchange.kept(connection, utc_now()) is not None

    def _read_earlier(self, call_sid: str) -> TwilioAccount | None:
        with reading(self._store.engine) as connection:
            return twilioaccount.earlier(connection, self._store.keys, call_sid, utc_now())

    # Handing on

    def _sort(self, event: Event, earlier: CallOrder[Event] | None) -> None:
        """Put an event into its place among those of its call, and hand on what is due."""
        if event.number is None:
            self._hand_on(Turn(ready=(event,)))
            return
        known = self._known.setdefault(event.call_sid, _Known(earlier or CallOrder()))
        self._known.move_to_end(event.call_sid)
        before = known.order.last
        turn = known.order.take(event.number, event.status, event)
        if known.gap is not None and not (known.order.waits and known.order.last == before):
            known.gap.cancel()  # what it was about has come; another gap has a time of its own
            known.gap = None
        if known.order.waits and known.gap is None:
            loop = asyncio.get_running_loop()
            known.gap = loop.call_later(GAP_S, self._give_up, event.call_sid)
        self._hand_on(turn)
        while len(self._known) > CALLS_KNOWN:
            _, oldest = self._known.popitem(last=False)
            self._stop(oldest)

    def _give_up(self, call_sid: str) -> None:
        known = self._known.get(call_sid)
        if known is not None:
            known.gap = None
            self._hand_on(known.order.give_up())

    def _stop(self, known: _Known) -> None:
        if known.gap is not None:
            known.gap.cancel()
            known.gap = None
        self._hand_on(known.order.give_up())

    def _hand_on(self, turn: Turn[Event]) -> None:
        for event in turn.void:
            self._became(event, "void")
        self._unowned.extend(turn.ready)
        while len(self._unowned) > MOST_HELD:
            self._unowned.popleft()  # the next start finds it on the disk
        self.hand_on()

    def hand_on(self) -> None:
        """Hand on what waits for who carries calls; called again when somebody does."""
        calls = self._calls()
        while calls is not None and self._unowned:
            event = self._unowned.popleft()
            try:
                calls.status(event.call_sid, event.fields)
            except Exception:
                # One bad event must not keep back those of other calls.
                log.exception("twilio.event-failed call=%s", event.call_sid)
                self._became(event, "failed")
            else:
                self._became(event, "handed")

    def _became(self, event: Event, fate: str) -> None:
        self.tally[fate] += 1
        self._done.append((event.key, fate))
        self._work.set()


def _seen(answer: asyncio.Task[str]) -> None:
    """Look at the error of an answer that nobody waited for: Twilio had gone."""
    if not answer.cancelled():
        answer.exception()


def _sid(fields: Mapping[str, str]) -> str:
    """The call that a request is about. Raises InvalidInput."""
    found = fields.get("CallSid", "")
    if not _CALL.fullmatch(found):
        raise InvalidInput("found no call in the request; expected CA and 32 digits or a to f")
    return found
