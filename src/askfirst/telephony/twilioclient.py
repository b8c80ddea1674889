"""Twilio over HTTP: calls are placed and ended, kept recordings listed, fetched and deleted.

There is no way here to make Twilio record, transcribe, fork or stream anything. Requests:
Twilio's public description api_v2010; see `twilioerrors` for what refusals become.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import httpx2

from askfirst.errors import InvalidInput, NotFound, PeerError, Refused, Unavailable
from askfirst.telephony.twilioerrors import NOT_IN_STATE, meaning
from askfirst.telephony.twilioguard import ensure_records_nothing
from askfirst.telephony.twiliovalues import (
    TwilioAccount,
    TwilioCall,
    TwilioCountry,
    TwilioCredentials,
    TwilioNumber,
    TwilioRecording,
    checked_sid,
    read_account,
    read_call,
    read_country,
    read_number,
    read_recording,
)

BASE_URL = "https://api.twilio.com"
VOICE_URL = "https://voice.twilio.com"
"""Where Twilio keeps the geographic permissions; every other base has them beside the rest."""

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

EVENTS = ("initiated", "ringing", "answered", "completed")
"""Of a call's progress, all of them."""

_BUSY = (429, 503)
_PASSING = (429, 500, 502, 503, 504)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SOUND = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")

Form = Sequence[tuple[str, str]]
Page = tuple[str, Mapping[str, str]]


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


