"""What a live call rests on is remembered: better proof later does not hide a word given early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import called, has, until
from tests.server.rig import CALIFORNIA, HELLO, WAIT, YES, pause

from askfirst.clock import LoopClock
from askfirst.server.accounts import User
from askfirst.server.database import calls, recordings
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

KEYED = (WAIT, pause(500), YES, pause(300), *[HELLO] * 30)
"""Somebody who presses 1 after an announcement."""

GERMANY = "+493023125017"
FIRST_KEY = (HELLO, pause(300), YES, *[HELLO] * 30)
"""Somebody who presses 1 without having heard one."""


def outcome(
    node: Node,
    user: User,
    folder: Path,
    steps: tuple[str, ...],
    course: Callable[[LiveCall], Awaitable[None]],
    number: str = CALIFORNIA,
) -> tuple[str, str, int]:
    """The outcome of a call, the state of its recording and its proof, once all jobs are done."""

    async def scenario(desk: Desk) -> None:
        live = await desk.place(user, number, MemoryLeg())
        await until(live, has(answered=True))
        await course(live)
        await until(live, has(light="recording"))
        await LoopClock().sleep_until(LoopClock().now_ms() + 3_000)
        await live.hangup()
        await until(live, has(settled=True))

    called(node, folder, steps, scenario, number)
    node.jobs.dispatch()
    node.jobs.wait()
    (call,) = rig.rows(node.store, calls.select())
    (recording,) = rig.rows(node.store, sa.select(recordings).where(recordings.c.state != "erased"))
    return call.outcome, recording.state, call.proof


def test_a_key_after_a_later_announcement_does_not_hide_that_nobody_was_told_at_first(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def course(live: LiveCall) -> None:
        live.consent("agreed")
        live.record()
        await until(live, has(light="recording"))
        live.learn_place(1, "NO")
        assert live.state()["light"] != "recording"
        live.announce()

    found = outcome(node, kari, tmp_path, KEYED, course)
    assert found[:2] == ("quarantined", "quarantined")


def test_a_key_after_a_notice_that_only_the_agent_vouches_for_is_checked(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def course(live: LiveCall) -> None:
        live.telling()
        live.consent("informed")

    found = outcome(node, kari, tmp_path, FIRST_KEY, course, GERMANY)
    assert found == ("quarantined", "quarantined", 4)


def test_a_key_after_an_announcement_alone_needs_no_word_of_the_agent(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def course(live: LiveCall) -> None:
        live.announce()

    assert outcome(node, kari, tmp_path, KEYED, course, GERMANY) == ("recorded", "ready", 4)
