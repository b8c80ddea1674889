"""Messages of callers who get no answer: told first, recorded only then, heard by their people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import agent
from tests.server.receptionrig import NEW_YORK, Caller, House, played
from tests.server.rig import AT

from askfirst.errors import Refused
from askfirst.model import Proof
from askfirst.ports import AgentLeg
from askfirst.server import ownnumbers
from askfirst.server.access import Permission
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.callreader import Wanted, call_lines, ensure_reaches
from askfirst.server.database import reading, transaction
from askfirst.server.message import LONGEST_MS
from askfirst.server.node import Node
from askfirst.server.ownnumbers import OwnNumber
from askfirst.server.reception import RING_MS
from askfirst.server.request import Prompt
from askfirst.telephony.progress import SILENCE

SUPPORT = "+17135550100"
OSLO = "+4748750101"
GREETING_MS = 5_000


def greeting(_text: str, _language: str) -> Prompt:
    return Prompt([SILENCE] * (GREETING_MS // 20))


@pytest.fixture
def support(node: Node, kari: User) -> OwnNumber:
    """A number that rings at Kari alone and takes messages."""
    wanted = OwnNumber(SUPPORT, "Support", people=frozenset({kari.id}), takes_messages=True)
    with transaction(node.store.engine) as connection:
        return ownnumbers.keep(connection, wanted, None, AT)


def left(
    node: Node,
    caller: str,
    act: Callable[[House, Caller], Awaitable[Any]],
    prompts: Any = greeting,
) -> Caller:
    """A caller whom nobody answers, and what the caller does from the announcement on."""

    async def scenario(house: House) -> Caller:
        house.desk.own_prompts = prompts
        line = house.call(caller, SUPPORT)
        line.hears = True
        speaking = asyncio.create_task(acted(house, line))
        async for _ in line.events():
            pass
        await speaking
        return line

    async def acted(house: House, line: Caller) -> None:
        while not line.was_taken and not line.is_over:
            await house.clock.sleep_until(house.clock.now_ms() + 100)
        await act(house, line)

    return played(node, scenario)  # type: ignore[no-any-return]  # what the scenario gives


def the_call(node: Node) -> Any:
    (row,) = rig.call_rows(node.store)
    return row


@pytest.mark.usefixtures("support")
def test_a_caller_is_told_before_anything_is_kept_even_where_nothing_is_owed(node: Node) -> None:
    async def act(_: House, line: Caller) -> None:
        await line.speak_for(GREETING_MS + 10_000)
        line.end()

    line = left(node, NEW_YORK, act)

    call = the_call(node)
    assert (call.direction, call.agent, call.own_number) == ("inbound", None, SUPPORT)
    assert call.answered_at is not None
    node.jobs.wait()
    (recording,) = rig.recording_rows(node.store, call.id)
    assert recording.first_contact_ms >= GREETING_MS
    assert recording.duration_ms > 8_000
    assert line.played == [GREETING_MS // 20, 20]  # the announcement, and the tone


@pytest.mark.usefixtures("support")
def test_where_a_yes_is_owed_a_message_is_kept_from_the_key_on(node: Node) -> None:
    async def act(house: House, line: Caller) -> None:
        await line.speak_for(GREETING_MS + 2_000)
        line.press("1")
        await line.speak_for(6_000)
        line.end()

    left(node, OSLO, act)

    call = the_call(node)
    node.jobs.wait()
    (recording,) = rig.recording_rows(node.store, call.id)
    assert recording.first_contact_ms >= GREETING_MS + 2_000
    assert rig.call_row(node.store, call.id).proof == Proof.KEY


@pytest.mark.usefixtures("support")
@pytest.mark.parametrize("key", ["2", "", "9"])
def test_whoever_does_not_agree_is_hung_up_on_and_nothing_is_kept(node: Node, key: str) -> None:
    async def act(_: House, line: Caller) -> None:
        await line.speak_for(GREETING_MS + 500)
        if key:
            line.press(key)
        await line.speak_for(30_000)

    line = left(node, OSLO, act)

    assert line.is_over
    assert line.played == [GREETING_MS // 20]
    assert rig.recording_rows(node.store, the_call(node).id) == []


@pytest.mark.usefixtures("support")
@pytest.mark.parametrize("caller", [NEW_YORK, OSLO])
def test_without_an_announcement_no_message_is_taken(node: Node, caller: str) -> None:
    async def act(_: House, line: Caller) -> None:
        await line.speak_for(30_000)

    line = left(node, caller, act, lambda *_: None)

    assert line.is_over
    assert rig.recording_rows(node.store, the_call(node).id) == []


@pytest.mark.usefixtures("support")
def test_an_announcement_that_is_cut_short_is_no_notice(node: Node) -> None:
    async def act(_: House, line: Caller) -> None:
        line.hears = False
        await line.speak_for(30_000)

    line = left(node, NEW_YORK, act)

    assert line.is_over
    assert rig.recording_rows(node.store, the_call(node).id) == []


@pytest.mark.usefixtures("support")
def test_a_caller_who_hangs_up_as_the_message_begins_is_missed(node: Node) -> None:
    class Gone(Caller):
        async def take(self, leg: AgentLeg) -> None:
            self.end()
            raise Refused("the caller has hung up")

    async def scenario(house: House) -> None:
        line = Gone(NEW_YORK, SUPPORT)
        assert house.reception.arrive(line)
        async for _ in line.events():
            pass

    played(node, scenario)

    assert the_call(node).answered_at is None
    assert the_call(node).ended_at is not None


@pytest.mark.usefixtures("support")
def test_a_message_has_an_end(node: Node) -> None:
    async def act(_: House, line: Caller) -> None:
        await line.speak_for(2 * LONGEST_MS)

    left(node, NEW_YORK, act)

    node.jobs.wait()
    (recording,) = rig.recording_rows(node.store, the_call(node).id)
    assert LONGEST_MS <= recording.duration_ms <= LONGEST_MS + 2_000


@pytest.mark.usefixtures("support")
def test_switching_recording_off_ends_a_message_that_is_being_left(node: Node) -> None:
    async def act(house: House, line: Caller) -> None:
        await line.speak_for(GREETING_MS + 5_000)
        house.desk.switch_recording(False)
        await line.speak_for(10_000)

    line = left(node, NEW_YORK, act)

    assert line.is_over
    node.jobs.wait()
    (recording,) = rig.recording_rows(node.store, the_call(node).id)
    assert recording.duration_ms < 5_500


@pytest.mark.usefixtures("support")
def test_where_recording_is_off_a_caller_is_told_that_it_is_busy(node: Node) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, {"recording_enabled": False}, None, AT)

    async def act(_: House, line: Caller) -> None:
        assert not line.was_taken

    line = left(node, NEW_YORK, act)

    assert not line.was_taken
    assert the_call(node).answered_at is None


def test_a_number_that_takes_no_messages_takes_none(node: Node) -> None:
    async def act(_: House, line: Caller) -> None:
        assert line.was_declined

    line = left(node, NEW_YORK, act)
    assert not line.was_taken


@pytest.mark.usefixtures("support")
def test_it_rings_at_everybody_first_and_a_decline_of_the_last_one_begins_the_message(
    node: Node, kari: User
) -> None:
    async def scenario(house: House) -> tuple[int, bool]:
        house.desk.own_prompts = greeting
        line = house.call(NEW_YORK, SUPPORT)
        line.hears = True
        async with house.open_phone(kari):
            ringing = await house.rings(kari)
            before_ms = house.clock.now_ms()
            house.reception.decline(kari.id, ringing)
            while not line.was_taken:
                await house.clock.sleep_until(house.clock.now_ms() + 100)
            taken_ms = house.clock.now_ms() - before_ms
            assert house.reception.shown_to(kari.id)["ringing"] == []
            with pytest.raises(Exception, match="does not ring any more"):
                house.reception.decline(kari.id, ringing)
            line.end()
        return taken_ms, line.was_declined

    taken_ms, was_declined = played(node, scenario)
    assert taken_ms < RING_MS
    assert not was_declined


@pytest.mark.usefixtures("support")
def test_the_program_ends_while_a_message_is_left_and_keeps_what_was_said(node: Node) -> None:
    async def scenario(house: House) -> Caller:
        house.desk.own_prompts = greeting
        line = house.call(NEW_YORK, SUPPORT)
        line.hears = True
        while not line.was_taken:
            await house.clock.sleep_until(house.clock.now_ms() + 100)
        await line.speak_for(GREETING_MS + 5_000)
        return line

    line = played(node, scenario)

    assert line.is_over
    node.jobs.wait()
    (recording,) = rig.recording_rows(node.store, the_call(node).id)
    assert recording.duration_ms > 3_000


@pytest.mark.usefixtures("support")
def test_a_message_is_heard_by_the_people_of_its_number_and_by_no_other_agent(
    node: Node, kari: User
) -> None:
    async def act(_: House, line: Caller) -> None:
        await line.speak_for(GREETING_MS + 5_000)
        line.end()

    left(node, NEW_YORK, act)
    ola = agent(node, "ola")
    call = the_call(node).id

    with reading(node.store.engine) as connection:
        (line,) = call_lines(connection, kari.person, Wanted())
        assert line.is_message
        assert not line.is_missed
        ensure_reaches(connection, kari.person, Permission.RECORDINGS_LISTEN, call)
        assert call_lines(connection, ola.person, Wanted()) == []
        for wanted in (Permission.CALLS_READ, Permission.RECORDINGS_LISTEN):
            with pytest.raises(Refused):
                ensure_reaches(connection, ola.person, wanted, call)
        with pytest.raises(Refused):
            ensure_reaches(connection, kari.person, Permission.RECORDINGS_EXPORT, call)
