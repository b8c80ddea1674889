"""Calls from outside over SIP, from real telephones: what is heard and recorded of whom."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import agent, has, until
from tests.server.receptionrig import is_quiet, open_phone, rings
from tests.server.rig import AT
from tests.sip.oversip import talking, trunk_to
from tests.sip.peer import LOOPBACK, free_port, telephone
from tests.sip.test_calls import (
    AGENT_HZ,
    CONTACT_HZ,
    NEW_YORK,
    OSLO,
    played,
    share_of,
    sound_of,
    speaking,
)

from askfirst.audio.container import decode
from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import LoopClock
from askfirst.errors import NotFound
from askfirst.model import FRAME_MS
from askfirst.outcome import DEGRADED_PERMILLE
from askfirst.server import ownnumbers
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.message import TONE_HZ
from askfirst.server.node import Node
from askfirst.server.ownnumbers import OwnNumber
from askfirst.server.reception import Reception
from askfirst.server.request import Prompt
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.sipprovider import SipProvider

pytestmark = pytest.mark.full

OURS = "+17135550100"


class Office:
    """A desk at which calls come in, and its address."""

    def __init__(self, node: Node, **trunk: object) -> None:
        clock, port = LoopClock(), free_port()
        self.provider = SipProvider(clock, trunk_to(free_port(), listen=port, **trunk))
        self.desk = Desk(node, clock, outside=self.provider)
        self.reception = Reception(self.desk)
        self.provider.on_call = self.reception.arrive
        self.address = f"sip:{OURS}@{LOOPBACK}:{port}"


@asynccontextmanager
async def office(node: Node, user: User, **trunk: object) -> AsyncIterator[Office]:
    """An office that is ready, with a user's phone open."""
    found = Office(node, **trunk)
    try:
        await found.provider.link.ready()
        async with open_phone(found.reception, user):
            yield found
    finally:
        await found.reception.close()
        await found.desk.close()


def test_each_side_of_a_call_from_outside_is_on_its_own_channel(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, Path]:
        async with (
            office(node, kari) as here,
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=NEW_YORK) as bob,
        ):
            await bob.tell("dial", here.address)
            ringing = await rings(here.reception, kari)
            leg = MemoryLeg()
            async with speaking(leg):
                live = await here.reception.take(kari, ringing, leg)
                await until(live, has(light="recording"))
                await asyncio.sleep(3)
                await bob.tell("hangup")
                await until(live, has(settled=True))
            await bob.close()
            return live.id, bob.heard()

    call, _ = played(scenario())

    # Whoever called is channel 1.
    contact, own = sound_of(node, call)
    assert len(own) > 16_000 * 2
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.01
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.01
    row = rig.call_row(node.store, call)
    assert row.direction == "inbound"
    # A busy machine loses frames and must say so; whatever it lost, the outcome tells the truth.
    (recording,) = rig.recording_rows(node.store, call)
    frames = recording.duration_ms // FRAME_MS + recording.lost_frames
    is_whole = recording.lost_frames * 1_000 < frames * DEGRADED_PERMILLE
    assert row.outcome == ("recorded" if is_whole else "degraded")


def test_whoever_calls_from_where_a_yes_is_owed_is_not_kept_before_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with (
            office(node, kari) as here,
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=OSLO) as bob,
        ):
            await bob.tell("dial", here.address)
            ringing = await rings(here.reception, kari)
            leg = MemoryLeg()
            async with speaking(leg):
                live = await here.reception.take(kari, ringing, leg)
                await until(live, has(answered=True))
                live.record()
                await asyncio.sleep(2)
                assert live.state()["light"] != "recording"
                live.consent("refused")
                await asyncio.sleep(1)
                await live.hangup()
                await until(live, has(settled=True))
            return live.id

    call = played(scenario())
    assert rig.recording_rows(node.store, call) == []
    assert rig.call_row(node.store, call).outcome != "recorded"


