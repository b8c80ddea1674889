"""The calls that the emulator carries: they ring, are answered, follow TwiML, and are told of.

Everything belongs to one running loop and goes by a clock, so that it runs in virtual time as well.
How webhooks are posted and sockets opened is given: signed and disordered ones are for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from askfirst.errors import InvalidInput
from askfirst.model import FRAME_MS
from askfirst.ports import Clock
from askfirst.telephony.persona import Persona, StepKind, voices
from askfirst.telephony.progress import SILENCE
from askfirst.twilioemulator import saying, twiml
from askfirst.twilioemulator.asked import Form, Record
from askfirst.twilioemulator.person import Person
from askfirst.twilioemulator.stream import Connect, Stream
from askfirst.twilioemulator.twiml import Element

EVENTS = ("initiated", "ringing", "answered", "completed")
FINAL = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})

_UNTAKEN: Mapping[str, tuple[str, str]] = {"busy": ("busy", "486"), "declined": ("busy", "603")}
"""How a call ends that a persona does not take: its status, and the code of SIP."""

Post = Callable[[str, Form], Awaitable[str]]
"""Posts a form to a webhook and gives the body of its answer; raises OSError where none comes."""


class Call:
    """One call. `status` is Twilio's word; `stream` its media stream while there is one.

    `said` is what TwiML had Twilio say, `faults` what was wrong with it.
    """

    def __init__(
        self,
        exchange: Exchange,
        to: str,
        sender: str,
        direction: str,
        persona: Persona | None,
        callback: tuple[str, frozenset[str]] | None = None,
        parent: Call | None = None,
    ) -> None:
        self.sid = "CA" + secrets.token_hex(16)
        self.to, self.sender, self.direction = to, sender, direction
        self.parent = parent
        self.status = "queued"
        self.made_at = datetime.now(UTC)
        self.answered_at: datetime | None = None
        self.person: Person | None = None
        self.stream: Stream | None = None
        self.said: list[str] = []
        self.faults: list[str] = []
        self.callback = callback
        self.over = asyncio.Event()
        self.answered = asyncio.Event()
        self._exchange, self._clock = exchange, exchange.clock
        self._persona = persona
        self._next: list[Element] | None = None
        self._moved = asyncio.Event()
        self._saying: deque[bytes] = deque()
        self._has_said = asyncio.Event()
        self._answer_ms = 0
        self._told = 0
        self._news: asyncio.Queue[Form | None] = asyncio.Queue()
        self._posting = asyncio.create_task(self._post())
        self._task: asyncio.Task[None] | None = None

    def begin(self, document: str | None, url: str | None, timeout_s: int, limit_s: int) -> None:
        """Ring at the callee, and follow a document, or one that is asked for, at the answer."""
        self._task = asyncio.create_task(self._go_out(document, url, timeout_s, limit_s))

    def begin_in(self, voice_url: str) -> None:
        """Ask what is to be done with a call from outside."""
        self._task = asyncio.create_task(self._come_in(voice_url))

    def redirect(self, document: str) -> None:
        """Follow another document from now on."""
        self._next = self._parsed(document)
        self._moved.set()

    def hang_up(self, status: str = "completed", sip: str | None = None) -> None:
        """End it; safe to call more than once."""
        if self.status in FINAL:
            return
        self.status = status
        self.over.set()
        self._tell("completed", sip)
        self._news.put_nowait(None)

    async def settled(self) -> None:
        """Return when it is over and everything was told."""
        if self._task is not None:
            await self._task
        await self._posting

    # From the dial to the end

    async def _go_out(
        self, document: str | None, url: str | None, timeout_s: int, limit_s: int
    ) -> None:
        self._tell("initiated")
        if await self._rings(timeout_s):
            self._answer()
            if document is None and url is not None:
                document = await self._fetch(url)
            async with self._alive(limit_s):
                await self._follow_all(document or "<Response/>")
        self.hang_up()

    async def _come_in(self, voice_url: str) -> None:
        self.status = "ringing"
        document = await self._fetch(voice_url)
        verbs = self._parsed(document)
        if verbs and verbs[0].name == "Reject":
            self.hang_up("busy" if verbs[0].attributes.get("reason") == "busy" else "failed")
            return
        if self.status not in FINAL:
            self._answer()
            async with self._alive(14_400):
                await self._follow_all(document)
        self.hang_up()

    async def _rings(self, timeout_s: int) -> bool:
        """Whether somebody takes it."""
        persona = self._persona
        if persona is None:
            self.hang_up("failed", "404")
            return False
        first = persona.steps[0] if persona.steps else None
        outcome = first.value if first is not None and first.kind is StepKind.RING else ""
        if outcome in _UNTAKEN:
            self.hang_up(*_UNTAKEN[outcome])
            return False
        self.status = "ringing"
        self._tell("ringing")
        wait_ms = timeout_s * 1000 if outcome else self._exchange.rings_ms
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), wait_ms / 1000)
            return False
        if outcome:
            self.hang_up("no-answer", "487")
        return not outcome

    def _answer(self) -> None:
        self.status = "in-progress"
        self.answered_at, self._answer_ms = datetime.now(UTC), self._clock.now_ms()
        self.answered.set()
        self._tell("answered")

    @contextlib.asynccontextmanager
    async def _alive(self, limit_s: int) -> AsyncIterator[None]:
        """Let the person live, and end the call at its limit."""
        persona = self._persona
        assert persona is not None  # noqa: S101 - nobody else answers
        voiced = await asyncio.to_thread(voices, persona)
        self.person = Person(
            persona, voiced, self._press, self.hang_up, keeps=self._exchange.keeps_heard
        )
        limit = asyncio.get_running_loop().call_later(limit_s, self.hang_up)
        living = asyncio.create_task(self._live(self.person))
        try:
            yield
        finally:
            limit.cancel()
            living.cancel()
            await asyncio.gather(living, return_exceptions=True)

    async def _live(self, person: Person) -> None:
        tick_ms = self._clock.now_ms()
        while not self.over.is_set():
            said = person.speak()
            person.listen(self._spoken() if self.stream is None else self.stream.exchange(said))
            tick_ms += FRAME_MS
            await self._clock.sleep_until(tick_ms)

    def _spoken(self) -> bytes:
        """The next 20 ms of what Twilio says to the person."""
        if self._saying:
            return self._saying.popleft()
        self._has_said.set()  # in the step after the last sound: it has been heard
        return SILENCE

    def _press(self, digit: str) -> None:
        if self.stream is not None:
            self.stream.press(digit)

    # TwiML

    async def _follow_all(self, document: str) -> None:
        """Follow a document and whatever it leads to, until the call or the last verb is over."""
        if self._next is None:  # nobody was faster
            self._next = self._parsed(document)
        while self._next is not None and not self.over.is_set():
            verbs, self._next = self._next, None
            self._moved.clear()
            tasks = [
                asyncio.create_task(self._follow(verbs)),
                asyncio.create_task(self.over.wait()),
                asyncio.create_task(self._moved.wait()),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, verbs: list[Element]) -> None:
        for verb in verbs:
            if self._next is not None:
                return
            match verb.name:
                case "Connect":
                    await self._connect(verb.children[0])
                case "Say":
                    await self._say(verb)
                case "Pause":
                    await asyncio.sleep(int(verb.attributes.get("length", "1")))
                case "Redirect":
                    self._next = self._parsed(await self._fetch(verb.text))
                case "Dial":
                    await self._dial(verb)
                case _:  # Hangup, and a Reject that comes too late
                    self.hang_up()
                    return

    async def _say(self, verb: Element) -> None:
        """Let the person hear words to their end; nothing of them once something else is next."""
        self.said.append(verb.text)
        language = verb.attributes.get("language", saying.LANGUAGE)
        self._saying.extend(await asyncio.to_thread(saying.frames_of, verb.text, language))
        self._has_said.clear()
        try:
            await self._has_said.wait()
        finally:
            self._saying.clear()

    async def _connect(self, element: Element) -> None:
        """Carry the call's sound over a media stream until the other side ends it."""
        stated = [each.attributes for each in element.children]
        parameters = {each["name"]: each["value"] for each in stated}
        url = element.attributes["url"]
        exchange = self._exchange
        try:
            socket = await exchange.connect(url, exchange.headers(url))
        except OSError as fault:
            self.faults.append(f"31920 {fault}")
            return
        stream = Stream(exchange.account, self.sid, "MZ" + secrets.token_hex(16), parameters)
        self.stream = stream
        try:
            await stream.run(socket)
        finally:
            self.stream = None
            self.faults += stream.faults

    async def _dial(self, verb: Element) -> None:
        noun = verb.children[0]
        if noun.name == "Conference":
            await self._exchange.meet(noun.text, self)
            return
        limit_s = int(verb.attributes.get("timeout", "30"))
        callback = None
        if "statusCallback" in noun.attributes:
            events = noun.attributes.get("statusCallbackEvent", "completed")
            callback = (noun.attributes["statusCallback"], frozenset(events.split()))
        shown = verb.attributes.get("callerId", self.to)
        other = self._exchange.dial(noun.text, shown, self, callback)
        other.begin("<Response><Pause length='14400'/></Response>", None, limit_s, 14_400)
        try:
            await other.over.wait()
        finally:
            other.hang_up()
        if "action" in verb.attributes:
            answer = await self._fetch(
                verb.attributes["action"], (("DialCallStatus", other.status),)
            )
            self._next = self._parsed(answer)

    def _parsed(self, document: str) -> list[Element] | None:
        self._exchange.record.add("TWIML", "", (("Twiml", document),))
        try:
            return twiml.parse(document)
        except InvalidInput as fault:
            self.faults.append(f"12100 {fault}")
            return None

    async def _fetch(self, url: str, more: Form = ()) -> str:
        try:
            return await self._exchange.post(url, (*self._fields(), *more))
        except OSError as fault:
            self.faults.append(f"11200 {fault}")
            return "<Response/>"

    # What is told of it

    def _fields(self) -> Form:
        return (
            ("CallSid", self.sid),
            ("AccountSid", self._exchange.account),
            ("From", self.sender),
            ("To", self.to),
            ("Caller", self.sender),
            ("Called", self.to),
            ("CallStatus", self.status),
            ("Direction", self.direction),
            ("ApiVersion", "2010-04-01"),
        )

    def _tell(self, event: str, sip: str | None = None) -> None:
        """Post a report of its progress, where one was asked for."""
        if self.callback is None or event not in self.callback[1]:
            return
        more = [
            ("SequenceNumber", str(self._told)),
            ("Timestamp", format_datetime(datetime.now(UTC))),
            ("CallbackSource", "call-progress-events"),
        ]
        self._told += 1
        if self.parent is not None:
            more.append(("ParentCallSid", self.parent.sid))
        if sip is not None:
            more.append(("SipResponseCode", sip))
        if self.status in FINAL:
            lasted_ms = self._clock.now_ms() - self._answer_ms if self.answered_at else 0
            more.append(("CallDuration", str(lasted_ms // 1000)))
        self._news.put_nowait((*self._fields(), *more))

    async def _post(self) -> None:
        while (fields := await self._news.get()) is not None:
            if self.callback is not None:
                with contextlib.suppress(OSError):  # Twilio does not ask why
                    await self._exchange.post(self.callback[0], fields)


class Exchange:
    """Every call of one account; `close` it when it is not needed any more.

    `callees` gives who has a number, None for nobody. `headers` gives those that a stream's socket
    is opened with. `rings_ms` is how long it rings; with `keeps_heard` people keep what they hear.
    """

    def __init__(
        self,
        clock: Clock,
        account: str,
        callees: Callable[[str], Persona | None],
        post: Post,
        connect: Connect,
        *,
        rings_ms: int = 1_000,
        keeps_heard: bool = False,
    ) -> None:
        self.clock, self.account = clock, account
        self.callees, self.post, self.connect = callees, post, connect
        self.headers: Callable[[str], Mapping[str, str]] = lambda _: {}
        self.rings_ms, self.keeps_heard = rings_ms, keeps_heard
        self.record = Record()
        self.calls: dict[str, Call] = {}
        self._rooms: dict[str, list[Call]] = {}
        self._ended_rooms: dict[str, asyncio.Event] = {}

    def dial(
        self,
        to: str,
        sender: str,
        parent: Call | None = None,
        callback: tuple[str, frozenset[str]] | None = None,
    ) -> Call:
        """A call to a number that has not begun yet."""
        direction = "outbound-api" if parent is None else "outbound-dial"
        call = Call(self, to, sender, direction, self.callees(to), callback, parent)
        self.calls[call.sid] = call
        return call

    def call_in(
        self, caller: str, called: str, persona: Persona, voice_url: str, status_url: str
    ) -> Call:
        """Somebody calls one of the account's numbers, which is configured with these addresses."""
        callback = (status_url, frozenset({"completed"}))
        call = Call(self, called, caller, "inbound", persona, callback)
        self.calls[call.sid] = call
        call.begin_in(voice_url)
        return call

    async def meet(self, room: str, call: Call) -> None:
        """Be in a conference until one of two has left it."""
        people = self._rooms.setdefault(room, [])
        ended = self._ended_rooms.setdefault(room, asyncio.Event())
        people.append(call)
        try:
            await ended.wait()
        finally:
            ended.set()

    async def close(self) -> None:
        """Hang up everything, and return when all of it was told."""
        for call in self.calls.values():
            call.hang_up()
        await asyncio.gather(*(call.settled() for call in self.calls.values()))
