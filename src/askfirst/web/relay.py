"""Requests about live calls, handed to the media worker that carries the call.

It stands before the routes of a process that has media workers. Whatever says something in a call
is answered where the gate of that call is; where the worker does not answer nothing is answered
for it: 503, and the gate has closed with the worker.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused, Unavailable
from askfirst.server.mediaworkers import MediaWorker, MediaWorkers
from askfirst.web.asgiwire import RESTARTING, forward
from askfirst.web.problems import answer_to
from askfirst.web.visit import site_of, visit_of

PLACE = ("POST", "/api/v1/calls")
PHONE = ("GET", "/api/v1/phone")
_IN_CALL = re.compile(r"/api/v1/calls/(call_[0-9a-f]{1,40})/.+")
_OF_TRUNK = re.compile(r"/settings/providers(/test|/twilio/test)?")
_FAULTS = {"refused": Refused, "not-found": NotFound, "invalid-input": InvalidInput}


class Relay:
    """Passes requests on to the workers of the site, and all others to the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry a request on to whoever answers it."""
        workers = None
        if scope["type"] in ("http", "websocket"):
            workers = site_of(HTTPConnection(scope)).carrier.workers
        if workers is None:
            await self._app(scope, receive, send)
            return
        with ExitStack() as until_answered:
            try:
                worker = await _worker(scope, workers, until_answered)
                if worker is not None:
                    await hand_on(workers, worker, scope, receive, send)
                    return
            except AskfirstError as error:
                await _refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _worker(
    scope: Scope, workers: MediaWorkers, until_answered: ExitStack
) -> MediaWorker | None:
    """Who answers a request, None for the routes of this process. Raises Refused, Unavailable."""
    path = scope["path"]
    if found := _IN_CALL.fullmatch(path):
        return workers.of_call(found[1])
    if _OF_TRUNK.fullmatch(path):
        return workers.receiver()
    request = (scope.get("method"), path)
    if request not in (PLACE, PHONE):
        return None
    visit = await asyncio.to_thread(visit_of, HTTPConnection(scope))
    if visit.user is None:
        return None  # the route says so
    call = workers.call_of(visit.user.id)
    if request == PHONE:
        return workers.any_ready() if call is None else workers.of_call(call)
    return until_answered.enter_context(workers.placing(visit.user.id))


async def hand_on(
    workers: MediaWorkers, worker: MediaWorker, scope: Scope, receive: Receive, send: Send
) -> None:
    """Have a worker answer a request. Raises Unavailable where it does not."""

    def learn(board: Message) -> None:
        workers.learn(worker, dict(board))

    await forward(scope, receive, send, str(worker.path), learn)


async def ask(worker: MediaWorker, what: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Ask a worker for something of its own, and give its answer.

    Raises Refused, NotFound and InvalidInput as the worker does, Unavailable for anything else.
    """
    body = json.dumps(told).encode()
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"/worker/{what}",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "state": {"nonce": ""},
    }
    asked: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    status, answered = 500, bytearray()

    async def receive() -> Message:
        if not asked:
            await asyncio.Event().wait()  # we do not go away before it has answered
        return asked.pop()

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        answered.extend(message.get("body", b""))

    await forward(scope, receive, send, str(worker.path), lambda board: worker.learn(board))
    found = json.loads(answered) if answered else {}
    if status < 400 and isinstance(found, dict):
        return found
    kind, detail = (found.get("type", ""), found.get("detail", "")) if found else ("", "")
    raise _FAULTS.get(kind.rpartition(":")[2], Unavailable)(detail or "a media worker has failed")


async def _refuse(error: AskfirstError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": RESTARTING})
    else:
        await answer_to(Request(scope), error)(scope, receive, send)
