"""People who are called beside a live call: nothing of them is kept, and the gate comes first."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import NEW_YORK, Caller, House, played
from tests.server.rig import AT

from askfirst.errors import AskfirstError, InvalidInput, Refused
from askfirst.gate import Because
from askfirst.ports import EndCause
from askfirst.server.account import change
from askfirst.server.accountkeys import REVIEW
from askfirst.server.accounts import User
from askfirst.server.consulting import Consulting
from askfirst.server.contactcard import Draft, Number
from askfirst.server.contacts import add, never_record
from askfirst.server.database import transaction
from askfirst.server.livecall import ON_HOLD, LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg

TEXAS = "+15125550188"
OSLO = "+4722222222"

Scenario = Callable[[House, LiveCall, Caller, Consulting], Awaitable[Any]]


def on_a_call(node: Node, kari: User, scenario: Scenario) -> Any:
    """A scenario in a call from New York that is being recorded, as the law there has it."""

    async def play(house: House) -> Any:
        line = house.call(NEW_YORK)
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            await until(live, has(light="recording"))
            assert live.consulting is not None
            found = await scenario(house, live, line, live.consulting)
            line.end()
            await until(live, has(settled=True))
            return found

    return played(node, play)


async def talk_to(live: LiveCall, line: Caller, number: str, name: str = "") -> None:
    """Somebody who was called beside the call has answered."""
    assert live.consulting is not None
    await live.consulting.begin(number, name)
    line.answer_beside()


def test_while_somebody_is_called_beside_it_nothing_of_the_call_is_kept(
    node: Node, kari: User
) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> None:
        await consulting.begin(TEXAS)
        shown = await until(live, has(light="off"))
        assert has(because="paused", on_hold=True, consults=True)(shown)
        assert shown["consultation"] == {
            "number": TEXAS, "name": "", "stage": "calling", "cause": None,
        }  # fmt: skip
        line.answer_beside()
        shown = live.state()
        assert shown["light"] == "off"
        assert len(shown["parties"]) == 2  # type: ignore[arg-type]

        await consulting.end()
        shown = await until(live, has(light="recording"))
        assert has(on_hold=False, consultation=None)(shown)

    on_a_call(node, kari, scenario)


def test_nobody_is_taken_back_while_the_agent_talks_beside_the_call(node: Node, kari: User) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> None:
        await talk_to(live, line, TEXAS)
        with pytest.raises(Refused, match="beside the call"):
            await live.put_on_hold(False)
        assert has(light="off", on_hold=True)(live.state())

        line.fail_beside(EndCause.BUSY)
        await live.put_on_hold(False)  # there is nobody there any more
        await until(live, has(light="recording", consultation=None))

    on_a_call(node, kari, scenario)


def test_the_gate_is_closed_before_anybody_hears_who_is_brought_in(node: Node, kari: User) -> None:
    async def scenario(
        house: House, live: LiveCall, line: Caller, consulting: Consulting
    ) -> dict[str, Any]:
        line.on_connect = lambda: (live.call.facts.because, len(live.call.facts.parties))
        await talk_to(live, line, OSLO)
        party = await consulting.bring_in()
        shown = await until(live, has(on_hold=False, because="asking"))
        assert party == 2
        assert line.at_connection == (Because.NOT_DECIDED, 3)
        return shown

    shown = on_a_call(node, kari, scenario)
    joined = shown["parties"][2]
    assert (joined["places"], joined["name"]) == (["NO"], OSLO)
    assert shown["light"] == "waiting"
    assert 2 in shown["owed"]


def test_whoever_is_brought_in_where_nothing_is_owed_is_recorded_on_a_leg_of_their_own(
    node: Node, kari: User
) -> None:
    async def scenario(
        house: House, live: LiveCall, line: Caller, consulting: Consulting
    ) -> frozenset[str]:
        await talk_to(live, line, TEXAS, "Ola")
        await consulting.bring_in()
        shown = await until(live, has(light="recording"))
        assert shown["parties"][2]["name"] == "Ola"
        return frozenset(each.leg for each in live.call.facts.parties)

    assert on_a_call(node, kari, scenario) == {"agent", "contact", "contact-2"}


def test_whoever_was_brought_in_is_hung_up_on_by_the_agent(node: Node, kari: User) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> None:
        await talk_to(live, line, TEXAS)
        party = await consulting.bring_in()
        await until(live, has(light="recording"))
        live.leave(party)
        shown = await until(live, lambda found: not found["parties"][2]["present"])
        assert shown["light"] == "recording"
        with pytest.raises(InvalidInput):
            live.leave(party)

    on_a_call(node, kari, scenario)


def test_somebody_who_never_wants_to_be_recorded_closes_the_gate_by_being_brought_in(
    node: Node, kari: User
) -> None:
    with transaction(node.store.engine) as connection:
        made = add(connection, Draft(name="Never", numbers=(Number(TEXAS),)), AT)
        never_record(connection, made, kari.id, AT)

    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> str:
        await talk_to(live, line, TEXAS)
        await consulting.bring_in()
        shown = await until(live, lambda found: found["because"] not in ("not-decided", "paused"))
        return str(shown["light"])

    assert on_a_call(node, kari, scenario) == "off"


def test_a_call_is_handed_on_and_ends_here_with_its_recording_kept(node: Node, kari: User) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> str:
        await consulting.transfer(TEXAS, "Ola")
        shown = live.state()
        assert has(light="off", on_hold=True)(shown)
        assert shown["consultation"] == {
            "number": TEXAS, "name": "Ola", "stage": "transferring", "cause": None,
        }  # fmt: skip
        with pytest.raises(Refused):
            await consulting.end()
        line.end(EndCause.TRANSFERRED)
        shown = await until(live, has(settled=True))
        assert shown["ended_by"] == "transferred"
        return live.id

    call = on_a_call(node, kari, scenario)
    assert rig.call_row(node.store, call).ended_at is not None
    ended = [entry for _, entry in node.store.ledger.entries(call) if entry["kind"] == "call.ended"]
    assert '"transferred"' in json.dumps(ended)


def test_a_transfer_that_failed_leaves_everybody_waiting_until_they_are_taken_back(
    node: Node, kari: User
) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> None:
        await consulting.transfer(TEXAS)
        line.fail_beside(EndCause.BUSY)
        shown = live.state()
        assert shown["consultation"] == {
            "number": TEXAS, "name": "", "stage": "over", "cause": "busy",
        }  # fmt: skip
        assert shown["on_hold"]
        await consulting.end()
        await until(live, has(light="recording", on_hold=False))

    on_a_call(node, kari, scenario)


def test_where_no_line_is_free_nobody_is_left_waiting(node: Node, kari: User) -> None:
    async def scenario(house: House, live: LiveCall, line: Caller, consulting: Consulting) -> None:
        line.is_full = True
        with pytest.raises(Refused, match="lines are busy"):
            await consulting.begin(TEXAS)
        assert ON_HOLD not in live.call.facts.holds

        await live.put_on_hold(True)
        with pytest.raises(Refused):
            await consulting.begin(TEXAS)
        assert ON_HOLD in live.call.facts.holds  # as they did before

    on_a_call(node, kari, scenario)


def test_nobody_is_called_beside_a_call_who_could_not_be_called_by_itself(
    node: Node, kari: User
) -> None:
    async def scenario(
        house: House, live: LiveCall, line: Caller, consulting: Consulting
    ) -> list[str]:
        said = []
        for number in ("112", "nobody", "+4782012345"):
            try:
                await house.desk.reached(kari, number)
            except AskfirstError as error:
                said.append(type(error).__name__)
        assert (await house.desk.reached(kari, OSLO)).number == OSLO
        with transaction(node.store.engine) as connection:
            change(connection, {"first_country": REVIEW}, None, AT)
        with pytest.raises(Refused, match="nobody has read the rules"):
            await house.desk.reached(kari, OSLO)
        return said

    assert on_a_call(node, kari, scenario) == ["InvalidInput"] * 3
