"""A call that is handed to a colleague by name: whose it is, and what is recorded meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.server import rig
from tests.server.deskrig import agent, agree, has, until
from tests.server.receptionrig import NEW_YORK, Caller, House, is_quiet, played

from askfirst.errors import InvalidInput, NotFound, Refused
from askfirst.server.accounts import User
from askfirst.server.accounttables import audit
from askfirst.server.database import calls, parties
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.server.reception import RING_MS
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.movingleg import MovingLeg


@pytest.fixture
def ola(node: Node) -> User:
    return agent(node, "ola")


async def bring_sound(live: LiveCall) -> MemoryLeg:
    """A browser comes with the sound of a call's agent."""
    leg = MemoryLeg()
    assert isinstance(live.leg, MovingLeg)
    await live.leg.attach(leg)
    return leg


@asynccontextmanager
async def in_call(
    house: House, kari: User, line: Caller | None = None
) -> AsyncIterator[tuple[LiveCall, Caller, MemoryLeg]]:
    """Kari has a call from outside with her browser; it is hung up at the end."""
    line = line or house.call()
    async with house.open_phone(kari):
        ringing = await house.rings(kari)
        live = await house.reception.take(kari, ringing, MovingLeg(), has_browser=True)
    leg = await bring_sound(live)
    yield live, line, leg
    line.end()
    await until(live, has(settled=True))


async def take(house: House, user: User) -> LiveCall:
    ringing = await house.rings(user)
    return await house.reception.take(user, ringing, MovingLeg(), has_browser=True)


async def handed_over(house: House, kari: User, to: User) -> dict[str, Any]:
    """A call of Kari's that is recorded, once somebody has it with a browser of their own."""
    async with in_call(house, kari) as (live, _, _):
        await until(live, has(light="recording"))
        async with house.open_phone(to):
            house.desk.offer(live, to, kari.name)
            await take(house, to)
        await bring_sound(live)
        return await until(live, has(connected=True, holds=[]))


def handed(node: Node, call: str) -> list[Any]:
    with node.store.engine.connect() as connection:
        query = sa.select(audit).where(audit.c.action == "call.handed", audit.c.object == call)
        return list(connection.execute(query))


