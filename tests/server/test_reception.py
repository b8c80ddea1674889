"""Calls from outside: at whom they ring, who gets them, and what of them is written down."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import NEW_YORK, Caller, House, played
from tests.server.rig import AT

from askfirst.errors import NotFound, Refused
from askfirst.server.accounts import User
from askfirst.server.contactcard import Draft, Number
from askfirst.server.contacts import add
from askfirst.server.database import transaction
from askfirst.server.node import Node
from askfirst.server.reception import RING_MS
from askfirst.telephony.memoryleg import MemoryLeg


def test_a_call_that_somebody_takes_is_carried_and_recorded_as_the_law_has_it(
    node: Node, kari: User
) -> None:
    async def scenario(house: House) -> str:
        line = house.call()
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            await until(live, has(light="recording"))
            assert house.reception.shown_to(kari.id)["ringing"] == []
            line.end()
            await until(live, has(settled=True))
        return live.id

    row = rig.call_row(node.store, played(node, scenario))
    assert (row.direction, row.provider, row.agent) == ("inbound", "sip", kari.id)
    assert row.answered_at is not None


def test_nobody_is_recorded_before_a_yes_because_they_called_themselves(
    node: Node, kari: User
) -> None:
    async def scenario(house: House) -> dict[str, object]:
        line = house.call("+4748750101")
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            await until(live, has(answered=True))
            for at in range(50):
                line.speak(at * 20)
            state = live.state()
            line.end()
            await until(live, has(settled=True))
        return state

    state = played(node, scenario)
    assert state["light"] != "recording"
    assert state["decision"]["mode"] == "ask"
    assert not rig.recording_rows(node.store, state["call"])


def test_a_withheld_number_is_in_an_unknown_place_and_asked_first(node: Node, kari: User) -> None:
    async def scenario(house: House) -> dict[str, Any]:
        line = house.call("")
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            state = await until(live, has(answered=True))
            line.end()
            await until(live, has(settled=True))
        return state

    state = played(node, scenario)
    assert state["decision"]["mode"] == "ask"
    assert state["to"] == ""
    assert state["parties"][1]["places"] == ["UNKNOWN"]


def test_a_call_that_nobody_takes_is_written_down_as_missed(node: Node, kari: User) -> None:
    async def scenario(house: House) -> None:
        line = house.call()
        async with house.open_phone(kari):
            await house.rings(kari)
            line.end()

    played(node, scenario)
    (row,) = rig.call_rows(node.store)
    assert (row.direction, row.agent, row.answered_at) == ("inbound", None, None)
    assert row.ended_at is not None
    assert rig.recording_rows(node.store, row.id) == []


def test_a_call_does_not_ring_for_ever(node: Node, kari: User) -> None:
    async def scenario(house: House) -> bool:
        line = house.call()
        async with house.open_phone(kari):
            await house.rings(kari)
            await house.clock.sleep_until(house.clock.now_ms() + RING_MS + 1)
        return line.was_declined

    assert played(node, scenario)


def test_a_call_rings_longer_at_whoever_needs_more_time(node: Node, kari: User) -> None:
    async def scenario(house: House) -> tuple[bool, bool]:
        line = house.call()
        slow = replace(kari, time_factor=3)
        async with house.open_phone(slow):
            await house.rings(slow)
            began_ms = house.clock.now_ms()
            await house.clock.sleep_until(began_ms + 3 * RING_MS - 100)
            before = line.was_declined
            await house.clock.sleep_until(began_ms + 3 * RING_MS + 1)
        return before, line.was_declined

    assert played(node, scenario) == (False, True)


def test_a_call_does_not_ring_on_for_somebody_who_has_declined(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> bool:
        line = house.call()
        slow = replace(kari, time_factor=10)
        async with house.open_phone(slow), house.open_phone(ola):
            house.reception.decline(slow.id, await house.rings(slow))
            await house.clock.sleep_until(house.clock.now_ms() + RING_MS + 1)
        return line.was_declined

    assert played(node, scenario)


def test_only_one_of_two_gets_a_call(node: Node, kari: User, ola: User) -> None:
    async def scenario(house: House) -> list[object]:
        line = house.call()
        async with house.open_phone(kari), house.open_phone(ola):
            ringing = await house.rings(kari)
            assert ringing == await house.rings(ola)
            both = await asyncio.gather(
                house.reception.take(kari, ringing, MemoryLeg()),
                house.reception.take(ola, ringing, MemoryLeg()),
                return_exceptions=True,
            )
            line.end()
        return list(both)

    first, second = played(node, scenario)
    assert not isinstance(first, BaseException)
    assert isinstance(second, Refused)


def test_whoever_declines_lets_it_ring_at_the_others_and_the_last_one_ends_it(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> tuple[bool, bool]:
        line = house.call()
        async with house.open_phone(kari), house.open_phone(ola):
            ringing = await house.rings(kari)
            house.reception.decline(kari.id, ringing)
            assert house.reception.rings_at(kari.id) == []
            assert await house.rings(ola) == ringing
            before = line.was_declined
            house.reception.decline(ola.id, ringing)
        return before, line.was_declined

    assert played(node, scenario) == (False, True)


def test_it_rings_at_nobody_who_is_away_or_has_no_phone_open(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> list[str]:
        house.call()
        found = [] if house.reception.rings_at(kari.id) else ["no phone is open"]
        async with house.open_phone(kari), house.open_phone(ola):
            ringing = await house.rings(kari)
            house.reception.be_away(kari.id, True)
            found += [] if house.reception.rings_at(kari.id) else ["away"]
            house.reception.be_away(kari.id, False)
            found += ["back"] if await house.rings(kari) == ringing else []
        found += [] if house.reception.rings_at(kari.id) else ["closed"]
        return found

    assert played(node, scenario) == ["no phone is open", "away", "back", "closed"]


def test_a_second_call_does_not_ring_at_somebody_who_is_on_one(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> tuple[int, str]:
        line = house.call()
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            async with house.open_phone(ola):
                second = house.call()
                ringing = await house.rings(ola)
            waiting = len(house.reception.rings_at(kari.id))
            with pytest.raises(Refused, match="on a call already"):
                await house.reception.take(kari, ringing, MemoryLeg())
            line.end()
            await until(live, has(settled=True))
            ringing = await house.rings(kari)
            second.end()
        return waiting, ringing

    waiting, ringing = played(node, scenario)
    assert waiting == 0
    assert ringing


def test_a_caller_who_hangs_up_under_the_button_is_missed_once(node: Node, kari: User) -> None:
    async def scenario(house: House) -> None:
        line = house.call()
        async with house.open_phone(kari):
            ringing = await house.rings(kari)
            line.end()
            with suppress(NotFound, Refused):
                await house.reception.take(kari, ringing, MemoryLeg())

    played(node, scenario)
    assert len(rig.call_rows(node.store)) == 1


def test_a_known_caller_has_a_name(node: Node, kari: User) -> None:
    with transaction(node.store.engine) as connection:
        add(connection, Draft(name="Bo", numbers=(Number(NEW_YORK),)), AT)

    async def scenario(house: House) -> dict[str, Any]:
        line = house.call("+1 212 555 0143")
        async for shown in house.reception.following(kari):
            if shown["ringing"] and shown["ringing"][0]["name"]:
                line.end()
                return dict(shown["ringing"][0])
        raise AssertionError

    found = played(node, scenario)
    assert (found["name"], found["number"]) == ("Bo", NEW_YORK)
    assert found["contact"]


def test_after_the_end_nothing_rings(node: Node) -> None:
    async def scenario(house: House) -> bool:
        line = house.call()
        await house.reception.close()
        assert line.was_declined
        return house.reception.arrive(Caller())

    assert played(node, scenario) is False
    assert len(rig.call_rows(node.store)) == 1


def test_what_does_not_ring_is_not_found(node: Node, kari: User) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(NotFound):
            await house.reception.take(kari, "ring_none", MemoryLeg())
        with pytest.raises(NotFound):
            house.reception.decline(kari.id, "ring_none")

    played(node, scenario)


def test_what_nobody_carries_is_hung_up_and_never_recorded(
    node: Node, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line was answered already when the program failed to carry it."""

    async def scenario(house: House) -> bool:
        line = house.call()

        def fails(*_: object, **__: object) -> None:
            raise Refused("the program is ending")

        monkeypatch.setattr(house.desk, "enter", fails)
        line.speak(20)
        async with house.open_phone(kari):
            with pytest.raises(Refused, match="ending"):
                await house.reception.take(kari, await house.rings(kari), MemoryLeg())
        return line.is_over

    assert played(node, scenario)
    (row,) = rig.call_rows(node.store)
    assert rig.recording_rows(node.store) == []
    assert row.ended_at is not None


def test_a_demo_contacts_number_is_somebody_elses_when_it_calls(node: Node, kari: User) -> None:
    async def scenario(house: House) -> dict[str, Any]:
        persona = house.desk.personas["moves"]
        line = house.call(persona.number)
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            state = await until(live, has(answered=True))
            line.end()
            await until(live, has(settled=True))
        return state

    state = played(node, scenario)
    assert rig.call_row(node.store, state["call"]).persona is None
    assert state["parties"][1]["places"] == ["UNKNOWN"]
