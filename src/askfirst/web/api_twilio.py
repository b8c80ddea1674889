"""What Twilio asks us: what to do with a call, what became of one, and its sound as a stream.

Nobody signs in here: each request is signed by Twilio, and one whose signature does not hold gets
nothing done. The signed address is put together from the settings, never from what a proxy says.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, WebSocket
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from askfirst.errors import AskfirstError, InvalidInput, NotFound, Refused, Unavailable, Unverified
from askfirst.server.account import account
from askfirst.server.database import reading
from askfirst.server.mediaworkers import MediaWorkers
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.server.twilioevents import Intake
from askfirst.telephony import twiliosignature
from askfirst.telephony.twiliosignature import Signed
from askfirst.web import words
from askfirst.web.guard import SIGNED, RateLimit
from askfirst.web.problems import problem
from askfirst.web.relay import hand_on
from askfirst.web.twiliosocket import TwilioSocket
from askfirst.web.visit import site_of

log = logging.getLogger(__name__)

router = APIRouter(tags=["Twilio"])

LARGEST_BYTES = 65_536
READ_WITHIN_S = 5.0
UNSIGNED_A_MINUTE = 60
"""Requests of one address whose signature does not hold, each of which is answered and logged."""

XML = "application/xml"
REFUSED = 1008
"""The WebSocket close code of an upgrade that is not allowed."""

LANGUAGES: Mapping[str, str] = {"en": "en-US", "nb": "nb-NO"}
NOBODY = words.mark("This call cannot be connected at the moment. Please try again later.")

upgrades = RateLimit(most=300, seconds=60.0, clock=time.monotonic)
"""Streams that one address may open without a signature; the token is checked after that."""

unsigned = RateLimit(most=UNSIGNED_A_MINUTE, seconds=60.0, clock=time.monotonic)


def intake_of(request: HTTPConnection) -> Intake:
    """What takes the events of the installation that a request is for."""
    found: Intake = request.app.state.twilio
    return found


@router.post("/twilio/voice")
@router.post("/twilio/voice/{worker}")
async def voice(request: Request, worker: str | None = None) -> Response:
    """Twilio asks what to do with a call; the answer is TwiML.

    With a `worker` it is one that this media worker had handed on, and comes back. Where nobody can
    take it, it says so to the caller and hangs up; nothing is ever recorded.
    """

    async def answer(intake: Intake, signed: Signed) -> Response:
        try:
            return Response(await intake.voice(signed, worker), media_type=XML)
        except (NotFound, Unavailable) as error:
            log.warning("twilio.call-not-taken error=%s", type(error).__name__)
            intake.tally["not taken"] += 1
            return await _nobody(request)

    return await _checked(request, answer)


@router.post("/twilio/progress")
async def progress(request: Request) -> Response:
    """Twilio tells what became of a call, a stream or a recording; answered at once.

    Calls that began under credentials from before are heard of to their end.
    """

    async def answer(intake: Intake, signed: Signed) -> Response:
        await intake.progress(signed)
        return Response(status_code=204)

    return await _checked(request, answer, ends_earlier_calls=True)


@router.get("/twilio/fallback")
@router.post("/twilio/fallback")
async def fallback(request: Request) -> Response:
    """What Twilio does with a call for which we gave no answer: it says so and hangs up.

    The same for everybody, signed or not: it has to work where the secrets are the trouble.
    """
    if twiliosignature.HEADER in request.headers:
        with suppress(AskfirstError, ClientDisconnect):
            await _signed(request, intake_of(request))
            intake_of(request).tally["fallback"] += 1
    return await _nobody(request)


@router.websocket("/twilio/stream")
@router.websocket("/twilio/stream/{worker}")
async def stream(socket: WebSocket, worker: str | None = None) -> None:
    """The sound of a call, which a media `worker` carries where one is named.

    Its start message brings a token, which whoever carries the call checks; where the upgrade is
    signed, too, that signature has to hold.
    """
    intake = intake_of(socket)
    carrier = site_of(socket).carrier
    try:
        if twiliosignature.HEADER in socket.headers:
            await _check_upgrade(socket, intake)
        elif not upgrades.allows(_address(socket)):
            raise Unverified("too many upgrades without a signature")
        if worker is not None:
            await _carry_at(carrier.workers, worker, socket)
            return
        calls = carrier.twilio
        if calls is None:
            raise Unavailable("no calls are carried over Twilio here")
    except AskfirstError as error:
        intake.tally["streams refused"] += 1
        log.warning("twilio.stream-refused error=%s", type(error).__name__)
        await socket.close(REFUSED)
        return
    await socket.accept()
    await calls.stream(TwilioSocket(socket))


async def _carry_at(workers: MediaWorkers | None, worker: str, socket: WebSocket) -> None:
    """Have a media worker carry a stream. Raises NotFound, Unavailable where it is not there."""
    if workers is None:
        raise NotFound("no media workers carry calls here")
    scope = {**socket.scope, "path": "/worker/twilio/stream", "raw_path": b""}
    with suppress(WebSocketDisconnect):  # Twilio is gone, and the worker hears of it
        await hand_on(workers, workers.get(worker), scope, socket.receive, socket.send)


async def _checked(
    request: Request,
    answer: Callable[[Intake, Signed], Awaitable[Response]],
    *,
    ends_earlier_calls: bool = False,
) -> Response:
    """The answer to a request whose signature holds; 403 for every other one."""
    intake = intake_of(request)
    try:
        if twiliosignature.HEADER not in request.headers:
            raise Unverified("found no signature; Twilio signs every request")
        signed = await _signed(request, intake, ends_earlier_calls=ends_earlier_calls)
        return await answer(intake, signed)
    except (Unverified, Refused, InvalidInput) as error:
        return _refuse(request, intake, error)
    except ClientDisconnect:
        intake.tally["cut off"] += 1
        return Response(status_code=400)  # nobody hears it


async def _signed(request: Request, intake: Intake, *, ends_earlier_calls: bool = False) -> Signed:
    """What a request says. Raises Unverified, Refused, InvalidInput, Unavailable."""
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            body = bytearray()
            async for part in request.stream():
                body += part
                if len(body) > LARGEST_BYTES:
                    raise InvalidInput(f"found more than {LARGEST_BYTES} bytes; Twilio sends few")
    except TimeoutError as error:
        raise InvalidInput("the request did not come to its end in time") from error
    known = await intake.account()
    try:
        return _signed_with(known, request, bytes(body))
    except Unverified:
        if not ends_earlier_calls:
            raise
        return await _signed_earlier(request, intake, bytes(body))


def _signed_with(known: TwilioAccount | None, request: Request, body: bytes) -> Signed:
    """What a request says that an account's secrets have signed. Raises Unverified."""
    if known is None:
        raise Unverified("no account at Twilio is set up here")
    url = _url(request, site_of(request).settings.origin)
    signed = twiliosignature.check(known.signing, url, request.headers, body)
    if dict(signed.fields).get("AccountSid", known.account_sid) != known.account_sid:
        raise Unverified("the request is about another account")
    return signed


