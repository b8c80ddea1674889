"""Calls with a real telephone over IPv6, out and in: who is on which channel."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import open_phone, rings
from tests.sip.oversip import talking
from tests.sip.peer import Telephone, free_port, telephone
from tests.sip.test_calls import (
    AGENT_HZ,
    CONTACT_HZ,
    NEW_YORK,
    played,
    share_of,
    sound_of,
    speaking,
)

from askfirst.clock import LoopClock
from askfirst.server.accounts import User
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.reception import Reception
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider
from askfirst.telephony.siptrunk import Trunk

pytestmark = pytest.mark.full

LOOPBACK = "::1"
HOST = f"[{LOOPBACK}]"
OURS = "+17135550100"


def trunk_to(port: int, **more: object) -> Trunk:
    """A trunk to a port of this machine, by IPv6."""
    return Trunk(server=HOST, port=port, address=LOOPBACK, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _has_ipv6() -> None:
    """Skipped on a machine without it; one that has it and cannot use it fails in CI."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((LOOPBACK, 0))
    except OSError as error:
        why = f"{LOOPBACK} cannot be bound: {error.strerror}"
        if os.environ.get("CI") == "true" and is_on_loopback():
            pytest.fail(why)
        pytest.skip(why)


def is_on_loopback() -> bool:
    """Whether the interface lo has an IPv6 address (Linux)."""
    known = Path("/proc/net/if_inet6")
    return known.exists() and any(line.endswith(" lo") for line in known.read_text().splitlines())


def ensure_own_channels(node: Node, call: str, *, called_us: bool) -> None:
    """Each side is where it belongs: whoever called is channel 1."""
    own, contact = reversed(sound_of(node, call)) if called_us else sound_of(node, call)
    assert len(own) > 16_000 * 2
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.01
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.01


async def talked(live: LiveCall, bob: Telephone) -> str:
    """The id of a call after both have talked for a while and the telephone has hung up."""
    await until(live, has(light="recording"))
    await asyncio.sleep(3)
    await bob.tell("hangup")
    await until(live, has(settled=True))
    return live.id


def test_a_call_out_over_ipv6_has_each_side_on_its_own_channel(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with telephone(
            tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK, loopback=LOOPBACK
        ) as bob:
            desk = Desk(node, LoopClock(), outside=SipProvider(LoopClock(), trunk_to(bob.port)))
            leg = MemoryLeg()
            try:
                async with speaking(leg):
                    return await talked(await desk.place(kari, NEW_YORK, leg), bob)
            finally:
                await desk.close()

    ensure_own_channels(node, played(scenario()), called_us=False)


def test_a_call_in_over_ipv6_has_each_side_on_its_own_channel(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        port = free_port()
        provider = SipProvider(LoopClock(), trunk_to(free_port(), listen=port))
        desk = Desk(node, LoopClock(), outside=provider)
        reception = Reception(desk)
        provider.on_call = reception.arrive
        try:
            await provider.link.ready()
            async with (
                open_phone(reception, kari),
                telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK,
                          loopback=LOOPBACK) as bob,
            ):  # fmt: skip
                await bob.tell("dial", f"sip:{OURS}@{HOST}:{port}")
                ringing = await rings(reception, kari)
                leg = MemoryLeg()
                async with speaking(leg):
                    return await talked(await reception.take(kari, ringing, leg), bob)
        finally:
            await reception.close()
            await desk.close()

    call = played(scenario())
    ensure_own_channels(node, call, called_us=True)
    assert rig.call_row(node.store, call).direction == "inbound"
