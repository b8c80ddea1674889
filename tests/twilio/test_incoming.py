"""Calls from outside over Twilio: who hears whom when, and what is recorded of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tests.server import rig
from tests.server.deskrig import has, until
from tests.server.receptionrig import is_quiet, open_phone, rings
from tests.server.rig import AT
from tests.sip.test_calls import share_of, sound_of, speaking
from tests.twilio.lines import OURS, Lines, in_memory, on_loopback
from tests.twilio.people import (
    AGENT_HZ,
    CONTACT_HZ,
    HANGS_UP,
    NEW_YORK,
    OSLO,
    TALKS,
    Office,
    office,
    pause,
    person,
    voiced,
)
from tests.twilio.test_calls import PROMPT_HZ, captured_ms, later, rising

from askfirst.audio.mixing import in_frames, to_pcm
from askfirst.audio.tone import tone
from askfirst.clock import run, run_virtual
from askfirst.server import ownnumbers
from askfirst.server.accounts import User
from askfirst.server.database import transaction
from askfirst.server.node import Node
from askfirst.server.ownnumbers import OwnNumber
from askfirst.server.reception import Reception
from askfirst.server.request import Prompt
from askfirst.telephony.memoryleg import MemoryLeg

Join = Callable[..., AbstractAsyncContextManager[Lines]]


class Front(Office):
    """An office at which calls come in."""

    reception: Reception[Any, Any]


@asynccontextmanager
async def front(
    node: Node, user: User, join: Join = in_memory, **line: Any
) -> AsyncIterator[Front]:
    """An office with a user's phone open."""
    async with office(node, join=join, **line) as here:
        found = Front(here.desk, here.lines)
        found.reception = Reception(here.desk)
        here.lines.provider.on_call = found.reception.arrive
        try:
            async with open_phone(found.reception, user):
                yield found
        finally:
            await found.reception.close()


def test_each_side_of_a_call_from_outside_is_on_its_own_channel_over_real_sockets(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, list[bytes]]:
        async with front(node, kari, on_loopback) as here:
            theirs = here.lines.call_in(person(tmp_path, NEW_YORK), NEW_YORK)
            ringing = await rings(here.reception, kari)
            leg = MemoryLeg()
            async with speaking(leg):
                live = await here.reception.take(kari, ringing, leg)
                await until(live, has(light="recording"))
                await later(1_500)
                theirs.hang_up()
                await until(live, has(settled=True))
            assert theirs.person is not None
            return live.id, theirs.person.heard

    call, at_phone = run(asyncio.wait_for(scenario(), 60))

    # Whoever called is channel 1.
    contact, own = sound_of(node, call)
    assert share_of(own, AGENT_HZ) > 0.9
    assert share_of(own, CONTACT_HZ) < 0.01
    assert share_of(contact, CONTACT_HZ) > 0.9
    assert share_of(contact, AGENT_HZ) < 0.01
    assert share_of(np.frombuffer(b"".join(at_phone[-40:]), np.int16), AGENT_HZ) > 0.8
    assert rig.call_row(node.store, call).direction == "inbound"


def test_while_it_rings_the_caller_hears_that_and_nothing_of_the_caller_is_anywhere(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, list[bytes], int, float]:
        callee = voiced(tmp_path / "callee", NEW_YORK, rising(25_000), TALKS)
        async with front(node, kari) as here:
            theirs = here.lines.call_in(callee, NEW_YORK)
            ringing = await rings(here.reception, kari)
            (line,) = here.lines.provider.link._legs
            await later(6_000)
            assert theirs.person is not None
            heard = list(theirs.person.heard)
            assert line.dropped > 250
            live = await here.reception.take(kari, ringing, MemoryLeg())
            await until(live, has(light="recording"))
            await later(2_000)
            await live.hangup()
            await until(live, has(settled=True))
            return live.id, heard, line.dropped, 6_000.0

    call, heard, _, waited_ms = run_virtual(scenario())
    assert share_of(np.frombuffer(b"".join(heard), np.int16), 425.0) > 0.9
    contact, _ = sound_of(node, call)
    assert captured_ms(contact) >= waited_ms - 50


