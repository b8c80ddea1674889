"""Twilio's side of webhooks: a player that signs and sends them, well and badly, over real HTTP.

What it does is what is documented of Twilio: form posts, 5 s for a connection in two attempts, 15 s
for an answer, any 2xx is an answer and all else a failure, after which a voice request goes to the
fallback address with the error in it. Status callbacks have no fallback. What arrives twice, in
another order, late, cut off or wrongly signed is told by `Manner`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from urllib.parse import urlencode, urlsplit

import httpx2

from askfirst.errors import InvalidInput
from askfirst.telephony import twiliosignature

CONNECTS_WITHIN_S, ANSWERS_WITHIN_S, ATTEMPTS = 5.0, 15.0, 2
UNREACHABLE, BAD_ANSWER, TIMED_OUT = "11205", "11200", "11205"
"""Twilio's codes for a webhook that failed, by how."""

TOLD = {
    "AccountSid": "AC" + "0" * 32,
    "ApiVersion": "2010-04-01",
    "Direction": "outbound-api",
}
"""Fields of every request, unless they are said otherwise."""

STATES = ("initiated", "ringing", "in-progress", "completed")


class Manner(Enum):
    """How a webhook is signed and sent."""

    PLAIN = "as it should be"
    WITH_PORT = "signed with the port that the scheme has by default"
    WITHOUT_PORT = "signed without the port that is in the address"
    WRONG_SCHEME = "signed for http in place of https, or the other way round"
    BY_KEY = "signed by a key of its own, in SHA-256"
    AS_JSON = "a JSON body that the query covers"
    WRONG = "signed with another secret"
    UNSIGNED = "not signed"
    ADDED = "with a field that was not signed"
    TURNED = "its fields in another order than they were signed in"
    CUT_OFF = "ended in the middle of its body"
    UNHEARD = "gone before the answer came"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One request to send: where to, with which fields, how, and after how long (seconds)."""

    url: str
    fields: Mapping[str, str]
    manner: Manner = Manner.PLAIN
    after_s: float = 0.0
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a request: the status of its last answer, None where there was none.

    `attempts` counts requests to its own address. `fell_back` is whether the fallback address was
    asked, whose answer this then is. `error` is Twilio's code for the failure of the first.
    """

    webhook: Webhook
    status: int | None
    body: str = ""
    attempts: int = 1
    fell_back: bool = False
    error: str | None = None

    @property
    def is_answered(self) -> bool:
        """Whether somebody answered it well."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class WebhookPlayer:
    """Sends webhooks of one account; the caller closes it.

    `reach` is the address at which the application really answers where that is another than the
    public one in the webhooks, as behind a proxy. `key` is the name of the key that signs in
    SHA-256. `patience` scales Twilio's times, for tests.
    """

    secrets: twiliosignature.SigningSecrets
    reach: str | None = None
    key: str | None = None
    patience: float = 1.0
    account_sid: str = TOLD["AccountSid"]
    client: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        timeout = httpx2.Timeout(
            ANSWERS_WITHIN_S * self.patience, connect=CONNECTS_WITHIN_S * self.patience
        )
        self.client = httpx2.AsyncClient(timeout=timeout, trust_env=False)

    async def close(self) -> None:
        """Let go of the connections."""
        await self.client.aclose()

    async def play(self, webhooks: Iterable[Webhook]) -> list[Delivery]:
        """Send webhooks, each after its own time and all beside each other; in their order."""

        async def one(webhook: Webhook) -> Delivery:
            await asyncio.sleep(webhook.after_s)
            return await self.send(webhook)

        return list(await asyncio.gather(*(one(each) for each in webhooks)))

    async def send(self, webhook: Webhook) -> Delivery:
        """Send one webhook as Twilio does, to its fallback address where its own fails."""
        if webhook.manner in (Manner.CUT_OFF, Manner.UNHEARD):
            await self._break_off(webhook)
            return Delivery(webhook, None)
        status, body, error = None, "", None
        attempts = 0
        while attempts < ATTEMPTS:
            attempts += 1
            try:
                async with asyncio.timeout(ANSWERS_WITHIN_S * self.patience):
                    answer = await self._post(webhook)
            except (TimeoutError, httpx2.ReadTimeout):
                error = TIMED_OUT
                break  # it was connected: no second attempt
            except httpx2.TransportError:
                error = UNREACHABLE
                continue
            status, body = answer.status_code, answer.text
            error = None if answer.is_success else BAD_ANSWER
            break
        if error is None or webhook.fallback is None:
            return Delivery(webhook, status, body, attempts, error=error)
        told = {**webhook.fields, "ErrorCode": error, "ErrorUrl": webhook.url}
        second = await self.send(Webhook(webhook.fallback, told))
        return Delivery(webhook, second.status, second.body, attempts, True, error)

    async def _post(self, webhook: Webhook) -> httpx2.Response:
        url, headers, body = self.request(webhook)
        return await self.client.post(self._reached(url), content=body, headers=headers)

    def request(self, webhook: Webhook) -> tuple[str, dict[str, str], bytes]:
        """Address, headers and body of a webhook as it goes out. Raises InvalidInput without the
        key that its manner wants."""
        fields = {**TOLD, "AccountSid": self.account_sid, **webhook.fields}
        url, manner = webhook.url, webhook.manner
        headers = {"content-type": twiliosignature.FORM, "user-agent": "TwilioProxy/1.1"}
        if manner is Manner.AS_JSON:
            body = json.dumps(fields).encode()
            url = twiliosignature.with_body_hash(url, body)
            headers["content-type"] = "application/json"
            headers[twiliosignature.HEADER] = twiliosignature.make(self.secrets.token, url)
        else:
            signature = self._signature(url, fields, manner)
            if signature is not None:
                headers[twiliosignature.HEADER] = signature
            body = urlencode(_sent(fields, manner)).encode()
        if manner is Manner.BY_KEY:
            headers[twiliosignature.SETTINGS_HEADER] = f"key={self.key},algorithm=HMAC_SHA256"
        headers["host"] = urlsplit(url).netloc
        return url, headers, body

    def _signature(self, url: str, fields: Mapping[str, str], manner: Manner) -> str | None:
        pairs = fields.items()
        match manner:
            case Manner.UNSIGNED:
                return None
            case Manner.WRONG:
                return twiliosignature.make(f"not {self.secrets.token}", url, pairs)
            case Manner.BY_KEY:
                secret = self.secrets.keys.get(self.key or "")
                if secret is None:
                    raise InvalidInput("no key to sign with; give its name and its secret")
                return twiliosignature.make(secret, url, pairs, is_sha256=True)
            case Manner.WITH_PORT | Manner.WITHOUT_PORT:
                url = list(twiliosignature.variants(url))[-1]
            case Manner.WRONG_SCHEME:
                scheme, rest = url.split("://", 1)
                url = f"{'http' if scheme == 'https' else 'https'}://{rest}"
            case _:
                pass
        return twiliosignature.make(self.secrets.token, url, pairs)

    def _reached(self, url: str) -> str:
        """Where an address is really answered."""
        if self.reach is None:
            return url
        parts = urlsplit(url)
        return f"{self.reach}{parts.path}{'?' + parts.query if parts.query else ''}"

    async def _break_off(self, webhook: Webhook) -> None:
        """Send a part of a request, or all of it, and go away."""
        url, headers, body = self.request(webhook)
        parts = urlsplit(self._reached(url))
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        head = [
            f"POST {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"content-length: {len(body)}",
        ]
        sent = body[: len(body) // 2] if webhook.manner is Manner.CUT_OFF else body
        try:
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + sent)
            await writer.drain()
            if webhook.manner is Manner.CUT_OFF:
                writer.write_eof()
                async with asyncio.timeout(ANSWERS_WITHIN_S * self.patience):
                    await reader.read()  # until the other side has noticed
        except (ConnectionError, TimeoutError):
            pass  # it may close first, and is right to
        finally:
            writer.close()


def _sent(fields: Mapping[str, str], manner: Manner) -> list[tuple[str, str]]:
    pairs = list(fields.items())
    if manner is Manner.TURNED:
        pairs.reverse()
    if manner is Manner.ADDED:
        pairs.append(("Injected", "1"))
    return pairs


def progress(url: str, call_sid: str, states: Sequence[str] = STATES, **more: str) -> list[Webhook]:
    """The status callbacks of one call, in order, numbered as Twilio numbers them."""
    return [
        Webhook(
            url,
            {
                "CallSid": call_sid,
                "CallStatus": state,
                "SequenceNumber": str(number),
                "CallbackSource": "call-progress-events",
                **more,
            },
        )
        for number, state in enumerate(states)
    ]


def disordered(
    webhooks: Sequence[Webhook], random: Random, *, repeats: int = 1, late_s: float = 0.0
) -> list[Webhook]:
    """The same webhooks mixed, some of them again, each up to so many seconds late."""
    mixed = [*webhooks, *(random.choice(webhooks) for _ in range(repeats))]
    random.shuffle(mixed)
    return [
        Webhook(each.url, each.fields, each.manner, random.uniform(0, late_s), each.fallback)
        for each in mixed
    ]
