"""Calls over HTTP as Twilio takes them: closed lists of parameters and words, and its errors.

What is in no list is refused, which Twilio itself does not always do. Shapes: its public
description api_v2010.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from askfirst.twilioemulator.asked import Form
from askfirst.twilioemulator.exchange import EVENTS, FINAL, Call, Exchange

PREFIX = "/2010-04-01/Accounts/{account}"
LARGEST = 65_536
LONGEST_TWIML = 4_000

_ADDRESS = re.compile(r"(\+[1-9][0-9]{6,14}|client:[\w.-]{1,64}|sip:[\w.@:-]{1,128})")
_URL = re.compile(r"(https?|wss?)://[^\s]{1,2000}")
_SENT = re.compile(r"[0-9*#wW]{1,32}")
_METHOD = re.compile(r"GET|POST")
_ANY = re.compile(r".+", re.DOTALL)
_SECONDS = re.compile(r"[1-9][0-9]{0,4}")
_BOTH: Mapping[str, re.Pattern[str]] = {
    "Url": _URL,
    "Method": _METHOD,
    "FallbackUrl": _URL,
    "FallbackMethod": _METHOD,
    "StatusCallback": _URL,
    "StatusCallbackMethod": _METHOD,
    "Twiml": _ANY,
    "TimeLimit": _SECONDS,
}
PLACED: Mapping[str, re.Pattern[str]] = {
    **_BOTH,
    "To": _ADDRESS,
    "From": _ADDRESS,
    "StatusCallbackEvent": re.compile("|".join(EVENTS)),
    "Timeout": re.compile(r"[1-9][0-9]?|[1-5][0-9]{2}|600"),
    "SendDigits": _SENT,
    "CallReason": re.compile(r".{1,50}"),
    # Known to Twilio; whoever sends one of these is found in the record.
    "Record": re.compile(r"true|false"),
    "RecordingChannels": re.compile(r"mono|dual"),
    "RecordingTrack": re.compile(r"inbound|outbound|both"),
    "RecordingStatusCallback": _URL,
    "Trim": re.compile(r"trim-silence|do-not-trim"),
    "MachineDetection": re.compile(r"Enable|DetectMessageEnd"),
    "AsyncAmd": re.compile(r"true|false"),
}
"""Parameters of a new call, with what each may be."""

CHANGED: Mapping[str, re.Pattern[str]] = {
    **_BOTH, "Status": re.compile(r"completed|canceled")
}  # fmt: skip
"""The same of a change."""

_REPEATED = frozenset({"StatusCallbackEvent"})
_ERRORS: Mapping[str, tuple[int, str]] = {
    "To": (21211, "Invalid 'To' Phone Number"),
    "From": (21212, "Invalid 'From' Phone Number"),
    "Url": (21205, "Url is not valid"),
}
_TROUBLE: Mapping[str, tuple[int, int, str]] = {
    "429": (429, 20429, "Too Many Requests"),
    "500": (500, 20500, "Internal Server Error"),
    "401": (401, 20003, "Authenticate"),
    "country": (400, 21215, "Account not authorized to call"),
}

Answer = Callable[[Request, Form], Awaitable[Response]]


class Calls:
    """The routes of calls of one account. `trouble` says how the next requests are misanswered.

    Its words are 429, 500, 401, country and hang, one for each request, in their order.
    """

    def __init__(self, exchange: Exchange, secret: str) -> None:
        self.trouble: deque[str] = deque()
        self._exchange, self._secret = exchange, secret
        self._ended = asyncio.Event()

    def routes(self) -> list[Route]:
        """The routes, for a Starlette application."""
        told = self._told
        return [
            Route(f"{PREFIX}/Calls.json", told(self._place), methods=["POST"]),
            Route(f"{PREFIX}/Calls/{{sid}}.json", told(self._change), methods=["POST"]),
            Route(f"{PREFIX}/Calls/{{sid}}.json", told(self._read), methods=["GET"]),
        ]

    def end(self) -> None:
        """Let go whoever waits for an answer that does not come."""
        self._ended.set()

    def _told(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def told(request: Request) -> Response:
            body = await request.body()
            form = tuple(parse_qsl(body[:LARGEST].decode(), keep_blank_values=True))
            self._exchange.record.add(request.method, request.url.path, form)
            if not self._knows(request):
                return refused(401, 20003, "Authenticate")
            trouble = self.trouble.popleft() if self.trouble else ""
            if trouble == "hang":
                await self._ended.wait()
            if trouble in _TROUBLE:
                return refused(*_TROUBLE[trouble])
            return await answer(request, form)

        return told

    def _knows(self, request: Request) -> bool:
        """Whether a request brings the account's credentials."""
        kind, _, told = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, secret = base64.b64decode(told, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return False
        account = self._exchange.account
        is_known = hmac.compare_digest(secret.encode(), self._secret.encode())
        return kind == "Basic" and is_known and {user, request.path_params["account"]} == {account}

    async def _place(self, request: Request, form: Form) -> Response:
        fault = _checked(form, PLACED)
        if fault is not None:
            return fault
        stated = dict(form)
        for name in ("To", "From"):
            if name not in stated:
                return refused(400, *_ERRORS[name])
        if ("Twiml" in stated) == ("Url" in stated):
            return refused(400, *_ERRORS["Url"])
        callback = None
        if "StatusCallback" in stated:
            events = {value for name, value in form if name == "StatusCallbackEvent"}
            callback = (stated["StatusCallback"], frozenset(events or {"completed"}))
        call = self._exchange.dial(stated["To"], stated["From"], callback=callback)
        call.begin(
            stated.get("Twiml"),
            stated.get("Url"),
            int(stated.get("Timeout", "60")),
            int(stated.get("TimeLimit", "14400")),
        )
        return JSONResponse(self._shown(call), 201)

    async def _change(self, request: Request, form: Form) -> Response:
        fault = _checked(form, CHANGED)
        if fault is not None:
            return fault
        call = self._exchange.calls.get(request.path_params["sid"])
        if call is None:
            return refused(404, 20404, "The requested resource was not found")
        stated = dict(form)
        is_waiting = call.status in ("queued", "ringing")
        if call.status in FINAL or (stated.get("Status") == "canceled" and not is_waiting):
            return refused(400, 21220, "Call is not in the expected state")
        if "Status" in stated:
            call.hang_up("canceled" if is_waiting else "completed")
        elif is_waiting:
            return refused(400, 21220, "Call is not in-progress. Cannot redirect.")
        elif "Twiml" in stated:
            call.redirect(stated["Twiml"])
        elif "Url" in stated:
            call.redirect(f"<Response><Redirect>{stated['Url']}</Redirect></Response>")
        return JSONResponse(self._shown(call))

    async def _read(self, request: Request, form: Form) -> Response:
        call = self._exchange.calls.get(request.path_params["sid"])
        if call is None:
            return refused(404, 20404, "The requested resource was not found")
        return JSONResponse(self._shown(call))

    def _shown(self, call: Call) -> dict[str, object]:
        answered = call.answered_at
        return {
            "sid": call.sid,
            "account_sid": self._exchange.account,
            "parent_call_sid": None if call.parent is None else call.parent.sid,
            "to": call.to,
            "from": call.sender,
            "status": call.status,
            "direction": call.direction,
            "api_version": "2010-04-01",
            "date_created": format_datetime(call.made_at),
            "start_time": None if answered is None else format_datetime(answered),
            "duration": None,
            "uri": f"/2010-04-01/Accounts/{self._exchange.account}/Calls/{call.sid}.json",
        }


def refused(status: int, code: int, message: str) -> Response:
    """An error as Twilio tells it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    shown = {"code": code, "message": message, "more_info": more, "status": status}
    return JSONResponse(shown, status)


def _checked(form: Form, known: Mapping[str, re.Pattern[str]]) -> Response | None:
    """What is wrong with a form, None where nothing is."""
    names = [name for name, _ in form]
    for name, value in form:
        if name not in known:
            return refused(400, 20001, f"Unknown parameter {name}")
        if names.count(name) > 1 and name not in _REPEATED:
            return refused(400, 20001, f"Parameter {name} was given more than once")
        if not known[name].fullmatch(value) or (name == "Twiml" and len(value) > LONGEST_TWIML):
            return refused(400, *_ERRORS.get(name, (20001, f"Parameter {name} is not valid")))
    return None
