"""A Twilio that refuses, breaks or does not answer: a plain error, and never an open gate."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.server import rig
from tests.server.deskrig import has, until
from tests.twilio.lines import on_loopback
from tests.twilio.people import NEW_YORK, causes, office, person

from askfirst.clock import LoopClock, run, run_virtual
from askfirst.errors import AskfirstError, Misconfigured, Refused, Unavailable
from askfirst.server.accounts import User
from askfirst.server.node import Node
from askfirst.telephony.memoryleg import MemoryLeg


@pytest.mark.parametrize(
    ("trouble", "error"),
    [("429", Unavailable), ("500", Unavailable), ("401", Misconfigured), ("country", Refused)],
)
def test_a_call_that_twilio_refuses_is_refused_in_plain_words_and_leaves_nothing_behind(
    node: Node, kari: User, tmp_path: Path, trouble: str, error: type[AskfirstError]
) -> None:
    async def scenario() -> tuple[str, int]:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            here.lines.emulator.calls.trouble.append(trouble)
            with pytest.raises(error) as refused:
                await here.desk.place(kari, NEW_YORK, MemoryLeg())
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())  # the line is free
            await until(live, has(answered=True))
            return str(refused.value), here.lines.provider.link.calls

    said, calls = run_virtual(scenario())
    assert "Twilio" in said
    assert NEW_YORK not in said
    assert calls == 1


def test_a_twilio_that_does_not_answer_is_told_and_its_late_call_is_let_in_nowhere(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> tuple[int, int, list[str]]:
        async with office(node, person(tmp_path, NEW_YORK), join=on_loopback) as here:
            emulator, link = here.lines.emulator, here.lines.provider.link
            emulator.calls.trouble.append("hang")
            with pytest.raises(Unavailable):
                await here.desk.place(kari, NEW_YORK, MemoryLeg())
            emulator.calls.end()  # the request that hung is done after all: it rings there
            while link.refused == 0:
                await LoopClock().sleep_until(LoopClock().now_ms() + 20)
            theirs = here.theirs(NEW_YORK)
            await theirs.settled()
            return link.calls, link.refused, [theirs.status]

    assert run(asyncio.wait_for(scenario(), 30)) == (0, 1, ["completed"])
    assert rig.recording_rows(node.store) == []


@pytest.mark.parametrize("trouble", [["500"], ["429", "500"], ["500"] * 4, ["country"]])
def test_a_twilio_that_does_not_hang_up_cannot_keep_the_call(
    node: Node, kari: User, tmp_path: Path, trouble: list[str]
) -> None:
    async def scenario() -> tuple[str, str]:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            here.lines.emulator.calls.trouble.extend(trouble)
            await live.hangup()
            last = await until(live, has(settled=True))
            assert last["light"] == "off"
            theirs = here.theirs(NEW_YORK)
            await theirs.settled()  # its stream is closed, after which nothing was to be done
            return live.id, theirs.status

    call, status = run_virtual(scenario())
    assert (causes(node, call), status) == (["local-hangup"], "completed")


def test_reports_in_any_order_any_number_of_times_change_nothing(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            provider = here.lines.provider
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(light="recording"))
            sid = here.theirs(NEW_YORK).sid
            for status in ("ringing", "queued", "in-progress", "initiated", "", "nonsense") * 2:
                provider.status(sid, {"CallStatus": status})
            provider.status("CA" + "f" * 32, {"CallStatus": "completed"})
            provider.status("", {})
            assert live.state()["light"] == "recording"
            provider.status(sid, {"CallStatus": "completed"})
            await until(live, has(settled=True))
            for status in ("completed", "busy", "in-progress"):
                provider.status(sid, {"CallStatus": status})
            return live.id

    assert causes(node, run_virtual(scenario())) == ["remote-hangup"]


def test_a_report_alone_never_answers_a_call(node: Node, kari: User, tmp_path: Path) -> None:
    async def scenario() -> bool:
        async with office(node, person(tmp_path, NEW_YORK, 'ring="no-answer"')) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            here.lines.provider.status(here.theirs(NEW_YORK).sid, {"CallStatus": "in-progress"})
            last = await until(live, has(settled=True))
            return bool(last["answered"])

    assert run_virtual(scenario()) is False
    assert rig.recording_rows(node.store) == []


def test_the_end_of_the_program_ends_its_calls_at_twilio(
    node: Node, kari: User, tmp_path: Path
) -> None:
    async def scenario() -> str:
        async with office(node, person(tmp_path, NEW_YORK)) as here:
            live = await here.desk.place(kari, NEW_YORK, MemoryLeg())
            await until(live, has(answered=True))
            theirs = here.theirs(NEW_YORK)
            await here.desk.close()
            await theirs.settled()
            return theirs.status

    assert run_virtual(scenario()) == "completed"
