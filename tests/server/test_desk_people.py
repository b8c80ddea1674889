"""Live calls whose people change: an agent's browser that goes, somebody who joins, who waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import ASKED, LONG, agent, at_desk, called, collect, has, until
from tests.server.rig import AGENT, AT, HELLO, NORWAY, WAIT, YES, pause

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import InvalidInput, Refused
from askfirst.gate import Because, State
from askfirst.model import FRAME_BYTES, Source
from askfirst.server import contacts
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.contactcard import Draft, KnownPlace, Number
from askfirst.server.database import parties, transaction
from askfirst.server.desk import Desk
from askfirst.server.livecall import AWAY, REJOIN_MS, UNDO_MS, LiveCall
from askfirst.server.node import Node
from askfirst.server.ourside import Colleague, Standing
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.movingleg import MovingLeg

TWICE = (WAIT, pause(500), YES, pause(300), HELLO, WAIT, pause(500), YES, pause(300), *[HELLO] * 30)
"""Somebody who presses 1 after each of two announcements."""


async def with_browser(desk: Desk, user: User) -> tuple[LiveCall, MovingLeg]:
    leg = MovingLeg()
    return await desk.place(user, NORWAY, leg, has_browser=True), leg


# A browser that goes


def test_nothing_is_recorded_while_the_agents_browser_is_gone(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live, moving = await with_browser(desk, kari)
        await moving.attach(MemoryLeg())
        live.record()
        await until(live, has(light="recording"))

        gone = MemoryLeg()
        await moving.attach(gone)
        await gone.close()
        shown = await until(live, has(connected=False, light="off"))
        assert has(because="paused", holds=[AWAY])(shown)
        assert 0 < int(shown["rejoin_ms"]) <= REJOIN_MS

        await moving.attach(MemoryLeg())
        shown = await until(live, has(light="recording"))
        assert has(connected=True, holds=[], rejoin_ms=None)(shown)

    called(node, tmp_path, ASKED, scenario)


@pytest.mark.parametrize("came", [True, False])
def test_a_call_to_which_no_browser_comes_back_ends_after_half_a_minute(
    node: Node, kari: User, tmp_path: Path, came: bool
) -> None:
    async def scenario(desk: Desk) -> None:
        live, moving = await with_browser(desk, kari)
        if came:
            leg = MemoryLeg()
            await moving.attach(leg)
            await until(live, has(answered=True, connected=True))
            await leg.close()
        began_ms = LoopClock().now_ms()
        last = (await collect(live))[-1]
        assert has(state="ended", settled=True)(last)
        assert REJOIN_MS <= LoopClock().now_ms() - began_ms <= REJOIN_MS + 1_000
        with pytest.raises(Refused):
            await moving.attach(MemoryLeg())

    called(node, tmp_path, LONG, scenario)


def test_whoever_needs_more_time_has_it_to_come_back_and_to_undo(
    node: Node, kari: User, tmp_path: Path
) -> None:
    slow = replace(kari, time_factor=10)

    async def scenario(desk: Desk) -> None:
        live, _ = await with_browser(desk, slow)
        began_ms = LoopClock().now_ms()
        last = (await collect(live))[-1]
        assert has(settled=True, undo_ms=10 * UNDO_MS)(last)
        assert 10 * REJOIN_MS <= LoopClock().now_ms() - began_ms <= 10 * REJOIN_MS + 1_000

    called(node, tmp_path, LONG * 6, scenario)


def test_a_call_by_sentences_goes_on_without_a_browser(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        leg = MemoryLeg()
        live = await desk.place(kari, NORWAY, leg)
        live.record()
        shown = await until(live, has(light="recording"))
        assert has(browser=False, rejoin_ms=None)(shown)

    called(node, tmp_path, ASKED, scenario)


# Somebody who joins


def test_whoever_joins_closes_the_gate_until_that_person_has_agreed(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))

        party = live.join("+4722222222")
        assert has(light="waiting", state="closed")(live.state())
        shown = await until(live, has(light="waiting", owed=[party]))
        assert [each["role"] for each in shown["parties"]] == ["agent", "contact", "contact"]

        live.consent("refused", party=party)
        assert has(light="off", because="refused")(live.state())
        live.leave(party)
        assert live.state()["light"] == "off"

    called(node, tmp_path, ASKED, scenario)


def test_a_key_at_a_shared_telephone_is_the_yes_of_one_person_only(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        second = live.join()
        live.announce()
        shown = await until(live, has(owed=[second]))
        assert has(light="waiting", state="asking")(shown)

        live.announce()
        assert has(owed=[])(await until(live, has(light="recording")))

    called(node, tmp_path, TWICE, scenario)


@pytest.mark.parametrize("read", [True, False])
def test_a_colleague_is_recorded_only_after_reading_the_notice(
    node: Node, kari: User, tmp_path: Path, read: bool
) -> None:
    ola = agent(node, "ola")

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        live.join(colleague=Colleague(ola, (), Standing(read, has_agreed=True)))
        facts = live.call.facts
        assert (facts.because is Because.NOT_ACKNOWLEDGED) is not read
        assert facts.parties[2].leg == facts.parties[0].leg

    called(node, tmp_path, ASKED, scenario)


@pytest.mark.parametrize("party", [0, 1, 2])
def test_only_who_joined_can_leave_a_call(
    node: Node, kari: User, tmp_path: Path, party: int
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        with pytest.raises(InvalidInput):
            live.leave(party)

    called(node, tmp_path, LONG, scenario)


# Who waits, and who is asked


def test_a_contact_on_hold_is_not_recorded_and_comes_back(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        await live.put_on_hold(True)
        await live.put_on_hold(True)
        assert has(light="off", on_hold=True)(live.state())
        await live.put_on_hold(False)
        await live.put_on_hold(False)
        assert has(light="recording", on_hold=False)(live.state())

    called(node, tmp_path, ASKED, scenario)


def test_an_announcement_can_be_asked_for_where_none_starts_by_itself(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        live.call.request = rig.quiet(live.call.request)
        live.record()
        assert has(state="asking", telling=None)(live.state())
        live.announce()
        assert has(telling="announcement")(await until(live, has(state="telling")))
        assert live.call.facts.state is State.TELLING

    called(node, tmp_path, ASKED, scenario)


def test_a_muted_agent_is_heard_by_nobody(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario(desk: Desk) -> None:
        leg = MemoryLeg()
        live = await desk.place(kari, NORWAY, leg)
        await until(live, has(answered=True))
        live.mute(True)
        leg.feed(bytes([9]) * FRAME_BYTES, LoopClock().now_ms())
        assert has(muted=True, sentences=[])(live.state())

    called(node, tmp_path, (AGENT, *LONG), scenario)


def test_an_ended_desk_ends_the_legs_too(node: Node, kari: User) -> None:
    legs: list[MovingLeg] = []

    async def scenario(desk: Desk) -> None:
        _, moving = await _placed(desk)
        legs.append(moving)

    async def _placed(desk: Desk) -> tuple[LiveCall, MovingLeg]:
        leg = MovingLeg()
        number = next(iter(desk.personas.values())).number
        return await desk.place(kari, number, leg, has_browser=True), leg

    at_desk(node, scenario)

    async def late() -> None:
        with pytest.raises(Refused):
            await legs[0].attach(MemoryLeg())

    run_virtual(late())


def test_whoever_does_not_answer_is_in_the_list_of_calls_all_the_same(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await live.hangup()
        await until(live, has(settled=True))

    called(node, tmp_path, LONG, scenario)
    (party,) = rig.rows(node.store, parties.select())
    assert (party.number, party.role, party.places) == (NORWAY, "contact", [])


# Who joins is somebody too


@pytest.mark.parametrize("written", ["+4722334455", "22 33 44 55", "0047 22334455"])
def test_whoever_is_never_recorded_is_not_recorded_after_joining_either(
    node: Node, kari: User, tmp_path: Path, written: str
) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, {"home_place": "NO"}, None, AT)
        never = contacts.add(connection, Draft(name="N", numbers=(Number("+4722334455"),)), AT)
        contacts.never_record(connection, never, kari.id, AT)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        live.join(written)
        assert live.state()["light"] != "recording"
        shown = await until(live, has(state="blocked"))
        assert has(because="forbidden", light="off")(shown)
        live.consent("agreed")
        assert has(because="forbidden", light="off")(live.state())

    called(node, tmp_path, ASKED, scenario)
    numbers = {row.number for row in rig.rows(node.store, parties.select())}
    assert "+4722334455" in numbers
    assert numbers <= {"+4722334455", NORWAY, None}


def test_a_place_that_is_known_of_whoever_joins_counts(
    node: Node, kari: User, tmp_path: Path
) -> None:
    place = KnownPlace("DE", Source.STATED, AT)
    with transaction(node.store.engine) as connection:
        draft = Draft(name="N", numbers=(Number("+4722334455"),), places=(place,))
        contacts.add(connection, draft, AT)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        party = live.join("+4722334455")
        await until(live, has(state="asking"))
        assert {"DE", "NO"} <= live.call.facts.parties[party].places

    called(node, tmp_path, LONG, scenario)


def test_what_is_no_number_is_refused_and_nobody_joins(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        await until(live, has(answered=True))
        for odd in ("\ud800", "Jane", "12", "\x00"):
            with pytest.raises(InvalidInput):
                live.join(odd)
        assert len(live.call.facts.parties) == 2

    called(node, tmp_path, LONG, scenario)


def test_somebody_of_unknown_place_can_say_where_they_are_and_is_still_asked(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, NORWAY, MemoryLeg())
        live.record()
        await until(live, has(light="recording"))
        party = live.join()
        live.learn_place(party, "US-TX")
        shown = live.state()
        assert has(light="waiting", owed=[party])(shown)
        live.consent("agreed")
        assert has(owed=[])(await until(live, has(light="recording")))

    called(node, tmp_path, ASKED, scenario)


# An announcement that was not heard


def test_an_announcement_waits_for_an_agent_whose_browser_comes_late(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario(desk: Desk) -> None:
        live, moving = await with_browser(desk, kari)
        live.record()
        await until(live, has(answered=True, holds=[AWAY]))
        await moving.attach(MemoryLeg())
        assert has(telling="announcement")(await until(live, has(state="telling")))

    called(node, tmp_path, ASKED, scenario)


def test_not_a_frame_is_kept_before_the_agents_browser_is_there(
    node: Node, kari: User, tmp_path: Path
) -> None:
    texas = "+12145550123"

    async def scenario(desk: Desk) -> None:
        leg = MovingLeg()
        live = await desk.place(kari, texas, leg, has_browser=True)
        async for shown in live.events():
            assert shown["light"] != "recording"
            if shown["answered"] and shown["rejoin_ms"]:
                break
        await leg.attach(MemoryLeg())
        await until(live, has(light="recording"))

    called(node, tmp_path, (HELLO, *LONG), scenario, texas)


@pytest.mark.parametrize("number", ["+12145550123"])
def test_a_no_where_nothing_is_owed_ends_with_that_persons_yes(
    node: Node, kari: User, tmp_path: Path, number: str
) -> None:
    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, number, MemoryLeg())
        await until(live, has(light="recording"))
        live.consent("withdrawn")
        assert has(light="off", because="withdrawn")(live.state())
        live.consent("informed")
        assert has(light="off", because="withdrawn")(live.state())
        live.consent("agreed")
        assert has(because="met")(await until(live, has(light="recording")))

    called(node, tmp_path, (HELLO, *LONG), scenario, number)


# Keys, and whose word they rest on

GERMANY = "+493023125017"


def test_the_agents_word_does_not_end_an_announcement_and_no_key_counts_before_its_end(
    node: Node, kari: User, tmp_path: Path
) -> None:
    early = (HELLO, pause(400), YES, *LONG)

    async def scenario(desk: Desk) -> None:
        live = await desk.place(kari, GERMANY, MemoryLeg())
        await until(live, has(answered=True))
        live.announce()
        await until(live, has(telling="announcement"))
        live.consent("informed")
        assert has(telling="announcement", light="waiting")(live.state())
        shown = await until(live, has(telling=None))
        assert shown["light"] != "recording"

    called(node, tmp_path, early, scenario, GERMANY)
