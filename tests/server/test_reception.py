"""Calls from outside: at whom they ring, who gets them, and what of them is written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.server import rig
from tests.server.deskrig import SETTINGS, agent, has, until
from tests.server.rig import AT

from askfirst.clock import LoopClock, run_virtual
from askfirst.errors import NotFound, Refused
from askfirst.model import FRAME_BYTES, Frame
from askfirst.ports import (
    AgentLeg,
    CallEvent,
    CallEventKind,
    EndCause,
    TelephonyCapabilities,
)
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.contactcard import Draft, Number
from askfirst.server.contacts import add
from askfirst.server.database import transaction
from askfirst.server.desk import Desk
from askfirst.server.node import Node
from askfirst.server.reception import RING_MS, Reception
from askfirst.speech.scripted import Scripted
from askfirst.telephony.conversation import Sentence
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.progress import Log

NEW_YORK = "+12125550143"
"""With an agent in Texas, nobody has to be told or asked."""


class Caller:
    """A call from outside, acted out."""

    agent_leg, contact_leg = "agent", "contact"

    def __init__(self, clock: LoopClock, caller: str = NEW_YORK) -> None:
        self.caller = caller
        self.clock = clock
        self.log: Log[CallEvent] = Log()
        self.sound: Log[Frame] = Log()
        self.was_declined = False
        self.is_over = False
        self.log.add(CallEvent(CallEventKind.RINGING, -1, "contact"))

    async def take(self, leg: AgentLeg) -> None:
        if self.is_over:
            raise Refused("the caller has hung up")
        self.log.add(CallEvent(CallEventKind.ANSWERED, 0, "contact"))

    def speak(self, at_ms: int) -> None:
        self.sound.add(Frame("contact", at_ms, bytes([3]) * FRAME_BYTES))

    def decline(self) -> None:
        self.was_declined = True
        self.end(EndCause.DECLINED)

    def end(self, cause: EndCause = EndCause.REMOTE_HANGUP) -> None:
        if not self.is_over:
            self.is_over = True
            self.log.add(CallEvent(CallEventKind.ENDED, 1, "contact", cause=cause))
            self.log.close()
            self.sound.close()

    def events(self) -> AsyncIterator[CallEvent]:
        return self.log.read()

    def frames(self) -> AsyncIterator[Frame]:
        return self.sound.read()

    async def hangup(self) -> None:
        self.end(EndCause.LOCAL_HANGUP)

    async def play(self, leg: str, prompt: Sequence[bytes]) -> bool:
        return False

    async def stop_playing(self) -> None: ...
    async def send_dtmf(self, leg: str, digits: str) -> None: ...
    async def hold(self) -> None: ...
    async def resume(self) -> None: ...
    def mute(self, on: bool) -> None: ...

    def sentences(self) -> tuple[Sentence, ...]:
        return ()

    async def say(self, id: str) -> bool:
        return False


class Exchange:
    """A provider that calls nobody."""

    name = "sip"
    capabilities = TelephonyCapabilities(
        separate_legs=True, records_elsewhere=False, capture_lag_ms=0, dtmf=True, early_media=False
    )

    def __init__(self) -> None:
        self.on_call: Callable[[Any], bool] = lambda _: False

    async def dial(self, number: str, leg: AgentLeg) -> Any:
        raise AssertionError("nobody is called here")

    async def close(self) -> None: ...


class House:
    """A desk with its reception on a virtual clock."""

    def __init__(self, node: Node) -> None:
        self.clock = LoopClock()
        self.desk = Desk(node, self.clock, outside=Exchange())
        self.reception = Reception(self.desk)

    def call(self, caller: str = NEW_YORK) -> Caller:
        line = Caller(self.clock, caller)
        assert self.reception.arrive(line)
        return line

    @asynccontextmanager
    async def open_phone(self, user: User) -> AsyncIterator[None]:
        """A phone of somebody that is open until the end of the block."""
        states = self.reception.following(user.id)
        await anext(states)
        yield
        await states.aclose()

    async def rings(self, user: User) -> str:
        """Wait until something rings at an open phone; gives its id."""
        async with aclosing(self.reception.following(user.id)) as states:
            async for shown in states:
                if shown["ringing"]:
                    return str(shown["ringing"][0]["id"])
        raise AssertionError("nothing rang")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node.open(tmp_path / "data", Scripted())
    with transaction(opened.store.engine) as connection:
        change(connection, SETTINGS, None, AT)
    yield opened
    opened.close()


@pytest.fixture
def kari(node: Node) -> User:
    return agent(node, "kari")


@pytest.fixture
def ola(node: Node) -> User:
    return agent(node, "ola")


def played(node: Node, scenario: Callable[[House], Awaitable[Any]]) -> Any:
    async def play() -> Any:
        house = House(node)
        try:
            return await scenario(house)
        finally:
            await house.reception.close()
            await house.desk.close()

    return run_virtual(play())


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


def test_a_second_call_does_not_ring_at_somebody_who_is_on_one(node: Node, kari: User) -> None:
    async def scenario(house: House) -> tuple[int, str]:
        line = house.call()
        async with house.open_phone(kari):
            live = await house.reception.take(kari, await house.rings(kari), MemoryLeg())
            second = house.call()
            waiting = len(house.reception.rings_at(kari.id))
            with pytest.raises(Refused, match="on a call already"):
                await house.reception.take(kari, next(iter(house.reception._ringing)), MemoryLeg())
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
        async for shown in house.reception.following(kari.id):
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
        return house.reception.arrive(Caller(house.clock))

    assert played(node, scenario) is False
    assert len(rig.call_rows(node.store)) == 1


def test_what_does_not_ring_is_not_found(node: Node, kari: User) -> None:
    async def scenario(house: House) -> None:
        with pytest.raises(NotFound):
            await house.reception.take(kari, "ring_none", MemoryLeg())
        with pytest.raises(NotFound):
            house.reception.decline(kari.id, "ring_none")

    played(node, scenario)
