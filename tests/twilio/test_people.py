"""More than one telephone in a call over Twilio, and calls that are handed on there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.server.deskrig import has, until
from tests.sip.test_calls import share_of, sound_of, speaking
from tests.twilio.people import (
    ADDED_HZ,
    AGENT_HZ,
    CONTACT_HZ,
    HANGS_UP,
    HOUSTON,
    NEW_YORK,
    OSLO,
    Office,
    causes,
    office,
    pause,
    person,
)
from tests.twilio.test_calls import later

from askfirst.clock import run_virtual
from askfirst.server.accounts import User
from askfirst.server.consulting import Consulting
from askfirst.server.livecall import LiveCall
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import Persona


@dataclass
class House:
    """An agent with a sound of their own, on a recorded call to New York."""

    here: Office
    live: LiveCall
    leg: MemoryLeg

    @property
    def consulting(self) -> Consulting:
        assert self.live.consulting is not None
        return self.live.consulting

    async def talk_to(self, number: str) -> None:
        """Call somebody beside the call, and return when they have answered."""
        await self.consulting.begin(number)
        await until(self.live, consultation("talking"))

    async def heard(self, ms: int = 1_000) -> NDArray[np.int16]:
        """What the agent hears from now on."""
        self.leg.heard.clear()
        await later(ms)
        return np.frombuffer(b"".join(self.leg.heard), np.int16)

    def at_phone(self, number: str, frames: int) -> NDArray[np.int16]:
        """The last that somebody heard."""
        them = self.here.theirs(number).person
        assert them is not None
        return np.frombuffer(b"".join(them.heard[-frames:]), np.int16)

    async def end(self) -> str:
        """Hang up; the call's id."""
        await self.live.hangup()
        await until(self.live, has(settled=True))
        return self.live.id


def consultation(stage: str) -> Any:
    return lambda shown: shown["consultation"] and shown["consultation"]["stage"] == stage


@asynccontextmanager
async def house(node: Node, kari: User, *people: Persona) -> AsyncIterator[House]:
    async with office(node, *people) as here:
        leg = MemoryLeg(keeps_all=True)
        async with speaking(leg):
            live = await here.desk.place(kari, NEW_YORK, leg)
            await until(live, has(light="recording"))
            yield House(here, live, leg)


def two(folder: Path, second: str = HOUSTON, *steps: str) -> tuple[Persona, Persona]:
    return person(folder, NEW_YORK), person(folder, second, *steps, hz=ADDED_HZ)


