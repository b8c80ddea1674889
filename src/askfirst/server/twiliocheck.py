"""What can be found out about an account at Twilio before a call is made, as codes for a page.

Each question is asked by itself, so that one without an answer hides no other. Nothing here makes a
recording, a call or a change, but for `configure`, which lets one number ask us.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from askfirst.errors import AskfirstError, Misconfigured, Refused, Unavailable
from askfirst.server.twilioaccount import TwilioAccount
from askfirst.telephony.twilioclient import BASE_URL, TwilioClient
from askfirst.telephony.twiliovalues import TwilioCredentials, TwilioNumber

REGION_URLS: Mapping[str, str] = {
    "ie1": "https://api.dublin.ie1.twilio.com",
    "au1": "https://api.sydney.au1.twilio.com",
}
"""Where Twilio answers for regions other than us1; each has an edge of its own."""

REACHES_WITHIN_S = 10.0
MOST_NUMBERS = 100
"""Numbers that are kept of a check, at most."""

SIGN = "<Hangup/>"
"""What our fallback address says, by which it is known that it is ours."""

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Twilio reaches us, as public addresses. Stands for nothing that is reachable."""

    voice: str
    progress: str
    fallback: str

    @property
    def is_https(self) -> bool:
        """Whether they are encrypted, as Twilio's way to us has to be."""
        return urlsplit(self.voice).scheme == "https"


def client(known: TwilioAccount, base_url: str | None = None) -> TwilioClient:
    """A client with these credentials; the caller closes it. `base_url` is that of an emulator."""
    user, secret = known.login
    credentials = TwilioCredentials(known.account_sid, secret, user)
    if base_url is not None:
        return TwilioClient(credentials, base_url)
    return TwilioClient(credentials, REGION_URLS.get(known.region or "", BASE_URL))


async def look(asks: TwilioClient, at: Addresses | None) -> dict[str, Any]:
    """What a check finds. `at` None: no public address is set.

    `login` and `media`, `webhook`, `numbers_state`, `countries_state` are codes of the page;
    `kind` is Trial or Full, `numbers` what the account owns, `countries` whom it may call.
    """
    found: dict[str, Any] = {
        "webhook": await _reached(at),
        "login": "",
        "media": "not-asked",
        "numbers": [],
        "numbers_state": "not-asked",
        "countries": {},
        "countries_state": "not-asked",
    }
    account, found["login"] = await _asked(asks.account)
    if account is None:
        return found
    found["kind"] = account.kind
    if account.status != "active":
        found["login"] = "inactive"
        return found
    numbers, found["numbers_state"] = await _asked(asks.numbers)
    shown = [_number(each, at) for each in (numbers or ())[:MOST_NUMBERS]]
    found["numbers"] = shown
    if numbers is not None and not any(each["voice"] for each in shown):
        found["numbers_state"] = "none"
    found["media"] = await _media(asks)
    countries, found["countries_state"] = await _asked(asks.geographic_permissions)
    found["countries"] = {
        each.code: "risky" if each.risky else "open" for each in countries or () if each.open
    }
    return found


async def configure(asks: TwilioClient, sid: str, at: Addresses) -> None:
    """Let a number ask us what to do with its calls. Raises as the client does, and Misconfigured
    where our address is not encrypted."""
    if not at.is_https:
        raise Misconfigured("found no https in public_url; Twilio's way to us has to be encrypted")
    await asks.configure_number(sid, at.voice, at.progress, at.fallback)


def _number(each: TwilioNumber, at: Addresses | None) -> dict[str, Any]:
    if each.bound:
        who = "bound"
    elif at is not None and each.voice_url == at.voice:
        # Without the other two a call could ring here and nobody would know that it has ended.
        is_whole = (each.status_callback, each.fallback) == (at.progress, at.fallback)
        who = "ours" if is_whole else "partly"
    else:
        who = "other" if each.voice_url else "nobody"
    return {"sid": each.sid, "number": each.number, "voice": each.voice, "who": who}


async def _media(asks: TwilioClient) -> str:
    """Whether recordings are given to anybody: ``open``, ``closed``; ``none``: there are none."""

    async def newest() -> str | None:
        async for page in asks.recordings(page_size=20):
            for each in page:
                if each.status == "completed":
                    return each.sid
            break
        return None

    sid, state = await _asked(newest)
    if state != "found":
        return state
    if sid is None:
        return "none"
    is_open, state = await _asked(lambda: asks.is_media_open(sid))
    return state if is_open is None else "open" if is_open else "closed"


async def _asked(question: Callable[[], Awaitable[Found]]) -> tuple[Found | None, str]:
    """The answer to a question with ``found``, or None with a code for why there is none."""
    try:
        return await question(), "found"
    except AskfirstError as error:
        return None, code_of(error)


def code_of(error: AskfirstError) -> str:
    """The code for why there is no answer: ``wrong``, ``refused``, ``unreachable``, ``failed``."""
    match error:
        case Misconfigured():
            return "wrong"
        case Refused():
            return "refused"
        case Unavailable():
            return "unreachable"
        case _:
            return "failed"


async def _reached(at: Addresses | None) -> str:
    """Whether our own fallback address is reached under the public address, and is ours."""
    if at is None:
        return "unset"
    if not at.is_https:
        return "not-https"
    try:
        async with httpx2.AsyncClient(
            timeout=REACHES_WITHIN_S, follow_redirects=False, trust_env=False
        ) as asks:
            answer = await asks.get(at.fallback)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return "unreachable"
    return "reached" if answer.status_code == 200 and SIGN in answer.text else "another"
