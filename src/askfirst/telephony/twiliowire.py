"""Requests to Twilio: credentials on every one, limits of time and size, and what may be repeated.

Nothing goes to another host, no redirect is followed, and no message or log line holds an address.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx2

from askfirst.errors import InvalidInput, PeerError, Unavailable
from askfirst.telephony.twilioerrors import meaning
from askfirst.telephony.twiliovalues import TwilioCredentials

TIMEOUT_S = 10.0
"""For each step of a request: connecting, writing, reading the next bytes."""

WHOLE_S = 30.0
"""For one request with its answer."""

WHOLE_MEDIA_S = 900.0
"""For the sound of one recording."""

MOST_BYTES = 4 * 1024**2
"""Of an answer in JSON."""

MOST_MEDIA_BYTES = 1024**3
"""Of one recording's sound; ten hours of two channels."""

ATTEMPTS = 4
PAUSE_S = 0.5
"""Before the second attempt, doubled before each one after."""

LONGEST_PAUSE_S = 30.0
"""What Twilio may ask us to wait for; more is told to the caller."""

_BUSY = (429, 503)
_PASSING = (429, 500, 502, 503, 504)
_SOUND = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")


Form = Sequence[tuple[str, str]]


class Sink(Protocol):
    """Where sound goes to: a file opened for writing, or what behaves like one."""

    def write(self, data: bytes, /) -> object:
        """Take all of it, or raise OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written of a recording's sound: how much, and its SHA-256 in hexadecimal."""

    size_bytes: int
    sha256: str


class Wire:
    """The connections of one account; whoever makes it closes it. `pause` waits some seconds.

    Raises as `twilioerrors` says, Unavailable where nobody answers, PeerError for nonsense.
    """

    def __init__(
        self, credentials: TwilioCredentials, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self._pause = pause
        self._auth = httpx2.BasicAuth(credentials.user, credentials.secret)
        # Nothing of the environment: neither a proxy that reads along nor other credentials.
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def __repr__(self) -> str:
        return "Wire(…)"

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def sound(self, address: str, into: Sink, most_bytes: int) -> Fetched:
        """Write the sound at an address into a file; see `TwilioClient.media`."""
        for attempt in range(ATTEMPTS):
            async with self._sent("GET", address, sound=True, whole_s=WHOLE_MEDIA_S) as answer:
                if answer.status_code == httpx2.codes.OK:
                    return await _written(answer, into, most_bytes)
                error, wait = await _failed(answer), _pause_of(answer, attempt, reading=True)
            if wait is None or attempt + 1 == ATTEMPTS:
                raise error
            await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    async def is_open(self, address: str) -> bool:
        """Whether anybody gets the sound at an address; see `TwilioClient.is_media_open`.

        Asks for one byte: no more of a recording ever comes to us without credentials.
        """
        async with self._sent("GET", address, sound=True, known=False) as answer:
            # Whoever is sent on without credentials is let in: to the store behind.
            # So is who is told that there is no first byte.
            if answer.is_success or answer.is_redirect or answer.status_code == 416:
                return True
            if answer.status_code in (401, 403):
                return False
            raise await _failed(answer)

    async def asked(
        self,
        method: str,
        address: str,
        form: Form = (),
        wanted: Collection[int] = (200,),
        fine: Collection[int] = (),
    ) -> Mapping[str, Any]:
        """The JSON of an answer with a `wanted` status; empty for a refusal with a `fine` code.

        Reads are tried again, changes only where Twilio says with a time that it did nothing.
        """
        reading = method == "GET"
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            try:
                async with self._sent(method, address, form) as answer:
                    status = answer.status_code
                    told = await _told(answer)
                    wait = _pause_of(answer, attempt, reading)
            except Unavailable:
                if last or not reading:
                    raise
                await self._pause(PAUSE_S * 2**attempt)
                continue
            if status in wanted:
                return _object(told) if status != httpx2.codes.NO_CONTENT else {}
            code = _code(told)
            if code in fine:
                return {}
            if wait is None or last:
                raise meaning(status, code)
            await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        address: str,
        form: Form = (),
        *,
        sound: bool = False,
        known: bool = True,
        whole_s: float = WHOLE_S,
    ) -> AsyncIterator[httpx2.Response]:
        # As it is on the disk of Twilio: packed, a few bytes could become any number.
        headers = {"accept": "audio/*" if sound else "application/json"}
        if not known:
            headers["range"] = "bytes=0-0"
        headers |= {"accept-encoding": "identity", "user-agent": "askfirst"}
        body = httpx2.QueryParams(list(form))
        if method == "POST":
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            async with (
                asyncio.timeout(whole_s),
                self._http.stream(
                    method,
                    address,
                    content=str(body) if method == "POST" else None,
                    headers=headers,
                    auth=self._auth if known else None,
                ) as answer,
            ):
                yield answer
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            # Without the error below it: that one knows the request, with its credentials.
            raise Unavailable(
                f"Twilio does not answer as it should ({type(error).__name__}); try again"
            ) from None