async def _signed_earlier(request: Request, intake: Intake, body: bytes) -> Signed:
    """The same with credentials from before, once and about a call that began under them.

    Raises Unverified, and Refused for what came before.
    """
    # Nobody has signed this yet: it only says which call is to be looked at.
    call_sid = dict(twiliosignature.read_form(body)).get("CallSid", "")
    known = await intake.earlier(call_sid)
    if known is None:
        raise Unverified(
            "the signature does not hold for this address and these fields; check public_url and "
            "the auth token"
        )
    signed = _signed_with(known, request, body)
    fields = signed.as_map()
    if (fields.get("AccountSid"), fields.get("CallSid")) != (known.account_sid, call_sid):
        raise Unverified("the request is about another account or call")
    if await intake.came_before(signed):
        raise Refused(
            "this request was taken before; with credentials from before each counts once"
        )
    intake.tally["earlier"] += 1
    return signed


async def _check_upgrade(socket: WebSocket, intake: Intake) -> None:
    """Raise Unverified unless the signature of an upgrade holds.

    Twilio signs the address as it was given, wss, and some of its servers with a slash at the end.
    """
    known = await intake.account()
    if known is None:
        raise Unverified("no account at Twilio is set up here")
    origin = site_of(socket).settings.origin
    url = _url(socket, f"ws{origin.removeprefix('http')}")
    for each in (url, f"{url}/"):
        try:
            twiliosignature.check(known.signing, each, socket.headers)
            return
        except Unverified:
            continue
    raise Unverified("the signature of the upgrade does not hold")


def _url(request: HTTPConnection, origin: str) -> str:
    """The address as Twilio called it: our own origin, and path and query as they came."""
    path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope.get("query_string", b"")
    return origin + (path + (b"?" + query if query else b"")).decode("latin-1")


def _refuse(request: Request, intake: Intake, error: AskfirstError) -> Response:
    """The answer to a request with which nothing is done; the log has its id and no more."""
    intake.tally["refused"] += 1
    if not unsigned.allows(_address(request)):
        return problem(request, 429, "too-many-requests", "too many requests without a signature")
    which = secrets.token_hex(6)
    log.warning(
        "twilio.refused id=%s path=%s error=%s",
        which,
        request.url.path.removeprefix(SIGNED),
        type(error).__name__,
    )
    detail = f"{error}. Nothing was done; the log of the server has this as {which}"
    if isinstance(error, InvalidInput):
        return problem(request, 422, "invalid-input", detail)
    return problem(request, 403, "refused", detail)


async def _nobody(request: Request) -> Response:
    """TwiML that says that nobody can be reached, and hangs up."""
    language = await asyncio.to_thread(_language, request)
    said = escape(words.gettext(language, NOBODY))
    return Response(
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<Response><Say language="{LANGUAGES[language]}">{said}</Say><Hangup/></Response>',
        media_type=XML,
    )


def _language(request: Request) -> str:
    """The account's language, English where that cannot be told."""
    with suppress(Unavailable), reading(site_of(request).store.engine) as connection:
        found = account(connection).language
        return found if found in LANGUAGES else "en"
    return "en"


def _address(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""
