"""POST requests with an Idempotency-Key: carried out once, answered alike as often as they come.

For programs and pages that are signed in. What gives a secret away (tokens, links) and what keeps
nothing (decisions) is left out: such a request is carried out each time, key or no key.
"""

from __future__ import annotations

import asyncio
import re

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askfirst.errors import InvalidInput
from askfirst.server.clock import utc_now
from askfirst.server.database import transaction
from askfirst.server.once import Answer, Known, Once
from askfirst.web.problems import problem
from askfirst.web.visit import SignedOut, Site, site_of, visit_of

KEY = "idempotency-key"
REPLAYED = "idempotent-replayed"
LARGEST_REQUEST = 1 << 20
LARGEST_ANSWER = 1 << 16

_COVERED = re.compile(
    r"/api/v1/(?!decisions$|tokens$|users\b|recordings/[^/]+/(?:links|originals)$).+"
)


class Repeats:
    """Stands before the routes; everything but the requests in question passes untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry a request on, or give the answer that it has had."""
        key = Headers(scope=scope).get(KEY) if scope["type"] == "http" else None
        if key is None or scope["method"] != "POST" or not _COVERED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        holder = await asyncio.to_thread(_holder, request)
        if holder is None:
            await self._app(scope, receive, send)
            return
        try:
            body = await _whole(receive)
        except ClientDisconnect:
            return  # nobody hears an answer, and half a request is none
        if body is None:
            detail = f"a request with an Idempotency-Key has at most {LARGEST_REQUEST} bytes"
            await problem(request, 413, "invalid-input", detail)(scope, receive, send)
            return
        await self._once(request, holder, key, body, receive, send)

    async def _once(
        self, request: Request, holder: str, key: str, body: bytes, receive: Receive, send: Send
    ) -> None:
        site, scope = site_of(request), request.scope
        try:
            once = Once(site.store.keys, holder, key)
        except InvalidInput as error:
            await problem(request, 422, "invalid-input", str(error))(scope, receive, send)
            return
        said = b"\n".join((scope["path"].encode(), scope["query_string"], body))
        known = await asyncio.to_thread(_begin, site, once, said)
        if known is not None:
            await _known(request, known)(scope, receive, send)
            return
        capture = _Capture(send)
        try:
            await self._app(scope, _again(body, receive), capture)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_forget, site, once))
            raise
        await asyncio.to_thread(_end, site, once, capture)


class _Capture:
    """Passes an answer on and keeps it, as long as it is not too large."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self.media_type = ""
        self.body: bytearray | None = bytearray()
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.media_type = MutableHeaders(scope=message).get("content-type", "")
        elif message["type"] == "http.response.body" and self.body is not None:
            self.body += message.get("body", b"")
            if len(self.body) > LARGEST_ANSWER:
                self.body = None
        await self._send(message)


def _holder(request: Request) -> str | None:
    """Who asks, by which token and with which rights; None for nobody.

    Whoever has other rights meanwhile asks anew, and the route says whether they still may.
    """
    try:
        visit = visit_of(request)
    except SignedOut:
        return None  # the route says so
    user = visit.user
    if user is None:
        return None
    scopes = "all" if user.scopes is None else sorted(user.scopes)
    return f"{user.id}/{visit.token or 'session'}/{sorted(user.roles)}/{user.team!r}/{scopes}"


def _known(request: Request, known: Known) -> Response:
    if not known.is_same:
        detail = "this Idempotency-Key was used for another request; use a new one for each"
        return problem(request, 422, "idempotency-key-reused", detail)
    if known.answer is None:
        detail = (
            "a request with this Idempotency-Key was begun and its answer is not kept, or not yet; "
            "look whether it was carried out before you send it with a new key"
        )
        return problem(request, 409, "idempotency-key-in-use", detail)
    answer = known.answer
    headers = {REPLAYED: "true"}
    if answer.media_type:
        headers["content-type"] = answer.media_type
    return Response(answer.body, status_code=answer.status, headers=headers)


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None where it is too large. Raises ClientDisconnect."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > LARGEST_REQUEST:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives a body that has been read, and then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give


def _begin(site: Site, once: Once, request: bytes) -> Known | None:
    with transaction(site.store.engine) as connection:
        return once.begin(connection, request, utc_now())


def _end(site: Site, once: Once, given: _Capture) -> None:
    """Keep a good answer; let a request that did nothing be sent again."""
    if not 200 <= given.status < 300:
        _forget(site, once)
    elif given.body is not None:
        with transaction(site.store.engine) as connection:
            once.end(connection, Answer(given.status, given.media_type, bytes(given.body)))


def _forget(site: Site, once: Once) -> None:
    with transaction(site.store.engine) as connection:
        once.forget(connection)
