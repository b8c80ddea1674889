"""Live calls under the profile `hubspot-2023`: the published behaviour, statement by statement.

Numbers of statements are those of docs/explanation/hubspot.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import LONG, called, has, until
from tests.server.rig import AT, CALIFORNIA, NORWAY

from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

NEW_YORK, SWEDEN, NEW_ZEALAND = "+12125550118", "+46701740605", "+6421555123"
TALK = (rig.HELLO, *LONG)


@pytest.fixture
def jo(node: Node, kari: User) -> User:
    """An agent in Texas whose account behaves as the other product."""
    with transaction(node.store.engine) as connection:
        change(connection, {"wishes": {"profile": "hubspot-2023"}}, None, AT)
    return kari


def ringing(
    node: Node, folder: Path, user: User, number: str, then: Callable[[LiveCall, Desk], Any]
) -> None:
    """Call a number, wait for the answer, and go on with the live call."""

    async def scenario(desk: Desk) -> None:
        live = await desk.place(user, number, MemoryLeg())
        await until(live, has(answered=True))
        await then(live, desk)

    called(node, folder, TALK, scenario, number)


@pytest.mark.parametrize("number", [CALIFORNIA, NORWAY])
def test_2_and_6_with_an_all_party_state_or_abroad_recording_is_off_when_the_call_starts(
    node: Node, jo: User, tmp_path: Path, number: str
) -> None:
    async def then(live: LiveCall, _desk: Desk) -> None:
        shown = live.state()
        assert has(light="off", wanted=False, state="asking", telling=None)(shown)
        decision: Mapping[str, object] = shown["decision"]  # type: ignore[assignment]
        assert (decision["mode"], decision["profile"]) == ("ask", "hubspot-2023")

    ringing(node, tmp_path, jo, number, then)


def test_3_and_4_record_reminds_and_only_i_have_informed_them_starts_the_recording(
    node: Node, jo: User, tmp_path: Path
) -> None:
    async def then(live: LiveCall, _desk: Desk) -> None:
        live.record()
        assert has(wanted=True, light="waiting", telling=None)(live.state())
        live.stop()
        assert has(wanted=False, light="off")(live.state())

        live.record()
        live.consent("informed")
        assert has(owed=[])(await until(live, has(light="recording")))

    ringing(node, tmp_path, jo, CALIFORNIA, then)


def test_4_a_reminder_that_is_cancelled_leaves_the_call_unrecorded(
    node: Node, jo: User, tmp_path: Path
) -> None:
    async def then(live: LiveCall, _desk: Desk) -> None:
        live.record()
        live.stop()
        await live.hangup()
        assert has(state="ended")(await until(live, has(settled=True)))

    ringing(node, tmp_path, jo, CALIFORNIA, then)
    assert rig.recording_rows(node.store) == []


@pytest.mark.parametrize("number", [NEW_YORK, SWEDEN, NEW_ZEALAND])
def test_5_and_18_elsewhere_recording_starts_by_itself_and_nobody_is_reminded(
    node: Node, jo: User, tmp_path: Path, number: str
) -> None:
    async def then(live: LiveCall, _desk: Desk) -> None:
        shown = await until(live, has(light="recording"))
        assert has(wanted=True, owed=[])(shown)

    ringing(node, tmp_path, jo, number, then)


def test_8_a_no_ends_no_call(node: Node, jo: User, tmp_path: Path) -> None:
    async def then(live: LiveCall, _desk: Desk) -> None:
        live.consent("refused")
        assert has(light="off", because="refused", state="blocked")(live.state())
        assert not live.has_ended

    ringing(node, tmp_path, jo, CALIFORNIA, then)


def test_15_and_17_the_switch_reaches_everybody_and_then_nothing_can_be_recorded(
    node: Node, jo: User, tmp_path: Path
) -> None:
    async def then(live: LiveCall, desk: Desk) -> None:
        await until(live, has(light="recording"))
        desk.switch_recording(False)
        live.record()
        assert has(light="off", because="switched-off")(live.state())

    ringing(node, tmp_path, jo, NEW_YORK, then)
