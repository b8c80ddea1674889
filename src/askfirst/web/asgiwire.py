"""One request between the process that shows pages and a media worker: ASGI messages on a socket.

A connection carries one request, as ASGI has it (HTTP or WebSocket), so that streams, sockets and
a browser that goes away mean the same on both sides. A message is two lengths (4 bytes each,
big-endian), a JSON object and bytes; the scope of the request comes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askfirst.errors import PeerError, Unavailable

LARGEST = 16 << 20
"""Bytes of the longest part of a message; what claims more is not one of ours."""

BOARD = "askfirst.board"
"""The message that tells what a worker carries; it comes before every answer."""

PARTS_S = 5.0
"""How long a worker that has answered waits for the other side to be through."""

_LENGTHS = struct.Struct(">II")
_SCOPE = (
    "type", "http_version", "method", "scheme", "path", "root_path", "client", "server",
    "subprotocols", "state",
)  # fmt: skip
_BINARY = ("body", "bytes")
_GONE = ("http.disconnect", "websocket.disconnect")

RESTARTING = 1012
"""Why a socket is closed whose worker is gone (RFC 6455, 7.4.2, as IANA has it)."""


def pack(message: Mapping[str, Any]) -> bytes:
    """The bytes of an ASGI message."""
    plain = {key: value for key, value in message.items() if key not in _BINARY}
    if "headers" in plain:
        plain["headers"] = [[_text(name), _text(value)] for name, value in plain["headers"]]
    content = next((message[key] for key in _BINARY if message.get(key) is not None), None)
    plain["binary"] = next((key for key in _BINARY if message.get(key) is not None), None)
    told = json.dumps(plain, separators=(",", ":")).encode()
    body = bytes(content or b"")
    return _LENGTHS.pack(len(told), len(body)) + told + body


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message, None at the end. Raises PeerError for what is no message of ours."""
    try:
        lengths = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
        if max(lengths) > LARGEST:
            raise PeerError(f"a message of {max(lengths)} bytes, expected at most {LARGEST}")
        told = await reader.readexactly(lengths[0])
        body = await reader.readexactly(lengths[1])
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        found = json.loads(told)
        binary = found.pop("binary", None)
        if "headers" in found:
            found["headers"] = [(_bytes(name), _bytes(value)) for name, value in found["headers"]]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PeerError("a message that is no JSON object of an ASGI message") from error
    if binary is not None:
        found[binary] = body
    return dict(found)


async def forward(
    scope: Scope, receive: Receive, send: Send, path: str, on_board: Callable[[Message], None]
) -> None:
    """Have a request answered by the worker that listens on the socket `path`.

    `on_board` is told what the worker carries, before the answer begins. Raises Unavailable where
    it does not answer; an answer that had begun just ends.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise _unreachable() from error
    asking = asyncio.create_task(_ask(receive, writer))
    has_begun = False
    try:
        writer.write(pack(_scope_told(scope)))
        while (message := await read(reader)) is not None:
            if message["type"] == BOARD:
                on_board(message)
                continue
            has_begun = True
            await send(message)
            if _is_last(message):
                return
        await _break_off(scope, send, has_begun)
    finally:
        asking.cancel()
        writer.close()
        await asyncio.gather(asking, return_exceptions=True)


async def answer(
    app: ASGIApp,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    board: Callable[[], Mapping[str, Any]],
) -> None:
    """Answer one request that `forward` sends; `board` gives what is told before the answer."""
    try:
        told = await read(reader)
        if told is None:
            return
        scope = _scope_of(told)
        is_gone = asyncio.Event()

        async def receive() -> Message:
            message = None if is_gone.is_set() else await read(reader)
            if message is None:
                is_gone.set()
                if scope["type"] == "websocket":
                    return {"type": "websocket.disconnect", "code": 1006}
                return {"type": "http.disconnect"}
            return message

        async def send(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept", "websocket.close"):
                writer.write(pack({"type": BOARD, **board()}))
            writer.write(pack(message))
            with contextlib.suppress(ConnectionError):  # `receive` says that nobody reads
                await writer.drain()

        await app(scope, receive, send)
    finally:
        await _part(reader, writer)


async def _part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close once the other side has, which may still be writing what the app did not want.

    Writing to a closed socket would take the answer from it that it has not read yet.
    """
    with contextlib.suppress(TimeoutError, OSError):
        writer.write_eof()
        async with asyncio.timeout(PARTS_S):
            while await reader.read(LARGEST):
                pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _ask(receive: Receive, writer: asyncio.StreamWriter) -> None:
    """Tell a worker everything that the browser says, until it is gone."""
    while True:
        message = await receive()
        try:
            writer.write(pack(message))
            await writer.drain()
        except ConnectionError:
            return  # whoever reads the answer notices
        if message["type"] in _GONE:
            return


async def _break_off(scope: Scope, send: Send, has_begun: bool) -> None:
    """End what a worker left without an end. Raises Unavailable where nothing was answered yet."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": RESTARTING})
    elif has_begun:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    else:
        raise _unreachable()


def _is_last(message: Message) -> bool:
    is_body = message["type"] == "http.response.body"
    return message["type"] == "websocket.close" or (is_body and not message.get("more_body"))


def _scope_told(scope: Scope) -> dict[str, Any]:
    told = {key: scope[key] for key in _SCOPE if key in scope}
    told["raw_path"] = _text(scope.get("raw_path") or b"")
    told["query_string"] = _text(scope.get("query_string", b""))
    return {**told, "headers": scope["headers"]}


def _scope_of(told: dict[str, Any]) -> Scope:
    return {
        **told,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "raw_path": _bytes(told["raw_path"]),
        "query_string": _bytes(told["query_string"]),
        "client": tuple(told["client"]) if told.get("client") else None,
        "server": tuple(told["server"]) if told.get("server") else None,
    }


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _bytes(value: str) -> bytes:
    return value.encode("latin-1")


def _unreachable() -> Unavailable:
    return Unavailable(
        "the process that carries this call does not answer, and nothing is recorded without it. "
        "Try again in a moment"
    )
