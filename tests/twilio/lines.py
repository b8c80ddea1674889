"""Our provider and the emulated Twilio, joined: over real sockets, or in memory on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.twilio.onlooker import looked_on

from askfirst.clock import LoopClock
from askfirst.errors import Misconfigured, Refused, Unavailable
from askfirst.telephony.persona import Persona
from askfirst.telephony.twilioline import TwilioLine
from askfirst.telephony.twilioprovider import TwilioProvider
from askfirst.twilioemulator.app import ACCOUNT, LOOPBACK, SECRET, TwilioEmulator, served
from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.exchange import Call
from askfirst.twilioemulator.stream import Socket

OURS = "+17135550100"
"""The number of the account."""

RINGS_MS = 300
VOICE, STATUS, STREAM = "/twilio/voice", "/twilio/status", "/twilio/stream"


class Client:
    """What the provider asks of Twilio, over HTTP; the least that tests need of a client."""

    def __init__(self, base: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.http = httpx2.AsyncClient(
            base_url=f"{base}/2010-04-01/Accounts/{ACCOUNT}",
            auth=(ACCOUNT, SECRET),
            transport=transport,
            timeout=1.0,
        )

    async def place(
        self,
        to: str,
        sender: str,
        twiml: str,
        status_callback: str,
        *,
        ring_s: int = 60,
        longest_s: int = 14_400,
    ) -> str:
        events = [("StatusCallbackEvent", each) for each in ("ringing", "answered", "completed")]
        form = [
            ("To", to), ("From", sender), ("Twiml", twiml), ("StatusCallback", status_callback),
            ("Timeout", str(ring_s)), ("TimeLimit", str(longest_s)), *events,
        ]  # fmt: skip
        return str((await self._post("/Calls.json", form))["sid"])

    async def redirect(self, sid: str, twiml: str) -> None:
        await self._post(f"/Calls/{sid}.json", [("Twiml", twiml)])

    async def end(self, sid: str) -> None:
        await self._post(f"/Calls/{sid}.json", [("Status", "completed")], fine=21220)

    async def _post(self, path: str, form: list[tuple[str, str]], fine: int = 0) -> dict[str, Any]:
        try:
            async with asyncio.timeout(1):
                answer = await self.http.post(
                    path,
                    content=urlencode(form),
                    headers={"content-type": "application/x-www-form-urlencoded"},
                )
        except (httpx2.HTTPError, TimeoutError):
            raise Unavailable("Twilio does not answer; try again") from None
        told: dict[str, Any] = answer.json()
        if answer.is_success or told["code"] == fine:
            return told
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Unavailable(f"Twilio cannot now (code {told['code']}); try again")
        if answer.status_code == 401:
            raise Misconfigured("Twilio does not know these credentials")
        raise Refused(f"Twilio does not do that (code {told['code']})")


class Served:
    """`MediaSocket` over a WebSocket of Starlette."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def receive(self) -> str | None:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        return message.get("text") or ""

    async def send(self, text: str) -> None:
        try:
            await self._websocket.send_text(text)
        except (WebSocketDisconnect, RuntimeError) as fault:
            raise ConnectionError("the stream is closed") from fault

    async def close(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # it is closed
            await self._websocket.close()


class InMemory:
    """One end of a socket between two tasks; `other` is the other end."""

    def __init__(self, other: InMemory | None = None) -> None:
        self._arrived: asyncio.Queue[str | None] = asyncio.Queue()
        self.is_closed = False
        self.other = other or InMemory(self)

    async def receive(self) -> str | None:
        if self.is_closed:
            return None
        return await self._arrived.get()

    async def send(self, text: str) -> None:
        if self.is_closed or self.other.is_closed:
            raise ConnectionError("the stream is closed")
        self.other._arrived.put_nowait(text)

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._arrived.put_nowait(None)
            self.other._arrived.put_nowait(None)


@dataclass
class Lines:
    """The two sides; `voice` and `status` are where Twilio finds us."""

    provider: TwilioProvider
    emulator: TwilioEmulator
    client: Client
    voice: str
    status: str
    stream: str

    def call_in(self, persona: Persona, caller: str, called: str = OURS) -> Call:
        """Somebody calls us."""
        return self.emulator.exchange.call_in(caller, called, persona, self.voice, self.status)


Callees = Callable[[str], Persona | None]


@asynccontextmanager
async def in_memory(callees: Callees, **line: Any) -> AsyncIterator[Lines]:
    """Both sides in this process, on whatever time the loop has."""
    clock, tasks = LoopClock(), set[asyncio.Task[None]]()
    made: list[TwilioProvider] = []

    async def post(url: str, fields: Form) -> str:
        await asyncio.sleep(0)
        if url.endswith(VOICE):
            return made[0].incoming(dict(fields))
        told = dict(fields)
        made[0].status(told["CallSid"], told)
        return ""

    async def connect(url: str, _: Mapping[str, str]) -> Socket:
        ours = InMemory()
        task = asyncio.create_task(made[0].stream(ours))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return ours.other

    emulator = TwilioEmulator(
        clock, callees, post=post, connect=connect, rings_ms=RINGS_MS, keeps_heard=True
    )
    before = looked_on(emulator.app, emulator.exchange, "localhost")
    client = Client("http://twilio.test", httpx2.ASGITransport(app=before))
    where = {name: f"http://localhost{path}" for name, path in _WHERE.items()}
    streams = f"ws://localhost{STREAM}"
    stated = {"sender": OURS, "stream_url": streams, "ring": 20, **named(where), **line}
    provider = TwilioProvider(clock, client, TwilioLine(**stated))
    made.append(provider)
    try:
        yield Lines(provider, emulator, client, stream=streams, **where)
    finally:
        await provider.close()
        await emulator.close()
        await asyncio.gather(*tasks)
        await client.http.aclose()


_WHERE = {"voice": VOICE, "status": STATUS}


def named(where: Mapping[str, str]) -> dict[str, Any]:
    """The same as a line names them."""
    return {f"{name}_url": url for name, url in where.items()}


@asynccontextmanager
async def on_loopback(callees: Callees, **line: Any) -> AsyncIterator[Lines]:
    """Both sides behind real servers of this machine."""
    clock = LoopClock()
    made: list[TwilioProvider] = []

    async def voice(request: Request) -> Response:
        fields = {name: str(value) for name, value in (await request.form()).items()}
        return Response(made[0].incoming(fields), media_type="text/xml")

    async def status(request: Request) -> Response:
        fields = {name: str(value) for name, value in (await request.form()).items()}
        made[0].status(fields["CallSid"], fields)
        return Response(status_code=204)

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await made[0].stream(Served(websocket))

    routes = [
        Route(VOICE, voice, methods=["POST"]),
        Route(STATUS, status, methods=["POST"]),
        WebSocketRoute(STREAM, stream),
    ]
    async with AsyncExitStack() as stack:
        emulator = TwilioEmulator(clock, callees, rings_ms=RINGS_MS, keeps_heard=True)
        ours = await stack.enter_async_context(served(Starlette(routes=routes)))
        before = looked_on(emulator.app, emulator.exchange, f"{LOOPBACK}:{ours}")
        theirs = await stack.enter_async_context(served(before))
        client = Client(f"http://{LOOPBACK}:{theirs}")
        stack.push_async_callback(client.http.aclose)
        where = {name: f"http://{LOOPBACK}:{ours}{path}" for name, path in _WHERE.items()}
        streams = f"ws://{LOOPBACK}:{ours}{STREAM}"
        stated = {"sender": OURS, "stream_url": streams, "ring": 20, **named(where), **line}
        provider = TwilioProvider(clock, client, TwilioLine(**stated))
        made.append(provider)
        stack.push_async_callback(emulator.close)
        stack.push_async_callback(provider.close)
        yield Lines(provider, emulator, client, stream=streams, **where)
