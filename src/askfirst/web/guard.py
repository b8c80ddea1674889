"""What stands before every route: headers that a browser enforces, and whose request it is.

A request that changes something must come from our own pages: browsers say so by themselves
(Fetch metadata, Origin), and no token has to be put into forms. Programs that bring a bearer token
have no cookie that somebody else's page could use.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OWN = frozenset({"same-origin", "none"})
"""What a browser calls a request of our own pages, or of a person who typed the address."""

SIGNED = "/api/v1/twilio/"
"""What lies below is asked by a program that signs each request and knows no session: its routes
check the signature, and a cookie is of no use there."""


def headers_of(nonce: str, *, is_secure: bool, host: str) -> Mapping[str, str]:
    """Headers of every response. `host` is our own, for the sockets of older browsers."""
    scheme = "wss" if is_secure else "ws"
    policy = (
        "default-src 'self'; script-src 'self'; "
        f"style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; media-src 'self' blob:; "
        f"connect-src 'self' {scheme}://{host}; worker-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    found = {
        "content-security-policy": policy,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "microphone=(self), camera=(), geolocation=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    if is_secure:
        found["strict-transport-security"] = "max-age=31536000"
    return found


class Guard:
    """Adds the headers, refuses requests that come from elsewhere, and names each document.

    `scope["state"]["nonce"]` is a fresh word for the styles of this one document.
    """

    def __init__(self, app: ASGIApp, *, origin: str) -> None:
        self._app = app
        self._origin = origin
        self._is_secure = origin.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry a request on, or answer that it is refused."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        nonce = secrets.token_urlsafe(12)
        scope.setdefault("state", {})["nonce"] = nonce
        host = headers.get("host", urlsplit(self._origin).netloc)
        added = headers_of(nonce, is_secure=self._is_secure, host=_plain_host(host))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in added.items():
                    found.setdefault(name, value)
                if "cache-control" not in found:
                    found["cache-control"] = "no-store"
            await send(message)

        method = scope.get("method", "GET")
        is_change = method not in SAFE or scope["type"] == "websocket"
        is_signed = scope["path"].startswith(SIGNED)
        if is_change and not is_signed and not self._is_own(headers, host):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            refused = PlainTextResponse(
                "This request did not come from our own pages and was not carried out.",
                status_code=403,
            )
            await refused(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _is_own(self, headers: Headers, host: str) -> bool:
        if headers.get("authorization", "").lower().startswith("bearer "):
            return "cookie" not in headers
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in OWN
        origin = headers.get("origin")
        if origin is None:
            return False
        scheme = "https" if self._is_secure else "http"
        return origin in (self._origin, f"{scheme}://{host}")


def _plain_host(host: str) -> str:
    """A host as it may stand in a policy; a strange one is left out of it."""
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789.-:[]")
    return host.lower() if host and set(host.lower()) <= allowed else "localhost"


@dataclass(slots=True)
class RateLimit:
    """So many requests an address in a while; addresses are kept in memory only, and only so many.

    `clock` gives seconds that never go back.
    """

    most: int
    seconds: float
    clock: Callable[[], float]
    addresses: int = 10_000
    _seen: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def allows(self, address: str) -> bool:
        """Whether one more request of an address is within the limit; it counts from now on."""
        now = self.clock()
        began, number = self._seen.pop(address, (now, 0))
        if now - began >= self.seconds:
            began, number = now, 0
        self._seen[address] = (began, number + 1)
        while len(self._seen) > self.addresses:
            self._seen.popitem(last=False)
        return number < self.most
