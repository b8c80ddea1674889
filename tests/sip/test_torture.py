"""Messages that nobody should send at our ports: no crash, no call, no open gate, no forged key.

The messages are of our own making, of the kinds that RFC 4475 lists.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.sip.damage import damaged
from tests.sip.oversip import talking
from tests.sip.peer import LOOPBACK, Telephone, telephone
from tests.sip.test_calls import (
    AGENT_HZ,
    CONTACT_HZ,
    NEW_YORK,
    OSLO,
    desk_to,
    link_of,
    played,
    ports,
    share_of,
    sound_of,
    speaking,
)
from tests.sip.test_incoming import Office, office

from askfirst.server.accounts import User
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

pytestmark = pytest.mark.full

SEED = 4475
MUTANTS = 150
KEY_PAYLOAD = 101
"""The payload type at which telephones send keys, as good as always."""

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\n"
)


branches = itertools.count()


def invite(port: int, **more: str) -> str:
    """An INVITE to us; `more` replaces headers by their names, `start` and `body` too."""
    body = more.pop("body", _SDP)
    start = more.pop("start", f"INVITE sip:x@{LOOPBACK}:{port} SIP/2.0")
    headers = {
        "Via": f"SIP/2.0/UDP {LOOPBACK}:9;branch=z9hG4bK{next(branches)}",
        "From": "<sip:bob@127.0.0.1>;tag=1",
        "To": f"<sip:x@{LOOPBACK}>",
        "Call-ID": "torture",
        "CSeq": "1 INVITE",
        "Contact": "<sip:bob@127.0.0.1:9>",
        "Max-Forwards": "70",
        "Content-Type": "application/sdp",
        "Content-Length": str(len(body)),
        **more,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{start}\r\n{lines}\r\n{body}"


def malformed(port: int) -> list[bytes]:
    """Messages that are wrong, most of them so that no stack may take them for a call."""
    texts = [
        "",
        "\r\n" * 400,
        "INVITE",
        "INVITE  SIP/2.0\r\n\r\n",
        invite(port, start=f"INVITE sip:x@{LOOPBACK}:{port} SIP/7.0"),
        invite(port, start="INVITE <sip:x@> SIP/2.0"),
        invite(port, start="INVITE sip:x@[::::] SIP/2.0"),
        invite(port, start="INVITE " + "sip:" * 5_000 + " SIP/2.0"),
        invite(port, start="SIP/2.0 4294967301 better not break the receiver"),
        invite(port, start="SIP/2.0 -1 \x00"),
        invite(port, Via=""),
        invite(port, Via="SIP/2.0/UDP"),
        invite(port, From=""),
        invite(port, To="sip:\x00"),
        invite(port, CSeq="36893488147419103232 REGISTER"),
        invite(port, CSeq="0 "),
        invite(port, **{"Content-Length": "-999"}),
        invite(port, **{"Content-Length": "99999999999999999999"}),
        invite(port, **{"Content-Length": "9999"}),
        invite(port, **{"Call-ID": ""}),
        invite(port, **{"Max-Forwards": "300"}).replace("\r\n", "\n"),
        invite(port, start=f"BYE sip:x@{LOOPBACK}:{port} SIP/2.0", CSeq="1 BYE"),
        invite(port, start=f"CANCEL sip:x@{LOOPBACK}:{port} SIP/2.0", CSeq="1 CANCEL"),
        invite(port, start=f"REFER sip:x@{LOOPBACK}:{port} SIP/2.0", CSeq="1 REFER"),
        invite(port, start=f"NOTIFY sip:x@{LOOPBACK}:{port} SIP/2.0", CSeq="1 NOTIFY"),
        invite(port, start=f"ACK sip:x@{LOOPBACK}:{port} SIP/2.0", CSeq="1 ACK"),
        invite(port, start=f"\x01\x02\x03 sip:x@{LOOPBACK}:{port} SIP/2.0"),
    ]
    return [text.encode("latin-1")[:60_000] for text in texts]


def mutants(port: int) -> list[bytes]:
    """An INVITE with bytes lost, doubled and changed, by a fixed seed."""
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    return [damaged(invite(port).encode(), chance) for _ in range(MUTANTS)]


async def throw(messages: list[bytes], *at: int) -> None:
    """Send datagrams to ports of this machine from one that is nobody's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for message in messages:
            for port in at:
                stranger.sendto(message, (LOOPBACK, port))
            await asyncio.sleep(0.002)  # a socket's buffer is finite, and lost is not tried