def test_a_call_that_a_colleague_takes_is_theirs_and_is_recorded_again_with_them(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> str:
        async with in_call(house, kari) as (live, _, before):
            await until(live, has(light="recording"))
            async with house.open_phone(ola):
                house.desk.offer(live, ola, kari.name)
                (shown,) = house.reception.shown_to(ola.id)["ringing"]
                assert (shown["by"], shown["number"]) == ("kari", NEW_YORK)
                assert live.state()["offer"] == {
                    "user": ola.id, "name": "ola", "stage": "ringing"
                }  # fmt: skip
                assert live.state()["light"] == "recording"  # nothing has changed for anybody
                assert await take(house, ola) is live
            assert not before.is_connected
            assert house.desk.of(kari.id) is None
            assert house.desk.of(ola.id) is live
            assert live.state()["light"] != "recording"
            await bring_sound(live)
            state = await until(live, has(light="recording"))
            assert state["agent"] == ola.id
            assert live.offer is not None
            assert live.offer.state()["stage"] == "taken"
            people = [
                (each["role"], each["present"], each["has_call"]) for each in state["parties"]
            ]
            assert people == [
                ("agent", False, False), ("contact", True, False), ("agent", True, True)
            ]  # fmt: skip
        return live.id

    call = played(node, scenario)

    assert rig.call_row(node.store, call).agent == ola.id
    assert len(rig.rows(node.store, parties.select())) == 3
    (line,) = handed(node, call)
    assert (line.actor, line.detail) == (kari.id, {"to": ola.id})


def test_nothing_of_the_contact_is_kept_between_two_agents(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> tuple[int, int, int]:
        async with in_call(house, kari) as (live, line, _):
            await until(live, has(light="recording"))
            async with house.open_phone(ola):
                house.desk.offer(live, ola, kari.name)
                await line.speak_for(1_000)
                kept = live.call._recorder
                assert kept is not None
                before = kept.counts.kept_contact
                await take(house, ola)
            await line.speak_for(1_000)
            between = kept.counts.kept_contact
            await bring_sound(live)
            await until(live, has(light="recording"))
            await line.speak_for(1_000)
            return before, between - before, kept.counts.kept_contact - between

    before, between, after = played(node, scenario)
    assert before > 40
    assert between == 0
    assert after > 40


def test_the_law_of_the_colleagues_place_is_asked(node: Node, kari: User, ola: User) -> None:
    ola = replace(ola, place="US-CA")
    agree(node, ola)
    state = played(node, lambda house: handed_over(house, kari, ola))
    assert state["decision"]["mode"] == "ask"
    assert state["light"] == "waiting"


def test_a_colleague_who_has_not_read_the_notice_is_not_recorded(node: Node, kari: User) -> None:
    new = agent(node, "new", notice=None)
    state = played(node, lambda house: handed_over(house, kari, new))
    assert (state["because"], state["light"]) == ("not-acknowledged", "off")


@pytest.mark.parametrize("how", ["declined", "nobody there", "taken back"])
def test_a_call_that_is_not_taken_goes_on_with_its_agent(
    node: Node, kari: User, ola: User, how: str
) -> None:
    async def scenario(house: House) -> str:
        async with in_call(house, kari) as (live, _, leg):
            await until(live, has(light="recording"))
            async with house.open_phone(ola):
                house.desk.offer(live, ola, kari.name)
                ringing = await house.rings(ola)
                if how == "declined":
                    house.reception.decline(ola.id, ringing)
                elif how == "taken back":
                    assert live.offer is not None
                    live.offer.decline()
                else:
                    await house.clock.sleep_until(house.clock.now_ms() + RING_MS)
                await is_quiet(house.reception, ola)
                state = live.state()
                assert live.offer is not None
                assert live.offer.is_over
                assert state["offer"] == live.offer.state()
                with pytest.raises((NotFound, Refused)):
                    await house.reception.take(ola, ringing, MovingLeg(), has_browser=True)
            assert (state["agent"], state["light"]) == (kari.id, "recording")
            assert leg.is_connected
        return live.id

    call = played(node, scenario)
    assert rig.call_row(node.store, call).agent == kari.id
    assert handed(node, call) == []


def test_a_call_that_ends_while_it_is_offered_is_nobodys_missed_call(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> None:
        async with house.open_phone(ola):
            async with in_call(house, kari) as (live, _, _):
                await until(live, has(answered=True))
                house.desk.offer(live, ola, kari.name)
                await house.rings(ola)
            await is_quiet(house.reception, ola)

    played(node, scenario)
    (row,) = rig.rows(node.store, calls.select())
    assert row.agent == kari.id


@pytest.mark.parametrize("how", ["closed", "away", "in a call"])
def test_nobody_is_offered_a_call_who_could_not_take_it(
    node: Node, kari: User, ola: User, how: str
) -> None:
    async def scenario(house: House) -> None:
        async with in_call(house, kari) as (live, _, _):
            await until(live, has(answered=True))
            async with house.open_phone(ola):
                if how == "away":
                    house.reception.be_away(ola.id, True)
                elif how == "in a call":
                    house.call("+12125550144")
                    await house.reception.take(ola, await house.rings(ola), MemoryLeg())
                if how != "closed":
                    refused(house, live)
            refused(house, live)
            assert live.state()["offer"] is None

    def refused(house: House, live: LiveCall) -> None:
        with pytest.raises(Refused, match="cannot take calls now"):
            house.desk.offer(live, ola, kari.name)

    played(node, scenario)


def test_only_one_colleague_is_offered_a_call_at_a_time(node: Node, kari: User, ola: User) -> None:
    eva = agent(node, "eva")

    async def scenario(house: House) -> None:
        async with (
            in_call(house, kari) as (live, _, _),
            house.open_phone(ola),
            house.open_phone(eva),
        ):
            await until(live, has(answered=True))
            house.desk.offer(live, ola, kari.name)
            with pytest.raises(Refused, match="take that back first"):
                house.desk.offer(live, eva, kari.name)
            assert live.offer is not None
            live.offer.decline()
            house.desk.offer(live, eva, kari.name)
            await house.rings(eva)
            await is_quiet(house.reception, ola)

    played(node, scenario)


def test_a_call_whose_agent_has_no_browser_is_not_offered(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> None:
        line = house.call()
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
        await until(live, has(answered=True))
        async with house.open_phone(ola):
            with pytest.raises(Refused, match="by a browser"):
                house.desk.offer(live, ola, kari.name)
        line.end()

    played(node, scenario)


def test_who_brings_no_browser_does_not_get_a_call(node: Node, kari: User, ola: User) -> None:
    async def scenario(house: House) -> None:
        async with in_call(house, kari) as (live, _, leg), house.open_phone(ola):
            await until(live, has(answered=True))
            house.desk.offer(live, ola, kari.name)
            ringing = await house.rings(ola)
            with pytest.raises(InvalidInput, match="browser"):
                await house.reception.take(ola, ringing, MemoryLeg())
            assert live.user_id == kari.id
            assert leg.is_connected
            assert await take(house, ola) is live  # it rings on

    played(node, scenario)


def test_a_call_with_somebody_beside_it_is_not_given_away(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> None:
        async with in_call(house, kari) as (live, line, leg), house.open_phone(ola):
            await until(live, has(answered=True))
            house.desk.offer(live, ola, kari.name)
            assert live.consulting is not None
            await live.consulting.begin("+12125550199")
            line.answer_beside()
            with pytest.raises(Refused, match="beside the call"):
                await take(house, ola)
            assert live.user_id == kari.id
            assert leg.is_connected

    played(node, scenario)


def test_a_call_comes_back_to_who_had_it_as_one_more_person(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> dict[str, Any]:
        async with in_call(house, kari) as (live, _, _):
            await until(live, has(answered=True))
            for user, by in ((ola, kari), (kari, ola)):
                async with house.open_phone(user):
                    house.desk.offer(live, user, by.name)
                    await take(house, user)
                await bring_sound(live)
            return await until(live, has(light="recording"))

    state = played(node, scenario)
    assert state["agent"] == kari.id
    assert [each["present"] for each in state["parties"]] == [False, True, False, True]


def test_a_colleague_who_sat_beside_the_agent_is_no_second_person(
    node: Node, kari: User, ola: User
) -> None:
    async def scenario(house: House) -> dict[str, Any]:
        async with in_call(house, kari) as (live, _, _), house.open_phone(ola):
            await until(live, has(answered=True))
            await house.desk.bring(live, ola)
            house.desk.offer(live, ola, kari.name)
            await take(house, ola)
            with pytest.raises(InvalidInput):
                live.leave(2)  # whose call it is
            return live.state()

    state = played(node, scenario)
    assert [each["present"] for each in state["parties"]] == [False, True, True]


def test_it_is_too_late_to_keep_a_call_that_is_being_taken(
    node: Node, kari: User, ola: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(house: House) -> dict[str, Any]:
        async with in_call(house, kari) as (live, _, _), house.open_phone(ola):
            await until(live, has(light="recording"))
            house.desk.offer(live, ola, kari.name)
            lets_go = live.let_go

            async def pressed() -> None:
                assert live.offer is not None
                live.offer.decline()
                await lets_go()
                assert live.state()["light"] != "recording"  # before anybody else has it

            monkeypatch.setattr(live, "let_go", pressed)
            await take(house, ola)
            return live.state()

    state = played(node, scenario)
    assert (state["agent"], state["offer"]["stage"]) == (ola.id, "taken")


def test_of_two_who_want_it_at_once_one_gets_it(node: Node, kari: User, ola: User) -> None:
    async def scenario(house: House) -> list[Any]:
        async with in_call(house, kari) as (live, _, _), house.open_phone(ola):
            await until(live, has(answered=True))
            house.desk.offer(live, ola, kari.name)
            ringing = await house.rings(ola)
            return await asyncio.gather(
                *(
                    house.reception.take(ola, ringing, MovingLeg(), has_browser=True)
                    for _ in range(2)
                ),
                return_exceptions=True,
            )

    found = played(node, scenario)
    assert sorted(type(each).__name__ for each in found) == ["LiveCall", "Refused"]
