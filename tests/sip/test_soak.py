"""Many calls one after the other: nothing of them stays behind in either process."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.server.deskrig import has, until
from tests.sip.oversip import spied, talking
from tests.sip.peer import telephone
from tests.sip.test_calls import CONTACT_HZ, NEW_YORK, desk_to

from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider

pytestmark = pytest.mark.full

WARM, CALLS = 40, 200
GROWN_KIB = 24 * 1024
"""What 160 calls may leave behind at most: 150 KiB each, where one second of sound has 32."""


@dataclass(frozen=True)
class Held:
    """What a process holds on to."""

    memory_kib: int
    descriptors: int
    threads: int

    @classmethod
    def by(cls, pid: int) -> Held:
        status = Path(f"/proc/{pid}/status").read_text()
        found = dict(line.split(":", 1) for line in status.splitlines())
        return cls(
            int(found["VmRSS"].split()[0]),
            len(list(Path(f"/proc/{pid}/fd").iterdir())),
            int(found["Threads"]),
        )


def test_two_hundred_calls_leave_nothing_behind(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> tuple[list[Held], list[Held]]:
        async with (
            telephone(tmp_path / "bob", talking(1_000, CONTACT_HZ), number=NEW_YORK) as bob,
            desk_to(node, bob.port) as desk,
        ):
            provider = desk.outside
            assert isinstance(provider, SipProvider)
            before: list[Held] = []
            process_id = None
            for count in range(CALLS):
                placed = spied(provider)
                live = await desk.place(kari, NEW_YORK, MemoryLeg())
                await until(live, has(light="recording"))
                await live.hangup()
                await until(live, has(settled=True))
                await placed[0].counted()  # the process has told that it is over, too
                process_id = provider.link.process_id
                assert process_id is not None
                if count == WARM:
                    before = [Held.by(os.getpid()), Held.by(process_id)]
            assert provider.link.restarts == 0
            assert process_id is not None
            return before, [Held.by(os.getpid()), Held.by(process_id)]

    before, after = asyncio.run(asyncio.wait_for(scenario(), 300))

    for was, found in zip(before, after, strict=True):
        assert found.memory_kib - was.memory_kib < GROWN_KIB
        assert found.descriptors <= was.descriptors + 2
        assert found.threads <= was.threads + 2