def test_a_caller_who_gives_up_is_missed_and_one_that_is_declined_hears_busy(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[dict[str, Any]]:
        async with (
            office(node, kari) as here,
            telephone(tmp_path / "bob", talking(1_000), number=NEW_YORK) as bob,
            telephone(tmp_path / "eve", talking(1_000), number=OSLO) as eve,
        ):
            await bob.tell("dial", here.address)
            await rings(here.reception, kari)
            await bob.tell("hangup")
            await is_quiet(here.reception, kari)
            await eve.tell("dial", here.address)
            here.reception.decline(kari.id, await rings(here.reception, kari))
            return [await eve.until("CALL_CLOSED")]

    (closed,) = played(scenario())
    assert "486" in str(closed["param"])
    first, second = rig.call_rows(node.store)
    assert {first.answered_at, second.answered_at} == {None}


def test_a_dead_process_ends_what_rings(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            office(node, kari) as here,
            telephone(tmp_path / "bob", talking(1_000), number=NEW_YORK) as bob,
        ):
            await bob.tell("dial", here.address)
            ringing = await rings(here.reception, kari)
            assert here.provider.link.process_id is not None
            os.kill(here.provider.link.process_id, signal.SIGKILL)
            await is_quiet(here.reception, kari)
            with pytest.raises(NotFound):
                await here.reception.take(kari, ringing, MemoryLeg())

    played(scenario())
    (row,) = rig.call_rows(node.store)
    assert row.answered_at is None


def test_a_call_rings_at_the_people_of_the_number_that_was_called(
    node: Node, kari: User, tmp_path: Path
) -> None:
    ola = agent(node, "ola")
    with transaction(node.store.engine) as connection:
        wanted = OwnNumber(OURS, "Support", people=frozenset({ola.id}))
        ownnumbers.keep(connection, wanted, None, AT)

    async def scenario() -> tuple[int, str]:
        async with (
            office(node, kari) as here,
            open_phone(here.reception, ola),
            telephone(tmp_path / "bob", talking(1_000), number=NEW_YORK) as bob,
        ):
            await bob.tell("dial", here.address)
            await rings(here.reception, ola)
            (shown,) = here.reception.shown_to(ola.id)["ringing"]
            at_kari = len(here.reception.rings_at(kari.id))
            await bob.tell("hangup")
            await is_quiet(here.reception, ola)
            return at_kari, shown["called"]

    assert played(scenario()) == (0, "Support")
    (row,) = rig.call_rows(node.store)
    assert (row.own_number, row.answered_at) == (OURS, None)


@pytest.mark.parametrize(("number", "owes_yes"), [(NEW_YORK, False), (OSLO, True)])
def test_a_message_is_left_after_its_notice_and_where_it_is_owed_after_a_key(
    node: Node, kari: User, tmp_path: Path, number: str, owes_yes: bool
) -> None:
    with transaction(node.store.engine) as connection:
        ownnumbers.keep(connection, OwnNumber(OURS, "Support", takes_messages=True), None, AT)

    async def scenario() -> Path:
        async with (
            office(node, kari) as here,
            telephone(tmp_path / "bob", talking(30_000, CONTACT_HZ), number=number) as bob,
        ):
            here.desk.own_prompts = lambda *_: Prompt(in_frames(to_pcm(tone((620.0,), 3_000))))
            await bob.tell("dial", here.address)
            here.reception.decline(kari.id, await rings(here.reception, kari))
            await bob.until("CALL_ESTABLISHED")
            await asyncio.sleep(5)
            if owes_yes:
                await bob.tell("sndcode", "1")
                await asyncio.sleep(1)
            await asyncio.sleep(3)
            await bob.tell("hangup")
            await here.reception.close()  # which returns when it is settled
            await bob.close()
            return bob.heard()

    at_caller = played(scenario())

    (row,) = rig.call_rows(node.store)
    assert (row.agent, row.answered_at is None) == (None, False)
    contact, own = sound_of(node, row.id)
    assert share_of(contact, CONTACT_HZ) > 0.9
    (recording,) = rig.recording_rows(node.store, row.id)
    assert recording.first_contact_ms >= (5_000 if owes_yes else 3_000)
    assert share_of(own, TONE_HZ) > 0.05  # the tone is in the recording
    heard, _ = decode(at_caller.read_bytes(), 16_000)
    assert share_of(heard[0], 620.0) > 0.5


def test_more_calls_than_there_are_lines_are_told_that_it_is_busy(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> dict[str, Any]:
        async with (
            office(node, kari, most_calls=1) as here,
            telephone(tmp_path / "bob", talking(1_000), number=NEW_YORK) as bob,
            telephone(tmp_path / "eve", talking(1_000), number=OSLO) as eve,
        ):
            await bob.tell("dial", here.address)
            await rings(here.reception, kari)
            await eve.tell("dial", here.address)
            return await eve.until("CALL_CLOSED")

    assert "486" in str(played(scenario())["param"])
