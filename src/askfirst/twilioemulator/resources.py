"""Twilio's REST resources that we read: account, numbers, calls, recordings and their sound.

What is placed and changed by calls lives beside; here a recording is never made. Shapes: public
description api_v2010; sound: Twilio's documentation (it is not in the description).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from askfirst.twilioemulator.kept import Account, Fault, KeptCall, KeptRecording, Seen

PREFIX = "/2010-04-01/Accounts/{account}"
_CAPTURES = ("Recordings", "Transcriptions", "Siprec", "Streams")
_PAGING = frozenset({"PageSize", "Page", "PageToken"})
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

Answer = Callable[[Request], Awaitable[Response]]


class Resources:
    """The routes of one emulated account; give `routes()` to a Starlette application.

    `carried` gives the calls of an exchange, which are told of like those that are kept.
    """

    def __init__(
        self, account: Account, carried: Callable[[], Iterable[KeptCall]] | None = None
    ) -> None:
        self.account = account
        self._carried = carried or tuple

    def routes(self) -> list[Route]:
        """The routes, in an order in which the first that fits is the one."""
        calls = f"{PREFIX}/Calls/{{call}}"
        captures = [
            Route(f"{calls}/{name}{rest}", self._told(self._capture), methods=["POST"])
            for name in _CAPTURES
            for rest in (".json", "/{sid}.json")
        ]
        return [
            *captures,
            Route(f"{PREFIX}.json", self._told(self._account)),
            Route(f"{PREFIX}/IncomingPhoneNumbers.json", self._told(self._numbers)),
            Route(
                f"{PREFIX}/IncomingPhoneNumbers/{{sid}}.json",
                self._told(self._configured),
                methods=["POST"],
            ),
            Route(f"{PREFIX}/Calls.json", self._told(self._calls)),
            Route(f"{PREFIX}/Calls/{{sid}}.json", self._told(self._call)),
            Route(f"{PREFIX}/Recordings.json", self._told(self._recordings)),
            Route(
                f"{PREFIX}/Recordings/{{sid}}.json",
                self._told(self._recording),
                methods=["GET", "DELETE"],
            ),
            Route(f"{PREFIX}/Recordings/{{sid}}.{{form:str}}", self._told(self._sound, True)),
            Route("/v1/DialingPermissions/Countries", self._told(self._countries)),
        ]

    def _told(self, answer: Answer, sound: bool = False) -> Answer:
        async def told(request: Request) -> Response:
            known = self._is_known(request)
            path = request.url.path
            seen = tuple(request.query_params.multi_items())
            self.account.seen.append(Seen(request.method, path, seen, known))
            free = sound and known is False and not self.account.enforces_media_login
            if known is not True and not free:
                return refused(401, 20003, "Authenticate")
            fault = self.account.fault(path)
            if fault is not None:
                return await self._faulty(fault, request, answer)
            wanted = request.path_params.get("account", self.account.sid)
            if wanted != self.account.sid:
                return refused(404, 20404, "not found")
            return await answer(request)

        return told

    def _is_known(self, request: Request) -> bool | None:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if not kind:
            return False
        try:
            user, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        holds = user == self.account.sid and hmac.compare_digest(secret, self.account.secret)
        return True if holds and kind.lower() == "basic" else None

    async def _faulty(self, fault: Fault, request: Request, answer: Answer) -> Response:
        after = self.account.retry_after
        headers = {} if after is None else {"retry-after": after}
        if fault is Fault.BUSY:
            return refused(429, 20429, "Too Many Requests", headers)
        if fault is Fault.BROKEN:
            return refused(500, 20500, "Internal Server Error")
        if fault is Fault.STALL:
            # Until whoever asked goes away.
            while (await request.receive())["type"] != "http.disconnect":
                pass
            return Response(status_code=504)
        if fault is Fault.NONSENSE:
            return Response("<html>a proxy's page</html>", media_type="text/html")
        whole = await answer(request)
        half = bytes(whole.body)[: len(whole.body) // 2]
        return StreamingResponse(
            _cut(half),
            whole.status_code,
            {"content-length": str(len(whole.body)), "content-type": whole.headers["content-type"]},
        )

    async def _account(self, _: Request) -> Response:
        # The real one tells the token as well.
        told = {"sid": self.account.sid, "status": self.account.status, "type": self.account.kind}
        return JSONResponse(told | {"auth_token": self.account.secret, "friendly_name": "emulated"})

    async def _numbers(self, request: Request) -> Response:
        found = [each.to_json() for each in self.account.numbers.values()]
        return self._page(request, "incoming_phone_numbers", found, {"PhoneNumber"})

    async def _configured(self, request: Request) -> Response:
        number = self.account.numbers.get(request.path_params["sid"])
        if number is None:
            return refused(404, 20404, "not found")
        form = {key: str(value) for key, value in (await request.form()).items()}
        number.voice_url = form.get("VoiceUrl", number.voice_url)
        number.fallback = form.get("VoiceFallbackUrl", number.fallback)
        number.status_callback = form.get("StatusCallback", number.status_callback)
        return JSONResponse(number.to_json())

    async def _calls(self, request: Request) -> Response:
        query = request.query_params
        since, parent = query.get("StartTime>", ""), query.get("ParentCallSid")
        found = [
            each
            for each in self._every_call().values()
            if each.at.date().isoformat() >= since and parent in (None, each.parent)
        ]
        found.sort(key=lambda each: each.at, reverse=True)
        told = [each.to_json() for each in found]
        return self._page(request, "calls", told, {"StartTime>", "ParentCallSid"})

    async def _call(self, request: Request) -> Response:
        call = self._every_call().get(request.path_params["sid"])
        if call is None:
            return refused(404, 20404, "not found")
        return JSONResponse(call.to_json())

    def _every_call(self) -> Mapping[str, KeptCall]:
        return {**self.account.calls, **{each.sid: each for each in self._carried()}}

    async def _recordings(self, request: Request) -> Response:
        query = request.query_params
        since, call = query.get("DateCreated>", ""), query.get("CallSid")
        deleted = query.get("IncludeSoftDeleted") == "true"
        found = [
            each
            for each in self.account.recordings.values()
            if each.at.date().isoformat() >= since
            and call in (None, each.call_sid)
            and (deleted or each.status != "deleted")
        ]
        found.sort(key=lambda each: each.at, reverse=True)
        filters = {"DateCreated>", "CallSid", "IncludeSoftDeleted"}
        told = [each.to_json(self._media_url(request, each)) for each in found]
        answer = self._page(request, "recordings", told, filters)
        if self.account.on_listed is not None:
            self.account.on_listed()
        return answer

    async def _recording(self, request: Request) -> Response:
        found = self._kept(request)
        if found is None:
            return refused(404, 20404, "not found")
        if request.method == "DELETE":
            found.status, found.wav = "deleted", {}
            return Response(status_code=204)
        return JSONResponse(found.to_json(self._media_url(request, found)))

    async def _sound(self, request: Request) -> Response:
        found, form = self._kept(request), request.path_params["form"]
        if found is None or found.status != "completed" or form not in ("wav", "mp3"):
            return refused(404, 20404, "not found")
        asked = request.query_params.get("RequestedChannels", "1")
        if asked not in ("1", "2") or set(request.query_params) - {"RequestedChannels"}:
            return refused(400, 20001, "invalid parameter")
        # More channels than were recorded cannot be had; one can always.
        sound = found.wav.get(int(asked)) or next(iter(found.wav.values()), b"")
        kind = "audio/x-wav" if form == "wav" else "audio/mpeg"
        return _ranged(sound, request.headers.get("range", ""), kind)

    async def _countries(self, _: Request) -> Response:
        told = [
            {
                "iso_code": code,
                "low_risk_numbers_enabled": is_open,
                "high_risk_special_numbers_enabled": is_risky,
                "high_risk_tollfraud_numbers_enabled": False,
            }
            for code, (is_open, is_risky) in self.account.countries.items()
        ]
        return JSONResponse({"content": told, "meta": {"key": "content", "next_page_url": None}})

    async def _capture(self, request: Request) -> Response:
        self.account.captures.append(request.url.path)
        return refused(403, 20006, "Access Denied")

    def _kept(self, request: Request) -> KeptRecording | None:
        found = self.account.recordings.get(request.path_params["sid"])
        return None if found is None or found.status == "deleted" else found

    def _media_url(self, request: Request, kept: KeptRecording) -> str:
        path = PREFIX.format(account=self.account.sid)
        return f"http://{request.url.netloc}{path}/Recordings/{kept.sid}"

    def _page(
        self,
        request: Request,
        key: str,
        found: Sequence[Mapping[str, object]],
        filters: set[str],
    ) -> Response:
        query = request.query_params
        size, page = query.get("PageSize", "50"), query.get("Page", "0")
        generation = str(self.account.page_generation)
        valid = size.isdigit() and page.isdigit() and 0 < int(size) <= 1000
        known = not set(query) - _PAGING - filters
        if not valid or not known or query.get("PageToken", generation) != generation:
            return refused(400, 20001, "invalid parameter or page")
        first, last = int(page) * int(size), (int(page) + 1) * int(size)
        after = None
        if last < len(found):
            kept = [(name, value) for name, value in query.multi_items() if name not in _PAGING]
            kept += [("PageSize", size), ("Page", str(int(page) + 1)), ("PageToken", generation)]
            after = f"{request.url.path}?{urlencode(kept)}"
        told = {"page": int(page), "page_size": int(size), "next_page_uri": after}
        return JSONResponse({key: list(found[first:last]), **told})


def refused(
    status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An error as Twilio tells it."""
    told = {"code": code, "message": message, "more_info": "", "status": status}
    return JSONResponse(told, status, headers)


async def _cut(half: bytes) -> AsyncIterator[bytes]:
    yield half


def _ranged(sound: bytes, asked: str, kind: str) -> Response:
    found = _RANGE.fullmatch(asked)
    if found is None:
        return Response(sound, media_type=kind)
    first = int(found[1])
    last = min(int(found[2] or len(sound) - 1), len(sound) - 1)
    if first > last:
        return Response(status_code=416, headers={"content-range": f"bytes */{len(sound)}"})
    told = {"content-range": f"bytes {first}-{last}/{len(sound)}"}
    return Response(sound[first : last + 1], 206, told, kind)
