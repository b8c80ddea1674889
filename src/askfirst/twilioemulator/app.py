"""The emulator as one program: an ASGI application, its calls, and a way to serve it here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlencode

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from askfirst.ports import Clock
from askfirst.telephony.persona import Persona, by_number, packaged_personas
from askfirst.twilioemulator.asked import Form, Record
from askfirst.twilioemulator.calls import Calls, refused
from askfirst.twilioemulator.exchange import Exchange, Post
from askfirst.twilioemulator.stream import Connect, Socket

ACCOUNT = "AC" + "0" * 31 + "1"
SECRET = "emulated-token"  # noqa: S105 - of the emulator; opens nothing else
LOOPBACK = "127.0.0.1"
ANSWERS_WITHIN_S = 15.0
"""How long a webhook may take (Twilio, webhooks)."""


class TwilioEmulator:
    """One account of an emulated Twilio on the running loop; `close` it afterwards.

    `exchange` carries its calls, `asked` is what was asked of it, `calls.trouble` how it misbehaves
    next. `more` are further routes, asked before the calls' own ones. By default the packaged
    personas have telephones, webhooks are posted without a signature, and sockets are real.
    """

    def __init__(
        self,
        clock: Clock,
        callees: Callable[[str], Persona | None] | None = None,
        *,
        account: str = ACCOUNT,
        secret: str = SECRET,
        more: Iterable[BaseRoute] = (),
        post: Post | None = None,
        connect: Connect | None = None,
        rings_ms: int = 1_000,
        keeps_heard: bool = False,
    ) -> None:
        self.exchange = Exchange(
            clock,
            account,
            callees or by_number(packaged_personas()),
            post or posted,
            connect or opened,
            rings_ms=rings_ms,
            keeps_heard=keeps_heard,
        )
        self.calls = Calls(self.exchange, secret)
        self.app = Starlette(
            routes=[*more, *self.calls.routes(), Route("/{path:path}", self._nothing, methods=_ALL)]
        )

    @property
    def asked(self) -> Record:
        """Every request so far."""
        return self.exchange.record

    async def close(self) -> None:
        """End every call and whoever waits for an answer."""
        self.calls.end()
        await self.exchange.close()

    async def _nothing(self, request: Request) -> Response:
        self.asked.add(request.method, request.url.path)
        return refused(404, 20404, "The requested resource was not found")


_ALL = ["GET", "POST", "PUT", "PATCH", "DELETE"]


async def posted(url: str, fields: Form) -> str:
    """Post a form, and give the answer; raises OSError where none of success comes."""
    try:
        async with httpx2.AsyncClient(timeout=ANSWERS_WITHIN_S, trust_env=False) as http:
            answer = await http.post(
                url,
                content=urlencode(fields),
                headers={"content-type": "application/x-www-form-urlencoded"},
            )
    except httpx2.HTTPError as fault:
        raise OSError(f"no answer ({type(fault).__name__})") from fault
    if not answer.is_success:
        raise OSError(f"status {answer.status_code}")
    return str(answer.text)


async def opened(url: str, headers: Mapping[str, str]) -> Socket:
    """Open a WebSocket; raises OSError where that is not possible."""
    try:
        return _Opened(await connect(url, additional_headers=headers, proxy=None))
    except (InvalidHandshake, InvalidURI, TimeoutError) as fault:
        raise OSError(f"no stream ({type(fault).__name__})") from fault


class _Opened:
    """`stream.Socket` over a real WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | None:
        try:
            message = await self._connection.recv()
        except ConnectionClosed:
            return None
        return message if isinstance(message, str) else ""

    async def send(self, text: str) -> None:
        try:
            await self._connection.send(text)
        except ConnectionClosed as fault:
            raise ConnectionError("the stream is closed") from fault

    async def close(self) -> None:
        await self._connection.close()


class _Beside(uvicorn.Server):
    """A server beside others on one loop, which leaves signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing of them."""
        yield


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncIterator[int]:
    """Serve an application on this machine, on the running loop, and give its port."""
    with socket.create_server((LOOPBACK, port)) as listener:
        config = uvicorn.Config(
            app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
        )
        server = _Beside(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