@pytest.mark.parametrize("messages", [malformed, mutants])
def test_messages_that_nobody_should_send_break_nothing_and_the_next_call_is_taken(
    node: Node, kari: User, tmp_path: Path, messages: Callable[[int], list[bytes]]
) -> None:
    async def scenario() -> None:
        async with (
            office(node, kari, most_calls=200) as here,
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK) as bob,
        ):
            link = here.provider.link
            process = link.process_id
            port = int(here.address.rpartition(":")[2])
            # Some are invitations still, of somebody who never says another word.
            await throw(messages(port), port)
            await bob.tell("dial", here.address)
            live = await here.reception.take(kari, await rings_from_bob(here, kari), MemoryLeg())
            await until(live, has(light="recording"))
            await asyncio.sleep(1)
            await bob.tell("hangup")
            await until(live, has(settled=True))
            assert (link.process_id, link.restarts) == (process, 0)

    played(scenario())
    (answered,) = [row for row in rig.call_rows(node.store) if row.answered_at is not None]
    (recording,) = rig.recording_rows(node.store)
    assert recording.call == answered.id


async def rings_from_bob(here: Office, user: User) -> str:
    """Wait until the telephone of the test rings; gives the call's id."""
    async with aclosing(here.reception.following(user)) as states:
        async for shown in states:
            for each in shown["ringing"]:
                if each["number"] == NEW_YORK:
                    return str(each["id"])
    raise AssertionError


def rtp(payload: int, number: int, body: bytes, version: int = 2) -> bytes:
    """A packet of sound or keys."""
    head = (version << 6, payload & 0xFF, number & 0xFFFF, number * 160, 0x5EED)
    return struct.pack("!BBHII", *head) + body


def key(digit: int, number: int, *, is_end: bool) -> bytes:
    """A key of RFC 4733."""
    body = struct.pack("!BBH", digit, 0x8A if is_end else 0x0A, 800)
    return rtp(KEY_PAYLOAD | (0x80 if number == 0 else 0), number, body)


def noise() -> list[bytes]:
    """Packets that are no sound of anybody in the call."""
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    garbage = [chance.randbytes(chance.randrange(0, 1_400)) for _ in range(300)]
    short = [rtp(0, 0, b"")[:length] for length in range(12)]
    odd = [rtp(0, 1, b"\x55" * 160, version=version) for version in (0, 1, 3)]
    strange = [rtp(payload, 2, b"\x55" * 160) for payload in range(0, 128, 3)]
    return garbage + short + odd + strange


@asynccontextmanager
async def encrypted(
    node: Node, user: User, folder: Path, number: str
) -> AsyncIterator[tuple[LiveCall, Telephone, list[int]]]:
    """An answered call over SRTP, its telephone, and every port of ours."""
    voice = talking(30_000, CONTACT_HZ)
    account = ";mediaenc=srtp-mand"
    async with (
        telephone(folder, voice, account=account, number=number) as bob,
        desk_to(node, bob.port, security="srtp") as desk,
    ):
        leg = MemoryLeg()
        async with speaking(leg):
            live = await desk.place(user, number, leg)
            await until(live, has(answered=True))
            process = link_of(desk).process_id
            assert process is not None
            found = ports(process)
            assert len(found) > 2, "signalling, sound and its reports"
            yield live, bob, found
            assert link_of(desk).process_id == process
            await live.hangup()
            await until(live, has(settled=True))


def test_noise_at_our_ports_ends_no_call_and_is_in_no_recording(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with encrypted(node, kari, tmp_path / "bob", NEW_YORK) as (live, _, found):
            await until(live, has(light="recording"))
            await throw(noise(), *found)
            await asyncio.sleep(1)
            assert live.state()["light"] == "recording"
        return live.id

    own, contact = sound_of(node, played(scenario()))
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(own, AGENT_HZ) > 0.9


@pytest.mark.parametrize("digit", [1, 2])
def test_a_key_from_somebody_who_is_not_in_the_call_answers_nothing(
    node: Node, kari: User, tmp_path: Path, digit: int
) -> None:
    async def scenario() -> tuple[dict[str, Any], dict[str, Any]]:
        async with encrypted(node, kari, tmp_path / "bob", OSLO) as (live, bob, found):
            live.telling()
            forged = [key(digit, number, is_end=number > 5) for number in range(10)]
            await throw(forged, *found)
            await asyncio.sleep(1)
            before = live.state()
            await bob.tell("sndcode", "2")
            after = await until(live, lambda state: any(p["said_no"] for p in state["parties"]))
        return before, after

    before, after = played(scenario())
    assert before["light"] != "recording"
    assert not any(party["said_no"] for party in before["parties"])
    assert after["state"] == "blocked", "a key of the telephone itself is heard"
