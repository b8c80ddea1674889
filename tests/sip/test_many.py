"""Twenty calls of an agent with two telephones each, at once and for a minute."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.server.deskrig import agent, has, until
from tests.sip.exchange import switchboard
from tests.sip.oversip import add_second, spied, talking
from tests.sip.peer import telephone
from tests.sip.test_calls import desk_to

from askfirst.clock import LoopClock, run
from askfirst.model import FRAME_MS
from askfirst.server.database import reading, recordings
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipleg import SipLeg
from askfirst.telephony.sipprovider import SipCall, SipProvider

pytestmark = [pytest.mark.full, pytest.mark.alone]

FIRST, SECOND = "+12125550143", "+17135550166"
"""With an agent in Texas, calls with them are recorded from the answer on."""

CALLS, MINUTE_MS = 20, 60_000
VOICES = {FIRST: 440.0, SECOND: 1_000.0}
SETTLES_MS = 2_000
"""How long the sound of whoever came last may take to come."""

LOST_PERMILLE = 2


@dataclass
class Minute:
    """What a minute of these calls gave: kept frames of each, and packets that came too late.

    Those the stack's jitter buffer drops: forty telephones share this machine with us, and some
    of what they send comes late.
    """

    kept: list[int]
    late: int


def kept(live: LiveCall) -> int:
    recorder = live.call._recorder
    return 0 if recorder is None else recorder.counts.kept_contact


def legs_of(calls: list[SipCall]) -> list[SipLeg]:
    return [leg for call in calls for leg in call._legs]


async def a_minute(node: Node, folder: Path) -> Minute:
    async with AsyncExitStack() as stack:
        ports = {}
        for number, hertz in VOICES.items():
            found = await stack.enter_async_context(
                telephone(folder / number, talking(120_000, hertz), number=number, calls=CALLS + 5)
            )
            ports[number] = found.port
        exchange = await stack.enter_async_context(switchboard(folder / "exchange", ports))
        desk = await stack.enter_async_context(desk_to(node, exchange, most_calls=2 * CALLS + 1))
        assert isinstance(desk.outside, SipProvider)
        placed = spied(desk.outside)
        calls = []
        for place in range(CALLS):
            live = await desk.place(agent(node, f"agent{place}"), FIRST, MemoryLeg())
            await until(live, has(light="recording"))
            await add_second(live, SECOND)
            await until(live, has(light="recording"))
            calls.append(live)
        clock = LoopClock()
        await clock.sleep_until(clock.now_ms() + SETTLES_MS)
        before = [kept(live) for live in calls]
        await clock.sleep_until(clock.now_ms() + MINUTE_MS)
        after = [kept(live) for live in calls]
        legs = legs_of(placed)
        for live in calls:
            await live.hangup()
        late = [(await leg.counted())["jbuf"]["late"] for leg in legs]
        assert desk.outside.link.restarts == 0
        return Minute([now - then for now, then in zip(after, before, strict=True)], sum(late))


def test_twenty_calls_at_once_are_recorded_without_loss(node: Node, tmp_path: Path) -> None:
    minute = run(asyncio.wait_for(a_minute(node, tmp_path), 240))
    node.jobs.wait()

    with reading(node.store.engine) as connection:
        rows = connection.execute(recordings.select()).all()
    lost = sum(row.lost_frames for row in rows)
    said = len(VOICES) * MINUTE_MS // FRAME_MS
    assert len(rows) == CALLS
    # Nothing is lost but what the stack never gave us.
    assert lost <= minute.late
    assert lost * 1000 <= LOST_PERMILLE * CALLS * said
    assert sum(minute.kept) + lost + 10 * CALLS >= CALLS * said
    assert min(minute.kept) >= said * 0.99
