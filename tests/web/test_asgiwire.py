"""Requests between processes: what goes over comes out the same, and garbage opens nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from askfirst.errors import PeerError, Unavailable
from askfirst.web.asgiwire import BOARD, RESTARTING, answer, forward, pack, read

SCOPE: Scope = {
    "type": "http",
    "http_version": "1.1",
    "method": "POST",
    "scheme": "https",
    "path": "/calls/ø",
    "raw_path": b"/calls/%C3%B8",
    "root_path": "",
    "query_string": b"a=1",
    "headers": [(b"cookie", b"askfirst=1"), (b"x-latin", b"\xe6")],
    "client": ("192.0.2.1", 4711),
    "server": None,
    "state": {"nonce": "n"},
    "app": object(),
}
NAMES = st.text(st.characters(max_codepoint=255), max_size=20).map(lambda text: text.encode("l1"))
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("http.request"), "body": st.binary(), "more_body": st.booleans()}
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("http.response.start"),
            "status": st.integers(100, 599),
            "headers": st.lists(st.tuples(NAMES, NAMES), max_size=4),
        }
    ),
    st.fixed_dictionaries({"type": st.just("websocket.send"), "bytes": st.binary(min_size=1)}),
    st.fixed_dictionaries({"type": st.just("websocket.send"), "text": st.text()}),
)


def read_all(content: bytes) -> list[dict[str, Any]]:
    async def everything() -> list[dict[str, Any]]:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        found = []
        while (message := await read(reader)) is not None:
            found.append(message)
        return found

    return asyncio.run(everything())


@given(st.lists(MESSAGES, max_size=5))
def test_messages_come_out_as_they_went_in(messages: list[dict[str, Any]]) -> None:
    assert read_all(b"".join(map(pack, messages))) == messages


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_the_end_and_never_anything_else(content: bytes) -> None:
    try:
        found = read_all(content)
    except PeerError:
        return
    assert found == []


def exchanged(
    app: ASGIApp, folder: Path, scope: Mapping[str, Any], said: list[Message]
) -> tuple[list[Message], list[Message]]:
    """What a client that says these messages is told by an app behind the wire, and the boards."""
    told: list[Message] = []
    boards: list[Message] = []

    async def receive() -> Message:
        if not said:
            await asyncio.Event().wait()
        return said.pop(0)

    async def send(message: Message) -> None:
        told.append(message)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(app, reader, writer, lambda: {"calls": len(boards)})

    async def run() -> None:
        async with await asyncio.start_unix_server(respond, folder / "wire"):
            await forward(dict(scope), receive, send, str(folder / "wire"), boards.append)

    asyncio.run(run())
    return told, boards


def test_a_request_arrives_whole_and_its_answer_comes_after_what_is_carried(
    tmp_path: Path,
) -> None:
    async def echo(request: Request) -> Response:
        body = await request.body()
        about = f"{request.url.path} {request.url.query} {request.headers['cookie']}"
        return PlainTextResponse(body + about.encode(), status_code=201)

    app = Starlette(routes=[Route("/calls/{call}", echo, methods=["POST"])])
    said: list[Message] = [
        {"type": "http.request", "body": b"half ", "more_body": True},
        {"type": "http.request", "body": b"whole ", "more_body": False},
    ]
    told, boards = exchanged(app, tmp_path, SCOPE, said)

    assert [each["type"] for each in told] == ["http.response.start", "http.response.body"]
    assert told[0]["status"] == 201
    assert told[1]["body"].decode() == "half whole /calls/ø a=1 askfirst=1"
    assert boards == [{"type": BOARD, "calls": 0}]


def test_a_browser_that_goes_away_ends_the_stream_in_the_worker(tmp_path: Path) -> None:
    ended = []

    async def endless(_: Request) -> Response:
        async def parts() -> Any:
            try:
                while True:
                    yield "data: {}\n\n"
                    await asyncio.sleep(0)
            finally:
                ended.append(True)

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/calls/{call}", endless, methods=["POST"])])
    said: list[Message] = [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]
    told, _ = exchanged(app, tmp_path, SCOPE, said)

    assert ended == [True]
    assert told[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_socket_goes_both_ways_and_is_closed_with_its_code(tmp_path: Path) -> None:
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_bytes(await socket.receive_bytes())
        await socket.close(4000)

    app = Starlette(routes=[WebSocketRoute("/calls/{call}", talk)])
    scope = {**SCOPE, "type": "websocket", "subprotocols": []}
    said: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "bytes": b"sound"},
    ]
    told, _ = exchanged(app, tmp_path, scope, said)

    assert [each["type"] for each in told] == [
        "websocket.accept", "websocket.send", "websocket.close",
    ]  # fmt: skip
    assert (told[1]["bytes"], told[2]["code"]) == (b"sound", 4000)


async def _nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def broken(
    folder: Path, scope: Scope, say: Callable[[asyncio.StreamWriter], Awaitable[None]]
) -> list[Message]:
    """What is told of a worker that says something and is gone."""
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        await say(writer)
        writer.close()

    async def run() -> None:
        async with await asyncio.start_unix_server(respond, folder / "wire"):
            await forward(scope, _nothing, send, str(folder / "wire"), lambda _: None)

    asyncio.run(run())
    return told


async def _dies(_: asyncio.StreamWriter) -> None:
    return None


async def _dies_in_mid_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(pack({"type": "http.response.start", "status": 200, "headers": []}))
    await writer.drain()


def test_a_worker_that_is_not_there_or_dies_before_it_answers_is_unavailable(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unavailable, match="nothing is recorded without it"):
        asyncio.run(forward(SCOPE, _nothing, None, str(tmp_path / "none"), lambda _: None))  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="nothing is recorded without it"):
        broken(tmp_path, SCOPE, _dies)


def test_an_answer_that_is_there_before_the_request_was_told_whole_is_not_lost(
    tmp_path: Path,
) -> None:
    app = Starlette(routes=[Route("/calls/{call}", PlainTextResponse("so it is"))])
    ready, answered, ends = threading.Event(), threading.Event(), asyncio.Event()

    def respond_first(app: ASGIApp) -> ASGIApp:
        async def told(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, send)
            # One round more, in which a worker that does not wait for us would close.
            asyncio.get_running_loop().call_later(0, answered.set)

        return told

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(respond_first(app), reader, writer, dict)

    async def work() -> None:
        async with await asyncio.start_unix_server(respond, tmp_path / "wire"):
            ready.set()
            await ends.wait()

    told: list[Message] = []

    async def receive() -> Message:
        assert answered.wait(10)  # the whole loop stands still meanwhile
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    with asyncio.Runner() as working, ThreadPoolExecutor(1) as thread:
        worker = thread.submit(working.run, work())
        assert ready.wait(10)
        try:
            asyncio.run(
                forward(
                    {**SCOPE, "method": "GET"}, receive, send, str(tmp_path / "wire"), told.append
                )
            )
        finally:
            working.get_loop().call_soon_threadsafe(ends.set)
        worker.result()

    assert [each["body"] for each in told if "body" in each] == [b"so it is"]


def test_an_answer_that_a_worker_breaks_off_ends(tmp_path: Path) -> None:
    told = broken(tmp_path, SCOPE, _dies_in_mid_answer)
    assert told[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


def test_a_socket_whose_worker_dies_is_closed_as_one_to_come_back_to(tmp_path: Path) -> None:
    told = broken(tmp_path, {**SCOPE, "type": "websocket"}, _dies)
    assert told == [{"type": "websocket.close", "code": RESTARTING}]
