"""The player of Twilio's webhooks: retries and fallback as documented, signatures as asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar
from urllib.parse import parse_qsl

import pytest

from askfirst.errors import InvalidInput, Unverified
from askfirst.telephony.twiliosignature import SigningSecrets, check
from askfirst.twilioemulator.webhooks import (
    ATTEMPTS,
    BAD_ANSWER,
    STATES,
    UNREACHABLE,
    Manner,
    Webhook,
    WebhookPlayer,
    disordered,
    progress,
)

SECRETS = SigningSecrets("a token of nobody", {"SKhooks": "a key of nobody"})
PUBLIC = "https://phone.example/hook"
FIELDS = {"CallSid": "CA" + "0" * 32, "CallStatus": "ringing"}
Result = TypeVar("Result")


class Listener:
    """A server that answers each path with a status of its own, and writes down what came."""

    def __init__(self, **statuses: int | None) -> None:
        self.statuses = statuses
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            path = head[0].split()[1]
            self.asked.append((path, headers, body))
            status = self.statuses.get(path.strip("/"), 204)
            if status is None:
                await reader.read()  # silent until the other side has had enough
            else:
                writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except asyncio.IncompleteReadError:
            self.asked.append(("cut off", {}, b""))
        finally:
            writer.close()


def play(
    listener: Listener, work: Callable[[WebhookPlayer, str], Awaitable[Result]], patience: float = 1
) -> Result:
    """Let a player send to the listener."""

    async def all_of_it() -> Result:
        async with await asyncio.start_server(listener.answer, "127.0.0.1", 0) as server:
            reach = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            player = WebhookPlayer(SECRETS, reach, "SKhooks", patience)
            try:
                return await work(player, reach)
            finally:
                await player.close()

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_every_answer_but_2xx_is_a_failure_and_the_fallback_is_asked_once(status: int) -> None:
    listener = Listener(hook=status, fallback=200)
    webhook = Webhook(PUBLIC, FIELDS, fallback="https://phone.example/fallback")
    found = play(listener, lambda player, _: player.send(webhook))

    assert (found.status, found.fell_back, found.error) == (200, True, BAD_ANSWER)
    assert [path for path, _, _ in listener.asked] == ["/hook", "/fallback"]
    said = dict(parse_qsl(listener.asked[1][2].decode()))
    assert said["ErrorCode"] == BAD_ANSWER
    assert said["ErrorUrl"] == PUBLIC


def test_a_status_callback_that_fails_is_not_sent_again() -> None:
    listener = Listener(hook=500)
    found = play(listener, lambda player, _: player.send(Webhook(PUBLIC, FIELDS)))
    assert (found.status, found.is_answered, found.error) == (500, False, BAD_ANSWER)
    assert len(listener.asked) == 1


def test_nobody_there_is_tried_twice() -> None:
    async def unreached() -> tuple[int, str | None]:
        async with await asyncio.start_server(Listener().answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        player = WebhookPlayer(SECRETS, f"http://127.0.0.1:{port}")
        found = await player.send(Webhook(PUBLIC, FIELDS))
        await player.close()
        return found.attempts, found.error

    assert asyncio.run(unreached()) == (ATTEMPTS, UNREACHABLE)


def test_who_does_not_answer_in_time_is_given_up_without_a_second_try() -> None:
    listener = Listener(hook=None, fallback=200)
    webhook = Webhook(PUBLIC, FIELDS, fallback="https://phone.example/fallback")
    found = play(listener, lambda player, _: player.send(webhook), patience=0.02)
    assert found.fell_back
    assert [path for path, _, _ in listener.asked] == ["/hook", "/fallback"]


@pytest.mark.parametrize("manner", list(Manner))
def test_what_is_signed_as_it_should_be_holds_and_nothing_else_does(manner: Manner) -> None:
    player = WebhookPlayer(SECRETS, key="SKhooks")
    url, headers, body = player.request(Webhook(PUBLIC, FIELDS, manner))
    asyncio.run(player.close())
    if manner in (Manner.WRONG, Manner.UNSIGNED, Manner.ADDED, Manner.WRONG_SCHEME):
        with pytest.raises(Unverified):
            check(SECRETS, url, headers, body)
    else:
        check(SECRETS, url, headers, body)


def test_without_a_key_nothing_is_signed_by_one() -> None:
    player = WebhookPlayer(SECRETS, key="SKother")
    with pytest.raises(InvalidInput, match="no key"):
        player.request(Webhook(PUBLIC, FIELDS, Manner.BY_KEY))
    asyncio.run(player.close())


def test_what_is_cut_off_never_comes_whole_and_what_is_unheard_does() -> None:
    listener = Listener()

    async def both(player: WebhookPlayer, _: str) -> None:
        for manner in (Manner.CUT_OFF, Manner.UNHEARD):
            await player.send(Webhook(PUBLIC, FIELDS, manner))

    play(listener, both)
    assert listener.asked[0][0] == "cut off"


def test_a_call_is_numbered_from_nothing_and_mixed_without_losing_any() -> None:
    sent = progress(PUBLIC, "CA1")
    assert [each.fields["SequenceNumber"] for each in sent] == ["0", "1", "2", "3"]
    assert tuple(each.fields["CallStatus"] for each in sent) == STATES
    mixed = disordered(sent, Random(3), repeats=2, late_s=1.0)  # noqa: S311 - the same every time
    assert len(mixed) == len(sent) + 2
    assert {str(each.fields) for each in mixed} == {str(each.fields) for each in sent}
    assert all(0 <= each.after_s <= 1 for each in mixed)
