"""Answers to our calls that nobody should give: no crash, no open gate, and the next call works."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.server import rig
from tests.server.deskrig import agent, has, until
from tests.sip.damage import damaged
from tests.sip.oversip import talking
from tests.sip.peer import LOOPBACK, free_port, telephone
from tests.sip.test_calls import (
    CONTACT_HZ,
    NEW_YORK,
    causes,
    desk_to,
    link_of,
    share_of,
    sound_of,
)

from askfirst.audio.mixing import to_samples
from askfirst.errors import Refused
from askfirst.model import FRAME_MS
from askfirst.server.accounts import User
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

pytestmark = pytest.mark.full

SEED = 3264
AGENTS = 4
MUTANTS = 12
UNDERSTOOD_S = 1.5
"""So long a stack may take over an answer; what it cannot read, it asks for again sooner."""

TALK_S = 0.5
LOUD = 10_000
"""Louder than a telephone at its end would ring."""

GOOD = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


@dataclass(frozen=True)
class Answer:
    """A body, and the length that is told of it where it is not the true one."""

    body: bytes
    length: str | None = None


def instead(port: int, *changes: tuple[str, str]) -> Answer:
    """A good answer with some words replaced."""
    body = GOOD.format(port=port)
    for old, new in changes:
        assert old in body
        body = body.replace(old, new, 1)
    return Answer(body.encode("latin-1"))


def crafted(port: int) -> list[Answer]:
    """Answers that are wrong in ways of which one can think."""
    good = GOOD.format(port=port)
    lines = good.splitlines(keepends=True)
    media = f"m=audio {port} RTP/AVP 8 101"
    addresses = ("999.9.9.9", "0.0.0.0", "255.255.255.255", "no.invalid", "", "1." * 400)  # noqa: S104 - told, and not bound
    ports = ("0", "-1", "-2147483649", "65536", "4294967300", "9" * 400, "audio", "")
    payloads = ("", "63", "-8", "300", "9" * 40, "8 " * 5_000, "\x00")
    codecs = ("PCMA/0", "PCMA/-8000", "PCMA/4294967296", "PCMA/8000/9999", "NOPE/8000", "/", "")
    return [
        *(
            Answer("".join(each for each in lines if each[0] != kind).encode())
            for kind in "vosctma"
        ),
        *(instead(port, ("c=IN IP4 127.0.0.1", f"c=IN IP4 {each}")) for each in addresses),
        *(instead(port, (f"audio {port}", f"audio {each}")) for each in ports),
        *(instead(port, ("AVP 8 101", f"AVP {each}")) for each in payloads),
        *(instead(port, ("8 PCMA/8000", f"8 {each}")) for each in codecs),
        *(instead(port, ("ptime:20", f"ptime:{each}")) for each in ("0", "-20", "4294967295")),
        *(instead(port, ("sendrecv", each)) for each in ("inactive", "sendonly", "x" * 60_000)),
        instead(port, (media, f"{media}\r\n{media}")),
        instead(port, (media, "\r\n".join([media] * 1_000))),
        instead(port, ("m=audio", "m=video")),
        instead(port, ("RTP/AVP", "RTP/SAVP"), ("a=ptime:20", "a=crypto:1 AES_CM_128 inline:x")),
        instead(port, ("v=0", "v=99999999999999999999")),
        Answer(b""),
        Answer(b"\x00" * 900),
        Answer(random.Random(SEED).randbytes(900)),  # noqa: S311 - the same each time
        Answer(good.replace("\r\n", "\n").encode()),
        Answer(good.encode()[: len(good) // 2]),
        Answer(good.encode()[:1]),
        *(Answer(good.encode(), each) for each in ("0", "5", "-5", "9999", "9" * 30, "much")),
    ]


def mutants(port: int) -> list[Answer]:
    """A good answer with bytes lost, doubled and changed, by a fixed seed."""
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    return [Answer(damaged(GOOD.format(port=port).encode(), chance)) for _ in range(MUTANTS)]


def answers(port: int) -> list[Answer]:
    """All of them; sound of their telephone is said to be at a port."""
    return [*crafted(port), *mutants(port)]


def number_of(answer: int) -> str:
    """Somebody in Oslo who gives an answer."""
    return f"+4722222{answer:03}"


class Port(asyncio.DatagramProtocol):
    """A port of this machine, and what is done with what comes there from another one."""

    def __init__(self, heard: Callable[[bytes, int], None]) -> None:
        self._heard = heard

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._heard(data, addr[1])


class Exchange:
    """Whoever is called in Oslo gives their answer, and sound; others are at a telephone.

    `port` is where it is called.
    """

    def __init__(self, telephone: int) -> None:
        self.port, self._beyond = free_port(), free_port()
        self._answers = answers(self.port)
        self._telephone = telephone
        self._us = 0
        self._ends: dict[int, asyncio.DatagramTransport] = {}

    async def open(self) -> None:
        """Listen."""
        for port, heard in ((self.port, self._from_us), (self._beyond, self._from_telephone)):
            self._ends[port], _ = await asyncio.get_running_loop().create_datagram_endpoint(
                partial(Port, heard), local_addr=(LOOPBACK, port)
            )

    def close(self) -> None:
        """Be silent from now on."""
        for end in self._ends.values():
            end.close()

    def _send(self, through: int, message: bytes, port: int) -> None:
        if not self._ends[through].is_closing():
            self._ends[through].sendto(message, (LOOPBACK, port))

    def _from_telephone(self, message: bytes, _: int) -> None:
        self._send(self.port, message, self._us)

    def _from_us(self, message: bytes, port: int) -> None:
        method, _, rest = message.partition(b" ")
        if rest.startswith(b"sip:" + NEW_YORK.encode()):
            self._us = port
            self._send(self._beyond, message, self._telephone)
        elif method == b"INVITE":
            number = int(rest[len("sip:+4722222") :][:3])
            answer = self._answers[number]
            self._send(self.port, response(message, "200 OK", answer, self.port), port)
            sound = re.search(rb"m=audio (\d+)", message)
            assert sound is not None
            to, loop = int(sound[1]), asyncio.get_running_loop()
            for each in range(30):
                late_s = each * FRAME_MS / 1000
                loop.call_later(late_s, self._send, self.port, rtp(each), to)
        elif method in (b"BYE", b"CANCEL"):
            self._send(self.port, response(message, "200 OK", Answer(b""), self.port), port)


def response(request: bytes, status: str, answer: Answer, port: int) -> bytes:
    """An answer to a request (RFC 3261, 8.2.6)."""
    head = request.partition(b"\r\n\r\n")[0].decode()
    kept = [
        line
        for line in head.split("\r\n")[1:]
        if line.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))
    ]
    lines = [
        f"SIP/2.0 {status}",
        *(
            f"{line};tag=1" if line.startswith("To:") and "tag=" not in line else line
            for line in kept
        ),
        f"Contact: <sip:oslo@{LOOPBACK}:{port}>",
        "Content-Type: application/sdp",
        f"Content-Length: {len(answer.body) if answer.length is None else answer.length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


def rtp(number: int) -> bytes:
    """20 ms of loud sound (PCMA)."""
    return struct.pack("!BBHII", 0x80, 8, number, number * 160, 0x5EED) + b"\x2a\xaa" * 80


@contextlib.asynccontextmanager
async def exchange(telephone: int) -> AsyncIterator[int]:
    """The port of an exchange, until the end of the block."""
    found = Exchange(telephone)
    try:
        await found.open()
        yield found.port
    finally:
        found.close()


@dataclass(frozen=True)
class Called:
    """A call that got an answer of those, and whether it was taken and anything heard in it."""

    answer: int
    id: str
    was_taken: bool
    was_heard: bool


async def called(desk: Desk, user: User, answers: Iterator[int]) -> list[Called]:
    """Calls of an agent who wants them recorded, one for each answer."""
    found = []
    for answer in answers:
        leg = MemoryLeg(keeps_all=True)
        live = await desk.place(user, number_of(answer), leg)
        with contextlib.suppress(TimeoutError, Refused):  # what is no answer ends it at once
            live.record()
            await asyncio.wait_for(until(live, was_answered), UNDERSTOOD_S)
        was_taken = bool(live.state()["answered"])
        if was_taken:
            await asyncio.sleep(TALK_S)
        loudest = max((np.abs(to_samples(pcm)).max() for pcm in leg.heard), default=0)
        was_heard = bool(was_taken and loudest > LOUD)
        found.append(Called(answer, live.id, was_taken, was_heard))
        await live.hangup()
        await until(live, has(settled=True))
    return found


def was_answered(shown: dict[str, Any]) -> bool:
    return bool(shown["answered"] or shown["settled"])


def test_answers_that_nobody_should_give_break_nothing_and_open_no_gate(
    node: Node, kari: User, tmp_path: Path
) -> None:
    users = [agent(node, f"agent{number}") for number in range(AGENTS)]

    async def scenario() -> tuple[list[Called], str]:
        async with (
            telephone(tmp_path / "bob", talking(60_000, CONTACT_HZ), number=NEW_YORK) as bob,
            exchange(bob.port) as port,
            desk_to(node, port, most_calls=100) as desk,
        ):
            await link_of(desk).ready()
            process = link_of(desk).process_id
            wrong = iter(range(len(answers(port))))
            done = await asyncio.gather(*(called(desk, user, wrong) for user in users))
            # A stack that died of them is there again, and has told so.
            await link_of(desk).ready()
            assert (link_of(desk).process_id == process) == (link_of(desk).restarts == 0)
            live = await desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            await asyncio.sleep(1)
            await live.hangup()
            await until(live, has(settled=True))
            return [each for some in done for each in some], live.id

    calls, good = asyncio.run(asyncio.wait_for(scenario(), 120))

    for each in calls:
        assert len(causes(node, each.id)) == 1, (SEED, each)
        assert rig.openings(node.store, each.id) == [], (SEED, each)
        assert rig.recording_rows(node.store, each.id) == [], (SEED, each)
    assert {each.answer for each in calls} == set(range(len(answers(9))))
    assert {each.was_taken for each in calls} == {True, False}, SEED
    assert any(each.was_heard for each in calls), "whoever spoke was heard, and not kept"
    _, contact = sound_of(node, good)
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert rig.spool_files(node.store) == []