def test_whoever_calls_from_where_a_yes_is_owed_is_not_kept_before_it(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with front(node, kari) as here:
            here.lines.call_in(person(tmp_path, OSLO), OSLO)
            live = await here.reception.take(kari, await rings(here.reception, kari), MemoryLeg())
            await until(live, has(answered=True))
            live.record()
            await later(2_000)
            assert live.state()["light"] != "recording"
            live.consent("refused")
            await live.hangup()
            await until(live, has(settled=True))
            return str(live.id)

    call = run_virtual(scenario())
    node.jobs.wait()
    assert rig.recording_rows(node.store, call) == []
    assert rig.spool_files(node.store) == []


def test_a_caller_who_gives_up_is_missed_and_one_that_is_declined_is_hung_up_on(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with front(node, kari) as here:
            gives_up = person(tmp_path, NEW_YORK, pause(2_000), HANGS_UP)
            here.lines.call_in(gives_up, NEW_YORK)
            await rings(here.reception, kari)
            await is_quiet(here.reception, kari)
            theirs = here.lines.call_in(person(tmp_path, OSLO), OSLO)
            here.reception.decline(kari.id, await rings(here.reception, kari))
            await theirs.settled()
            return str(theirs.status)

    assert run_virtual(scenario()) == "completed"
    first, second = rig.call_rows(node.store)
    assert {first.answered_at, second.answered_at} == {None}


def test_a_number_that_is_asked_about_twice_rings_once(
    node: Node, kari: User, tmp_path: Path
) -> None:
    fields = {"CallSid": "CA" + "3" * 32, "From": NEW_YORK, "To": OURS, "CallStatus": "ringing"}

    async def scenario() -> tuple[bool, int]:
        async with front(node, kari) as here:
            provider = here.lines.provider
            first, again = provider.incoming(fields), provider.incoming(fields)
            await rings(here.reception, kari)
            count = len(here.reception.rings_at(kari.id))
            provider.status(fields["CallSid"], {"CallStatus": "completed"})
            await is_quiet(here.reception, kari)
            return first == again, count

    assert run_virtual(scenario()) == (True, 1)


def test_a_caller_who_withholds_the_number_has_none_and_is_in_an_unknown_place(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[Any, str]:
        async with front(node, kari) as here:
            here.lines.call_in(person(tmp_path, NEW_YORK), "+266696687")
            live = await here.reception.take(kari, await rings(here.reception, kari), MemoryLeg())
            shown = await until(live, has(answered=True))
            await live.hangup()
            await until(live, has(settled=True))
            return shown["parties"][1]["places"], shown["light"]

    places, light = run_virtual(scenario())
    assert places == ["UNKNOWN"]
    assert light != "recording"


def test_more_calls_than_there_are_lines_are_told_that_it_is_busy(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with front(node, kari, most_calls=1) as here:
            here.lines.call_in(person(tmp_path, NEW_YORK), NEW_YORK)
            await rings(here.reception, kari)
            second = here.lines.call_in(person(tmp_path, OSLO), OSLO)
            await second.settled()
            return str(second.status)

    assert run_virtual(scenario()) == "busy"


def test_where_nobody_is_at_the_phone_it_is_busy_and_nothing_is_left_running(
    node: Node, tmp_path: Path
) -> None:
    async def scenario() -> tuple[str, int]:
        async with office(node) as here:
            theirs = here.lines.call_in(person(tmp_path, NEW_YORK), NEW_YORK)
            await theirs.settled()
            running = {task.get_coro().__name__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
            assert "_sound_ringing" not in running
            return str(theirs.status), here.lines.provider.link.calls

    assert run_virtual(scenario()) == ("busy", 0)


def test_a_message_is_left_after_its_notice(node: Node, kari: User, tmp_path: Path) -> None:
    with transaction(node.store.engine) as connection:
        ownnumbers.keep(connection, OwnNumber(OURS, "Support", takes_messages=True), None, AT)

    async def scenario() -> list[bytes]:
        async with front(node, kari) as here:
            here.desk.own_prompts = lambda *_: Prompt(in_frames(to_pcm(tone((PROMPT_HZ,), 3_000))))
            theirs = here.lines.call_in(person(tmp_path, NEW_YORK), NEW_YORK)
            here.reception.decline(kari.id, await rings(here.reception, kari))
            await later(8_000)
            theirs.hang_up()
            await here.reception.close()
            assert theirs.person is not None
            return list(theirs.person.heard)

    heard = run_virtual(scenario())
    (row,) = rig.call_rows(node.store)
    assert (row.agent, row.answered_at is None) == (None, False)
    contact, _ = sound_of(node, row.id)
    assert share_of(contact, CONTACT_HZ) > 0.9
    (recording,) = rig.recording_rows(node.store, row.id)
    assert recording.first_contact_ms >= 3_000
    assert share_of(np.frombuffer(b"".join(heard), np.int16), PROMPT_HZ) > 0.5