class TwilioClient:
    """One account at Twilio; use it as an asynchronous context, which owns the connections.

    Reads are tried again with pauses; what changes something only where Twilio said, with a time,
    that it did nothing (429, 503). No message, `repr` or log line holds a credential or a number.
    Raises as `twilioerrors` says, Unavailable where nobody answers, PeerError for nonsense.
    """

    def __init__(
        self,
        credentials: TwilioCredentials,
        base_url: str = BASE_URL,
        voice_url: str | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = _checked_base(base_url)
        beside = VOICE_URL if self._base == BASE_URL else self._base
        self._voice = beside if voice_url is None else _checked_base(voice_url)
        self._account = f"/2010-04-01/Accounts/{credentials.account_sid}"
        self._sid, self._pause = credentials.account_sid, pause
        self._auth = httpx2.BasicAuth(credentials.user, credentials.secret)
        # Nothing of the environment: neither a proxy that reads along nor other credentials.
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def __repr__(self) -> str:
        return "TwilioClient(…)"

    async def __aenter__(self) -> TwilioClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def place(
        self,
        to: str,
        sender: str,
        twiml: str,
        status_callback: str,
        *,
        ring_s: int = 60,
        longest_s: int = 4 * 3600,
    ) -> str:
        """Call a number from another (both E.164); the id of the call, which is not answered yet.

        Its progress is posted to `status_callback`. Never recorded, no machine detected.
        Raises Refused for TwiML that could capture.
        """
        form = [
            ("To", _checked_number(to)),
            ("From", _checked_number(sender)),
            ("Twiml", ensure_records_nothing(twiml)),
            ("StatusCallback", status_callback),
            ("StatusCallbackMethod", "POST"),
            *(("StatusCallbackEvent", each) for each in EVENTS),
            ("Timeout", str(ring_s)),
            ("TimeLimit", str(longest_s)),
        ]
        return read_call(await self._post("Calls", form)).sid

    async def redirect(self, sid: str, twiml: str) -> None:
        """Have a call in progress go on with other TwiML. Raises Refused as `place`."""
        await self._change(sid, [("Twiml", ensure_records_nothing(twiml))])

    async def end(self, sid: str) -> None:
        """Hang a call up, in whatever state; one that has ended already is no error."""
        await self._change(sid, [("Status", "completed")], fine=(NOT_IN_STATE,))

    async def cancel(self, sid: str) -> None:
        """Take back a call that is not answered yet. Raises Refused where it was."""
        await self._change(sid, [("Status", "canceled")])

    async def account(self) -> TwilioAccount:
        """The account itself; shows that the credentials hold."""
        return read_account(await self._get(f"{self._base}{self._account}.json"))

    async def numbers(self) -> tuple[TwilioNumber, ...]:
        """Every number that the account owns."""
        pages = self._pages("IncomingPhoneNumbers", {"PageSize": "100"}, "incoming_phone_numbers")
        return tuple([read_number(each) async for page in pages for each in page])

    async def configure_number(
        self, sid: str, voice_url: str, status_callback: str, fallback: str
    ) -> TwilioNumber:
        """Have calls to a number asked about at our addresses, by POST; the number as it is then.

        Raises Refused where an application or trunk answers it, so that our addresses count not.
        """
        path = f"IncomingPhoneNumbers/{checked_sid(sid, 'PN')}"
        form = [
            ("VoiceUrl", voice_url),
            ("VoiceMethod", "POST"),
            ("VoiceFallbackUrl", fallback),
            ("VoiceFallbackMethod", "POST"),
            ("StatusCallback", status_callback),
            ("StatusCallbackMethod", "POST"),
        ]
        number = read_number(await self._post(path, form))
        if number.bound:
            raise Refused(
                "the number belongs to an application or trunk at Twilio, so that our addresses "
                "do not count; take it off there and try again"
            )
        return number

    async def recordings(
        self,
        since: datetime | None = None,
        page_size: int = 100,
        *,
        call: str | None = None,
        include_deleted: bool = False,
    ) -> AsyncIterator[tuple[TwilioRecording, ...]]:
        """Pages of what Twilio keeps, newest first, made on or after the day (UTC) of `since`.

        Raises Unavailable where a page has expired in between: begin again.
        """
        query = {"PageSize": str(page_size)}
        if since is not None:
            query["DateCreated>"] = since.strftime("%Y-%m-%d")
        if call is not None:
            query["CallSid"] = checked_sid(call, "CA")
        if include_deleted:
            query["IncludeSoftDeleted"] = "true"
        async for page in self._pages("Recordings", query, "recordings"):
            yield tuple(read_recording(each) for each in page)

    async def recording(self, recording_sid: str) -> TwilioRecording:
        """One recording. Raises NotFound."""
        return read_recording(await self._get(self._of(f"{_recording(recording_sid)}.json")))

    async def call(self, sid: str) -> TwilioCall:
        """One call. Raises NotFound."""
        return read_call(await self._get(self._of(f"Calls/{checked_sid(sid, 'CA')}.json")))

    async def calls(
        self, since: datetime | None = None, *, parent: str | None = None, page_size: int = 100
    ) -> AsyncIterator[tuple[TwilioCall, ...]]:
        """Pages of calls begun on or after the day (UTC) of `since`, or dialled by a parent."""
        query = {"PageSize": str(page_size)}
        if since is not None:
            query["StartTime>"] = since.strftime("%Y-%m-%d")
        if parent is not None:
            query["ParentCallSid"] = checked_sid(parent, "CA")
        async for page in self._pages("Calls", query, "calls"):
            yield tuple(read_call(each) for each in page)

    async def geographic_permissions(self) -> tuple[TwilioCountry, ...]:
        """Which countries the account may call (Voice API v1, DialingPermissions)."""
        found: list[TwilioCountry] = []
        address: str | None = f"{self._voice}/v1/DialingPermissions/Countries?PageSize=200"
        seen: set[str] = set()
        while address is not None:
            told = await self._get(_fresh(address, seen))
            found += [read_country(each) for each in _list(told, "content")]
            meta = told.get("meta")
            after = meta.get("next_page_url") if isinstance(meta, Mapping) else None
            address = None if after is None else _beside(self._voice, after, "/v1/")
        return tuple(found)

    async def media(
        self,
        recording_sid: str,
        into: Sink,
        channels: int = 2,
        most_bytes: int = MOST_MEDIA_BYTES,
    ) -> Fetched:
        """Write the sound of a recording, as WAV with one or two channels, into a file.

        Where it breaks off, part of it is written: throw that away. Raises NotFound before the
        recording is complete, Unavailable where the connection or the disk fails, PeerError for
        what is no sound, is longer than `most_bytes` or of no stated length.
        """
        if channels not in (1, 2):
            raise InvalidInput(f"{channels} channels were asked for; Twilio gives 1 or 2")
        address = self._of(f"{_recording(recording_sid)}.wav?RequestedChannels={channels}")
        for attempt in range(ATTEMPTS):
            async with self._sent("GET", address, sound=True, whole_s=WHOLE_MEDIA_S) as answer:
                if answer.status_code == httpx2.codes.OK:
                    return await _written(answer, into, most_bytes)
                error, wait = await _failed(answer), _pause_of(answer, attempt, reading=True)
            if wait is None or attempt + 1 == ATTEMPTS:
                raise error
            await self._pause(wait)
        raise AssertionError("the last attempt returns or raises")

    async def delete_recording(self, recording_sid: str) -> None:
        """Delete a recording's sound at Twilio; what is told of it stays there for 40 days.

        One that is gone already is no error.
        """
        address = self._of(f"{_recording(recording_sid)}.json")
        try:
            await self._asked("DELETE", address, wanted=(204,))
        except NotFound:
            return

    async def is_media_open(self, recording_sid: str) -> bool:
        """Whether anybody gets a recording's sound without credentials.

        Raises where that cannot be said, which is no leave to think that it is closed.
        """
        address = self._of(f"{_recording(recording_sid)}.wav")
        async with self._sent("GET", address, sound=True, known=False) as answer:
            # Whoever is sent on without credentials is let in: to the store behind.
            if answer.is_success or answer.is_redirect:
                return True
            if answer.status_code in (401, 403):
                return False
            raise await _failed(answer)

    async def _change(self, sid: str, form: Form, fine: Collection[int] = ()) -> None:
        await self._post(f"Calls/{checked_sid(sid, 'CA')}", form, fine)

    async def _pages(
        self, name: str, query: Mapping[str, str], key: str
    ) -> AsyncIterator[list[Mapping[str, Any]]]:
        address: str | None = str(httpx2.URL(self._of(f"{name}.json"), params=query))
        seen: set[str] = set()
        while address is not None:
            try:
                told = await self._get(_fresh(address, seen))
            except (InvalidInput, NotFound):
                if len(seen) == 1:
                    raise
                raise Unavailable(
                    "a page of Twilio's list has expired; begin the list again"
                ) from None
            yield _list(told, key)
            after = told.get("next_page_uri")
            address = None if after is None else _beside(self._base, after, self._account)

    def _of(self, path: str) -> str:
        return f"{self._base}{self._account}/{path}"

    async def _get(self, address: str) -> Mapping[str, Any]:
        return await self._asked("GET", address)

    async def _post(self, path: str, form: Form, fine: Collection[int] = ()) -> Mapping[str, Any]:
        return await self._asked("POST", self._of(f"{path}.json"), form, (200, 201), fine)

    async def _asked(
        self,
        method: str,
        address: str,
        form: Form = (),
        wanted: Collection[int] = (200,),
        fine: Collection[int] = (),
    ) -> Mapping[str, Any]:
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


def _checked_base(url: str) -> str:
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


def _checked_number(number: str) -> str:
    if not _E164.fullmatch(number):
        raise InvalidInput("a number was given that is not + and 7 to 15 digits (E.164)")
    return number


def _recording(sid: str) -> str:
    return f"Recordings/{checked_sid(sid, 'RE')}"


def _fresh(address: str, seen: set[str]) -> str:
    if address in seen:
        raise PeerError("Twilio's list leads back to a page that was read; look for an update")
    seen.add(address)
    return address


def _beside(base: str, after: object, below: str) -> str:
    """The next page's address, on the same host and below the same path."""
    found = urljoin(f"{base}/", after) if isinstance(after, str) else ""
    # Compared as a whole beginning, so that no user name and no other port comes in.
    if not found.startswith(f"{base}{below}") or ".." in found:
        raise PeerError("Twilio's list goes on at another place; nothing was sent there")
    return found


def _list(told: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
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
