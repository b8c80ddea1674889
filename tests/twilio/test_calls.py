"""Calls of a desk over Twilio: what is recorded of whom, when not, and what Twilio is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.rig import AT
from tests.sip.test_calls import BASIS, share_of, sound_of, speaking
from tests.twilio.lines import on_loopback
from tests.twilio.people import (
    AGENT_HZ,
    CONTACT_HZ,
    HANGS_UP,
    NEW_YORK,
    OSLO,
    TALKS,
    WELLINGTON,
    causes,
    office,
    pause,
    person,
    voiced,
)

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import find_dtmf, tone
from askfirst.clock import LoopClock, run, run_virtual
from askfirst.errors import InvalidInput, Refused, Unavailable
from askfirst.server.account import change
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.emptydisk import search
from askfirst.server.node import Node
from askfirst.server.request import Prompt
from askfirst.telephony.memoryleg import MemoryLeg
from askfirst.telephony.persona import packaged_persona, voices

PROMPT_HZ, PROMPT_MS = 620.0, 4_000
SWEEP_HZ = 500, 100
"""Where a rising voice begins, and by how much it rises each second."""


def rising(ms: int) -> NDArray[np.int16]:
    """A voice by whose pitch one hears when it was captured."""
    at = np.arange(16 * ms) / 16_000
    phase = 2 * np.pi * (SWEEP_HZ[0] * at + SWEEP_HZ[1] * at**2 / 2)
    return (3_000 * np.sin(phase)).astype(np.int16)


def captured_ms(samples: NDArray[np.int16]) -> float:
    """When the first of a rising voice was captured, of 100 ms from where it is loud."""
    (loud,) = np.nonzero(np.abs(samples) > 500)
    heard = samples[loud[0] :][:1_600].astype(float) * np.hanning(1_600)
    power = np.abs(np.fft.rfft(heard, 16_000))
    middle_s = (float(np.argmax(power)) - SWEEP_HZ[0]) / SWEEP_HZ[1]
    return middle_s * 1000 - 50


async def later(ms: int) -> None:
    """Let a call go on for so long."""
    clock = LoopClock()
    await clock.sleep_until(clock.now_ms() + ms)


def test_each_side_is_on_its_own_channel_and_hears_the_other_over_real_sockets(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, list[bytes], list[bytes]]:
        async with office(node, person(tmp_path, NEW_YORK), join=on_loopback) as here:
            leg = MemoryLeg(keeps_all=True)
            async with speaking(leg):
                live = await here.desk.place(kari, NEW_YORK, leg)
                await until(live, has(light="recording"))
                await later(2_000)
                heard = list(leg.heard)[-60:]
                theirs = here.theirs(NEW_YORK)
                assert theirs.person is not None
                at_phone = theirs.person.heard[-60:]
                theirs.hang_up()
                await until(live, has(settled=True))
            return live.id, heard, at_phone

    call, heard, at_phone = run(asyncio.wait_for(scenario(), 60))

    own, contact = sound_of(node, call)
    assert len(own) > 16_000
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.01
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.01
    assert share_of(np.frombuffer(b"".join(heard), np.int16), CONTACT_HZ) > 0.9
    assert share_of(np.frombuffer(b"".join(at_phone), np.int16), AGENT_HZ) > 0.8
    row = rig.call_row(node.store, call)
    assert (row.provider, row.outcome) == ("twilio", "recorded")
    assert causes(node, call) == ["remote-hangup"]


def test_nothing_that_the_other_side_said_before_the_permit_is_in_the_recording(
    node: Node, kari: User, tmp_path: Path
) -> None:
    with transaction(node.store.engine) as connection:
        change(connection, BASIS, None, AT)
    prompt = Prompt(in_frames(to_pcm(tone((PROMPT_HZ,), PROMPT_MS))))

    async def scenario() -> tuple[str, int, list[bytes]]:
        callee = voiced(tmp_path / "callee", WELLINGTON, rising(25_000), TALKS)
        async with office(node, callee) as here:
            here.desk.own_prompts = lambda *_: prompt
            live = await here.desk.place(kari, WELLINGTON, MemoryLeg())
            began = await until(live, has(telling="announcement"))
            opened = await until(live, has(light="recording"))
            assert opened["at_ms"] - began["at_ms"] >= PROMPT_MS - 40
            await later(3_000)
            theirs = here.theirs(WELLINGTON)
            assert theirs.person is not None
            await live.hangup()
            await until(live, has(settled=True))
            return live.id, opened["at_ms"], theirs.person.heard

    call, opened_ms, at_phone = run_virtual(scenario())

    own, contact = sound_of(node, call)
    told = own[: PROMPT_MS * 16]
    assert share_of(told, PROMPT_HZ) > 0.9
    assert np.abs(contact[: len(told) - 1_600]).max() < 50
    first_ms = captured_ms(contact)
    assert opened_ms <= first_ms + 20  # what one tone more or less can tell
    assert first_ms < opened_ms + 600
    assert share_of(np.frombuffer(b"".join(at_phone), np.int16), PROMPT_HZ) > 0.9
    row = rig.call_row(node.store, call)
    assert (row.outcome, row.proof) == ("recorded", 3)


@pytest.mark.parametrize("is_real", [True, False])
def test_before_a_yes_nothing_of_the_other_side_is_anywhere(
    node: Node, kari: User, tmp_path: Path, is_real: bool
) -> None:
    async def scenario() -> str:
        how = {"join": on_loopback} if is_real else {}
        async with office(node, person(tmp_path, OSLO), **how) as here:
            leg = MemoryLeg()
            async with speaking(leg):
                live = await here.desk.place(kari, OSLO, leg)
                await until(live, has(answered=True))
                live.record()
                await later(1_500)
                assert live.state()["light"] != "recording"
                live.consent("refused")
                await later(500)
                await live.hangup()
                await until(live, has(settled=True))
            return live.id

    call = run(asyncio.wait_for(scenario(), 60)) if is_real else run_virtual(scenario())

    node.jobs.wait()
    assert rig.recording_rows(node.store, call) == []
    assert rig.spool_files(node.store) == []


def test_a_key_of_a_telephone_refuses(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> dict[str, Any]:
        callee = person(tmp_path, OSLO, pause(3_000), 'key="2"', pause(60_000))
        async with office(node, callee) as here:
            live = await here.desk.place(kari, OSLO, MemoryLeg())
            await until(live, has(answered=True))
            live.telling()
            return await until(live, lambda state: any(p["said_no"] for p in state["parties"]))

    assert run_virtual(scenario())["state"] == "blocked"


def test_a_persona_of_the_simulator_acts_on_a_telephone_as_it_does_there(
    node: Node, kari: User
) -> None:
    anna = packaged_persona("presses-one")
    greeting = voices(anna)[1]
    prompt = Prompt(in_frames(to_pcm(tone((PROMPT_HZ,), PROMPT_MS))))

    async def scenario() -> str:
        async with office(node, anna) as here:
            here.desk.own_prompts = lambda *_: prompt
            leg = MemoryLeg()
            live = await here.desk.place(kari, anna.number, leg)
            await until(live, has(answered=True))
            await later(3_000)
            await leg.speak(LoopClock(), greeting)
            await later(2_000)
            live.announce()
            await until(live, has(light="recording"))
            await later(2_000)
            await live.hangup()
            await until(live, has(settled=True))
            return live.id

    call = run_virtual(scenario())
    node.jobs.wait()
    row = rig.call_row(node.store, call)
    assert (row.outcome, row.proof) == ("recorded", 4)


def test_after_a_yes_what_was_said_before_it_is_nowhere_on_the_disk(
    node: Node, kari: User, tmp_path: Path
) -> None:
    prompt = Prompt(in_frames(to_pcm(tone((PROMPT_HZ,), PROMPT_MS))))
    before, after = 'tone="marker"\nms=4000', 'tone="control"\nms=6000'

    async def scenario() -> None:
        callee = person(tmp_path, OSLO, before, 'wait="announcement"', 'key="1"', after)
        async with office(node, callee) as here:
            here.desk.own_prompts = lambda *_: prompt
            live = await here.desk.place(kari, OSLO, MemoryLeg())
            await until(live, has(answered=True))
            await later(4_500)
            live.announce()
            await until(live, has(light="recording"))
            await later(4_000)
            await live.hangup()
            await until(live, has(settled=True))

    run_virtual(scenario())

    node.jobs.wait()
    found = search(node.store, [node.store.folder], [])
    assert found.where == ()
    assert found.control_found, "what was said after it is"


def test_keys_that_we_press_are_heard_there_as_tones(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[bytes]:
        callee = person(tmp_path, NEW_YORK, pause(60_000))
        async with office(node, callee) as here:
            call = await here.lines.provider.dial(NEW_YORK, MemoryLeg())
            theirs = here.theirs(NEW_YORK)
            await theirs.answered.wait()
            await later(200)
            await call.send_dtmf("contact", "19#")
            await later(1_500)
            await call.hangup()
            assert theirs.person is not None
            return theirs.person.heard

    heard = np.frombuffer(b"".join(run_virtual(scenario())), np.int16)
    assert "".join(digit for _, digit in find_dtmf(heard, 16_000)) == "19#"


def test_on_hold_nothing_is_captured_and_the_call_goes_on_afterwards(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        callee = voiced(tmp_path / "callee", NEW_YORK, rising(25_000), TALKS)
        async with office(node, callee) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            await later(2_000)
            await live.put_on_hold(True)
            await later(3_000)
            await live.put_on_hold(False)
            await until(live, has(light="recording"))
            await later(2_000)
            await live.hangup()
            await until(live, has(settled=True))
            return live.id

    _, contact = sound_of(node, run_virtual(scenario()))
    # By its pitch: two seconds, three seconds that are not there, and two again.
    assert 3_000 < len(contact) / 16 < 4_600
    assert captured_ms(contact[-12_800:]) - captured_ms(contact) > 5_000


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        (('ring="busy"',), "busy"),
        (('ring="declined"',), "declined"),
        (('ring="no-answer"',), "no-answer"),
    ],
)
def test_a_call_that_nobody_takes_says_why(
    node: Node, kari: User, tmp_path: Path, steps: tuple[str, ...], cause: str
) -> None:
    async def scenario() -> str:
        async with office(node, person(tmp_path, NEW_YORK, *steps), ring=5) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(settled=True))
            return live.id

    assert causes(node, run_virtual(scenario())) == [cause]


def test_a_number_that_nobody_has_is_not_found(node: Node, kari: User) -> None:
    async def scenario() -> str:
        async with office(node) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(settled=True))
            return live.id

    assert causes(node, run_virtual(scenario())) == ["not-found"]


def test_our_hanging_up_ends_the_call_at_twilio(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> tuple[str, str]:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(answered=True))
            theirs = here.theirs(NEW_YORK)
            await live.hangup()
            await until(live, has(settled=True))
            await theirs.settled()
            return live.id, theirs.status

    call, status = run_virtual(scenario())
    assert (causes(node, call), status) == (["local-hangup"], "completed")


def test_a_call_that_is_hung_up_while_it_rings_is_taken_back_at_twilio(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        callee = person(tmp_path, NEW_YORK, 'ring="no-answer"')
        async with office(node, callee) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await live.hangup()
            await until(live, has(settled=True))
            theirs = here.theirs(NEW_YORK)
            await theirs.settled()
            return theirs.status

    assert run_virtual(scenario()) == "canceled"


def test_the_other_side_hanging_up_is_the_cause(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> str:
        callee = person(tmp_path, NEW_YORK, pause(2_000), HANGS_UP)
        async with office(node, callee) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(settled=True))
            return live.id

    assert causes(node, run_virtual(scenario())) == ["remote-hangup"]


def test_all_lines_busy_is_said_as_it_is(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with office(node, person(tmp_path, NEW_YORK), most_calls=1) as here:
            await here.lines.provider.dial(NEW_YORK, MemoryLeg())
            with pytest.raises(Refused, match="all 1 lines are busy"):
                await here.desk.place(kari, NEW_YORK, MemoryLeg())

    run_virtual(scenario())


def test_numbers_that_are_not_called_are_refused_before_twilio_hears_of_them(
    node: Node, kari: User
) -> None:
    async def scenario() -> int:
        async with office(node) as here:
            for number in ("112", "911", "hello", "", "+4782012345"):
                with pytest.raises(InvalidInput):
                    await here.desk.place(kari, number, MemoryLeg())
            with pytest.raises(Unavailable, match="sip"):
                await here.desk.place(kari, NEW_YORK, MemoryLeg(), provider="sip")
            with pytest.raises(InvalidInput):
                await here.lines.provider.dial("112", MemoryLeg())
            return len(here.lines.emulator.asked.all)

    assert run_virtual(scenario()) == 0


def test_twilio_is_asked_to_call_connect_and_hang_up_and_for_nothing_else(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> list[Any]:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            await live.hangup()
            await until(live, has(settled=True))
            return here.lines.emulator.asked.all

    asked = run_virtual(scenario())
    forms = [dict(each.form) for each in asked if each.method == "POST"]
    assert len(forms) == 2
    placed, ended = forms
    assert set(placed) == {
        "To", "From", "Twiml", "StatusCallback", "StatusCallbackEvent", "Timeout", "TimeLimit",
    }  # fmt: skip
    assert "<Connect><Stream url=" in placed["Twiml"]
    assert ended == {"Status": "completed"}