def test_three_people_hear_each_other_and_each_is_recorded_on_their_side(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, list[NDArray[np.int16]]]:
        async with house(node, kari, *two(tmp_path)) as rig:
            await later(1_000)
            await rig.talk_to(HOUSTON)
            await rig.consulting.bring_in()
            await until(rig.live, has(light="recording"))
            heard = await rig.heard(3_000)
            sounds = [heard, rig.at_phone(HOUSTON, 100), rig.at_phone(NEW_YORK, 100)]
            return await rig.end(), sounds

    call, (heard, at_added, at_first) = run_virtual(scenario())
    for sound, loud, silent in (
        (heard, (CONTACT_HZ, ADDED_HZ), AGENT_HZ),
        (at_added, (CONTACT_HZ, AGENT_HZ), ADDED_HZ),
        (at_first, (ADDED_HZ, AGENT_HZ), CONTACT_HZ),
    ):
        assert all(share_of(sound, hertz) > 0.2 for hertz in loud)
        assert share_of(sound, silent) < 0.01
    own, theirs = sound_of(node, call)
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(theirs[len(theirs) // 2 :], ADDED_HZ) > 0.3


def test_beside_the_call_the_two_are_alone_and_nothing_of_it_is_recorded(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, NDArray[np.int16], NDArray[np.int16]]:
        async with house(node, kari, *two(tmp_path)) as rig:
            await later(1_000)
            await rig.talk_to(HOUSTON)
            heard, at_first = await rig.heard(2_000), rig.at_phone(NEW_YORK, 100)
            await rig.consulting.end()
            await until(rig.live, has(light="recording"))
            await later(1_000)
            return await rig.end(), heard, at_first

    call, heard, at_first = run_virtual(scenario())
    assert share_of(heard, ADDED_HZ) > 0.9
    assert share_of(heard, CONTACT_HZ) < 0.01
    assert np.abs(at_first).max() < 50  # whoever waits hears nothing of it
    _, theirs = sound_of(node, call)
    assert share_of(theirs, CONTACT_HZ) > 0.9
    assert share_of(theirs, ADDED_HZ) < 0.001


def test_somebody_in_norway_is_not_recorded_by_being_brought_in(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, dict[str, Any]]:
        async with house(node, kari, *two(tmp_path, OSLO)) as rig:
            await later(1_000)
            await rig.talk_to(OSLO)
            await rig.consulting.bring_in()
            shown = await until(rig.live, has(on_hold=False, because="asking"))
            assert share_of(await rig.heard(2_000), ADDED_HZ) > 0.3
            return await rig.end(), shown

    call, shown = run_virtual(scenario())
    assert shown["light"] == "waiting"
    _, theirs = sound_of(node, call)
    assert share_of(theirs, ADDED_HZ) < 0.001


def test_whoever_is_called_beside_and_does_not_answer_leaves_the_call_as_it_was(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[str]:
        async with house(node, kari, *two(tmp_path, HOUSTON, 'ring="busy"')) as rig:
            await rig.consulting.begin(HOUSTON)
            shown = await until(rig.live, consultation("over"))
            await rig.consulting.end()
            await until(rig.live, has(light="recording"))
            await rig.end()
            return [shown["consultation"]["cause"]]

    assert run_virtual(scenario()) == ["busy"]


def test_a_call_is_handed_on_to_a_number_and_twilio_records_nothing_of_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, str, list[str]]:
        async with house(node, kari, *two(tmp_path, HOUSTON, pause(2_000), HANGS_UP)) as rig:
            await rig.consulting.transfer(HOUSTON)
            await until(rig.live, has(settled=True))
            first = rig.here.theirs(NEW_YORK)
            await first.settled()
            second = rig.here.theirs(HOUSTON)
            assert (second.parent, second.sender) == (first, "+17135550100")
            return rig.live.id, second.status, first.faults

    call, status, faults = run_virtual(scenario())
    assert causes(node, call) == ["transferred"]
    assert (status, faults) == ("completed", [])


def test_a_call_is_handed_on_to_whoever_was_called_beside(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, list[str], list[str]]:
        async with house(node, kari, *two(tmp_path)) as rig:
            await rig.talk_to(HOUSTON)
            await rig.consulting.transfer()
            await until(rig.live, has(settled=True))
            both = [rig.here.theirs(NEW_YORK), rig.here.theirs(HOUSTON)]
            await later(1_000)
            before = [each.status for each in both]
            both[1].hang_up()
            for each in both:
                await each.settled()
            return rig.live.id, before, [each.status for each in both]

    call, before, after = run_virtual(scenario())
    assert causes(node, call) == ["transferred"]
    assert before == ["in-progress", "in-progress"]  # they talk, and we are gone
    assert after == ["completed", "completed"]


def test_where_twilio_does_not_hand_on_the_call_stays_with_the_agent(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, str]:
        async with house(node, kari, *two(tmp_path)) as rig:
            rig.here.lines.emulator.calls.trouble.append("500")
            await rig.consulting.transfer(HOUSTON)
            shown = await until(rig.live, consultation("over"))
            await rig.consulting.end()
            await until(rig.live, has(light="recording"))
            return await rig.end(), shown["consultation"]["cause"]

    call, cause = run_virtual(scenario())
    assert (cause, causes(node, call)) == ("provider-error", ["local-hangup"])
