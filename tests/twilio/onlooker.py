"""Who stands between us and the emulated Twilio in every test, and writes down all that is said.

Requests of ours to Twilio, its webhooks with our answers, the opening of media streams; beside them
what our server answers to browsers and what it logs. At the end of each test everything is held
against `closedlists`.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.twilio import closedlists
from tests.twilio.closedlists import Asked, Seen, Shown, Streamed, Told

from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.exchange import Exchange, Post
from askfirst.twilioemulator.stream import Connect, Socket
from askfirst.web.twiliopaths import STREAM

LOGGERS = ("askfirst", "httpx2", "uvicorn", "websockets")
OWN = "/emulator"
"""Below this the emulator is asked by tests, about itself."""

MOST_BYTES = 65_536
"""Kept of an answer of Twilio; sound is longer."""


@dataclass
class Onlooker:
    """Everything that was said in a test.

    `forgives` is for tests that plant a fault; what they ask for is not ours. `logs` are files of
    servers in other processes, read at the end.
    """

    seen: Seen = field(default_factory=Seen)
    logs: list[Path] = field(default_factory=list)
    forgives: bool = False

    def before(self, app: ASGIApp) -> ASGIApp:
        """An application at Twilio's, behind whoever writes down what it is asked."""

        async def looked_on(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith(OWN):
                await app(scope, receive, send)
                return
            body = b""
            waiting: list[Message] = []
            while not waiting or waiting[-1].get("more_body"):
                waiting.append(await receive())
                body += waiting[-1].get("body", b"")
            waiting.reverse()
            asked = _asked(scope, body)
            self.seen.asked.append(asked)

            async def again() -> Message:
                return waiting.pop() if waiting else await receive()

            async def answer(message: Message) -> None:
                asked.status = message.get("status", asked.status)
                if len(asked.answer) < MOST_BYTES:
                    asked.answer += message.get("body", b"")
                await send(message)

            await app(scope, again, answer)

        return looked_on

    def beside(self, exchange: Exchange) -> None:
        """Write down what an exchange posts to us, and where it opens streams."""
        exchange.post = self._post(exchange.post)
        exchange.connect = self._connect(exchange.connect)

    def _post(self, post: Post) -> Post:
        async def posted(url: str, fields: Form) -> str:
            told = Told(url, tuple(fields))
            self.seen.told.append(told)
            told.answer = await post(url, fields)
            return told.answer

        return posted

    def _connect(self, connect: Connect) -> Connect:
        async def connected(url: str, headers: Mapping[str, str]) -> Socket:
            self.seen.streamed.append(Streamed(url))
            return await connect(url, headers)

        return connected

    def faults(self) -> list[str]:
        """What must not have been said, in words."""
        return closedlists.faults(self.seen)


_present: list[Onlooker] = []


def looked_on(app: ASGIApp, exchange: Exchange | None = None, *ours: str) -> ASGIApp:
    """An emulated Twilio behind the onlooker of this test, where there is one.

    `ours` are addresses of an installation, as "host:port" and nothing more.
    """
    for each in _present[-1:]:
        if exchange is not None:
            each.beside(exchange)
        each.seen.ours.update(ours)
        return each.before(app)
    return app


@pytest.fixture(autouse=True)
def onlooker() -> Iterator[Onlooker]:
    """Stands before every emulator of a test; afterwards nothing may have been said that must not
    be."""
    made = Onlooker()
    _present.append(made)
    try:
        with _reading_along(made.seen):
            yield made
    finally:
        _present.remove(made)
    for each in made.logs:
        made.seen.logged += each.read_text().splitlines()
    found = [] if made.forgives else made.faults()
    assert not found, "\n".join(found)


@contextmanager
def _reading_along(seen: Seen) -> Iterator[None]:
    """Keep what servers of ours in this process answer, and what is logged."""
    handler = _Keeping(seen)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FastAPI, "__call__", _showing(seen, FastAPI.__call__))
        logging.getLogger().addHandler(handler)
        for name in LOGGERS:
            logging.getLogger(name).setLevel(logging.INFO)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


class _Keeping(logging.Handler):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen, self._as_text = seen, logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self._seen.logged.append(self._as_text.format(record))


def _showing(seen: Seen, call: Callable[..., Any]) -> Callable[..., Any]:
    """An application of ours, with what it answers kept, but for the sound of calls."""

    async def shown(app: FastAPI, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope.get("path", "").startswith((STREAM, "/worker/"))
        if scope["type"] not in ("http", "websocket") or is_stream:
            await call(app, scope, receive, send)
            return
        page = Shown(scope["path"])
        seen.shown.append(page)

        async def keep(message: Message) -> None:
            page.text += f" {message.get('headers', '')}"
            page.text += message.get("body", b"").decode("utf-8", "replace")
            page.text += message.get("text") or ""
            await send(message)

        await call(app, scope, receive, keep)

    return shown


def _asked(scope: Scope, body: bytes) -> Asked:
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    return Asked(
        scope["method"],
        scope["path"],
        tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        tuple(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)),
        _secret(headers.get("authorization", "")),
        headers.get("range", ""),
    )


def _secret(header: str) -> str:
    """The secret of an `Authorization`, empty where there is none."""
    kind, _, told = header.partition(" ")
    if kind.lower() != "basic":
        return ""
    return b64decode(told).decode().partition(":")[2]