class _Unlogged(logging.Filter):
    """Drops lines about requests to Twilio: their addresses lead to recordings."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not any("/Accounts/AC" in str(each) for each in _arguments(record))


logging.getLogger("httpx2").addFilter(_Unlogged())


def _arguments(record: logging.LogRecord) -> tuple[object, ...]:
    return record.args if isinstance(record.args, tuple) else (record.args, record.msg)


def checked_base(url: str) -> str:
    """An address of Twilio without anything behind its host. Raises InvalidInput."""
    found = urlsplit(url)
    plain = not (found.query or found.fragment or found.username or found.path.strip("/"))
    secret = found.scheme == "https" or (found.scheme == "http" and _is_here(found.hostname))
    if not (plain and secret and found.hostname):
        raise InvalidInput(
            "the address of Twilio is https:// and a name, nothing more; http only on this machine"
        )
    return f"{found.scheme}://{found.netloc}"


def _is_here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def fresh(address: str, seen: set[str]) -> str:
    """An address of a page that was not read yet. Raises PeerError."""
    if address in seen:
        raise PeerError("Twilio's list leads back to a page that was read; look for an update")
    seen.add(address)
    return address


def beside(base: str, after: object, below: str) -> str:
    """The next page's address, on the same host and below the same path. Raises PeerError."""
    found = urljoin(f"{base}/", after) if isinstance(after, str) else ""
    # Compared as a whole beginning, so that no user name and no other port comes in.
    if not found.startswith(f"{base}{below}") or ".." in found:
        raise PeerError("Twilio's list goes on at another place; nothing was sent there")
    return found


def list_of(told: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects that an answer lists. Raises PeerError."""
    found = told.get(key)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise PeerError(f"an answer of Twilio has no list of {key}; look for an update of ours")
    return found


async def _failed(answer: httpx2.Response) -> Exception:
    if answer.is_redirect:
        return PeerError(
            "Twilio sends us to another address for a recording, and our credentials go nowhere "
            "else; recordings in a store of your own are fetched from there"
        )
    return meaning(answer.status_code, _code(await _told(answer)))


async def _told(answer: httpx2.Response) -> object:
    """The JSON of an answer, None where it is none. Raises PeerError for too much."""
    found = bytearray()
    async for part in answer.aiter_bytes():
        found += part
        if len(found) > MOST_BYTES:
            raise PeerError(f"Twilio answered more than {MOST_BYTES} bytes; nothing was taken")
    try:
        return json.loads(found)
    except (ValueError, RecursionError):
        return None


def _object(told: object) -> Mapping[str, Any]:
    if not isinstance(told, dict):
        raise PeerError("Twilio's answer is no JSON object; look for an update of ours")
    return told


def _code(told: object) -> int | None:
    code = told.get("code") if isinstance(told, dict) else None
    return code if isinstance(code, int) and 0 < code < 1_000_000 else None


def _pause_of(answer: httpx2.Response, attempt: int, reading: bool) -> float | None:
    """How long to wait before the next attempt; None where there is none."""
    asked = answer.headers.get("retry-after", "")
    known = asked.isascii() and asked.isdigit() and len(asked) < 6
    if answer.status_code in _BUSY and known:
        return float(asked) if float(asked) <= LONGEST_PAUSE_S else None
    if reading and answer.status_code in _PASSING:
        return float(PAUSE_S * 2**attempt)
    return None


async def _written(answer: httpx2.Response, into: Sink, most_bytes: int) -> Fetched:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    framed = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    if kind not in _SOUND or not framed or "content-encoding" in answer.headers:
        raise PeerError("Twilio gave something else than a recording's sound; nothing was kept")
    size, digest, head = 0, hashlib.sha256(), b""
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > most_bytes:
            raise PeerError(f"a recording has more than the {most_bytes} bytes that are taken")
        head += part[: 12 - len(head)] if len(head) < 12 else b""
        digest.update(part)
        try:
            into.write(part)
        except OSError as error:
            raise Unavailable(
                f"a recording cannot be written ({error.strerror}); make room, then start again"
            ) from error
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise PeerError("Twilio gave something else than a recording's sound; throw it away")
    return Fetched(size, digest.hexdigest())
