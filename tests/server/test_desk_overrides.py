"""Overrides and calls that are going on: none is loosened by them, every one tightened at once."""

from __future__ import annotations

from pathlib import Path

from tests.server import rig
from tests.server.deskrig import LONG, called, has, until
from tests.server.test_call_law import overridden
from tests.server.test_overrideregister import RULES

from askfirst.server import overridechanges
from askfirst.server.accounts import User
from askfirst.server.database import reading
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.overrideregister import kept
from askfirst.telephony.memoryleg import MemoryLeg


def mark(node: Node) -> str:
    with reading(node.store.engine) as connection:
        (found,) = kept(node.store.folder, connection, RULES, rig.AT.date())
    return found.digest


def test_an_override_that_is_ended_holds_up_no_running_call(
    node: Node, kari: User, tmp_path: Path
) -> None:
    overridden(node.store.folder)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, rig.CALIFORNIA, MemoryLeg())
        await until(live, has(state="open"))
        overridechanges.end(node.store, RULES, mark(node), kari.id, rig.AT)
        desk.review_overrides()
        assert live.call.facts.state.value != "open"
        await live.hangup()

    called(node, tmp_path, LONG, scenario, rig.CALIFORNIA)


def test_no_running_call_is_loosened(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, rig.CALIFORNIA, MemoryLeg())
        await until(live, has(state="closed"))
        overridden(node.store.folder)
        desk.review_overrides()
        assert node.overrides
        assert live.call.request.overrides == ()
        assert live.call.facts.state.value != "open"
        await live.hangup()

    called(node, tmp_path, LONG, scenario, rig.CALIFORNIA)
